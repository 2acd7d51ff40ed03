//! One stage: candidates measured in interleaved rounds until one is left, nothing more is worth
//! knowing, or the rounds are over.
//!
//! Interleaving (never one candidate's samples back to back) turns a slow drift of the host into
//! noise that hits all alike. Candidate 0 is the anchor, the plan in force: in long rounds it opens
//! and closes every one, and where its two samples disagree the round is thrown away.

use sysinfer_probe::{Halt, Session, Stage, Work};
use sysinfer_stats::comparison::ALPHA;
use sysinfer_stats::{Verdict, median};

use super::standing::{Standing, Tally};
use super::works;
use crate::space::Candidate;

/// The anchor may move by this much within a round, or by what three deviations explain.
const DRIFT_LIMIT: f64 = 0.10;
/// Rounds that may be thrown away before the host counts as noisy and is measured as it is.
const DISCARDED_ROUNDS: usize = 2;
/// Standard errors by which the anchor must be behind to leave.
const ANCHOR_LEAVES: f64 = 1.0;
/// Rounds before a race may end as decided.
const MIN_ROUNDS: usize = 3;
/// From this many other candidates on, the anchor opens and closes the round: it takes long enough
/// for the host to change meanwhile.
const ANCHOR_TWICE: usize = 4;

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
    /// Standard deviation of one paired log ratio: the host's noise as this race saw it.
    pub noise: f64,
}

impl Outcome {
    /// The winning candidate.
    pub fn winner(&self) -> &Candidate {
        &self.lanes[self.winner].candidate
    }

    /// Lanes with samples: those still in the race first, and of these and the others the fastest first.
    pub fn best_first(&self) -> Vec<&Lane> {
        let measured = self.lanes.iter().filter(|lane| !lane.rates.is_empty());
        let mut lanes: Vec<&Lane> = measured.collect();
        lanes.sort_by(|a, b| {
            let left = a.out.is_some().cmp(&b.out.is_some());
            left.then(median(&b.rates).total_cmp(&median(&a.rates)))
        });
        lanes
    }
}

/// When a race decides.
#[derive(Clone, Copy, Debug)]
pub struct StopRule {
    /// A lane leaves when taking it for the leader would gain less than this on average, as a share
    /// of the rate.
    pub give_up: f64,
    /// A race ends when changing the leader for another would gain less than this on average.
    pub worth: f64,
    /// How often another lane may win over an anchor that is as fast; `None`: by any lead.
    pub anchor_alpha: Option<f64>,
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
    /// What is known of the host's noise: standard deviation of one paired log ratio.
    pub noise: f64,
    /// Whether losers leave and a decided race ends; else every candidate is in every round.
    pub eliminates: bool,
    /// How readily lanes leave and the anchor is replaced.
    pub stop_rule: StopRule,
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
        session.progress.stage(&self.title, 1);
        let mut pace = Pace::new((session.clock)());
        let (mut round, mut discarded_rounds) = (0, 0);
        let (mut tally, mut standing) = (Tally::default(), None);
        while round < self.rounds && running(&lanes).len() > 1 && !self.is_over(session, round) {
            let Some(rates) = self.round(session, &mut lanes, round, &mut pace)? else {
                break;
            };
            let noise = standing
                .as_ref()
                .map_or(self.noise, |s: &Standing| s.noise.deviation);
            if drifted(&rates, noise)
                && discarded_rounds < DISCARDED_ROUNDS
                && !self.is_late(session)
            {
                discarded_rounds += 1;
                session
                    .progress
                    .note("the host drifted during a round; it is measured again");
                continue;
            }
            tally.add(lanes.len(), &rates);
            for (index, rate) in rates {
                lanes[index].rates.push(rate);
            }
            round += 1;
            standing = tally.standing(&running(&lanes), self.noise);
            if let Some(standing) = standing.as_ref().filter(|_| self.eliminates) {
                eliminate(&mut lanes, standing, round, self.stop_rule.give_up);
                if round >= MIN_ROUNDS.min(self.rounds) && !standing.is_open(self.stop_rule.worth) {
                    break;
                }
            }
        }
        drop_unmeasured(&mut lanes);
        let standing = tally.standing(&running(&lanes), self.noise);
        let (winner, why) = decide(&lanes, standing.as_ref(), self.stop_rule.anchor_alpha);
        Ok(Outcome {
            stage: self.stage,
            title: self.title.clone(),
            lanes,
            winner,
            why,
            discarded_rounds,
            noise: standing.map_or(self.noise, |standing| standing.noise.deviation),
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
        pace: &mut Pace,
    ) -> Result<Option<Vec<(usize, f64)>>, Halt> {
        let mut rates = Vec::new();
        let work = works::in_round(self.work, round);
        for index in order(lanes, round) {
            if index != 0 && self.is_late(session) {
                if round > 0 {
                    return Ok(None);
                }
                continue;
            }
            let Candidate { name, plan, .. } = &lanes[index].candidate;
            match session.rate(name, plan, &work) {
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
            let running = running(lanes).len();
            session.progress.left(running, lanes.len());
            let now = (session.clock)();
            let samples = ((self.rounds - round) * running).saturating_sub(rates.len());
            let most = self.deadline.map_or(f64::INFINITY, |end| end - now);
            let (seconds, left) = pace.took(now, samples);
            let text = leader_text(lanes, &rates);
            session.progress.goes_on(seconds, left.min(most), &text);
        }
        Ok(Some(rates))
    }
}

/// How long samples of a race take.
struct Pace {
    began: f64,
    last: f64,
    samples: usize,
}

impl Pace {
    fn new(now: f64) -> Pace {
        Pace {
            began: now,
            last: now,
            samples: 0,
        }
    }

    /// One more sample has ended: what it took, and what so many more are likely to, seconds.
    fn took(&mut self, now: f64, more: usize) -> (f64, f64) {
        let seconds = now - self.last;
        self.last = now;
        self.samples += 1;
        let each = (now - self.began) / self.samples as f64;
        (seconds, each * more as f64)
    }
}

fn running(lanes: &[Lane]) -> Vec<usize> {
    (0..lanes.len())
        .filter(|lane| lanes[*lane].out.is_none())
        .collect()
}

/// Indices of one round: others forwards, then backwards in the next, between two anchors.
fn order(lanes: &[Lane], round: usize) -> Vec<usize> {
    let mut others: Vec<usize> = (1..lanes.len())
        .filter(|lane| lanes[*lane].out.is_none())
        .collect();
    if round % 2 == 1 {
        others.reverse();
    }
    let mut order = others;
    // An anchor that has lost is measured only where it is needed to see drift.
    let twice = order.len() >= ANCHOR_TWICE;
    let once = lanes[0].out.is_none();
    if twice || (once && round.is_multiple_of(2)) {
        order.insert(0, 0);
    }
    if twice || (once && !round.is_multiple_of(2)) {
        order.push(0);
    }
    order
}

/// Whether the anchor's samples of a round are further apart than noise explains.
fn drifted(rates: &[(usize, f64)], noise: f64) -> bool {
    let anchor: Vec<f64> = rates
        .iter()
        .filter(|(lane, _)| *lane == 0)
        .map(|(_, rate)| *rate)
        .collect();
    let limit = DRIFT_LIMIT.max(3.0 * noise);
    match (anchor.first(), anchor.last()) {
        (Some(first), Some(last)) => (last / first - 1.0).abs() > limit,
        _ => false,
    }
}

fn eliminate(lanes: &mut [Lane], standing: &Standing, rounds: usize, give_up: f64) {
    let leader = lanes[standing.leader].candidate.name.clone();
    for (index, lane) in lanes.iter_mut().enumerate() {
        let Some(gap) = standing.gaps[index].filter(|_| standing.has_lost(index, give_up)) else {
            continue;
        };
        // The plan in force does not leave for a lead that may be none.
        if index == 0 && gap.plus_errors(ANCHOR_LEAVES) > 0.0 {
            continue;
        }
        let percent = 100.0 * (1.0 - gap.shift.exp());
        lane.out = Some(format!(
            "{percent:.1} % slower than {leader} after round {rounds}: beyond noise, or not worth more rounds"
        ));
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
fn decide(
    lanes: &[Lane],
    standing: Option<&Standing>,
    anchor_alpha: Option<f64>,
) -> (usize, String) {
    let Some(standing) = standing else {
        return (0, "nothing was measured: kept as it was".into());
    };
    let anchor = standing.gaps[0].filter(|_| lanes[0].out.is_none());
    let stays = |alpha: f64| anchor.filter(|gap| gap.verdict(alpha) != Verdict::Slower);
    if let Some(gap) = anchor_alpha.and_then(stays) {
        let why = format!(
            "kept: {} is {:.1} % ahead, which may be luck",
            lanes[standing.leader].candidate.name,
            100.0 * ((-gap.shift).exp() - 1.0)
        );
        return (0, why);
    }
    let winner = standing.winner(|lane| lanes[lane].candidate.rank);
    (winner, reason(lanes, standing, winner))
}

fn reason(lanes: &[Lane], standing: &Standing, winner: usize) -> String {
    let rate = median(&lanes[winner].rates);
    if winner != standing.leader {
        let leading = &lanes[standing.leader].candidate.name;
        let ahead = standing.gaps[winner].map_or(0.0, |gap| -100.0 * gap.shift);
        return format!(
            "{rate:.2} tokens/s; within 1 % of {leading} ({ahead:.1} % faster), and simpler"
        );
    }
    let rivals = standing.gaps.iter().enumerate();
    let rivals = rivals.filter_map(|(lane, gap)| Some((lane, (*gap)?)));
    let rivals = rivals.filter(|(lane, _)| lanes[*lane].out.is_none());
    match rivals.max_by(|a, b| a.1.shift.total_cmp(&b.1.shift)) {
        Some((lane, gap)) => {
            let ratio = gap.ratio(ALPHA);
            let name = &lanes[lane].candidate.name;
            format!(
                "{rate:.2} tokens/s, {:.1} % over {name} (95 %: {:.1} to {:.1} %)",
                100.0 * ((-gap.shift).exp() - 1.0),
                100.0 * (1.0 / ratio.high - 1.0),
                100.0 * (1.0 / ratio.low - 1.0)
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

#[cfg(test)]
mod tests {
    use super::Pace;

    #[test]
    fn the_rest_of_a_race_is_judged_by_its_pace() {
        let mut pace = Pace::new(10.0);
        assert_eq!(pace.took(12.0, 5), (2.0, 10.0));
        assert_eq!(pace.took(13.0, 4), (1.0, 6.0));
        assert_eq!(pace.took(13.0, 0), (0.0, 0.0));
    }
}
