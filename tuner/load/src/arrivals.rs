//! When requests are sent, by seed: the same seed gives the same times.

use sysinfer_random::SplitMix64;

/// How requests arrive at the server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrivals {
    /// So many at any time: the next is sent when one has ended.
    Closed {
        /// Requests under way.
        concurrency: usize,
    },
    /// At random times that do not depend on the server.
    Open {
        /// Requests per second on average.
        rate: f64,
        /// Most requests under way.
        max_in_flight: usize,
    },
}

/// Arrival times of a Poisson process, seconds from the start, ascending, without end.
#[derive(Clone, Debug)]
pub struct Poisson {
    random: SplitMix64,
    rate: f64,
    seconds: f64,
}

impl Poisson {
    /// `rate` requests per second on average.
    pub fn new(rate: f64, seed: u64) -> Self {
        Self {
            random: SplitMix64(seed),
            rate,
            seconds: 0.0,
        }
    }
}

impl Iterator for Poisson {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        // 53 bits make a number in [0, 1); gaps of a Poisson process are exponential.
        let uniform = (self.random.next_bits() >> 11) as f64 / (1u64 << 53) as f64;
        self.seconds += -(1.0 - uniform).ln() / self.rate;
        Some(self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_are_poisson_and_repeatable() {
        const COUNT: usize = 20_000;
        for (rate, seed) in [(0.5, 1), (4.0, 2), (250.0, 3)] {
            let times: Vec<f64> = Poisson::new(rate, seed).take(COUNT).collect();
            let gaps: Vec<f64> = std::iter::once(times[0])
                .chain(times.windows(2).map(|pair| pair[1] - pair[0]))
                .collect();
            let mean = gaps.iter().sum::<f64>() / COUNT as f64;
            let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / COUNT as f64;
            // Mean and standard deviation of exponential gaps are 1 / rate.
            assert!((mean * rate - 1.0).abs() < 0.03, "{rate}: mean {mean}");
            assert!(
                (variance.sqrt() * rate - 1.0).abs() < 0.05,
                "{rate}: variance {variance}"
            );
            let long = gaps.iter().filter(|gap| **gap > 1.0 / rate).count() as f64;
            assert!(
                (long / COUNT as f64 - (-1.0f64).exp()).abs() < 0.02,
                "{rate}: {long} long"
            );
            assert!(gaps.iter().all(|gap| *gap >= 0.0 && gap.is_finite()));
            let again: Vec<f64> = Poisson::new(rate, seed).take(COUNT).collect();
            assert_eq!(times, again);
            assert_ne!(Poisson::new(rate, seed + 1).next(), Some(times[0]));
        }
    }
}
