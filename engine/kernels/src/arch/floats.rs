//! Eight f32 at a time: what attention and the elementwise functions are written over.
//!
//! One implementation in plain Rust and one per instruction set. They agree to the bit wherever a
//! fused multiply-add is one instruction: every operation here is rounded once, as IEEE 754 says.

/// Arithmetic on eight f32. A value of the type is the proof that this CPU has the instructions.
pub(crate) trait Floats: Copy {
    /// Eight f32.
    type Lanes: Copy;

    /// Vectors that the CPU has registers for.
    const REGISTERS: usize = 16;

    /// Eight times the same.
    fn splat(self, value: f32) -> Self::Lanes;
    /// Eight neighbours.
    fn load(self, values: &[f32; 8]) -> Self::Lanes;
    /// Eight f16.
    fn load_f16(self, values: &[u16; 8]) -> Self::Lanes;
    /// Eight bf16: the upper halves of f32.
    fn load_bf16(self, values: &[u16; 8]) -> Self::Lanes;
    /// Eight signed bytes.
    fn load_i8(self, values: &[i8; 8]) -> Self::Lanes;
    /// Writes eight neighbours.
    fn store(self, lanes: Self::Lanes, out: &mut [f32; 8]);
    /// Eight f32 rounded to f16, ties to even.
    fn to_f16(self, lanes: Self::Lanes) -> [u16; 8];
    /// `a + b`.
    fn add(self, a: Self::Lanes, b: Self::Lanes) -> Self::Lanes;
    /// `a - b`.
    fn sub(self, a: Self::Lanes, b: Self::Lanes) -> Self::Lanes;
    /// `a * b`.
    fn mul(self, a: Self::Lanes, b: Self::Lanes) -> Self::Lanes;
    /// `a / b`.
    fn div(self, a: Self::Lanes, b: Self::Lanes) -> Self::Lanes;
    /// `a * b + c`, fused where that is one instruction.
    fn multiply_add(self, a: Self::Lanes, b: Self::Lanes, c: Self::Lanes) -> Self::Lanes;
    /// `a > b ? a : b`: the second where one is not a number.
    fn max(self, a: Self::Lanes, b: Self::Lanes) -> Self::Lanes;
    /// `a < b ? a : b`: the second where one is not a number.
    fn min(self, a: Self::Lanes, b: Self::Lanes) -> Self::Lanes;
    /// `value * 2^n`, `n` the integer in the lowest bits of `exponent`, from -126 to 127.
    fn times_power(self, value: Self::Lanes, exponent: Self::Lanes) -> Self::Lanes;
    /// `x < limit ? 0 : value`.
    fn zero_below(self, x: Self::Lanes, limit: f32, value: Self::Lanes) -> Self::Lanes;
    /// Asks for the cache line `distance` bytes beyond `place`: a hint, which reads nothing.
    fn prefetch<T>(self, place: &T, distance: usize);
    /// The same, but only into the second-level cache: for what is needed after more than the first
    /// level holds.
    fn prefetch_level_2<T>(self, place: &T, distance: usize);

    /// The lanes as an array.
    #[inline(always)]
    fn array(self, lanes: Self::Lanes) -> [f32; 8] {
        let mut out = [0.0; 8];
        self.store(lanes, &mut out);
        out
    }

    /// Sum of the lanes, always in the same order.
    #[inline(always)]
    fn sum(self, lanes: Self::Lanes) -> f32 {
        sum8(self.array(lanes))
    }

    /// `e^x` to about 2 units in the last place; 0 below -87, the largest power above 88 (Cephes'
    /// `expf`: range reduction by multiples of ln 2, a polynomial of degree 5 on the rest).
    #[inline(always)]
    fn exp(self, x: Self::Lanes) -> Self::Lanes {
        let constant = |value| self.splat(value);
        let round = constant(12_582_912.0); // 1.5 * 2^23: adding it rounds to an integer
        let bounded = self.min(constant(88.0), self.max(constant(-87.0), x));
        let shifted = self.multiply_add(bounded, constant(std::f32::consts::LOG2_E), round);
        let power = self.sub(shifted, round);
        let rest = self.multiply_add(power, constant(-0.693_359_4), bounded);
        let rest = self.multiply_add(power, constant(2.121_944_4e-4), rest);
        let mut sum = constant(1.987_569_1e-4);
        for coefficient in [
            1.398_199_9e-3,
            8.333_452e-3,
            4.166_579_6e-2,
            0.166_666_65,
            0.5,
        ] {
            sum = self.multiply_add(sum, rest, constant(coefficient));
        }
        let mantissa = self.multiply_add(self.mul(sum, rest), rest, rest);
        let mantissa = self.add(mantissa, constant(1.0));
        self.zero_below(x, -87.0, self.times_power(mantissa, shifted))
    }

    /// [`Floats::exp`] of one number.
    #[inline(always)]
    fn exp_of(self, x: f32) -> f32 {
        self.array(self.exp(self.splat(x)))[0]
    }
}

/// Sum of eight numbers, always in the same order.
#[inline(always)]
pub(crate) fn sum8(lanes: [f32; 8]) -> f32 {
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// Plain Rust, on any CPU.
#[derive(Clone, Copy)]
pub(crate) struct PlainFloats;

/// Every lane by itself.
#[inline(always)]
fn each(a: [f32; 8], b: [f32; 8], with: impl Fn(f32, f32) -> f32) -> [f32; 8] {
    std::array::from_fn(|lane| with(a[lane], b[lane]))
}

impl Floats for PlainFloats {
    type Lanes = [f32; 8];

    #[inline(always)]
    fn splat(self, value: f32) -> [f32; 8] {
        [value; 8]
    }

    #[inline(always)]
    fn load(self, values: &[f32; 8]) -> [f32; 8] {
        *values
    }

    #[inline(always)]
    fn load_f16(self, values: &[u16; 8]) -> [f32; 8] {
        values.map(|value| half::f16::from_bits(value).to_f32())
    }

    #[inline(always)]
    fn load_bf16(self, values: &[u16; 8]) -> [f32; 8] {
        values.map(|value| f32::from_bits(u32::from(value) << 16))
    }

    #[inline(always)]
    fn load_i8(self, values: &[i8; 8]) -> [f32; 8] {
        values.map(f32::from)
    }

    #[inline(always)]
    fn store(self, lanes: [f32; 8], out: &mut [f32; 8]) {
        *out = lanes;
    }

    #[inline(always)]
    fn to_f16(self, lanes: [f32; 8]) -> [u16; 8] {
        lanes.map(|value| half::f16::from_f32(value).to_bits())
    }

    #[inline(always)]
    fn add(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        each(a, b, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        each(a, b, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        each(a, b, |a, b| a * b)
    }

    #[inline(always)]
    fn div(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        each(a, b, |a, b| a / b)
    }

    #[inline(always)]
    fn multiply_add(self, a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
        // Elsewhere a fused one is a function call.
        if crate::architecture::PLAIN_RUST_FUSES {
            std::array::from_fn(|lane| a[lane].mul_add(b[lane], c[lane]))
        } else {
            std::array::from_fn(|lane| a[lane] * b[lane] + c[lane])
        }
    }

    #[inline(always)]
    fn max(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        each(a, b, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn min(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        each(a, b, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn times_power(self, value: [f32; 8], exponent: [f32; 8]) -> [f32; 8] {
        each(value, exponent, |value, exponent| {
            let bits = (exponent.to_bits() << 23).wrapping_add(127 << 23);
            value * f32::from_bits(bits)
        })
    }

    #[inline(always)]
    fn zero_below(self, x: [f32; 8], limit: f32, value: [f32; 8]) -> [f32; 8] {
        each(x, value, |x, value| if x < limit { 0.0 } else { value })
    }

    #[inline(always)]
    fn prefetch<T>(self, _place: &T, _distance: usize) {}

    #[inline(always)]
    fn prefetch_level_2<T>(self, _place: &T, _distance: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::versions::versions;

    versions! {
        /// `exp` of every value.
        fn exp_all(values: &mut [f32]) => exp_all_body
    }

    #[inline(always)]
    fn exp_all_body<F: Floats>(floats: F, values: &mut [f32]) {
        for value in values {
            *value = floats.exp_of(*value);
        }
    }

    #[test]
    fn exp_is_within_two_units_in_the_last_place() {
        for step in -8700..=8800 {
            let x = step as f32 / 100.0;
            let exact = f64::from(x).exp();
            let mut best = [x];
            exp_all(&mut best);
            for got in [PlainFloats.exp_of(x), best[0]] {
                let error = (f64::from(got) / exact - 1.0).abs();
                assert!(error < 3e-7, "exp({x}) = {got}, relative error {error:e}");
            }
        }
    }

    #[test]
    fn exp_of_extremes_is_finite() {
        let mut values = [f32::NEG_INFINITY, -100.0, 1000.0, f32::INFINITY];
        let plain = values.map(|x| PlainFloats.exp_of(x));
        exp_all(&mut values);
        for got in [plain, values] {
            assert_eq!(got[..2], [0.0, 0.0]);
            assert!(got.iter().all(|x| x.is_finite()), "{got:?}");
        }
    }
}
