//! Random numbers from a seed: the same on every platform and after every update of a library. Not for secrets.
//!
//! [`SplitMix64`] is the generator of seeds, random weights, test data and resampling. Sampling draws from
//! a larger one that it seeds (`sysinfer-engine`).
#![forbid(unsafe_code)]

/// SplitMix64 (Steele, Lea, Flood 2014; public domain code by Sebastiano Vigna, <https://prng.di.unimi.it/>):
/// 64 bits of state, any of which is a good seed, and 64 bits a step.
///
/// States that lie near each other step through nearly the same numbers. Streams that belong together (rows of
/// a matrix) are seeded with what a generator gives, not with its state.
#[derive(Clone, Debug)]
pub struct SplitMix64(pub u64);

impl SplitMix64 {
    /// The next 64 bits.
    #[inline]
    pub fn next_bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..limit`; 0 when `limit` is 0. The bias of the remainder is below 2^-40 for limits below
    /// 2^24.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next_bits() % limit.max(1) as u64) as usize
    }

    /// A number from 0 (included) to 1 (excluded), in steps of 2^-24.
    #[inline]
    pub fn unit(&mut self) -> f32 {
        (self.next_bits() >> 40) as f32 / (1u64 << 24) as f32
    }

    /// Fills `bytes` with random ones.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_bits().to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_follow_the_published_sequence() {
        let mut random = SplitMix64(1_234_567);
        let drawn: Vec<u64> = (0..3).map(|_| random.next_bits()).collect();
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
    fn numbers_stay_within_their_limits() {
        let mut random = SplitMix64(7);
        assert_eq!((random.below(0), random.below(1)), (0, 0));
        assert!((0..1000).all(|_| random.below(10) < 10));
        let units: Vec<f32> = (0..10_000).map(|_| random.unit()).collect();
        assert!(units.iter().all(|unit| (0.0..1.0).contains(unit)));
        let mean = units.iter().sum::<f32>() / units.len() as f32;
        assert!((mean - 0.5).abs() < 0.02, "mean {mean}");
    }

    #[test]
    fn what_is_filled_goes_on_within_a_word() {
        let (mut whole, mut part) = ([0; 16], [0; 11]);
        SplitMix64(3).fill(&mut whole);
        SplitMix64(3).fill(&mut part);
        assert_eq!(part, whole[..11]);
        assert_eq!(whole[8..], {
            let mut random = SplitMix64(3);
            random.next_bits();
            random.next_bits().to_le_bytes()
        });
    }
}
