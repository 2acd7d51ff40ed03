//! The winner against the default and against the runner-up, in fresh interleaved rounds: a stage's
//! winner was the luckiest of many, so its own samples flatter it. What is not at least as fast as
//! the default here, by evidence, is not in the profile.
//!
//! Rounds go on until the winner is told apart from both, or there is no time left.

mod duel;
mod outcome;

use duel::Duel;
use outcome::Decision;
pub use outcome::{Confirmation, Fate, Fresh, Limits};
use sysinfer_engine::{Blocking, Plan};
use sysinfer_probe::{Halt, Phase, Session, Stage, Work};

use super::staged::Tuned;
use super::works::Works;

/// Measures the tuned plan against the default and the runner-up and keeps, phase by phase, what is
/// really better.
///
/// # Errors
/// Ctrl-C or a failure; nothing is decided then.
pub fn confirm(
    session: &mut Session<'_>,
    default: &Plan,
    tuned: &Tuned,
    works: &Works,
    limits: Limits,
) -> Result<Confirmation, Halt> {
    session.stage = Stage::Confirmation;
    session.progress.stage(Stage::Confirmation.title(), 1);
    let now = (session.clock)();
    let halfway = limits.until.map(|until| (now + until.max(now)) / 2.0);
    let decode = Limits {
        until: halfway,
        ..limits
    };
    let mut result = judge_phase(
        session,
        default,
        default,
        tuned,
        Phase::Decode,
        &works.decode,
        decode,
    )?;
    let mut prefill = judge_phase(
        session,
        default,
        &result.plan,
        tuned,
        Phase::Prefill,
        &works.prefill,
        limits,
    )?;
    if prefill.spoils {
        // What is better for decoding slowed prompts down, and nothing made up for it: what is not
        // harmless in both phases is not taken.
        prefill.reason = format!("the default in both phases: {}", prefill.reason);
        result = Decision {
            plan: default.clone(),
            gain: None,
            reason: format!(
                "the default, since prompts were slower with what would be {}",
                result.reason
            ),
            fresh: Fresh {
                fate: Fate::Harmful,
                ..result.fresh
            },
            ..result
        };
        prefill.plan = default.clone();
    }
    Ok(Confirmation {
        plan: prefill.plan,
        gain_decode: result.gain,
        gain_prefill: prefill.gain,
        reasons: vec![
            format!("decode: {}", result.reason),
            format!("prefill: {}", prefill.reason),
        ],
        decode: result.fresh,
        prefill: prefill.fresh,
    })
}

/// Decides one phase. `base` is the default with what was decided before: this phase is still the
/// default's, but weights may lie elsewhere.
fn judge_phase(
    session: &mut Session<'_>,
    default: &Plan,
    base: &Plan,
    tuned: &Tuned,
    phase: Phase,
    work: &Work,
    limits: Limits,
) -> Result<Decision, Halt> {
    let keep = |reason: String| Decision {
        plan: base.clone(),
        gain: None,
        reason,
        fresh: Fresh::default(),
        spoils: false,
    };
    let winner = take_phase(base, &tuned.plan, phase);
    if winner == *default {
        return Ok(keep(
            "the search found nothing better than the default".into(),
        ));
    }
    let mut plans = vec![("default", default.clone()), ("tuned", winner)];
    if let Some(runner_up) = &tuned.runners_up[phase as usize] {
        plans.push(("runner-up", take_phase(base, runner_up, phase)));
    }
    // What was chosen for decoding concerns prompts as well: weights lie where its team is, and prompts
    // are attended to in its chunks. So keeping this phase is a plan of its own.
    let changed = phase == Phase::Prefill && base != default;
    if changed && plans.iter().all(|(_, plan)| plan != base) {
        plans.push(("kept", base.clone()));
    }
    let kept = plans
        .iter()
        .position(|(_, plan)| plan == base && plan != default);
    let mut duel = Duel::new(plans, kept, tuned.noise, limits.rounds);
    match duel.fight(session, phase, work, limits) {
        Ok(()) => {}
        Err(Halt::Refused(why)) => {
            return Ok(keep(format!(
                "the default, because a plan was refused: {why}"
            )));
        }
        Err(other) => return Err(other),
    }
    Ok(duel.judge(base, phase, keep(String::new())))
}

/// `base` with everything of `donor` that concerns one phase.
fn take_phase(base: &Plan, donor: &Plan, phase: Phase) -> Plan {
    let mut plan = base.with_team_of(donor, phase);
    for (block_type, from) in &donor.kernels {
        let into = plan.kernels.entry(block_type.clone()).or_default();
        *into.of_mut(phase) = from.of(phase).map(str::to_owned);
    }
    plan.blocking = match phase {
        Phase::Decode => Blocking {
            prefetch_bytes: donor.blocking.prefetch_bytes,
            decode_rows: donor.blocking.decode_rows,
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
    use sysinfer_engine::{KernelChoice, PhasePlan};

    use super::*;

    #[test]
    fn the_two_phases_are_a_whole_plan() {
        let default = Plan::with_threads(PhasePlan::unpinned(4));
        let mut tuned = Plan::with_threads(PhasePlan::unpinned(3));
        tuned.prefill.threads = 2;
        tuned.blocking = Blocking {
            prefetch_bytes: 0,
            decode_rows: 6,
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
            (0, default.blocking.prefill_rows)
        );
        assert_eq!(decode.kernels["Q4_0"].prefill, None);
        assert_eq!(take_phase(&decode, &tuned, Phase::Prefill), tuned);
    }
}
