//! The search on scripted machines: it must find what was planted, survive noise, throttling and a
//! slump, keep the default where nothing is better, and stop when told to.

use std::cell::Cell;

use sysinfer_engine::{PhasePlan, Plan};
use sysinfer_machine::Topology;
use sysinfer_probe::scripted::{Scripted, Truth, info};
use sysinfer_probe::{
    Halt, Interrupt, Phase, Record, Session, Silent, Sink, Stage, Validity, Work,
};

use super::confirm::{self, Confirmation};
use super::staged::{self, Log};
use super::{Effort, Level, many, works};
use crate::inputs::Inputs;
use crate::space::asked::Asked;
use crate::space::kernels::KernelSpace;
use crate::space::placement::{self, Request, TeamSpace};

/// Counts what a journal would hold; can interrupt the run at the first sample of a stage.
#[derive(Default)]
struct Counter {
    discarded: usize,
    stop_at: Option<(Stage, Interrupt)>,
    after_stop: usize,
}

impl Sink for Counter {
    fn record(&mut self, record: &Record<'_>) -> std::io::Result<()> {
        self.discarded += usize::from(matches!(record.validity, Validity::Discarded(_)));
        if let Some((stage, interrupt)) = &self.stop_at {
            self.after_stop += usize::from(interrupt.is_set());
            if record.stage == *stage {
                interrupt.set();
            }
        }
        Ok(())
    }
}

struct Bench {
    topology: Topology,
    teams: TeamSpace,
    default: Plan,
    effort: Effort,
    exhaustive: bool,
}

struct Ended {
    result: Result<Confirmation, Halt>,
    log: Log,
    seconds: f64,
    discarded: usize,
    counter: Counter,
}

impl Bench {
    fn new(topology: &str, limit_seconds: Option<f64>) -> Self {
        let topology = Topology::from_synthetic(topology).expect("valid");
        let effective_cpus = topology.cpus.len();
        let request = Request {
            topology: &topology,
            effective_cpus,
            threads: None,
            maps: None,
            given: None,
        };
        let teams = placement::teams(&request);
        let default = placement::default_plan(&topology, effective_cpus);
        Self {
            teams,
            default,
            topology,
            effort: Effort::new(Level::Usual, limit_seconds),
            exhaustive: false,
        }
    }

    fn run(
        &self,
        truth: Truth,
        change: impl FnOnce(&mut Scripted<'_>, &mut Counter, &Interrupt),
    ) -> Ended {
        let time = Cell::new(0.0);
        let mut probe = Scripted::new(truth, 0.04, 7, &time);
        let (mut counter, interrupt) = (Counter::default(), Interrupt::default());
        change(&mut probe, &mut counter, &interrupt);
        let progress = Silent;
        let clock = || time.get();
        let mut session = Session::new(&mut probe, &mut counter, &progress, &interrupt, &clock);
        let info = info();
        let inputs = Inputs {
            default: &self.default,
            teams: &self.teams,
            request: Request {
                topology: &self.topology,
                effective_cpus: self.topology.cpus.len(),
                threads: None,
                maps: None,
                given: None,
            },
            kernels: &KernelSpace::default(),
            blocks: &Asked::default(),
            exhaustive: self.exhaustive,
            info: &info,
            l2_bytes: 1 << 20,
            prompt_tokens: 16,
            longest_tokens: 4096,
            effort: self.effort,
        };
        let mut log = Log::default();
        let result = drive(&mut session, &inputs, &mut log);
        let discarded = session.retries.discarded();
        Ended {
            result,
            log,
            seconds: time.get(),
            discarded,
            counter,
        }
    }
}

fn drive(
    session: &mut Session<'_>,
    inputs: &Inputs<'_>,
    log: &mut Log,
) -> Result<Confirmation, Halt> {
    let works = works::calibrate(session, inputs)?;
    let tuned = staged::search(session, inputs, &works, log)?;
    let limits = confirm::Limits {
        rounds: inputs.effort.confirm_rounds,
        until: inputs.effort.confirm_until,
    };
    let mut found = confirm::confirm(session, inputs.default, &tuned, &works, limits)?;
    let until = inputs.effort.confirm_until.map(|until| 1.05 * until);
    let raced = many::race_decode_rows(session, inputs, &works, &found.plan, tuned.noise, until)?;
    if let Some(outcome) = raced {
        found.plan = many::take(&found.plan, &outcome);
        log.outcomes.push(outcome);
    }
    Ok(found)
}

fn team_rate(team: &PhasePlan, best_threads: usize, best_map: &str) -> f64 {
    let distance = team.threads.abs_diff(best_threads) as f64 / best_threads as f64;
    let map = if team.map == best_map { 1.0 } else { 0.85 };
    100.0 * map / (1.0 + distance)
}

/// A prefetch distance that does most for four threads: the team that wins at the default's distance is
/// not the best one, which shows once the distance is chosen.
fn prefetch_and_team(plan: &Plan, work: &Work) -> Option<f64> {
    Some(match work {
        Work::Decode { .. } => match (plan.decode.threads, plan.blocking.prefetch_bytes) {
            (4, 2048) => 115.0,
            (4, _) => 100.0,
            (3, 2048) => 108.0,
            (3, _) => 104.0,
            _ => 80.0,
        },
        Work::Prefill { .. } => team_rate(&plan.prefill, 4, "compact"),
        Work::Visit { .. } | Work::Batch { .. } | Work::Bandwidth | Work::Stream { .. } => 400.0,
    })
}

/// Steps of 9 to 16 sequences are faster as the decode team's, those of more are not.
fn rows_of_decode_kernels(plan: &Plan, work: &Work) -> Option<f64> {
    Some(match work {
        Work::Batch { .. } => match plan.blocking.decode_rows {
            16 => 120.0,
            32 => 110.0,
            8 => 100.0,
            _ => 95.0,
        },
        other => kunpeng(plan, other)?,
    })
}

/// 88 spread for decoding with 2 KiB of prefetch; 96 compact for prompts, 32 rows.
fn kunpeng(plan: &Plan, work: &Work) -> Option<f64> {
    Some(match work {
        Work::Decode { .. } => {
            let prefetch = if plan.blocking.prefetch_bytes == 2048 {
                1.1
            } else {
                1.0
            };
            team_rate(&plan.decode, 88, "spread") * prefetch
        }
        Work::Prefill { .. } => {
            let rows = if plan.blocking.prefill_rows == 32 {
                1.2
            } else {
                1.0
            };
            team_rate(&plan.prefill, 96, "compact") * rows
        }
        Work::Visit { .. } | Work::Batch { .. } | Work::Bandwidth | Work::Stream { .. } => 400.0,
    })
}

const LARGE: &str = "pack:2 numa:2 l3:1 core:24 pu:1";
const SMALL: &str = "pack:1 numa:1 l3:1 core:2 pu:1";

fn check_kunpeng(ended: &Ended) {
    let found = ended.result.as_ref().expect("a decision");
    let plan = &found.plan;
    assert_eq!(
        (plan.decode.threads, plan.decode.map.as_str()),
        (88, "spread"),
        "{:?}",
        found.reasons
    );
    assert_eq!(
        (plan.prefill.threads, plan.prefill.map.as_str()),
        (96, "compact")
    );
    assert_eq!(
        (plan.blocking.prefetch_bytes, plan.blocking.prefill_rows),
        (2048, 32)
    );
    assert!(
        found.factor(Phase::Decode) > 1.2 && found.factor(Phase::Prefill) > 1.1,
        "{found:?}"
    );
}

#[test]
fn the_planted_truth_is_found_in_noise() {
    let ended = Bench::new(LARGE, None).run(kunpeng, |_, _, _| {});
    check_kunpeng(&ended);
    let decode = &ended.log.outcomes[0];
    let dropped = decode
        .lanes
        .iter()
        .filter(|lane| lane.out.is_some())
        .count();
    assert!(
        dropped > decode.lanes.len() / 2,
        "losers leave early: {dropped}"
    );
}

#[test]
fn throttled_samples_are_thrown_away_and_counted() {
    let ended = Bench::new(LARGE, None).run(kunpeng, |probe, _, _| probe.throttle_every = 9);
    check_kunpeng(&ended);
    assert!(
        ended.discarded > 5 && ended.counter.discarded >= ended.discarded,
        "{}",
        ended.discarded
    );
}

#[test]
fn a_slump_of_the_host_does_not_pick_the_winner() {
    let ended =
        Bench::new(LARGE, None).run(kunpeng, |probe, _, _| probe.slump = Some((20.0, 30.0)));
    check_kunpeng(&ended);
}

/// Decoding does not care for threads and gains nothing from anything.
fn flat(_plan: &Plan, _work: &Work) -> Option<f64> {
    Some(50.0)
}

#[test]
fn ties_go_to_fewer_threads_and_never_to_something_slower() {
    let ended = Bench::new(SMALL, None).run(flat, |probe, _, _| probe.noise = 0.0);
    let found = ended.result.expect("a decision");
    assert_eq!(found.plan.decode.threads, 1, "{:?}", found.reasons);
    assert_eq!(found.factor(Phase::Decode), 1.0);
    assert_eq!(
        found.plan.blocking,
        Plan::with_threads(PhasePlan::unpinned(1)).blocking
    );
}

/// The default is the best there is.
fn default_is_best(plan: &Plan, work: &Work) -> Option<f64> {
    let team = if matches!(work, Work::Prefill { .. }) {
        &plan.prefill
    } else {
        &plan.decode
    };
    Some(team_rate(team, 2, "compact") - plan.blocking.prefill_rows.abs_diff(128) as f64 * 0.1)
}

#[test]
fn where_nothing_is_better_the_profile_says_the_default() {
    let bench = Bench::new(SMALL, None);
    let ended = bench.run(default_is_best, |_, _, _| {});
    let found = ended.result.expect("a decision");
    assert_eq!(found.plan, bench.default);
    assert_eq!((found.gain_decode, found.gain_prefill), (None, None));
}

/// Unpinned teams cannot be had.
fn refuses_unpinned(plan: &Plan, work: &Work) -> Option<f64> {
    if plan.decode.cpus.is_empty() || plan.prefill.cpus.is_empty() {
        return None;
    }
    default_is_best(plan, work)
}

#[test]
fn refused_candidates_leave_and_the_search_goes_on() {
    let ended = Bench::new(SMALL, None).run(refuses_unpinned, |_, _, _| {});
    assert!(ended.result.is_ok());
    let lanes = &ended.log.outcomes[0].lanes;
    let refused: Vec<_> = lanes
        .iter()
        .filter_map(|lane| lane.out.as_deref())
        .collect();
    assert!(
        refused.iter().any(|why| why.contains("refused")),
        "{refused:?}"
    );
}

/// As [`kunpeng`], on a host that cannot spare the memory to read.
fn without_a_roof(plan: &Plan, work: &Work) -> Option<f64> {
    kunpeng(plan, work).filter(|_| *work != Work::Bandwidth)
}

#[test]
fn a_search_goes_on_without_the_read_bandwidth() {
    let ended = Bench::new(LARGE, None).run(without_a_roof, |_, _, _| {});
    assert!(ended.result.is_ok(), "{:?}", ended.result);
}

#[test]
fn ctrl_c_keeps_what_ended_before() {
    let ended = Bench::new(LARGE, None).run(kunpeng, |_, counter, interrupt| {
        counter.stop_at = Some((Stage::Prefetch, interrupt.clone()));
    });
    assert!(matches!(ended.result, Err(Halt::Interrupted)));
    assert_eq!(
        ended.counter.after_stop, 0,
        "no sample after the one in flight"
    );
    let mut ended_stages: Vec<Stage> = ended
        .log
        .outcomes
        .iter()
        .map(|outcome| outcome.stage)
        .collect();
    ended_stages.dedup();
    assert_eq!(
        ended_stages,
        [Stage::DecodeTeam, Stage::AttentionChunk, Stage::DecodeTeam],
        "stages that ended are known"
    );
}

#[test]
fn the_time_limit_ends_the_search_with_a_decision() {
    let limit = 120.0;
    let ended = Bench::new(LARGE, Some(limit)).run(kunpeng, |_, _, _| {});
    assert!(
        ended.seconds < limit,
        "search and confirmation took {} s",
        ended.seconds
    );
    assert!(ended.result.is_ok(), "{:?}", ended.result);
}

#[test]
fn what_was_close_is_looked_at_again() {
    let bench = Bench::new("pack:1 numa:1 l3:1 core:4 pu:1", None);
    let ended = bench.run(prefetch_and_team, |_, _, _| {});
    let plan = ended.result.expect("it ends").plan;
    let found = (plan.decode.threads, plan.blocking.prefetch_bytes);
    let winners: Vec<(Stage, &str)> = ended
        .log
        .outcomes
        .iter()
        .map(|race| (race.stage, race.winner().name.as_str()))
        .collect();
    assert_eq!(found, (4, 2048), "{winners:?}");
}

#[test]
fn rows_of_decode_kernels_are_found_and_stay_where_nothing_is_gained() {
    for (truth, rows) in [(rows_of_decode_kernels as Truth, 16), (kunpeng, 8)] {
        let bench = Bench::new("pack:1 numa:1 l3:1 core:8 pu:1", Some(900.0));
        let ended = bench.run(truth, |_, _, _| {});
        let plan = ended.result.expect("it ends").plan;
        assert_eq!(plan.blocking.decode_rows, rows);
        assert!(ended.seconds < 900.0, "{}", ended.seconds);
    }
}
