//! What happens to activations between matrix products: norms, rotations, gates, sums.

use crate::arch::floats::Floats;
use crate::arch::versions::versions;

versions! {
    /// Root mean square norm: `out = x / sqrt(mean(x^2) + epsilon) * weight` (arXiv:1910.07467). Where the
    /// squares are beyond f32, no result is a number.
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn rms_norm(x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) => rms_norm_body
}

#[inline(always)]
fn rms_norm_body<F: Floats>(floats: F, x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
    assert!(x.len() == weight.len() && x.len() == out.len());
    // Sixteen partial sums: enough chains to fill the adders, and the same order on every CPU.
    let mut sums = [floats.splat(0.0); 2];
    let (chunks, rest) = x.as_chunks::<16>();
    for chunk in chunks {
        for (sum, values) in sums.iter_mut().zip(chunk.as_chunks::<8>().0) {
            let values = floats.load(values);
            *sum = floats.multiply_add(values, values, *sum);
        }
    }
    let rest = rest.iter().map(|v| v * v).sum::<f32>();
    let squares = floats.sum(sums[0]) + floats.sum(sums[1]) + rest;
    // Where squares overflow, the norm would be zeros, and whatever was wrong with `x` would be gone.
    let scale = if squares < f32::INFINITY {
        1.0 / (squares / x.len() as f32 + epsilon).sqrt()
    } else {
        f32::NAN
    };
    for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
        *out = x * scale * weight;
    }
}

versions! {
    /// `sums += values`.
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn add(sums: &mut [f32], values: &[f32]) => add_body
}

#[inline(always)]
fn add_body<F: Floats>(_: F, sums: &mut [f32], values: &[f32]) {
    assert_eq!(sums.len(), values.len());
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += value;
    }
}

versions! {
    /// The gate of a gated feed-forward: `gate = silu(gate) * up` with `silu(x) = x / (1 + e^-x)`
    /// (SwiGLU, arXiv:2002.05202).
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn silu_times(gate: &mut [f32], up: &[f32]) => silu_times_body
}

#[inline(always)]
fn silu_times_body<F: Floats>(floats: F, gate: &mut [f32], up: &[f32]) {
    assert_eq!(gate.len(), up.len());
    let ((chunks, rest), (up_chunks, up_rest)) = (gate.as_chunks_mut::<8>(), up.as_chunks::<8>());
    for (gate, up) in chunks.iter_mut().zip(up_chunks) {
        silu_times_eight(floats, gate, up);
    }
    for (gate, up) in rest.iter_mut().zip(up_rest) {
        let mut lanes = [*gate; 8];
        silu_times_eight(floats, &mut lanes, &[*up; 8]);
        *gate = lanes[0];
    }
}

#[inline(always)]
fn silu_times_eight<F: Floats>(floats: F, gate: &mut [f32; 8], up: &[f32; 8]) {
    let x = floats.load(gate);
    let decay = floats.exp(floats.sub(floats.splat(0.0), x));
    let silu = floats.div(x, floats.add(floats.splat(1.0), decay));
    floats.store(floats.mul(silu, floats.load(up)), gate);
}

versions! {
    /// Rotates neighbours `(x[2 i], x[2 i + 1])` by the angles whose cosines and sines are given:
    /// rotary embedding as llama.cpp's converted Llama weights expect it (arXiv:2104.09864).
    ///
    /// `head` may be longer than twice the angles: what is beyond stays as it is.
    ///
    /// # Panics
    /// If `head` is shorter than twice the number of angles, or cosines and sines differ in number.
    pub fn rotate_pairs(head: &mut [f32], cosines: &[f32], sines: &[f32]) => rotate_pairs_body
}

#[inline(always)]
fn rotate_pairs_body<F: Floats>(_: F, head: &mut [f32], cosines: &[f32], sines: &[f32]) {
    assert!(cosines.len() == sines.len() && head.len() >= 2 * cosines.len());
    for ((pair, cosine), sine) in head
        .as_chunks_mut::<2>()
        .0
        .iter_mut()
        .zip(cosines)
        .zip(sines)
    {
        let [a, b] = *pair;
        *pair = [a * cosine - b * sine, a * sine + b * cosine];
    }
}

versions! {
    /// Rotates `(x[i], x[i + n])`, `n` the number of angles: rotary embedding in GPT-NeoX order.
    ///
    /// # Panics
    /// As [`rotate_pairs`].
    pub fn rotate_halves(head: &mut [f32], cosines: &[f32], sines: &[f32]) => rotate_halves_body
}

#[inline(always)]
fn rotate_halves_body<F: Floats>(_: F, head: &mut [f32], cosines: &[f32], sines: &[f32]) {
    assert!(cosines.len() == sines.len() && head.len() >= 2 * cosines.len());
    let (first, second) = head.split_at_mut(cosines.len());
    for (((a, b), cosine), sine) in first.iter_mut().zip(second).zip(cosines).zip(sines) {
        (*a, *b) = (*a * cosine - *b * sine, *a * sine + *b * cosine);
    }
}

versions! {
    /// Adds to `wrong` what shows whether all values are finite: 0 if they are, else no number.
    fn probe(values: &[f32], wrong: &mut f32) => probe_body
}

#[inline(always)]
fn probe_body<F: Floats>(floats: F, values: &[f32], wrong: &mut f32) {
    // Zero times infinity, and times what is no number, is no number, and no sum is one from then on.
    let zero = floats.splat(0.0);
    let mut sums = [zero; 4];
    let (chunks, rest) = values.as_chunks::<32>();
    for chunk in chunks {
        for (sum, values) in sums.iter_mut().zip(chunk.as_chunks::<8>().0) {
            *sum = floats.multiply_add(floats.load(values), zero, *sum);
        }
    }
    let sums = floats.add(floats.add(sums[0], sums[1]), floats.add(sums[2], sums[3]));
    *wrong += floats.sum(sums) + rest.iter().map(|value| value * 0.0).sum::<f32>();
}

versions! {
    /// `out = e^((x - highest) / divisor)`, which is 1 at the highest; 0 for what is not a number.
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn exp_differences(x: &[f32], highest: f32, divisor: f32, out: &mut [f32]) => exp_differences_body
}

#[inline(always)]
fn exp_differences_body<F: Floats>(
    floats: F,
    x: &[f32],
    highest: f32,
    divisor: f32,
    out: &mut [f32],
) {
    assert_eq!(x.len(), out.len());
    let ((chunks, rest), (outs, out_rest)) = (x.as_chunks::<8>(), out.as_chunks_mut::<8>());
    for (x, out) in chunks.iter().zip(outs) {
        exp_eight_differences(floats, x, highest, divisor, out);
    }
    for (x, out) in rest.iter().zip(out_rest) {
        let mut lanes = [0.0; 8];
        exp_eight_differences(floats, &[*x; 8], highest, divisor, &mut lanes);
        *out = lanes[0];
    }
}

#[inline(always)]
fn exp_eight_differences<F: Floats>(
    floats: F,
    x: &[f32; 8],
    highest: f32,
    divisor: f32,
    out: &mut [f32; 8],
) {
    let difference = floats.sub(floats.load(x), floats.splat(highest));
    let exp = floats.exp(floats.div(difference, floats.splat(divisor)));
    floats.store(floats.max(exp, floats.splat(0.0)), out);
}

/// Whether all values are finite: one pass at the speed of memory.
pub fn all_finite(values: &[f32]) -> bool {
    let mut wrong = 0.0;
    probe(values, &mut wrong);
    wrong == 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(count: usize) -> Vec<f32> {
        (0..count)
            .map(|i| ((i * 29) % 41) as f32 / 10.0 - 2.0)
            .collect()
    }

    #[test]
    fn rms_norm_is_the_definition_at_odd_lengths() {
        for count in [1, 7, 16, 33, 576] {
            let x = ramp(count);
            let weight: Vec<f32> = (0..count).map(|i| 1.0 + i as f32 / 100.0).collect();
            let mut out = vec![0.0; count];
            rms_norm(&x, &weight, 1e-5, &mut out);
            let mean = x.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / count as f64;
            for i in 0..count {
                let want = f64::from(x[i]) / (mean + 1e-5).sqrt() * f64::from(weight[i]);
                assert!(
                    (f64::from(out[i]) - want).abs() < 1e-5 * want.abs().max(1.0),
                    "{count}: {i}"
                );
            }
        }
    }

    #[test]
    fn silu_is_the_definition_and_saturates_quietly() {
        let mut gate = [-1000.0, -20.0, -1.0, 0.0, 0.5, 3.0, 90.0, 1000.0];
        let want = gate.map(|x: f32| f64::from(x) / (1.0 + (-f64::from(x)).exp()) * 2.0);
        silu_times(&mut gate, &[2.0; 8]);
        for (got, want) in gate.iter().zip(want) {
            assert!(
                (f64::from(*got) - want).abs() <= 1e-6 * want.abs().max(1e-6),
                "{got} for {want}"
            );
        }
    }

    #[test]
    fn differences_are_weighed_by_the_definition() {
        for count in [0, 1, 7, 8, 9, 33, 100] {
            let mut x = ramp(count);
            if count > 6 {
                (x[2], x[4]) = (f32::NAN, f32::NEG_INFINITY);
            }
            let highest = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            for divisor in [1e-30, 0.8, 3.0, 1e30] {
                let mut out = vec![9.0; count];
                exp_differences(&x, highest, divisor, &mut out);
                for (x, out) in x.iter().zip(out) {
                    let exponent = (f64::from(*x) - f64::from(highest)) / f64::from(divisor);
                    // What is below the smallest power is nothing.
                    let want = exponent.exp().max(0.0);
                    let near = (f64::from(out) - want).abs() <= 1e-6 * want.max(1e-30);
                    assert!(near, "{x} / {divisor}: {out} for {want}");
                }
            }
        }
    }

    #[test]
    fn rotations_turn_the_right_pairs() {
        let (cosines, sines) = ([0.6, 0.8], [0.8, 0.6]);
        let mut pairs = [1.0, 0.0, 0.0, 1.0, 7.0];
        rotate_pairs(&mut pairs, &cosines, &sines);
        assert_eq!(pairs, [0.6, 0.8, -0.6, 0.8, 7.0]);
        let mut halves = [1.0, 0.0, 0.0, 1.0, 7.0];
        rotate_halves(&mut halves, &cosines, &sines);
        assert_eq!(halves, [0.6, -0.6, 0.8, 0.8, 7.0]);
    }

    #[test]
    fn any_value_that_is_not_finite_is_found_wherever_it_stands() {
        for count in [0, 1, 7, 8, 31, 32, 33, 100] {
            let mut values = ramp(count);
            assert!(all_finite(&values), "{count}");
            for at in 0..count {
                for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                    let right = std::mem::replace(&mut values[at], wrong);
                    assert!(!all_finite(&values), "{wrong} at {at} of {count}");
                    values[at] = right;
                }
                values[at] = [f32::MAX, f32::MIN, 1e-45, -0.0][at % 4];
            }
            assert!(all_finite(&values), "{count}: extremes");
        }
    }

    #[test]
    fn a_norm_hides_nothing_that_is_not_finite() {
        for count in [7, 33, 576] {
            for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, f32::MIN] {
                // The squares of the last two are beyond f32: their norm would be all zeros.
                let mut x = ramp(count);
                x[count - 1] = wrong;
                let mut out = vec![0.0; count];
                rms_norm(&x, &vec![1.0; count], 1e-5, &mut out);
                assert!(out.iter().all(|v| v.is_nan()), "{wrong}: {out:?}");
            }
            let mut out = vec![0.0; count];
            rms_norm(&vec![1e17; count], &vec![1.0; count], 1e-5, &mut out);
            assert!(out.iter().all(|v| (v - 1.0).abs() < 1e-5), "{out:?}");
        }
    }

    #[test]
    fn a_gate_hides_nothing_that_is_not_finite() {
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for other in [-1e3, -1.0, -0.0, 0.0, 2.0, 1e3] {
                let mut gate = [wrong, other];
                silu_times(&mut gate, &[other, wrong]);
                assert!(!all_finite(&gate[1..]), "{other} times {wrong}");
                if other != 0.0 {
                    assert!(!all_finite(&gate[..1]), "{wrong} times {other}");
                }
            }
        }
    }
}
