//! The winner against the default, in fresh rounds: a stage's winner was the luckiest of many, so
//! its own samples flatter it. What is not faster here is not in the profile.

use sysinfer_engine::{Blocking, Plan};

use super::Stage;
use super::staged::Works;
use crate::measure::Work;
use crate::measure::session::{Halt, Session};
use crate::space::Phase;
use crate::stats::{Verdict, compare, median};

/// Rates of both plans in one phase, tokens/s.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Duel {
    /// Samples of the default plan.
    pub default: Vec<f64>,
    /// Samples of the tuned plan.
    pub tuned: Vec<f64>,
}

/// The outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Confirmation {
    /// What the profile says to run.
    pub plan: Plan,
    /// Its decode rate over the default's; exactly 1 where it *is* the default's.
    pub gain_decode: f64,
    /// The same for prefill.
    pub gain_prefill: f64,
    /// What was decided for each phase and why, one line each.
    pub reasons: Vec<String>,
}

/// Measures `tuned` against `default` and keeps, phase by phase, what is really better.
///
/// # Errors
/// Ctrl-C or a failure; nothing is decided then.
pub fn confirm(
    session: &mut Session<'_>,
    default: &Plan,
    tuned: &Plan,
    works: &Works,
    limits: Limits,
) -> Result<Confirmation, Halt> {
    session.stage = Stage::Confirmation;
    session.progress.place(Stage::Confirmation);
    session
        .progress
        .stage(Stage::Confirmation.title(), 4 * limits.rounds as u64);
    let mut result = Confirmation {
        plan: default.clone(),
        gain_decode: 1.0,
        gain_prefill: 1.0,
        reasons: Vec::new(),
    };
    for (phase, work) in [
        (Phase::Decode, &works.decode),
        (Phase::Prefill, &works.prefill),
    ] {
        // The other phase stays the default's: each is judged alone, and so they can be combined.
        let challenger = take_phase(default, tuned, phase);
        let (gain, reason) = judge_phase(session, default, &challenger, (phase, work), limits)?;
        if let Some(gain) = gain {
            result.plan = take_phase(&result.plan, tuned, phase);
            match phase {
                Phase::Decode => result.gain_decode = gain,
                Phase::Prefill => result.gain_prefill = gain,
            }
        }
        result.reasons.push(format!("{}: {reason}", phase.name()));
    }
    Ok(result)
}

/// Rounds and time of the confirmation.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most rounds for each phase.
    pub rounds: usize,
    /// When to stop, on the session's clock, once every plan has two samples.
    pub until: Option<f64>,
}

/// The gain of the challenger if it is to be kept, and the reason either way.
fn judge_phase(
    session: &mut Session<'_>,
    default: &Plan,
    challenger: &Plan,
    (phase, work): (Phase, &Work),
    limits: Limits,
) -> Result<(Option<f64>, String), Halt> {
    if challenger == default {
        return Ok((
            None,
            "the search found nothing better than the default".into(),
        ));
    }
    let duel = match fight(session, default, challenger, work, limits) {
        Ok(duel) => duel,
        Err(Halt::Refused(why)) => {
            return Ok((
                None,
                format!("the default, because the winner was refused: {why}"),
            ));
        }
        Err(other) => return Err(other),
    };
    let gain = median(&duel.tuned) / median(&duel.default);
    let percent = 100.0 * (gain - 1.0);
    let fewer = phase.team(challenger).threads < phase.team(default).threads;
    Ok(match compare(&duel.tuned, &duel.default) {
        Verdict::Faster => (
            Some(gain),
            format!("{percent:+.1} % over the default, confirmed in fresh rounds"),
        ),
        Verdict::Tie if fewer && gain >= 1.0 => (
            Some(gain),
            format!("as fast as the default ({percent:+.1} %, within noise) with fewer threads"),
        ),
        Verdict::Tie => (
            None,
            format!("the default: the winner is not told apart from it ({percent:+.1} %)"),
        ),
        Verdict::Slower => (
            None,
            format!("the default: the winner was slower in fresh rounds ({percent:+.1} %)"),
        ),
    })
}

/// Interleaved samples, the order turned in every round.
fn fight(
    session: &mut Session<'_>,
    default: &Plan,
    tuned: &Plan,
    work: &Work,
    limits: Limits,
) -> Result<Duel, Halt> {
    let mut duel = Duel::default();
    for round in 0..limits.rounds {
        let late = limits.until.is_some_and(|until| (session.clock)() >= until);
        if round >= 2 && late {
            break;
        }
        for turn in 0..2 {
            if (round + turn) % 2 == 0 {
                duel.default.push(session.rate("default", default, work)?);
            } else {
                duel.tuned.push(session.rate("tuned", tuned, work)?);
            }
            let (ours, theirs) = (median(&duel.tuned), median(&duel.default));
            session
                .progress
                .advance(1, &format!("tuned {ours:.2}, default {theirs:.2} tokens/s"));
        }
    }
    Ok(duel)
}

/// `base` with everything of `donor` that concerns one phase.
pub fn take_phase(base: &Plan, donor: &Plan, phase: Phase) -> Plan {
    let mut plan = base.clone();
    *phase.team_mut(&mut plan) = phase.team(donor).clone();
    for (block_type, from) in &donor.kernels {
        let into = plan.kernels.entry(block_type.clone()).or_default();
        match phase {
            Phase::Decode => into.decode.clone_from(&from.decode),
            Phase::Prefill => into.prefill.clone_from(&from.prefill),
        }
    }
    plan.blocking = match phase {
        Phase::Decode => Blocking {
            prefetch_bytes: donor.blocking.prefetch_bytes,
            attention_chunk: donor.blocking.attention_chunk,
            ..plan.blocking
        },
        Phase::Prefill => Blocking {
            prefill_rows: donor.blocking.prefill_rows,
            prefill_chunk: donor.blocking.prefill_chunk,
            ..plan.blocking
        },
    };
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use sysinfer_engine::{KernelChoice, PhasePlan};

    #[test]
    fn the_two_phases_are_a_whole_plan() {
        let default = Plan::with_threads(PhasePlan::unpinned(4));
        let mut tuned = Plan::with_threads(PhasePlan::unpinned(3));
        tuned.prefill.threads = 2;
        tuned.blocking = Blocking {
            prefetch_bytes: 0,
            prefill_rows: 32,
            prefill_chunk: 128,
            attention_chunk: 64,
        };
        let choice = KernelChoice {
            decode: Some("d".into()),
            prefill: Some("p".into()),
        };
        tuned.kernels.insert("Q4_0".into(), choice);
        let decode = take_phase(&default, &tuned, Phase::Decode);
        assert_eq!((decode.decode.threads, decode.prefill.threads), (3, 4));
        assert_eq!(
            (decode.blocking.prefetch_bytes, decode.blocking.prefill_rows),
            (0, 64)
        );
        assert_eq!(decode.kernels["Q4_0"].prefill, None);
        assert_eq!(take_phase(&decode, &tuned, Phase::Prefill), tuned);
    }
}
