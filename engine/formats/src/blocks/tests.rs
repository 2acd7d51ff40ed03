//! Blocks against hand-made bytes and a second reading of the layout, and round trips against the
//! step of each type.

use proptest::prelude::*;

use super::*;

const CONVERTIBLE: [TensorType; 7] = [
    TensorType::F32,
    TensorType::F16,
    TensorType::BF16,
    TensorType::Q4_0,
    TensorType::Q4_1,
    TensorType::Q8_0,
    TensorType::Q6K,
];

const HALF_ONE: u16 = 0x3c00;
const HALF_MINUS_TWO: u16 = 0xc000;
const HALF_QUARTER: u16 = 0x3400;

fn decoded(kind: TensorType, bytes: &[u8]) -> Vec<f32> {
    let elements = bytes.len() / kind.block_bytes() * kind.block_elements();
    let mut values = vec![f32::NAN; elements];
    dequantize(kind, bytes, &mut values).unwrap();
    values
}

fn encoded(kind: TensorType, values: &[f32]) -> Vec<u8> {
    let mut bytes = Vec::new();
    quantize(kind, values, &mut bytes).unwrap();
    bytes
}

/// Smooth values of both signs without symmetry.
fn wave(count: usize) -> Vec<f32> {
    (0..count)
        .map(|index| (index as f32 * 0.37).sin() * 0.05 + 0.01)
        .collect()
}

#[test]
fn structs_have_the_sizes_of_the_table() {
    let cases = [
        (TensorType::Q4_0, size_of::<BlockQ4_0>()),
        (TensorType::Q4_1, size_of::<BlockQ4_1>()),
        (TensorType::Q8_0, size_of::<BlockQ8_0>()),
        (TensorType::Q6K, size_of::<BlockQ6K>()),
    ];
    for (kind, bytes) in cases {
        assert_eq!(kind.block_bytes(), bytes, "{kind}");
    }
}

#[test]
fn plain_numbers_are_little_endian() {
    let cases: [(TensorType, &[u8], f32); 3] = [
        (TensorType::F32, &[0x00, 0x00, 0x20, 0xc1], -10.0),
        (TensorType::F16, &[0x00, 0xc9], -10.0),
        (TensorType::BF16, &[0x20, 0xc1], -10.0),
    ];
    for (kind, bytes, value) in cases {
        assert_eq!(decoded(kind, bytes), [value], "{kind}");
        assert_eq!(encoded(kind, &[value]), bytes, "{kind}");
    }
}

#[test]
fn q4_0_splits_the_block_in_halves() {
    let mut block = BlockQ4_0 {
        d: HALF_MINUS_TWO,
        qs: [0x88; 16],
    };
    block.qs[0] = 0xf0;
    block.qs[15] = 0x3a;
    let values = decoded(TensorType::Q4_0, bytemuck::bytes_of(&block));
    let mut expected = [0.0; 32];
    (expected[0], expected[16]) = (16.0, -14.0);
    (expected[15], expected[31]) = (-4.0, 10.0);
    assert_eq!(values, expected);
}

#[test]
fn q4_1_adds_the_minimum() {
    let mut block = BlockQ4_1 {
        d: HALF_QUARTER,
        m: HALF_MINUS_TWO,
        qs: [0; 16],
    };
    block.qs[1] = 0x4f;
    let values = decoded(TensorType::Q4_1, bytemuck::bytes_of(&block));
    let mut expected = [-2.0; 32];
    (expected[1], expected[17]) = (1.75, -1.0);
    assert_eq!(values, expected);
}

#[test]
fn q8_0_is_signed() {
    let mut block = BlockQ8_0 {
        d: HALF_QUARTER,
        qs: [0; 32],
    };
    (block.qs[0], block.qs[31]) = (-128, 127);
    let values = decoded(TensorType::Q8_0, bytemuck::bytes_of(&block));
    assert_eq!((values[0], values[1], values[31]), (-32.0, 0.0, 31.75));
}

/// The loops of ggml's description, written down a second time in their own order.
fn q6_k_by_quarters(block: &BlockQ6K) -> Vec<f32> {
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn q6_k_reads_as_described(bytes in proptest::collection::vec(any::<u8>(), 208)) {
        let mut block: BlockQ6K = bytemuck::pod_read_unaligned(&[&bytes[..], &[0, 0]].concat());
        block.d = HALF_ONE;
        let values = decoded(TensorType::Q6K, bytemuck::bytes_of(&block));
        prop_assert_eq!(values, q6_k_by_quarters(&block));
    }

    #[test]
    fn encoders_take_any_numbers(bits in proptest::collection::vec(any::<u32>(), 256)) {
        let values: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
        for kind in CONVERTIBLE {
            let bytes = encoded(kind, &values);
            prop_assert_eq!(kind.row_bytes(values.len()), Some(bytes.len()));
            decoded(kind, &bytes);
        }
    }
}

#[test]
fn round_trips_stay_within_a_step() {
    // Largest error over largest magnitude: half a step (Q4_0: a whole one, as it has no +8), and
    // what the rounding of an f16 scale does to the largest number.
    const SCALE: f32 = 1.0 / 2048.0;
    let cases = [
        (TensorType::F32, 0.0),
        (TensorType::F16, 1.0 / 2048.0),
        (TensorType::BF16, 1.0 / 256.0),
        (TensorType::Q4_0, 1.0 / 8.0 + SCALE),
        (TensorType::Q4_1, 1.0 / 15.0 + 2.0 * SCALE),
        (TensorType::Q8_0, 1.0 / 254.0 + SCALE),
        (TensorType::Q6K, 1.2 / 64.0),
    ];
    let values = wave(1024);
    let largest = largest_magnitude(&values).abs();
    for (kind, bound) in cases {
        let back = decoded(kind, &encoded(kind, &values));
        let errors = values.iter().zip(&back).map(|(a, b)| (a - b).abs());
        let worst = errors.fold(0.0, f32::max) / largest;
        assert!(worst <= bound, "{kind}: {worst} > {bound}");
    }
}

#[test]
fn representable_numbers_survive() {
    let steps = |low: i16, high: i16, step: f32| -> Vec<f32> {
        let count = high - low + 1;
        (0..256)
            .map(|index| f32::from(low + index % count) * step)
            .collect()
    };
    let cases = [
        (TensorType::Q4_0, steps(-8, 7, 0.25)),
        (TensorType::Q4_1, steps(-2, 13, 0.5)),
        (TensorType::Q6K, steps(-32, -17, 0.125)),
        (TensorType::Q8_0, vec![0.0; 256]),
        (TensorType::Q6K, vec![0.0; 256]),
    ];
    for (kind, values) in cases {
        assert_eq!(decoded(kind, &encoded(kind, &values)), values, "{kind}");
    }
}

#[test]
fn encoders_round_to_the_nearest_step() {
    // The first number fixes the step at 1; the zeros fix the minimum of Q4_1.
    let cases = [
        (TensorType::Q4_0, -8.0),
        (TensorType::Q4_1, 15.0),
        (TensorType::Q8_0, 127.0),
    ];
    for (kind, first) in cases {
        let mut values = vec![0.0; 32];
        (values[0], values[1], values[20]) = (first, 2.4, 4.6);
        let back = decoded(kind, &encoded(kind, &values));
        assert_eq!((back[0], back[1], back[20]), (first, 2.0, 5.0), "{kind}");
    }
}

#[test]
fn q6_k_search_beats_the_plain_scale() {
    // One scale per 16 that puts the largest magnitude on -32 exactly, nothing searched.
    let values = wave(256);
    let plain: f32 = values
        .chunks_exact(16)
        .flat_map(|group| {
            let scale = largest_magnitude(group) / -32.0;
            group.iter().map(move |value| {
                let q = (value / scale).round().clamp(-32.0, 31.0);
                (value - q * scale).powi(2)
            })
        })
        .sum();
    let searched: f32 = decoded(TensorType::Q6K, &encoded(TensorType::Q6K, &values))
        .iter()
        .zip(&values)
        .map(|(a, b)| (a - b).powi(2))
        .sum();
    assert!(searched < plain, "{searched} >= {plain}");
}

#[test]
fn quantize_appends() {
    let mut bytes = vec![7];
    quantize(TensorType::F16, &[1.0, -2.0], &mut bytes).unwrap();
    assert_eq!(bytes, [7, 0x00, 0x3c, 0x00, 0xc0]);
}

#[test]
fn other_types_are_refused_by_name() {
    for &kind in TensorType::ALL {
        if CONVERTIBLE.contains(&kind) {
            continue;
        }
        let refused = Err(UnsupportedType { kind });
        assert_eq!(dequantize(kind, &[], &mut []), refused);
        assert_eq!(quantize(kind, &[], &mut Vec::new()), refused);
    }
    let message = UnsupportedType {
        kind: TensorType::Iq2Xs,
    }
    .to_string();
    assert!(message.contains("IQ2_XS"), "{message}");
    for kind in CONVERTIBLE {
        assert!(message.contains(kind.name()), "{kind}: {message}");
    }
}

#[test]
#[should_panic(expected = "17 bytes are not 32 elements of Q4_0")]
fn a_partial_block_is_a_bug_of_the_caller() {
    let _ = dequantize(TensorType::Q4_0, &[0; 17], &mut [0.0; 32]);
}
