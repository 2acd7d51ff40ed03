//! Command lines as a shell takes them.

/// The words of the command line, without the program's name.
pub(crate) fn words() -> Vec<String> {
    let words = std::env::args_os().skip(1);
    words
        .map(|word| word.to_string_lossy().into_owned())
        .collect()
}

/// An argument as a shell takes it.
pub(crate) fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=+@%".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.into()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_can_be_typed_again() {
        for (argument, expected) in [
            ("a-b/c.gguf", "a-b/c.gguf"),
            ("a b", "'a b'"),
            ("", "''"),
            ("a'b", r"'a'\''b'"),
        ] {
            assert_eq!(quoted(argument), expected);
        }
    }
}
