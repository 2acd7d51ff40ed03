//! Between-run variance by phase: how much the rates of one plan differ from one run to another beyond their noise.

use sysinfer_probe::Phase;
use sysinfer_profiles::Evidence;

/// Standard deviations between runs, of the logarithm of a rate ([`sysinfer_stats::between_runs::deviation`]).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BetweenRuns {
    /// Of decoding; `None`: too few samples tell.
    pub decode: Option<f64>,
    /// Of prompts.
    pub prefill: Option<f64>,
}

impl BetweenRuns {
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
            .filter_map(|(phase, known)| Some(format!("{} {:.1} %", phase.name(), 100.0 * known?)))
            .collect();
        (!known.is_empty()).then(|| known.join(", "))
    }
}

impl From<&Evidence> for BetweenRuns {
    fn from(evidence: &Evidence) -> Self {
        Self {
            decode: evidence.decode_between_runs,
            prefill: evidence.prefill_between_runs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_phase_stands_for_the_other_where_that_is_not_known() {
        let (decode, prefill) = (Some(0.021), Some(0.0));
        let one = BetweenRuns {
            decode,
            ..BetweenRuns::default()
        };
        assert_eq!(
            (one.of(Phase::Decode), one.of(Phase::Prefill)),
            (decode, decode)
        );
        assert_eq!(one.words().as_deref(), Some("decode 2.1 %"));
        let both = BetweenRuns { decode, prefill };
        assert_eq!(both.of(Phase::Prefill), prefill);
        assert_eq!(both.words().as_deref(), Some("decode 2.1 %, prefill 0.0 %"));
        assert_eq!(BetweenRuns::default().words(), None);
        assert_eq!(BetweenRuns::default().of(Phase::Decode), None);
    }
}
