//! What happens to activations between matrix products: norms, rotations, gates, sums.

use crate::arch::floats::Floats;
use crate::arch::versions::versions;

versions! {
    /// Root mean square norm: `out = x / sqrt(mean(x^2) + epsilon) * weight` (arXiv:1910.07467).
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
    let scale = 1.0 / (squares / x.len() as f32 + epsilon).sqrt();
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
    /// Rounds to f16, ties to even.
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn to_f16(values: &[f32], out: &mut [u16]) => to_f16_body
}

#[inline(always)]
fn to_f16_body<F: Floats>(floats: F, values: &[f32], out: &mut [u16]) {
    assert_eq!(values.len(), out.len());
    let ((chunks, rest), (out_chunks, out_rest)) =
        (values.as_chunks::<8>(), out.as_chunks_mut::<8>());
    for (chunk, out) in chunks.iter().zip(out_chunks) {
        *out = floats.to_f16(floats.load(chunk));
    }
    for (value, out) in rest.iter().zip(out_rest) {
        *out = half::f16::from_f32(*value).to_bits();
    }
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
    fn f16_rounding_is_that_of_the_half_crate() {
        let values: Vec<f32> = ramp(19)
            .iter()
            .map(|v| v * 1.000_37)
            .chain([1e9, -1e-9, f32::INFINITY])
            .collect();
        let mut out = vec![0; values.len()];
        to_f16(&values, &mut out);
        let want: Vec<u16> = values
            .iter()
            .map(|v| half::f16::from_f32(*v).to_bits())
            .collect();
        assert_eq!(out, want);
    }
}
