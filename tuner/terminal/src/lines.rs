//! Text in lines that a terminal has room for.

/// The text in lines of at most so many characters, broken at blanks; a longer word has its own line.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().filter(|line| {
            line.is_empty() || line.chars().count() + 1 + word.chars().count() <= width
        });
        match last {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Lines that a terminal of so many columns makes of a text, of which it cuts what is too long.
pub fn height(text: &str, width: usize) -> usize {
    let rows = |line: &str| line.chars().count().div_ceil(width).max(1);
    text.lines().map(rows).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_blanks_and_long_words_stay_whole() {
        assert_eq!(wrapped("aaaa bb c", 4), ["aaaa", "bb c"]);
        assert_eq!(wrapped("a bbbbbb c", 4), ["a", "bbbbbb", "c"]);
        assert_eq!(wrapped("", 4), [""]);
    }

    #[test]
    fn a_terminal_cuts_what_is_too_long() {
        for (text, expected) in [("", 0), ("abcd", 1), ("abcde\n\nf", 4)] {
            assert_eq!(height(text, 4), expected, "{text:?}");
        }
    }
}
