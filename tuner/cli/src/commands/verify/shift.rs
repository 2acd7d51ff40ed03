//! How far rates of now lie from recorded ones, and how sure that is.
//!
//! A verification asks about many rates at once, each known from a few runs, on a host whose noise
//! nobody knows. So that a profile of which nothing changed holds in at least 95 of 100
//! verifications, whatever the noise (or that nothing can be told, where there is too much of it):
//!
//! - The shift of a rate is the median of the differences of logarithms of every run of now and every
//!   recorded one (Hodges and Lehmann 1963): single slow runs do not move it.
//! - The noise of one run comes from the residuals of all rates together, since three runs of one
//!   rate say little about it; a rate that is noisier by itself counts as noisy as it is. Outliers count:
//!   of a host with two speeds they are half of the truth.
//! - Runs of one minute share what that minute is like. How much rates drift from minute to minute the
//!   tuner saw in its run, and the profile says it: that is added for each side, and only runs at least
//!   two minutes apart make it less. Some of it is what readings of the host would explain, and some is in
//!   the scatter of runs already: rather too much than too little. What drifts more slowly than a run of
//!   the tuner takes is not in it.
//! - A rate is called slower only beyond [`Z_ALL`] standard errors. For 16 rates at 5 % together,
//!   Bonferroni asks for 2.73 if the noise were known; the rest is for its being estimated.
//! - What seems slower beyond [`Z_SEEMS`] is measured again and judged once, by all runs together. That
//!   takes most alarms of chance back; the few that it makes are in the share that the tests count.
//! - Where memory is slower by evidence than when the profile was made, a rate has to be slower by
//!   evidence than memory, run by run: a host can be twice as fast in one minute as in the next. The
//!   same goes for the arithmetic of its cores, and for how fast they exchange data.

use sysinfer_stats::errors::together;
use sysinfer_stats::pooled::root_mean_square;
use sysinfer_stats::{Gap, median};

use super::judgement::Judgement;

/// Standard errors beyond which one of many rates differs.
pub(super) const Z_ALL: f64 = 3.1;
/// Standard errors beyond which a rate seems to differ and is worth more runs.
pub(super) const Z_SEEMS: f64 = 1.64;
/// Standard errors beyond which memory or cores count as slower. They excuse what they do not explain
/// where this is chance, so that chance is kept to about one of forty for each; where rates follow it,
/// it is no chance, and what rates scatter beside it counts.
const Z_HOST: f64 = 1.96;
/// A rate that lost less than this has lost nothing that a user would notice.
const TOLERANCE: f64 = 0.03;
/// Where even a loss of this would not have been found, nothing is said.
const MOST_UNSEEN: f64 = 0.5;
/// Standard errors beyond the limit by which a loss has to lie to be found four times of five.
const Z_FOUND: f64 = 0.84;
/// Standard deviation of one run before any is seen.
const USUAL_NOISE: f64 = 0.03;
/// Residuals that it counts for.
const NOISE_WEIGHT: f64 = 4.0;
/// Errors of the Hodges-Lehmann estimate over those of the mean, for normal noise (root of pi / 3).
const CENTRE_LOSS: f64 = 1.023;

/// How fast a host is beside each run of now, over what was recorded; empty where that is not known.
#[derive(Clone, Debug, Default)]
pub(super) struct HostBeside {
    /// Read bandwidth.
    pub(super) memory: Vec<f64>,
    /// Arithmetic of the team's cores.
    pub(super) arithmetic: Vec<f64>,
    /// What they read of what another has written.
    pub(super) exchange: Vec<f64>,
}

/// What is known of the noise of a rate, as standard deviations of its logarithm.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noise {
    /// Of one run, from the scatter of all rates; in what minutes they were taken is in it.
    pub(super) run: f64,
    /// What minutes add to that, as recorded for the phase; 0: not known.
    pub(super) drift: f64,
}

/// How many of a rate's runs are far enough apart to be draws of another minute, at least one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spells {
    pub(super) recorded: usize,
    pub(super) now: usize,
}

/// The runs of one rate, and the host beside them, as logarithms.
#[derive(Clone, Debug)]
pub(super) struct Runs {
    recorded: Vec<f64>,
    now: Vec<f64>,
    spells: Spells,
    host: HostBeside,
}

impl Runs {
    /// Of rates, and of the host beside each of now, as far as that is known; `None` without rates on a
    /// side, or with what is none.
    pub(super) fn of(
        recorded: &[f64],
        now: &[f64],
        spells: Spells,
        host: &HostBeside,
    ) -> Option<Self> {
        let is_rate = |rate: &f64| rate.is_finite() && *rate > 0.0;
        let rates = [recorded, now].into_iter();
        if rates.clone().any(<[f64]>::is_empty) || !rates.flatten().all(is_rate) {
            return None;
        }
        let logs = |rates: &[f64]| rates.iter().map(|rate| rate.ln()).collect();
        let beside = |lane: &[f64]| {
            let lane = lane
                .get(..now.len())
                .filter(|lane| lane.iter().all(is_rate));
            logs(lane.unwrap_or(&[]))
        };
        Some(Self {
            recorded: logs(recorded),
            now: logs(now),
            spells: Spells {
                recorded: spells.recorded.clamp(1, recorded.len()),
                now: spells.now.clamp(1, now.len()),
            },
            host: HostBeside {
                memory: beside(&host.memory),
                arithmetic: beside(&host.arithmetic),
                exchange: beside(&host.exchange),
            },
        })
    }

    /// The rate of now against the recorded one.
    pub(super) fn shift(&self, noise: Noise) -> Gap {
        let own = root_mean_square(&[&self.recorded, &self.now], noise.run, NOISE_WEIGHT);
        self.gap(&self.recorded, &self.now, (own.max(noise.run), noise))
    }

    /// The smallest loss that is called one four times of five, as a share of the rate.
    pub(super) fn smallest_loss_found(&self, noise: Noise) -> f64 {
        let loss = 1.0 - (-(Z_ALL + Z_FOUND) * self.shift(noise).error).exp();
        loss.max(TOLERANCE)
    }

    /// What that tells, at `z` standard errors.
    pub(super) fn told(&self, noise: Noise, z: f64) -> Judgement {
        let found = self.shift(noise);
        if found.low(z) > 0.0 && found.centre > (1.0 + TOLERANCE).ln() {
            return Judgement::Faster;
        }
        if is_loss_beyond(z, &found) {
            return if self.is_explained_by(&self.host.memory, noise) {
                Judgement::HoldsAsMemory
            } else if self.is_explained_by(&self.host.arithmetic, noise) {
                Judgement::HoldsAsCores
            } else if self.is_explained_by(&self.host.exchange, noise) {
                Judgement::HoldsAsExchange
            } else {
                Judgement::Slower
            };
        }
        if self.smallest_loss_found(noise) < MOST_UNSEEN {
            Judgement::Holds
        } else {
            Judgement::NotToldApart
        }
    }

    /// Whether this of the host is slower now, and the rate lost no more than it did.
    fn is_explained_by(&self, host: &[f64], noise: Noise) -> bool {
        let of = |lane: &[f64]| root_mean_square(&[lane], noise.run, NOISE_WEIGHT);
        let runs = self.now.iter().zip(host);
        let beyond: Vec<f64> = runs.map(|(rate, host)| rate - host).collect();
        // What was recorded is one number, of as many readings as there were runs. Where the host
        // swings and rates follow it, readings are surer than their scatter: as sure as rates are
        // beside them.
        let before = vec![0.0; self.recorded.len()];
        let error = of(host).min(of(&beyond));
        if host.is_empty() || !is_loss_beyond(Z_HOST, &gap(&before, host, error)) {
            return false;
        }
        // Recorded shares of what the host gave differ among themselves as those of now do.
        let deviation = of(&beyond).max(of(&self.recorded));
        let found = self.gap(&self.recorded, &beyond, (deviation, noise));
        !is_loss_beyond(Z_ALL, &found)
    }

    /// Between runs of then and of now that scatter by `deviation`, in minutes that drift.
    fn gap(&self, recorded: &[f64], now: &[f64], (deviation, noise): (f64, Noise)) -> Gap {
        let found = gap(recorded, now, deviation);
        let spells = 1.0 / self.spells.recorded as f64 + 1.0 / self.spells.now as f64;
        Gap {
            error: together(found.error, noise.drift * spells.sqrt()),
            ..found
        }
    }
}

/// Slower by more than is tolerated, and by `z` standard errors.
fn is_loss_beyond(z: f64, found: &Gap) -> bool {
    found.centre < (1.0 - TOLERANCE).ln() && found.high(z) < 0.0
}

/// Standard deviation of the logarithm of one run, from all rates.
pub(super) fn run_noise<'r>(all: impl IntoIterator<Item = &'r Runs>) -> f64 {
    let lanes: Vec<&[f64]> = all
        .into_iter()
        .flat_map(|runs| [&runs.recorded[..], &runs.now])
        .collect();
    root_mean_square(&lanes, USUAL_NOISE, NOISE_WEIGHT)
}

/// Within the same minutes; `deviation`: that of one run.
fn gap(recorded: &[f64], now: &[f64], deviation: f64) -> Gap {
    let differences: Vec<f64> = now
        .iter()
        .flat_map(|rate| recorded.iter().map(move |before| rate - before))
        .collect();
    let parts = 1.0 / recorded.len().max(1) as f64 + 1.0 / now.len().max(1) as f64;
    Gap {
        centre: median(&differences),
        error: CENTRE_LOSS * deviation * parts.sqrt(),
        pairs: now.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE_SPELL: Spells = Spells {
        recorded: 1,
        now: 1,
    };

    /// Noise of a host whose minutes are alike.
    fn of_runs<'r>(all: impl IntoIterator<Item = &'r Runs>) -> Noise {
        Noise {
            run: run_noise(all),
            drift: 0.0,
        }
    }

    #[test]
    fn what_runs_tell() {
        let base = [99.0, 100.0, 101.0];
        let even = [1.0; 3];
        let cases: [(&str, &[f64], &[f64], Judgement); 10] = [
            ("the same", &[99.5, 100.5, 100.0], &even, Judgement::Holds),
            ("faster", &[110.0, 111.0, 112.0], &even, Judgement::Faster),
            ("slower", &[80.0, 81.0, 82.0], &even, Judgement::Slower),
            (
                "by two percent",
                &[97.7, 97.8, 97.9],
                &even,
                Judgement::Holds,
            ),
            (
                "as memory",
                &[80.0, 81.0, 82.0],
                &[0.80, 0.81, 0.82],
                Judgement::HoldsAsMemory,
            ),
            (
                "less than memory",
                &[80.0, 81.0, 82.0],
                &[0.5; 3],
                Judgement::HoldsAsMemory,
            ),
            (
                "more than memory",
                &[60.0, 61.0, 62.0],
                &[0.81; 3],
                Judgement::Slower,
            ),
            (
                "memory is not known",
                &[80.0, 81.0, 82.0],
                &[],
                Judgement::Slower,
            ),
            (
                "noise",
                &[20.0, 95.0, 400.0],
                &even,
                Judgement::NotToldApart,
            ),
            ("one run, far off", &[80.0], &[1.0], Judgement::Slower),
        ];
        for (name, now, memory, expected) in cases {
            // It is the same whatever of the host is slower.
            let causes = [
                Judgement::HoldsAsMemory,
                Judgement::HoldsAsCores,
                Judgement::HoldsAsExchange,
            ];
            for (place, cause) in causes.into_iter().enumerate() {
                let mut lanes = [(); 3].map(|()| vec![1.0; memory.len()]);
                lanes[place] = memory.to_vec();
                let [memory, arithmetic, exchange] = lanes;
                let host = HostBeside {
                    memory,
                    arithmetic,
                    exchange,
                };
                let runs = Runs::of(&base, now, ONE_SPELL, &host).expect("rates");
                let expected = match expected {
                    Judgement::HoldsAsMemory => cause,
                    other => other,
                };
                assert_eq!(
                    runs.told(of_runs([&runs]), Z_ALL),
                    expected,
                    "{name}, {cause:?}"
                );
            }
        }
    }

    #[test]
    fn each_run_goes_with_the_memory_of_its_minute() {
        let base = [99.0, 100.0, 101.0];
        let swings = [1.0, 0.5, 0.52, 0.98, 0.51, 0.53];
        let follows: Vec<f64> = swings.map(|memory| 100.0 * memory).into();
        let host = HostBeside {
            memory: swings.into(),
            ..HostBeside::default()
        };
        let noise = Noise {
            run: 0.01,
            drift: 0.0,
        };
        let runs = Runs::of(&base, &follows, ONE_SPELL, &host).expect("rates");
        assert!(runs.is_explained_by(&runs.host.memory, noise));
        let loses: Vec<f64> = swings.map(|memory| 85.0 * memory).into();
        let runs = Runs::of(&base, &loses, ONE_SPELL, &host).expect("rates");
        let excused = runs.is_explained_by(&runs.host.memory, noise);
        assert!(!excused, "the share fell by 15 %");
    }

    #[test]
    fn runs_of_one_minute_are_one_draw_of_the_hosts_minutes() {
        let (base, now) = ([100.0, 100.5, 101.0], [88.0, 88.5, 89.0]);
        let told = |drift: f64, spells: usize| {
            let spells = Spells {
                recorded: spells,
                now: spells,
            };
            let runs = Runs::of(&base, &now, spells, &HostBeside::default()).expect("rates");
            let noise = Noise { run: 0.01, drift };
            (runs.told(noise, Z_ALL), runs.smallest_loss_found(noise))
        };
        assert_eq!(told(0.0, 1).0, Judgement::Slower, "minutes are alike");
        let (within, unseen) = told(0.05, 1);
        assert_eq!(
            within,
            Judgement::Holds,
            "an eighth is what minutes differ by"
        );
        assert!((0.22..0.29).contains(&unseen), "{unseen}");
        assert_eq!(
            told(0.04, 3).0,
            Judgement::Slower,
            "three spells on each side"
        );
        assert_eq!(told(0.04, 1).0, Judgement::Holds);
        assert_eq!(told(0.25, 1).0, Judgement::NotToldApart);
        // More spells than runs are none.
        assert_eq!(told(0.05, 100).1, told(0.05, 3).1);
        assert_eq!(told(0.05, 0).1, told(0.05, 1).1);
    }

    #[test]
    fn what_is_no_rate_tells_nothing() {
        let none = HostBeside::default();
        for (recorded, now) in [(&[][..], &[1.0][..]), (&[1.0], &[]), (&[1.0], &[0.0])] {
            assert!(Runs::of(recorded, now, ONE_SPELL, &none).is_none());
        }
        let host = HostBeside {
            memory: vec![f64::NAN],
            ..none
        };
        let unknown = Runs::of(&[1.0], &[1.0], ONE_SPELL, &host).expect("rates");
        assert!(unknown.host.memory.is_empty());
    }
}
