//! One stage: candidates measured in interleaved rounds until one is left or the rounds are over.
//!
//! Interleaving (never one candidate's samples back to back) turns a slow drift of the host into
//! noise that hits all alike. Candidate 0 is the anchor, the plan in force: it opens and closes
//! every round, and where its two samples disagree the round is thrown away.

use sysinfer_engine::Plan;

use super::Stage;
use crate::measure::Work;
use crate::measure::session::{Halt, Session};
use crate::space::Candidate;
use crate::stats::{Verdict, compare, median};

/// After round n, candidates whose best sample is slower than the best one by this factor leave.
/// Noise only slows runs down, so best samples settle fast (gemma.cpp's tuner uses 1.25, once).
const LEAVE_FACTORS: [f64; 3] = [1.25, 1.10, 1.05];
/// A tie is no wider than this, however noisy the samples are.
const WIDEST_TIE: f64 = 0.97;
/// The anchor may move by this much within a round.
const DRIFT_LIMIT: f64 = 0.10;
/// Rounds that may be thrown away before the host counts as noisy and is measured as it is.
const DISCARDED_ROUNDS: usize = 2;
/// From this many candidates on, the anchor closes the round too; with two, they take turns.
const ANCHOR_TWICE: usize = 3;

/// A candidate and its samples.
#[derive(Clone, Debug)]
pub struct Lane {
    /// The plan and why it is tried.
    pub candidate: Candidate,
    /// Rates, tokens/s, in the order they were taken.
    pub rates: Vec<f64>,
    /// Why it left the race.
    pub out: Option<String>,
}

/// The end of a race.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Which stage it was.
    pub stage: Stage,
    /// The stage and, where it has several races, what this one was about.
    pub title: String,
    /// All candidates, the anchor first.
    pub lanes: Vec<Lane>,
    /// Index of the winner.
    pub winner: usize,
    /// Why it won.
    pub why: String,
    /// Rounds thrown away because the anchor moved.
    pub discarded_rounds: usize,
}

impl Outcome {
    /// The winning candidate.
    pub fn winner(&self) -> &Candidate {
        &self.lanes[self.winner].candidate
    }
}

/// What a race is about.
pub struct Race<'a> {
    /// The stage, for the journal.
    pub stage: Stage,
    /// The stage and, where it has several races, what this one is about.
    pub title: String,
    /// What every candidate runs.
    pub work: &'a Work,
    /// Most rounds.
    pub rounds: usize,
    /// When to stop, on the session's clock. The anchor is measured in any case.
    pub deadline: Option<f64>,
}

impl Race<'_> {
    /// Runs the race. The first candidate is the anchor and must be runnable.
    ///
    /// # Errors
    /// Ctrl-C, a failure, or a refused anchor.
    pub fn run(
        &self,
        session: &mut Session<'_>,
        candidates: Vec<Candidate>,
    ) -> Result<Outcome, Halt> {
        session.stage = self.stage;
        let mut lanes: Vec<Lane> = candidates
            .into_iter()
            .map(|candidate| Lane {
                candidate,
                rates: Vec::new(),
                out: None,
            })
            .collect();
        session.progress.place(self.stage);
        session
            .progress
            .stage(&self.title, (lanes.len() * self.rounds) as u64);
        let (mut round, mut discarded_rounds) = (0, 0);
        while round < self.rounds && running(&lanes) > 1 && !self.is_over(session, round) {
            let Some(rates) = self.round(session, &mut lanes, round)? else {
                break;
            };
            if drifted(&rates) && discarded_rounds < DISCARDED_ROUNDS && !self.is_late(session) {
                discarded_rounds += 1;
                session
                    .progress
                    .note("the host drifted during a round; it is measured again");
                continue;
            }
            for (index, rate) in rates {
                lanes[index].rates.push(rate);
            }
            eliminate(&mut lanes, round);
            round += 1;
        }
        drop_unmeasured(&mut lanes);
        let (winner, why) = decide(&lanes);
        Ok(Outcome {
            stage: self.stage,
            title: self.title.clone(),
            lanes,
            winner,
            why,
            discarded_rounds,
        })
    }

    fn is_over(&self, session: &Session<'_>, round: usize) -> bool {
        round > 0 && self.is_late(session)
    }

    fn is_late(&self, session: &Session<'_>) -> bool {
        self.deadline
            .is_some_and(|deadline| (session.clock)() >= deadline)
    }

    /// Samples of one round as (lane, rate); `None` when time ran out in a later round.
    fn round(
        &self,
        session: &mut Session<'_>,
        lanes: &mut [Lane],
        round: usize,
    ) -> Result<Option<Vec<(usize, f64)>>, Halt> {
        let mut rates = Vec::new();
        for index in order(lanes, round) {
            if index != 0 && self.is_late(session) {
                if round > 0 {
                    return Ok(None);
                }
                continue;
            }
            let Candidate { name, plan, .. } = &lanes[index].candidate;
            match self.sample(session, name, plan) {
                Ok(rate) => rates.push((index, rate)),
                Err(Halt::Refused(why)) if index != 0 => {
                    lanes[index].out = Some(format!("refused: {why}"))
                }
                Err(Halt::Refused(why)) => {
                    return Err(Halt::Failed(format!(
                        "the plan in force was refused: {why}"
                    )));
                }
                Err(other) => return Err(other),
            }
            session.progress.left(running(lanes), lanes.len());
            session.progress.advance(1, &leader_text(lanes, &rates));
        }
        Ok(Some(rates))
    }

    fn sample(&self, session: &mut Session<'_>, name: &str, plan: &Plan) -> Result<f64, Halt> {
        session.rate(name, plan, self.work)
    }
}

fn running(lanes: &[Lane]) -> usize {
    lanes.iter().filter(|lane| lane.out.is_none()).count()
}

/// Indices of one round: others forwards, then backwards in the next, between two anchors.
fn order(lanes: &[Lane], round: usize) -> Vec<usize> {
    let mut others: Vec<usize> = (1..lanes.len())
        .filter(|lane| lanes[*lane].out.is_none())
        .collect();
    if round % 2 == 1 {
        others.reverse();
    }
    let two = others.len() + 1 < ANCHOR_TWICE;
    let mut order = others;
    if !two || round.is_multiple_of(2) {
        order.insert(0, 0);
    }
    if !two || !round.is_multiple_of(2) {
        order.push(0);
    }
    order
}

/// Whether the anchor's samples of a round are further apart than noise explains.
fn drifted(rates: &[(usize, f64)]) -> bool {
    let anchor: Vec<f64> = rates
        .iter()
        .filter(|(lane, _)| *lane == 0)
        .map(|(_, rate)| *rate)
        .collect();
    match (anchor.first(), anchor.last()) {
        (Some(first), Some(last)) => (last / first - 1.0).abs() > DRIFT_LIMIT,
        _ => false,
    }
}

fn best(lane: &Lane) -> f64 {
    lane.rates.iter().copied().fold(0.0, f64::max)
}

fn eliminate(lanes: &mut [Lane], round: usize) {
    let factor = LEAVE_FACTORS[round.min(LEAVE_FACTORS.len() - 1)];
    let fastest = lanes
        .iter()
        .filter(|lane| lane.out.is_none())
        .map(best)
        .fold(0.0, f64::max);
    // The anchor stays to the end, however slow: it is what shows drift.
    for lane in lanes
        .iter_mut()
        .skip(1)
        .filter(|lane| lane.out.is_none() && !lane.rates.is_empty())
    {
        let own = best(lane);
        if own * factor < fastest {
            let percent = 100.0 * (1.0 - own / fastest);
            lane.out = Some(format!(
                "{percent:.0} % slower than the best after round {}",
                round + 1
            ));
        }
    }
}

fn drop_unmeasured(lanes: &mut [Lane]) {
    for lane in lanes
        .iter_mut()
        .filter(|lane| lane.out.is_none() && lane.rates.is_empty())
    {
        lane.out = Some("not reached within the time limit".into());
    }
}

/// The winner among those still in the race, and why. Ties go to the lowest rank.
fn decide(lanes: &[Lane]) -> (usize, String) {
    let rate = |index: &usize| median(&lanes[*index].rates);
    let finalists: Vec<usize> = (0..lanes.len())
        .filter(|lane| lanes[*lane].out.is_none())
        .collect();
    let Some(&leader) = finalists.iter().max_by(|a, b| rate(a).total_cmp(&rate(b))) else {
        return (0, "nothing was measured: kept as it was".into());
    };
    let tied = |index: &usize| {
        rate(index) >= WIDEST_TIE * rate(&leader)
            && compare(&lanes[*index].rates, &lanes[leader].rates) != Verdict::Slower
    };
    let equals = finalists
        .iter()
        .copied()
        .filter(|index| *index == leader || tied(index));
    let winner = equals
        .min_by_key(|index| lanes[*index].candidate.rank)
        .unwrap_or(leader);
    (winner, reason(lanes, winner, leader))
}

fn reason(lanes: &[Lane], winner: usize, leader: usize) -> String {
    let rate = median(&lanes[winner].rates);
    let leading = &lanes[leader].candidate.name;
    if winner != leader {
        let behind = 100.0 * (1.0 - rate / median(&lanes[leader].rates));
        return format!(
            "{rate:.2} tokens/s; not told apart from {leading} ({behind:.1} % faster, within noise), and simpler"
        );
    }
    let others = lanes
        .iter()
        .enumerate()
        .filter(|(index, lane)| *index != winner && lane.out.is_none());
    let second = others.max_by(|a, b| median(&a.1.rates).total_cmp(&median(&b.1.rates)));
    match second {
        Some((_, lane)) => {
            let ahead = 100.0 * (rate / median(&lane.rates) - 1.0);
            format!(
                "{rate:.2} tokens/s, {ahead:.1} % over {}",
                lane.candidate.name
            )
        }
        None => format!("{rate:.2} tokens/s; all others had left the race"),
    }
}

fn leader_text(lanes: &[Lane], fresh: &[(usize, f64)]) -> String {
    let old = lanes
        .iter()
        .enumerate()
        .flat_map(|(lane, l)| l.rates.iter().map(move |rate| (lane, *rate)));
    let best = old
        .chain(fresh.iter().copied())
        .max_by(|a, b| a.1.total_cmp(&b.1));
    best.map_or_else(String::new, |(lane, rate)| {
        format!(
            "best so far: {} at {rate:.2} tokens/s",
            lanes[lane].candidate.name
        )
    })
}
