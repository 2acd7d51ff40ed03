//! What verdicts of all lengths say of the whole profile, in one line.

use sysinfer_table::drift::Drift;
use sysinfer_table::join;

use super::judgement::Judgement;
use super::verdict::{NOTABLE_LOSS, Verdict};

/// Said where a profile does not tell how minutes of its host differ.
const DRIFT_UNKNOWN: &str = "how much rates drift from minute to minute is not recorded (the run was too short, or its \
                             samples too few, to tell), so nothing is allowed for it";

/// Whether the profile holds, and why or why not; `drift` is what it says of its host.
pub(super) fn conclusion(verdicts: &[Verdict], drift: Drift) -> (bool, String) {
    let unknown = match drift.words() {
        Some(_) => String::new(),
        None => format!("; {DRIFT_UNKNOWN}"),
    };
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
            "the profile does not hold: slower than recorded, and neither because of memory nor of the \
             cores, at {slower}; tune again if the host is otherwise idle{unknown}"
        );
        return (false, why);
    }
    let open = named(Judgement::NotToldApart);
    let told = verdicts
        .iter()
        .filter(|found| found.holds != Judgement::NotToldApart)
        .count();
    if told == 0 {
        let why = "the profile could not be verified: runs differ too much, or are too few, to tell, and \
                   even half the speed would hardly show; try --repeat 9 on an idle host";
        return (false, why.into());
    }
    let excused = |holds: Judgement, slower: &str| {
        named(holds).map_or_else(String::new, |list| {
            format!(
                "; {slower} slower now, and rates by no more than that, at {list}: \
                 verify again when {slower} as fast as recorded"
            )
        })
    };
    let excuses = [
        excused(Judgement::HoldsAsMemory, "memory is"),
        excused(Judgement::HoldsAsCores, "cores are"),
        excused(Judgement::HoldsAsExchange, "exchange between cores is"),
    ];
    let excuses = excuses.concat();
    let unseen = unseen(verdicts);
    let faster =
        named(Judgement::Faster).map_or_else(String::new, |list| format!("; faster at {list}"));
    let open = open.map_or_else(String::new, |list| format!("; too noisy to tell at {list}"));
    let of = verdicts.len();
    (
        true,
        format!("the profile holds: {told} of {of} rates{unseen}{excuses}{faster}{open}{unknown}"),
    )
}

/// What would not have been found at rates that hold, phase by phase; nothing where that is little.
fn unseen(verdicts: &[Verdict]) -> String {
    let of_phase = |phase: &str| {
        let held = verdicts
            .iter()
            .filter(|found| found.phase == phase && found.holds == Judgement::Holds);
        let most = held
            .map(|found| found.smallest_loss_found)
            .fold(0.0, f64::max);
        (most > NOTABLE_LOSS).then(|| format!("{:.0} % ({phase})", 100.0 * most))
    };
    let phases: Vec<String> = ["decode", "prefill"]
        .into_iter()
        .filter_map(of_phase)
        .collect();
    match phases.is_empty() {
        true => String::new(),
        false => format!(
            "; as noisy as this host is, a loss of less than {} would hardly show: more runs (--repeat 9) or \
             a quieter host may show smaller ones",
            phases.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use sysinfer_stats::Summary;

    use super::*;

    /// Of a host whose minutes are alike.
    const QUIET: Drift = Drift {
        decode: Some(0.0),
        prefill: None,
    };

    fn verdict(holds: Judgement, total_tokens: usize) -> Verdict {
        let one = Summary::of(&[1.0]).expect("a rate");
        Verdict {
            phase: "decode",
            total_tokens,
            sampled: false,
            recorded: one,
            now: one,
            ratio: 1.0,
            interval: (1.0, 1.0),
            smallest_loss_found: 0.18,
            recorded_percent: None,
            now_percent: None,
            arithmetic: None,
            exchange: None,
            holds,
        }
    }

    #[test]
    fn one_slower_length_is_enough_and_noise_is_none() {
        let cases: [(&[Judgement], bool, &str); 8] = [
            (
                &[Judgement::Holds, Judgement::Faster],
                true,
                "less than 18 % (decode) would hardly show: more runs (--repeat 9) or a quieter host may \
                 show smaller ones; faster at decode 1",
            ),
            (&[Judgement::HoldsAsMemory], true, "memory is slower now"),
            (&[Judgement::HoldsAsCores], true, "cores are slower now"),
            (
                &[Judgement::HoldsAsExchange],
                true,
                "between cores is slower now",
            ),
            (
                &[Judgement::Holds, Judgement::NotToldApart],
                true,
                "the profile holds: 1 of 2 rates; as noisy",
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
            let (holds, why) = conclusion(&verdicts, QUIET);
            assert_eq!(holds, expected, "{why}");
            assert!(why.contains(words), "{why} lacks {words}");
        }
    }

    #[test]
    fn what_would_hardly_show_is_said_where_it_is_much() {
        let of = |phase, smallest_loss_found| Verdict {
            phase,
            smallest_loss_found,
            ..verdict(Judgement::Holds, 32)
        };
        let (sure, unsure) = (of("decode", 0.06), of("prefill", 0.31));
        assert_eq!(sure.words(), "holds");
        assert_eq!(unsure.words(), "holds; a loss of 31 % would show");
        let why = conclusion(&[sure, unsure], QUIET).1;
        assert!(why.contains("less than 31 % (prefill) would"), "{why}");
        assert_eq!(
            conclusion(&[sure], QUIET).1,
            "the profile holds: 1 of 1 rates"
        );
    }

    #[test]
    fn a_drift_that_is_not_recorded_is_said_whatever_was_found() {
        for holds in [Judgement::Holds, Judgement::Slower] {
            let why = conclusion(&[verdict(holds, 32)], Drift::default()).1;
            assert!(why.ends_with(DRIFT_UNKNOWN), "{why}");
        }
    }
}
