//! Recorded runs against those of now, length by length, and what follows for the whole.

use serde::Serialize;
use sysinfer_profiles::{LengthEvidence, Profile};

use crate::commands::compare::rates::{Relation, Told};
use crate::measure::Point;
use crate::measure::table::TableData;
use crate::search::budget::join;
use crate::stats::median;

/// A length that lost less than this has lost nothing that a user would notice.
const TOLERANCE: f64 = 0.03;
/// A median may miss the recorded range by this and still be within it, as runs of one plan differ so.
const RANGE_MARGIN: f64 = 0.01;

/// Does the recorded rate of a length hold?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Judgement {
    /// Within the recorded range, or not different beyond noise.
    Holds,
    /// Slower, and memory is slower by as much: the share of the bandwidth is what was recorded.
    HoldsByShare,
    /// Faster beyond noise.
    Faster,
    /// Slower beyond noise and tolerance, also as a share of the bandwidth.
    Slower,
    /// Runs differ too much among themselves, or are too few.
    NotToldApart,
}

impl Judgement {
    pub(super) fn words(self) -> &'static str {
        match self {
            Judgement::Holds => "holds",
            Judgement::HoldsByShare => "holds: memory is slower",
            Judgement::Faster => "faster",
            Judgement::Slower => "slower",
            Judgement::NotToldApart => "not told apart",
        }
    }
}

/// One length of one phase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Verdict {
    pub(super) phase: &'static str,
    pub(super) total_tokens: usize,
    /// Recorded first, now second.
    pub(super) relation: Relation,
    /// Recorded share of the bandwidth, percent.
    pub(super) recorded_percent: Option<f64>,
    /// The share of now.
    pub(super) now_percent: Option<f64>,
    pub(super) holds: Judgement,
}

/// Lengths that a profile has rates for.
pub(super) struct Recorded {
    pub(super) decode: Vec<usize>,
    pub(super) prefill: Vec<usize>,
}

impl Recorded {
    pub(super) fn of(profile: &Profile) -> Self {
        let having = |rates: fn(&LengthEvidence) -> Vec<f64>| -> Vec<usize> {
            let lengths = profile.evidence.lengths.iter();
            let mut lengths: Vec<usize> = lengths
                .filter(|length| !rates(length).is_empty())
                .map(|length| length.total_tokens)
                .collect();
            lengths.sort_unstable();
            lengths.dedup();
            lengths
        };
        Self {
            decode: having(LengthEvidence::decode_rates),
            prefill: having(LengthEvidence::prefill_rates),
        }
    }
}

/// Verdicts of all lengths that were measured now, decode first. `roof`: the bandwidth of now, GB/s.
pub(super) fn verdicts(profile: &Profile, data: &TableData, roof: Option<f64>) -> Vec<Verdict> {
    let evidence = &profile.evidence;
    let recorded_roof = Some(evidence.read_gb_per_second).filter(|roof| *roof > 0.0);
    // How much slower memory is now than it was; faster memory owes nothing.
    let memory = roof
        .zip(recorded_roof)
        .map_or(1.0, |(now, recorded)| (now / recorded).min(1.0));
    let decode = evidence.lengths.iter().filter_map(|length| {
        let points = data.decode.get(&length.total_tokens)?;
        let rates = rates_of(points);
        let relation = Relation::of(&length.decode_rates(), &rates)?;
        let gigabytes: Vec<f64> = points.iter().map(Point::gb_per_second).collect();
        Some(Verdict {
            phase: "decode",
            total_tokens: length.total_tokens,
            relation,
            recorded_percent: length.percent_of_read_bandwidth,
            now_percent: roof.map(|roof| 100.0 * median(&gigabytes) / roof),
            holds: judge(&length.decode_rates(), &rates, &relation, memory),
        })
    });
    let prefill = evidence.lengths.iter().filter_map(|length| {
        let rates = rates_of(data.prefill.get(&length.total_tokens)?);
        let relation = Relation::of(&length.prefill_rates(), &rates)?;
        Some(Verdict {
            phase: "prefill",
            total_tokens: length.total_tokens,
            relation,
            recorded_percent: None,
            now_percent: None,
            holds: judge(&length.prefill_rates(), &rates, &relation, 1.0),
        })
    });
    decode.chain(prefill).collect()
}

fn rates_of(points: &[Point]) -> Vec<f64> {
    points.iter().map(Point::tokens_per_second).collect()
}

/// `memory`: bandwidth of now over the recorded one where rates follow it, at most 1.
fn judge(recorded: &[f64], now: &[f64], relation: &Relation, memory: f64) -> Judgement {
    let (low, high) = (relation.first.low, relation.first.high);
    let is_within = (low * (1.0 - RANGE_MARGIN)..=high * (1.0 + RANGE_MARGIN))
        .contains(&relation.second.median);
    match relation.told {
        Told::Faster => Judgement::Faster,
        _ if is_within => Judgement::Holds,
        Told::Same => Judgement::Holds,
        Told::Slower if relation.ratio >= 1.0 - TOLERANCE => Judgement::Holds,
        Told::Slower => {
            let expected: Vec<f64> = recorded.iter().map(|rate| rate * memory).collect();
            let told = Relation::of(&expected, now);
            let by_share = told
                .is_some_and(|found| found.told != Told::Slower || found.ratio >= 1.0 - TOLERANCE);
            if by_share {
                Judgement::HoldsByShare
            } else {
                Judgement::Slower
            }
        }
        Told::NotToldApart => Judgement::NotToldApart,
    }
}

/// Whether the profile holds, and why or why not.
pub(super) fn conclusion(verdicts: &[Verdict]) -> (bool, String) {
    let lengths = |phase: &str, holds: Judgement| -> Vec<usize> {
        let of_kind = verdicts
            .iter()
            .filter(|found| found.phase == phase && found.holds == holds);
        of_kind.map(|found| found.total_tokens).collect()
    };
    let named = |holds: Judgement| -> Option<String> {
        let phases = ["decode", "prefill"].map(|phase| (phase, lengths(phase, holds)));
        let phases = phases.iter().filter(|(_, lengths)| !lengths.is_empty());
        let named: Vec<String> = phases
            .map(|(phase, lengths)| format!("{phase} {}", join(lengths)))
            .collect();
        (!named.is_empty()).then(|| named.join("; "))
    };
    if let Some(slower) = named(Judgement::Slower) {
        let why = format!(
            "the profile does not hold: slower than recorded, and not because of memory, at {slower}; \
             tune again if the host is otherwise idle"
        );
        return (false, why);
    }
    let open = named(Judgement::NotToldApart);
    let told = verdicts
        .iter()
        .filter(|found| found.holds != Judgement::NotToldApart)
        .count();
    if told == 0 {
        let why = "the profile could not be verified: runs differ too much, or are too few, to tell; \
                   try --repeat 9 on an idle host";
        return (false, why.into());
    }
    let by_share = named(Judgement::HoldsByShare).map_or_else(String::new, |list| {
        format!("; memory is slower now, and rates by as much, at {list}")
    });
    let faster =
        named(Judgement::Faster).map_or_else(String::new, |list| format!("; faster at {list}"));
    let open = open.map_or_else(String::new, |list| format!("; too noisy to tell at {list}"));
    let of = verdicts.len();
    (
        true,
        format!("the profile holds: {told} of {of} rates{by_share}{faster}{open}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(recorded: &[f64], now: &[f64], memory: f64) -> Judgement {
        let relation = Relation::of(recorded, now).expect("rates");
        judge(recorded, now, &relation, memory)
    }

    #[test]
    fn verdicts_of_one_length() {
        let base = [99.0, 100.0, 101.0];
        let cases: [(&str, &[f64], f64, Judgement); 9] = [
            ("the same", &[99.5, 100.5, 100.0], 1.0, Judgement::Holds),
            ("faster", &[110.0, 111.0, 112.0], 1.0, Judgement::Faster),
            ("slower", &[80.0, 81.0, 82.0], 1.0, Judgement::Slower),
            (
                "slower by two percent",
                &[97.7, 97.8, 97.9],
                1.0,
                Judgement::Holds,
            ),
            (
                "slower with memory",
                &[80.0, 81.0, 82.0],
                0.81,
                Judgement::HoldsByShare,
            ),
            (
                "slower than memory",
                &[60.0, 61.0, 62.0],
                0.81,
                Judgement::Slower,
            ),
            ("noise within", &[70.0, 100.0, 130.0], 1.0, Judgement::Holds),
            (
                "noise around",
                &[60.0, 95.0, 130.0],
                1.0,
                Judgement::NotToldApart,
            ),
            ("one run", &[80.0], 1.0, Judgement::Slower),
        ];
        for (name, now, memory, expected) in cases {
            assert_eq!(holds(&base, now, memory), expected, "{name}");
        }
        assert_eq!(
            holds(&[100.0], &[104.0, 103.0, 104.5], 1.0),
            Judgement::Holds,
            "one recorded run"
        );
    }

    fn verdict(holds: Judgement, total_tokens: usize) -> Verdict {
        let relation = Relation::of(&[1.0], &[1.0]).expect("rates");
        Verdict {
            phase: "decode",
            total_tokens,
            relation,
            recorded_percent: None,
            now_percent: None,
            holds,
        }
    }

    #[test]
    fn one_slower_length_is_enough_and_noise_is_none() {
        let cases: [(&[Judgement], bool, &str); 6] = [
            (
                &[Judgement::Holds, Judgement::Faster],
                true,
                "holds: 2 of 2 rates; faster at decode 1",
            ),
            (&[Judgement::HoldsByShare], true, "memory is slower now"),
            (
                &[Judgement::Holds, Judgement::NotToldApart],
                true,
                "1 of 2 rates; too noisy to tell at decode 1",
            ),
            (
                &[Judgement::Holds, Judgement::Slower, Judgement::Faster],
                false,
                "at decode 1;",
            ),
            (&[Judgement::NotToldApart], false, "could not be verified"),
            (&[], false, "could not be verified"),
        ];
        for (found, expected, words) in cases {
            let verdicts: Vec<Verdict> = found
                .iter()
                .enumerate()
                .map(|(index, holds)| verdict(*holds, index))
                .collect();
            let (holds, why) = conclusion(&verdicts);
            assert_eq!(holds, expected, "{why}");
            assert!(why.contains(words), "{why} lacks {words}");
        }
    }
}
