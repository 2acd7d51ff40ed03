//! Recorded runs against those of now, length by length, and what follows for the whole.

use serde::Serialize;
use sysinfer_profiles::{Evidence, LengthEvidence};

use super::shift::{HostBeside, Noise, Runs, Spells, Told, Z_ALL, run_noise};
use crate::measure::Point;
use crate::measure::cores::CoreReading;
use crate::measure::drift::Drift;
use crate::measure::table::TableData;
use crate::report;
use crate::search::budget::join;
use crate::space::Phase;
use crate::stats::minutes::times_apart;
use crate::stats::{Summary, median, median_of};

/// Where a loss of this would not have been found, that is said.
const NOTABLE_LOSS: f64 = 0.10;

/// Does the recorded rate of a length hold?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Judgement {
    /// Not slower beyond noise.
    Holds,
    /// Slower by no more than memory is in the same minutes: the host, not the profile.
    HoldsAsMemory,
    /// Slower by no more than the cores are in the same minutes.
    HoldsAsCores,
    /// Slower by no more than cores are in handing each other data, in the same minutes.
    HoldsAsExchange,
    /// Faster beyond noise.
    Faster,
    /// Slower beyond noise and tolerance, and neither because of memory nor of the cores.
    Slower,
    /// Runs differ too much, or are too few: even a loss of half the rate would hardly have been found.
    NotToldApart,
}

impl Judgement {
    fn words(self) -> &'static str {
        match self {
            Judgement::Holds => "holds",
            Judgement::HoldsAsMemory => "holds: memory is slower",
            Judgement::HoldsAsCores => "holds: cores are slower",
            Judgement::HoldsAsExchange => "holds: cores exchange data more slowly",
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
    /// Whether it was put together from steps at several contexts, then or now.
    pub(super) sampled: bool,
    /// Recorded rates, tokens/s.
    pub(super) recorded: Summary,
    /// Rates of now.
    pub(super) now: Summary,
    /// The rate of now over the recorded one.
    pub(super) ratio: f64,
    /// Its limits, wide enough that all lengths together are within theirs 95 times of 100.
    pub(super) interval: (f64, f64),
    /// The smallest loss that is called one four times of five; 0.1: a tenth of the rate.
    pub(super) smallest_loss_found: f64,
    /// Recorded share of the bandwidth, percent.
    pub(super) recorded_percent: Option<f64>,
    /// The share of now.
    pub(super) now_percent: Option<f64>,
    /// Arithmetic of the team's cores beside the recorded runs and those of now, GMAC/s.
    pub(super) arithmetic: Option<(f64, f64)>,
    /// What they read of what another has just written, GB/s.
    pub(super) exchange: Option<(f64, f64)>,
    pub(super) holds: Judgement,
}

impl Verdict {
    /// The judgement, and what would not have been found, if that is much.
    pub(super) fn words(&self) -> String {
        let words = self.holds.words();
        match self.holds == Judgement::Holds && self.smallest_loss_found > NOTABLE_LOSS {
            true => format!(
                "{words}; a loss of {:.0} % would show",
                100.0 * self.smallest_loss_found
            ),
            false => words.to_owned(),
        }
    }
}

/// Lengths that a profile has rates for.
pub(super) struct Recorded {
    /// Decoded all the way.
    pub(super) decode: Vec<usize>,
    /// Sampled.
    pub(super) sampled: Vec<usize>,
    pub(super) prefill: Vec<usize>,
}

impl Recorded {
    pub(super) fn of(evidence: &Evidence) -> Self {
        let having = |has: fn(&LengthEvidence) -> bool| -> Vec<usize> {
            let lengths = evidence.lengths.iter();
            let mut lengths: Vec<usize> = lengths
                .filter(|length| has(length))
                .map(|length| length.total_tokens)
                .collect();
            lengths.sort_unstable();
            lengths.dedup();
            lengths
        };
        Self {
            decode: having(|length| !length.sampled && !length.decode_rates().is_empty()),
            sampled: having(|length| length.sampled && !length.decode_rates().is_empty()),
            prefill: having(|length| !length.prefill_rates().is_empty()),
        }
    }
}

/// One rate with its runs, before anything is judged.
struct Rate {
    phase: &'static str,
    total_tokens: usize,
    sampled: bool,
    recorded: Vec<f64>,
    now: Vec<f64>,
    runs: Runs,
    /// What minutes add to the noise of the phase, as recorded; 0: not known.
    drift: f64,
    percents: (Option<f64>, Option<f64>),
    arithmetic: Option<(f64, f64)>,
    exchange: Option<(f64, f64)>,
}

/// Verdicts of all lengths that were measured now, decode first; a length differs beyond `z` standard
/// errors.
pub(super) fn verdicts(evidence: &Evidence, data: &TableData, z: f64) -> Vec<Verdict> {
    let rates = rates(evidence, data);
    let run = run_noise(rates.iter().map(|rate| &rate.runs));
    let verdict = |rate: &Rate| {
        let noise = Noise {
            run,
            drift: rate.drift,
        };
        let shift = rate.runs.shift(noise);
        Some(Verdict {
            phase: rate.phase,
            total_tokens: rate.total_tokens,
            sampled: rate.sampled,
            recorded: Summary::of(&rate.recorded)?,
            now: Summary::of(&rate.now)?,
            ratio: shift.centre.exp(),
            interval: (shift.low(Z_ALL).exp(), shift.high(Z_ALL).exp()),
            smallest_loss_found: rate.runs.smallest_loss_found(noise),
            recorded_percent: rate.percents.0,
            now_percent: rate.percents.1,
            arithmetic: rate.arithmetic,
            exchange: rate.exchange,
            holds: match rate.runs.told(noise, z) {
                Told::Faster => Judgement::Faster,
                Told::Same => Judgement::Holds,
                Told::AsMemory => Judgement::HoldsAsMemory,
                Told::AsCores => Judgement::HoldsAsCores,
                Told::AsExchange => Judgement::HoldsAsExchange,
                Told::Slower => Judgement::Slower,
                Told::NotToldApart => Judgement::NotToldApart,
            },
        })
    };
    rates.iter().filter_map(verdict).collect()
}

fn rates(evidence: &Evidence, data: &TableData) -> Vec<Rate> {
    let roof = report::roof(&data.bandwidth());
    let memory = over_recorded(evidence.read_gb_per_second, data.memory_beside());
    let drift = |phase| Drift::from(evidence).of(phase).unwrap_or(0.0);
    let spells = |now: &[Point]| Spells {
        recorded: evidence.table_spells,
        now: times_apart(data.starts().iter().copied().take(now.len())),
    };
    let rates_of = |points: &[Point]| points.iter().map(Point::tokens_per_second).collect();
    let decode = evidence.lengths.iter().filter_map(|length| {
        let points = data.decode_runs(length.total_tokens);
        let (recorded, now): (Vec<f64>, Vec<f64>) = (length.decode_rates(), rates_of(points));
        let gigabytes: Vec<f64> = points.iter().map(Point::gb_per_second).collect();
        let cores = Cores {
            recorded: CoreReading {
                arithmetic: length.decode_arithmetic_gmac_per_second,
                exchange: length.decode_exchange_gb_per_second,
            },
            now: data.decode_cores(length.total_tokens),
        };
        Some(Rate {
            phase: "decode",
            total_tokens: length.total_tokens,
            sampled: length.sampled || data.is_sampled(length.total_tokens),
            runs: Runs::of(&recorded, &now, spells(points), &cores.host(&memory))?,
            drift: drift(Phase::Decode),
            arithmetic: cores.medians(|cores| cores.arithmetic),
            exchange: cores.medians(|cores| cores.exchange),
            recorded,
            now,
            percents: (
                length.percent_of_read_bandwidth,
                roof.map(|roof| 100.0 * median(&gigabytes) / roof),
            ),
        })
    });
    let prefill = evidence.lengths.iter().filter_map(|length| {
        let points = data.prefill.get(&length.total_tokens)?;
        let (recorded, now): (Vec<f64>, Vec<f64>) = (length.prefill_rates(), rates_of(points));
        let cores = Cores {
            recorded: CoreReading {
                arithmetic: length.prefill_arithmetic_gmac_per_second,
                exchange: length.prefill_exchange_gb_per_second,
            },
            now: data.prefill_cores(length.total_tokens),
        };
        Some(Rate {
            phase: "prefill",
            total_tokens: length.total_tokens,
            sampled: false,
            runs: Runs::of(&recorded, &now, spells(points), &cores.host(&memory))?,
            drift: drift(Phase::Prefill),
            arithmetic: cores.medians(|cores| cores.arithmetic),
            exchange: cores.medians(|cores| cores.exchange),
            recorded,
            now,
            percents: (None, None),
        })
    });
    decode.chain(prefill).collect()
}

/// How fast cores were beside the recorded runs of a rate and those of now.
struct Cores {
    recorded: CoreReading,
    now: Vec<CoreReading>,
}

impl Cores {
    /// What the host gave beside each run of now, over what was recorded.
    fn host(&self, memory: &[f64]) -> HostBeside {
        let lane = |part: fn(&CoreReading) -> Option<f64>| {
            let now: Vec<Option<f64>> = self.now.iter().map(part).collect();
            over_recorded(part(&self.recorded), &now)
        };
        HostBeside {
            memory: memory.to_vec(),
            arithmetic: lane(|cores| cores.arithmetic),
            exchange: lane(|cores| cores.exchange),
        }
    }

    /// The recorded reading, and the median of those of now.
    fn medians(&self, part: fn(&CoreReading) -> Option<f64>) -> Option<(f64, f64)> {
        let recorded = part(&self.recorded).filter(|rate| *rate > 0.0);
        recorded.zip(median_of(self.now.iter().filter_map(part)))
    }
}

/// Readings of the host beside runs of now over the recorded one, up to the first that is not known.
fn over_recorded(recorded: Option<f64>, now: &[Option<f64>]) -> Vec<f64> {
    let Some(recorded) = recorded.filter(|rate| *rate > 0.0) else {
        return Vec::new();
    };
    let known = now.iter().map_while(|reading| *reading);
    known.map(|reading| reading / recorded).collect()
}

/// Said where a profile does not tell how minutes of its host differ.
const DRIFT_UNKNOWN: &str = "how much rates drift from minute to minute is not recorded (a run of a few minutes \
                             cannot tell), so nothing is allowed for it";

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

    #[test]
    fn the_drift_of_one_phase_stands_for_that_of_the_other_where_this_is_not_known() {
        let evidence = |decode_drift, prefill_drift| Evidence {
            read_gb_per_second: None,
            gain_decode: 1.0,
            gain_prefill: 1.0,
            prompt_tokens: 16,
            samples: 0,
            void_samples: 0,
            decode_drift,
            prefill_drift,
            table_spells: 1,
            lengths: vec![LengthEvidence {
                total_tokens: 32,
                decode_runs: vec![100.0; 3],
                ..LengthEvidence::default()
            }],
        };
        let mut data = TableData::default();
        let point = Point {
            total_tokens: 32,
            tokens: 100,
            seconds: 1.2,
            bytes: 1.0,
        };
        data.decode.insert(32, vec![point; 3]);
        let judged = |decode_drift, prefill_drift| {
            let found = verdicts(&evidence(decode_drift, prefill_drift), &data, Z_ALL);
            found[0].holds
        };
        assert_eq!(judged(None, None), Judgement::Slower);
        assert_eq!(judged(None, Some(0.06)), Judgement::Holds);
        assert_eq!(judged(Some(0.0), Some(0.06)), Judgement::Slower);
    }
}
