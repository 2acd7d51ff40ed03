//! What a reader takes from a run at first sight: what was proven, or that nothing was.

use sysinfer_probe::Phase;
use sysinfer_profiles::Gain;

use super::Report;

impl Report<'_> {
    /// One line, the same in every format.
    pub fn headline(&self) -> String {
        if let Some(distrust) = &self.distrust {
            return distrust.caption();
        }
        if self.confirmation.is_none() {
            return "Interrupted before a decision: no plan was chosen.".into();
        }
        let [decode, prefill] = [Phase::Decode, Phase::Prefill].map(|phase| self.gain(phase));
        if (decode, prefill) == (Gain::None, Gain::None) {
            return "The default stays: nothing was proven to be faster.".into();
        }
        format!("Over the default: decode {decode}; prefill {prefill}.")
    }
}

#[cfg(test)]
mod tests {
    use crate::report::distrust::{Distrust, Kept};
    use crate::report::tests::{Planted, unproven};

    #[test]
    fn only_what_was_proven_is_a_gain() {
        let mut planted = Planted::new();
        let said = planted.report().headline();
        assert_eq!(
            said,
            "Over the default: decode +10.0 % (+7.8 to +12.2); prefill none: it is the default."
        );
        let found = planted.confirmation.as_mut().expect("planted");
        found.gain_decode = Some(unproven());
        let said = planted.report().headline();
        assert!(
            said.contains("decode no proven gain (-1.0 to +21.0 %)"),
            "{said}"
        );
        let mut report = planted.report();
        report.distrust = Some(Distrust {
            why: "it rained".into(),
            kept: Kept::Nothing,
        });
        assert_eq!(report.headline(), "NOT TO BE TRUSTED: it rained");
        let found = planted.confirmation.as_mut().expect("planted");
        found.gain_decode = None;
        assert!(planted.report().headline().starts_with("The default stays"));
        planted.confirmation = None;
        assert!(planted.report().headline().starts_with("Interrupted"));
    }
}
