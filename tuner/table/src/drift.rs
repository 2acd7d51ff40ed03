//! How much the rates of one plan drift from minute to minute, by phase.

use sysinfer_probe::Phase;
use sysinfer_profiles::Evidence;

/// Standard deviations of what minutes add to the logarithm of a rate ([`sysinfer_stats::minutes::drift`]).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Drift {
    /// Of decoding; `None`: too few samples tell.
    pub decode: Option<f64>,
    /// Of prompts.
    pub prefill: Option<f64>,
}

impl Drift {
    /// Of a phase. It is one host: what is not known of a phase may be known of the other.
    pub fn of(&self, phase: Phase) -> Option<f64> {
        match phase {
            Phase::Decode => self.decode.or(self.prefill),
            Phase::Prefill => self.prefill.or(self.decode),
        }
    }

    /// What is known, in words: `decode 2.1 %, prefill 3.0 %`; `None` if nothing is.
    pub fn words(&self) -> Option<String> {
        let known: Vec<String> = [(Phase::Decode, self.decode), (Phase::Prefill, self.prefill)]
            .into_iter()
            .filter_map(|(phase, drift)| Some(format!("{} {:.1} %", phase.name(), 100.0 * drift?)))
            .collect();
        (!known.is_empty()).then(|| known.join(", "))
    }
}

impl From<&Evidence> for Drift {
    fn from(evidence: &Evidence) -> Self {
        Self {
            decode: evidence.decode_drift,
            prefill: evidence.prefill_drift,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_phase_stands_for_the_other_where_that_is_not_known() {
        let (decode, prefill) = (Some(0.021), Some(0.0));
        let one = Drift {
            decode,
            ..Drift::default()
        };
        assert_eq!(
            (one.of(Phase::Decode), one.of(Phase::Prefill)),
            (decode, decode)
        );
        assert_eq!(one.words().as_deref(), Some("decode 2.1 %"));
        let both = Drift { decode, prefill };
        assert_eq!(both.of(Phase::Prefill), prefill);
        assert_eq!(both.words().as_deref(), Some("decode 2.1 %, prefill 0.0 %"));
        assert_eq!(Drift::default().words(), None);
        assert_eq!(Drift::default().of(Phase::Decode), None);
    }
}
