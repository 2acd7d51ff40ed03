//! One body, compiled once for every CPU and once for CPUs with wide vectors.
//!
//! Loops over fixed-size arrays need no intrinsics: the compiler vectorises them as far as the
//! instruction set of the enclosing function goes. [`versions!`] makes the second function.

/// Defines `pub fn name(args)` that runs `body::<FUSED>` in the best version for this CPU: `FUSED`
/// says whether a fused multiply-add is one instruction.
macro_rules! versions {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) => $body:ident) => {
        $(#[$meta])*
        $vis fn $name($($arg: $type),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma,f16c")]
                fn wide($($arg: $type),*) {
                    $body::<true>($($arg),*)
                }
                if $crate::Isa::Avx2.detected() {
                    // SAFETY: the instruction set was detected on the line above.
                    return unsafe { wide($($arg),*) };
                }
            }
            $body::<{ cfg!(target_arch = "aarch64") }>($($arg),*)
        }
    };
}
pub(crate) use versions;

/// `a * b + c`, fused where that is one instruction.
#[inline(always)]
pub(crate) fn multiply_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// Sum of eight lanes, always in the same order.
#[inline(always)]
pub(crate) fn sum8(lanes: [f32; 8]) -> f32 {
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// `e^x` to about 2 units in the last place; 0 below -87, the largest power above 88 (Cephes'
/// `expf`: range reduction by multiples of ln 2, a polynomial of degree 5 on the rest).
#[inline(always)]
pub(crate) fn exp<const FUSED: bool>(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer
    let bounded = x.clamp(-87.0, 88.0);
    let shifted = multiply_add::<FUSED>(bounded, std::f32::consts::LOG2_E, ROUND);
    let power = shifted - ROUND;
    let rest = multiply_add::<FUSED>(power, -0.693_359_4, bounded);
    let rest = multiply_add::<FUSED>(power, 2.121_944_4e-4, rest);
    let mut sum = 1.987_569_1e-4;
    for coefficient in [
        1.398_199_9e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        0.166_666_65,
        0.5,
    ] {
        sum = multiply_add::<FUSED>(sum, rest, coefficient);
    }
    let mantissa = multiply_add::<FUSED>(sum * rest, rest, rest) + 1.0;
    let scale = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    if x < -87.0 { 0.0 } else { mantissa * scale }
}

/// Eight f16 in f32.
#[inline(always)]
pub(crate) fn widen<const FUSED: bool>(values: &[u16; 8]) -> [f32; 8] {
    #[cfg(target_arch = "x86_64")]
    if FUSED {
        // SAFETY: on x86-64 `FUSED` bodies are entered only after AVX2, FMA and F16C were detected.
        return unsafe { super::x86_64::mem::widen_f16(values) };
    }
    values.map(|value| half::f16::from_bits(value).to_f32())
}

/// Eight f32 rounded to f16, ties to even.
#[inline(always)]
pub(crate) fn narrow<const FUSED: bool>(values: &[f32; 8]) -> [u16; 8] {
    #[cfg(target_arch = "x86_64")]
    if FUSED {
        // SAFETY: as in `widen`.
        return unsafe { super::x86_64::mem::narrow_f16(values) };
    }
    values.map(|value| half::f16::from_f32(value).to_bits())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_two_units_in_the_last_place() {
        for step in -8700..=8800 {
            let x = step as f32 / 100.0;
            let exact = f64::from(x).exp();
            for got in [exp::<true>(x), exp::<false>(x)] {
                let error = (f64::from(got) / exact - 1.0).abs();
                assert!(error < 3e-7, "exp({x}) = {got}, relative error {error:e}");
            }
        }
        assert_eq!(exp::<true>(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp::<false>(-100.0), 0.0);
        assert!(exp::<false>(1000.0).is_finite());
    }
}
