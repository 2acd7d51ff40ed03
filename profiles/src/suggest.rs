//! Nearest known words for a mistyped one.

/// Words of `known` that `typed` may have meant, nearest first, at most three.
///
/// A word counts as near when a third of its letters, at least two, need to change.
pub(crate) fn nearest<'a>(typed: &str, known: &[&'a str]) -> Vec<&'a str> {
    let mut scored: Vec<(usize, &str)> = known
        .iter()
        .map(|word| (distance(typed, word), *word))
        .filter(|(steps, word)| *steps <= 2.max(word.chars().count() / 3))
        .collect();
    scored.sort();
    scored.into_iter().take(3).map(|(_, word)| word).collect()
}

/// Levenshtein distance in characters, one row at a time. Long inputs are cut: they match nothing.
fn distance(left: &str, right: &str) -> usize {
    const MAX_CHARACTERS: usize = 64;
    let right: Vec<char> = right.chars().take(MAX_CHARACTERS).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().take(MAX_CHARACTERS).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let substitute = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_come_first_and_far_ones_not_at_all() {
        let known = ["threads", "map", "cpus", "prefill_rows", "prefill_chunk"];
        let cases: [(&str, &[&str]); 5] = [
            ("thread", &["threads"]),
            ("thraeds", &["threads"]),
            ("prefil_row", &["prefill_rows"]),
            ("cpu", &["cpus"]),
            ("colour", &[]),
        ];
        for (typed, expected) in cases {
            assert_eq!(nearest(typed, &known), expected, "{typed}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
