//! The forms of the kernel's text files under /proc and /sys.

/// A line `NAME: 123 kB`, as in `/proc/meminfo` or `/proc/self/status`, in bytes; `name` is without the
/// colon. `None` if there is no such line, or its number is too large.
pub fn kib_field(text: &str, name: &str) -> Option<u64> {
    let kib: u64 = field(text, name)?.strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// What a line `NAME: value` says, without blanks around it; `name` is without the colon.
pub(crate) fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let value = |line: &'a str| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim());
    text.lines().find_map(value)
}

/// The word in brackets of e.g. `always [madvise] never`.
pub fn chosen_word(words: &str) -> Option<&str> {
    let (_, rest) = words.split_once('[')?;
    Some(rest.split_once(']')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sizes_and_choices() {
        let meminfo = "MemTotal:       8120148 kB\nMemFree: 1 kB\nHugePages_Total:  5\n";
        let cases = [
            ("MemTotal", Some(8_315_031_552)),
            ("MemFree", Some(1024)),
            ("Mem", None),
            ("HugePages_Total", None),
            ("Absent", None),
        ];
        for (name, expected) in cases {
            assert_eq!(kib_field(meminfo, name), expected, "{name}");
        }
        let huge = "MemTotal: 99999999999999999999 kB";
        assert_eq!(kib_field(huge, "MemTotal"), None);
        assert_eq!(
            kib_field("MemTotal: 18014398509481984 kB", "MemTotal"),
            None
        );
        assert_eq!(chosen_word("always [madvise] never\n"), Some("madvise"));
        assert_eq!(chosen_word("[always"), None);
        assert_eq!(chosen_word(""), None);
    }
}
