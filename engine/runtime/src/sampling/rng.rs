//! The random numbers of sampling: xoshiro256**, seeded by SplitMix64.
//!
//! Written out here because a seed in a request must give the same text on every platform and after
//! every update of a library. Both generators are public domain, by David Blackman and Sebastiano
//! Vigna (<https://prng.di.unimi.it/>); neither is meant for secrets.

/// A small, portable, seeded generator.
#[derive(Debug, Clone)]
pub(super) struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// Starts the sequence that belongs to `seed`.
    pub(super) fn new(seed: u64) -> Self {
        let mut counter = seed;
        Self {
            state: std::array::from_fn(|_| split_mix(&mut counter)),
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

/// One step of SplitMix64: spreads close seeds over unrelated states, never all zero in sequence.
fn split_mix(counter: &mut u64) -> u64 {
    *counter = counter.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *counter;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeding_follows_the_published_split_mix_sequence() {
        let mut counter = 1_234_567;
        let drawn: Vec<u64> = (0..3).map(|_| split_mix(&mut counter)).collect();
        assert_eq!(
            drawn,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
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
