//! Whether the run behind a profile is to be trusted. Whoever runs a profile asks [`Profile::distrust`]
//! first; the tuner asks [`spoil`] of its samples, so that both go by one threshold.

use crate::schema::{Evidence, Profile};

/// From this share of void samples on, a run is not to be trusted.
const UNTRUSTED_SHARE: f64 = 0.2;
/// Fewer void samples than this are bad luck, whatever their share.
const MIN_UNTRUSTED: usize = 3;
/// Longest reason that is repeated, in characters: a file may hold any.
const MAX_REASON: usize = 400;

/// What a result is called that nothing may be done by, wherever it is shown.
pub const NOT_TO_BE_TRUSTED: &str = "NOT TO BE TRUSTED";

/// Whether so many `void` samples among `taken` say that the rest is not to be trusted either.
pub fn spoil(void: usize, taken: usize) -> bool {
    void >= MIN_UNTRUSTED && void as f64 > UNTRUSTED_SHARE * taken as f64
}

/// `280 of 281 samples (100 %) were disturbed`
pub fn counted(void: usize, taken: usize) -> String {
    let percent = 100.0 * void as f64 / taken.max(void).max(1) as f64;
    format!("{void} of {taken} samples ({percent:.0} %) were disturbed")
}

impl Profile {
    /// Why the plan is not to be run, on one line; `None` if nothing speaks against it.
    ///
    /// The profile says it itself (`trusted`). One that was written before profiles did is judged by
    /// its counts of samples.
    pub fn distrust(&self) -> Option<String> {
        self.evidence.distrust()
    }
}

impl Evidence {
    fn distrust(&self) -> Option<String> {
        let reason = one_line(&self.not_trusted_because);
        match self.trusted {
            Some(true) => None,
            Some(false) if reason.is_empty() => {
                Some("it says trusted = false, and no reason".into())
            }
            Some(false) => Some(reason),
            // The counts of a file that was edited may be any.
            None => spoil(self.void_samples, self.samples)
                .then(|| counted(self.void_samples, self.samples)),
        }
    }
}

/// As it can stand in a log or behind a `#`.
fn one_line(text: &str) -> String {
    let shown = |character: char| match character.is_control() {
        true => ' ',
        false => character,
    };
    let line: String = text.trim().chars().take(MAX_REASON).map(shown).collect();
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_share_of_void_samples_spoils_a_run() {
        let cases = [
            (0, 0, false),
            (2, 2, false),
            (3, 0, true),
            (20, 100, false),
            (21, 100, true),
            (280, 281, true),
            (usize::MAX, 1, true),
        ];
        for (void, taken, spoilt) in cases {
            assert_eq!(spoil(void, taken), spoilt, "{void} of {taken}");
        }
        assert_eq!(
            counted(280, 281),
            "280 of 281 samples (100 %) were disturbed"
        );
        assert_eq!(counted(0, 0), "0 of 0 samples (0 %) were disturbed");
    }

    #[test]
    fn the_profile_says_it_or_its_counts_do() {
        let evidence = |trusted, because: &str, void_samples| Evidence {
            trusted,
            not_trusted_because: because.into(),
            samples: 100,
            void_samples,
            ..Evidence::default()
        };
        let long = "x".repeat(100_000);
        let cases = [
            (evidence(None, "", 0), None),
            (evidence(None, "", 20), None),
            (
                evidence(None, "", 30),
                Some("30 of 100 samples (30 %) were disturbed"),
            ),
            (evidence(Some(true), "", 30), None),
            (evidence(Some(true), "of old", 30), None),
            (
                evidence(Some(false), "", 0),
                Some("it says trusted = false, and no reason"),
            ),
            (
                evidence(Some(false), " a\nb\u{1b}[2J\n", 0),
                Some("a b [2J"),
            ),
            (evidence(Some(false), &long, 0), Some(&long[..MAX_REASON])),
        ];
        for (evidence, expected) in cases {
            assert_eq!(evidence.distrust().as_deref(), expected);
        }
    }
}
