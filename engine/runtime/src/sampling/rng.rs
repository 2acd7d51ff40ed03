//! The random numbers of sampling: xoshiro256**, seeded by SplitMix64.
//!
//! Written out here because a seed in a request must give the same text on every platform and after
//! every update of a library. The generator is public domain, by David Blackman and Sebastiano
//! Vigna (<https://prng.di.unimi.it/>); it is not meant for secrets.

use sysinfer_random::SplitMix64;

/// A small, portable, seeded generator.
#[derive(Debug, Clone)]
pub(super) struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// Starts the sequence that belongs to `seed`.
    pub(super) fn new(seed: u64) -> Self {
        let mut states = SplitMix64(seed);
        Self {
            state: std::array::from_fn(|_| states.next_bits()),
        }
    }

    /// The next 64 random bits.
    fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        result
    }

    /// A number from 0 (included) to 1 (excluded), in steps of 2^-53.
    pub(super) fn next_unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers to requests with a seed must stay what they are.
    #[test]
    fn a_seed_gives_the_numbers_that_it_gave() {
        let mut rng = Rng::new(1_234_567);
        assert_eq!(rng.state[0], 6_457_827_717_110_365_317);
        assert_eq!(rng.state[2], 9_817_491_932_198_370_423);
        let first = rng.state[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        assert_eq!(rng.next_u64(), first);
    }

    #[test]
    fn steps_follow_the_published_xoshiro_sequence() {
        let mut rng = Rng {
            state: [1, 2, 3, 4],
        };
        let drawn: Vec<u64> = (0..5).map(|_| rng.next_u64()).collect();
        assert_eq!(
            drawn,
            [
                11520,
                0,
                1_509_978_240,
                1_215_971_899_390_074_240,
                1_216_172_134_540_287_360
            ]
        );
    }

    #[test]
    fn units_stay_below_one_and_fill_the_range() {
        let mut rng = Rng::new(7);
        let draws: Vec<f64> = (0..10_000).map(|_| rng.next_unit()).collect();
        assert!(draws.iter().all(|draw| (0.0..1.0).contains(draw)));
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        assert!((mean - 0.5).abs() < 0.02, "mean {mean}");
    }

    #[test]
    fn close_seeds_part_at_once() {
        assert_ne!(Rng::new(1).next_u64(), Rng::new(2).next_u64());
    }
}
