//! Who leads a race, by how much, and how sure that is: from the samples of all rounds.
//!
//! Everything is paired: a lane is compared with the leader by the ratios of their rates within the
//! same rounds, never by best or mean samples, which the luckiest candidate of many wins.

use sysinfer_stats::median;
use sysinfer_stats::robust::{Gap, Z_95, deviation, hodges_lehmann};

use super::race::Lane;

/// Residuals that what is known of the noise before a race counts for.
pub(super) const NOISE_WEIGHT: f64 = 8.0;
/// Ties go to the simpler candidate only where the interval says that it loses no more than this.
const TIE: f64 = 0.01;
/// After its only sample, a lane must be this far behind to leave: one sample may be an accident.
const FIRST_ROUND_MARGIN: f64 = 0.3;
/// Pairs before a lane leaves because it is not worth more: enough to outvote one accident.
const WORTH_PAIRS: usize = 4;
/// Share of the leader's margin for being the luckiest of many that counts when worth is judged.
const LUCK: f64 = 0.5;

/// Samples of a race by round and lane.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Logarithm of the rate (of the mean rate, for an anchor that was measured twice).
    rounds: Vec<Vec<Option<f64>>>,
}

/// How the lanes of a race stand.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The lane that is ahead.
    pub leader: usize,
    /// How far each running lane is ahead of the leader (as a rule behind: a negative centre).
    pub gaps: Vec<Option<Gap>>,
    /// Standard deviation of one paired log ratio.
    pub deviation: f64,
    /// Standard errors by which a lane must be behind to have lost.
    z: f64,
    /// The best ratio of each lane to the leader, for judging the first two rounds.
    best: Vec<f64>,
}

impl Tally {
    /// Adds a round's samples, (lane, rate).
    pub fn add(&mut self, lanes: usize, rates: &[(usize, f64)]) {
        let mean = |lane: usize| {
            let own: Vec<f64> = rates
                .iter()
                .filter(|(index, rate)| *index == lane && *rate > 0.0)
                .map(|(_, rate)| *rate)
                .collect();
            (!own.is_empty()).then(|| (own.iter().sum::<f64>() / own.len() as f64).ln())
        };
        self.rounds.push((0..lanes).map(mean).collect());
    }

    /// The standing of the lanes in `running`; `None` while none of them has a sample. `noise`: what
    /// was known of the deviation before this race.
    pub fn standing(&self, running: &[usize], noise: f64) -> Option<Standing> {
        let lanes = self.rounds.first()?.len();
        let middles: Vec<f64> = self
            .rounds
            .iter()
            .map(|round| {
                let present: Vec<f64> = running.iter().filter_map(|lane| round[*lane]).collect();
                median(&present)
            })
            .collect();
        let score = |lane: usize| {
            let rounds = self.rounds.iter().zip(&middles);
            let own: Vec<f64> = rounds
                .filter_map(|(round, middle)| Some(round[lane]? - middle))
                .collect();
            (!own.is_empty()).then(|| hodges_lehmann(&own))
        };
        let scores = running
            .iter()
            .filter_map(|lane| Some((*lane, score(*lane)?)));
        let (leader, _) = scores.max_by(|a, b| a.1.total_cmp(&b.1))?;
        let ratios = |lane: usize| -> Vec<f64> {
            let pairs = self.rounds.iter();
            pairs
                .filter_map(|round| Some(round[lane]? - round[leader]?))
                .collect()
        };
        let rivals = (0..lanes).filter(|lane| *lane != leader);
        let all: Vec<(usize, Vec<f64>)> = rivals.map(|lane| (lane, ratios(lane))).collect();
        // Lanes that have left saw the same noise, and at the end of a decided race only they did.
        let seen: Vec<&[f64]> = all.iter().map(|(_, ratios)| &ratios[..]).collect();
        let deviation = deviation(&seen, noise, NOISE_WEIGHT);
        let (mut gaps, mut best) = (vec![None; lanes], vec![f64::NEG_INFINITY; lanes]);
        for (lane, ratios) in all
            .into_iter()
            .filter(|(lane, ratios)| running.contains(lane) && !ratios.is_empty())
        {
            gaps[lane] = Some(Gap::of(&ratios, deviation));
            best[lane] = ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        }
        Some(Standing {
            leader,
            gaps,
            deviation,
            z: z_of(running.len()),
            best,
        })
    }
}

/// With two lanes the usual 95 %. The leader of many is the luckiest of many, so that others seem to
/// be further behind than they are, and must be.
fn z_of(lanes: usize) -> f64 {
    Z_95 + 0.5 * (lanes.max(2) as f64 / 2.0).ln()
}

impl Standing {
    /// Whether a lane is slower than the leader beyond noise.
    ///
    /// Or whether taking it for the leader would gain less than `give_up` on average: many lanes that
    /// are probably a little behind cost more rounds than all of them together could gain.
    ///
    /// Noise that is not seen only slows down (another process, a page that was moved). So while
    /// there are too few samples to outvote an accident, a lane's best ratio must be far behind too.
    pub fn has_lost(&self, lane: usize, give_up: f64) -> bool {
        let Some(gap) = self.gaps[lane] else {
            return false;
        };
        let best = self.best[lane];
        match gap.pairs {
            1 => best < -FIRST_ROUND_MARGIN.max(self.z * self.deviation),
            2 => best < -self.z * self.deviation,
            _ => gap.high(self.z) < 0.0 || self.is_not_worth_it(&gap, give_up),
        }
    }

    fn is_not_worth_it(&self, gap: &Gap, give_up: f64) -> bool {
        // The leader of many owes part of its lead to luck.
        let luck = LUCK * (self.z - Z_95) * gap.error;
        let fair = Gap {
            centre: gap.centre + luck,
            ..*gap
        };
        gap.pairs >= WORTH_PAIRS && fair.expected_gain() < give_up
    }

    /// Whether more rounds could still change much: whether some lane may be ahead of the leader by
    /// enough that finding out is worth it: by more than `worth` on average.
    pub fn is_open(&self, worth: f64) -> bool {
        self.gaps
            .iter()
            .flatten()
            .any(|gap| gap.expected_gain() > worth)
    }

    /// Whether the interval says that taking this lane for the leader loses no more than a tie may.
    pub fn ties(&self, lane: usize) -> bool {
        lane == self.leader || self.gaps[lane].is_some_and(|gap| gap.low(Z_95) >= -TIE)
    }

    /// Lanes that may win: the leader and those that tie with it.
    pub fn winner(&self, lanes: &[Lane]) -> usize {
        let equals = (0..lanes.len()).filter(|lane| self.ties(*lane));
        equals
            .min_by_key(|lane| lanes[*lane].candidate.rank)
            .unwrap_or(self.leader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three lanes: the second is 10 % ahead, with an accident in one round; the third 10 % behind.
    fn tally(rounds: usize) -> Tally {
        let mut tally = Tally::default();
        for round in 0..rounds {
            let wave = 1.0 + 0.2 * (round as f64).sin();
            let accident = if round == 1 { 0.5 } else { 1.0 };
            tally.add(
                3,
                &[
                    (0, 100.0 * wave),
                    (1, 110.0 * wave * accident),
                    (2, 90.0 * wave),
                ],
            );
        }
        tally
    }

    #[test]
    fn drift_and_accidents_do_not_change_who_leads() {
        let standing = tally(5).standing(&[0, 1, 2], 0.05).expect("samples");
        assert_eq!(standing.leader, 1);
        assert!(standing.has_lost(2, 0.0), "{standing:?}");
        let gap = standing.gaps[0].expect("measured");
        assert!((gap.centre.exp() - 1.0 / 1.1).abs() < 0.01, "{gap:?}");
        assert!(!standing.ties(0) && standing.ties(1));
    }

    #[test]
    fn one_round_drops_only_what_is_far_behind() {
        let mut tally = Tally::default();
        tally.add(3, &[(0, 100.0), (1, 97.0), (2, 50.0)]);
        let standing = tally.standing(&[0, 1, 2], 0.05).expect("samples");
        assert_eq!(
            (standing.has_lost(1, 0.0), standing.has_lost(2, 0.0)),
            (false, true)
        );
        assert!(standing.is_open(0.0008));
        assert!(Tally::default().standing(&[0], 0.05).is_none());
    }

    #[test]
    fn who_is_probably_behind_leaves_when_that_is_cheap() {
        let mut tally = Tally::default();
        for round in 0..6 {
            let wave = 0.03 * (2.0 * f64::from(round)).sin();
            tally.add(2, &[(0, 100.0), (1, 97.0 * (1.0 + wave))]);
        }
        let standing = tally.standing(&[0, 1], 0.05).expect("samples");
        let lost = |give_up: f64| standing.has_lost(1, give_up);
        assert_eq!((lost(0.0), lost(0.01)), (false, true), "{standing:?}");
    }

    #[test]
    fn lanes_that_have_left_still_tell_of_the_noise() {
        let mut tally = Tally::default();
        for round in 0..20 {
            let wave = 0.003 * (2.0 * f64::from(round)).sin();
            tally.add(2, &[(0, 100.0), (1, 90.0 * (1.0 + wave))]);
        }
        let alone = tally.standing(&[0], 0.06).expect("samples");
        let both = tally.standing(&[0, 1], 0.06).expect("samples");
        assert!(alone.gaps.iter().all(Option::is_none), "{alone:?}");
        assert_eq!(alone.deviation, both.deviation);
        assert!(alone.deviation < 0.04, "{alone:?}");
    }

    #[test]
    fn a_race_that_is_decided_is_not_open() {
        let mut tally = Tally::default();
        for _ in 0..30 {
            tally.add(2, &[(0, 100.0), (1, 95.0)]);
        }
        assert!(
            !tally
                .standing(&[0, 1], 0.05)
                .expect("samples")
                .is_open(0.0008)
        );
    }
}
