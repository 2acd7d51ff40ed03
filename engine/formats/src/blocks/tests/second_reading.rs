//! The super-blocks read a second time: the loops of ggml's `dequantize_row_*`, in their own order,
//! against the decoders, on blocks of random bytes.

use super::*;

/// Scale and minimum `j` of Q4_K and Q5_K (`get_scale_min_k4`), by the numbers of their bits: scale
/// and minimum 0..4 are the low six bits of eight bytes, whose high two bits top the nibbles of 4..8.
fn pair_of_six(bytes: &[u8; 12], j: usize) -> (f32, f32) {
    let six = |low: u8, high: u8| f32::from(low % 16 + 16 * (high / 64));
    match j {
        0..4 => (f32::from(bytes[j] % 64), f32::from(bytes[j + 4] % 64)),
        _ => (
            six(bytes[j + 4] % 16, bytes[j - 4]),
            six(bytes[j + 4] / 16, bytes[j]),
        ),
    }
}

fn q2_k(block: &BlockQ2K) -> Vec<f32> {
    let (d, dmin) = (half_to_f32(block.d), half_to_f32(block.dmin));
    let mut out = Vec::new();
    let mut scales = block.scales.iter();
    for q in block.qs.chunks(32) {
        for shift in [0, 2, 4, 6] {
            for q in [&q[..16], &q[16..]] {
                let pair = scales.next().unwrap();
                let (scale, minimum) = (d * f32::from(pair % 16), dmin * f32::from(pair / 16));
                out.extend(
                    q.iter()
                        .map(|q| scale * f32::from(q >> shift & 3) - minimum),
                );
            }
        }
    }
    out
}

fn q3_k(block: &BlockQ3K) -> Vec<f32> {
    // The twelve bytes as three words; each result word is four scales.
    let word =
        |index: usize| u32::from_le_bytes(block.scales[4 * index..][..4].try_into().unwrap());
    let (low, top) = (0x0f0f_0f0f, 0x0303_0303);
    let words = [
        word(0) & low | (word(2) & top) << 4,
        word(1) & low | (word(2) >> 2 & top) << 4,
        word(0) >> 4 & low | (word(2) >> 4 & top) << 4,
        word(1) >> 4 & low | (word(2) >> 6 & top) << 4,
    ];
    let mut scales = words.into_iter().flat_map(u32::to_le_bytes);
    let mut out = Vec::new();
    let mut mask = 1u8;
    for q in block.qs.chunks(32) {
        for shift in [0, 2, 4, 6] {
            for first in [0, 16] {
                let scale = half_to_f32(block.d) * (f32::from(scales.next().unwrap()) - 32.0);
                for l in first..first + 16 {
                    let missing = if block.hmask[l] & mask != 0 { 0.0 } else { 4.0 };
                    out.push(scale * (f32::from(q[l] >> shift & 3) - missing));
                }
            }
            mask = mask.rotate_left(1);
        }
    }
    out
}

fn q4_k(block: &BlockQ4K) -> Vec<f32> {
    let (d, dmin) = (half_to_f32(block.d), half_to_f32(block.dmin));
    let mut out = Vec::new();
    for (pair, q) in block.qs.chunks(32).enumerate() {
        let (scale, minimum) = pair_of_six(&block.scales, 2 * pair);
        out.extend(
            q.iter()
                .map(|q| d * scale * f32::from(q % 16) - dmin * minimum),
        );
        let (scale, minimum) = pair_of_six(&block.scales, 2 * pair + 1);
        out.extend(
            q.iter()
                .map(|q| d * scale * f32::from(q / 16) - dmin * minimum),
        );
    }
    out
}

fn q5_k(block: &BlockQ5K) -> Vec<f32> {
    let (d, dmin) = (half_to_f32(block.d), half_to_f32(block.dmin));
    let mut out = Vec::new();
    let (mut first, mut second) = (1u8, 2u8);
    for (pair, q) in block.qs.chunks(32).enumerate() {
        let (scale, minimum) = pair_of_six(&block.scales, 2 * pair);
        for (q, high) in q.iter().zip(block.qh) {
            let top = if high & first != 0 { 16 } else { 0 };
            out.push(d * scale * f32::from(q % 16 + top) - dmin * minimum);
        }
        let (scale, minimum) = pair_of_six(&block.scales, 2 * pair + 1);
        for (q, high) in q.iter().zip(block.qh) {
            let top = if high & second != 0 { 16 } else { 0 };
            out.push(d * scale * f32::from(q / 16 + top) - dmin * minimum);
        }
        (first, second) = (first.rotate_left(2), second.rotate_left(2));
    }
    out
}

fn q6_k(block: &BlockQ6K) -> Vec<f32> {
    let mut out = vec![0.0; 256];
    let d = half_to_f32(block.d);
    for half in 0..2 {
        let (ql, qh) = (&block.ql[64 * half..], &block.qh[32 * half..]);
        let scales = &block.scales[8 * half..];
        for l in 0..32 {
            let quarters = [
                i32::from(ql[l] & 15 | (qh[l] & 3) << 4),
                i32::from(ql[l + 32] & 15 | (qh[l] >> 2 & 3) << 4),
                i32::from(ql[l] >> 4 | (qh[l] >> 4 & 3) << 4),
                i32::from(ql[l + 32] >> 4 | (qh[l] >> 6) << 4),
            ];
            for (quarter, q) in quarters.into_iter().enumerate() {
                let scale = f32::from(scales[l / 16 + 2 * quarter]);
                out[128 * half + 32 * quarter + l] = d * scale * (q - 32) as f32;
            }
        }
    }
    out
}

fn iq4_xs(block: &BlockIq4Xs) -> Vec<f32> {
    let mut out = Vec::new();
    let low = u32::from_le_bytes(block.scales_l);
    for (group, q) in block.qs.chunks(16).enumerate() {
        let scale = low >> (4 * group) & 15 | u32::from(block.scales_h >> (2 * group) & 3) << 4;
        let scale = half_to_f32(block.d) * (scale as f32 - 32.0);
        let level = |q: u8| scale * f32::from(IQ4_LEVELS[usize::from(q)]);
        out.extend(q.iter().map(|q| level(q % 16)));
        out.extend(q.iter().map(|q| level(q / 16)));
    }
    out
}

/// A block of these bytes, cut to size.
fn block<B: Block>(bytes: &[u8]) -> B {
    bytemuck::pod_read_unaligned(&bytes[..size_of::<B>()])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn super_blocks_read_as_described(bytes in proptest::collection::vec(any::<u8>(), 210)) {
        let (d, dmin) = (HALF_ONE, HALF_QUARTER);
        let q2k = BlockQ2K { d, dmin, ..block(&bytes) };
        prop_assert_eq!(decoded(TensorType::Q2K, bytemuck::bytes_of(&q2k)), q2_k(&q2k));
        let q3k = BlockQ3K { d, ..block(&bytes) };
        prop_assert_eq!(decoded(TensorType::Q3K, bytemuck::bytes_of(&q3k)), q3_k(&q3k));
        let q4k = BlockQ4K { d, dmin, ..block(&bytes) };
        prop_assert_eq!(decoded(TensorType::Q4K, bytemuck::bytes_of(&q4k)), q4_k(&q4k));
        let q5k = BlockQ5K { d, dmin, ..block(&bytes) };
        prop_assert_eq!(decoded(TensorType::Q5K, bytemuck::bytes_of(&q5k)), q5_k(&q5k));
        let q6k = BlockQ6K { d, ..block(&bytes) };
        prop_assert_eq!(decoded(TensorType::Q6K, bytemuck::bytes_of(&q6k)), q6_k(&q6k));
        let xs = BlockIq4Xs { d, ..block(&bytes) };
        prop_assert_eq!(decoded(TensorType::Iq4Xs, bytemuck::bytes_of(&xs)), iq4_xs(&xs));
    }
}
