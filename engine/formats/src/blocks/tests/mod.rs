//! Blocks against hand-made bytes, and round trips against the step of each type. The super-blocks
//! are read a second time in `second_reading.rs`.

use proptest::prelude::*;

use super::*;
use crate::tensor_type::TensorType;

mod second_reading;

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
        (TensorType::Q5_0, size_of::<BlockQ5_0>()),
        (TensorType::Q5_1, size_of::<BlockQ5_1>()),
        (TensorType::Q8_0, size_of::<BlockQ8_0>()),
        (TensorType::Q2K, size_of::<BlockQ2K>()),
        (TensorType::Q3K, size_of::<BlockQ3K>()),
        (TensorType::Q4K, size_of::<BlockQ4K>()),
        (TensorType::Q5K, size_of::<BlockQ5K>()),
        (TensorType::Q6K, size_of::<BlockQ6K>()),
        (TensorType::Iq4Nl, size_of::<BlockIq4Nl>()),
        (TensorType::Iq4Xs, size_of::<BlockIq4Xs>()),
    ];
    for (kind, bytes) in cases {
        assert_eq!(kind.block_bytes(), bytes, "{kind}");
    }
}

#[test]
fn blocks_that_are_not_finite_are_those_that_decode_to_such_numbers() {
    for kind in CONVERTIBLE {
        let (elements, size) = (kind.block_elements(), kind.block_bytes());
        let right = encoded(kind, &wave(3 * elements));
        assert_eq!(first_not_finite(kind, &right), Ok(None), "{kind}");
        for wrong in [0x7c00u16, 0xfc00, 0x7e01, 0x7f80, 0xff80, 0x7fc0] {
            // Wherever it stands, in whatever field.
            for at in size..2 * size - 1 {
                let mut bytes = right.clone();
                bytes[at..at + 2].copy_from_slice(&wrong.to_le_bytes());
                let is_bad = |block: &[u8]| decoded(kind, block).iter().any(|v| !v.is_finite());
                let bad = bytes.chunks(size).position(is_bad);
                assert_eq!(
                    first_not_finite(kind, &bytes),
                    Ok(bad),
                    "{kind}: {wrong:x} at {at}"
                );
            }
        }
    }
    let unknown = first_not_finite(TensorType::Iq2Xxs, &[0; 66]);
    assert!(unknown.is_err());
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
fn the_fifth_bits_stand_in_element_order() {
    let (mut qh, mut qs) = ([0; 4], [0; 16]);
    (qh[0], qh[2], qh[3]) = (0x01, 0x02, 0x80);
    (qs[0], qs[1]) = (0x1f, 0x30);
    let d = HALF_QUARTER;
    let q5_0 = BlockQ5_0 { d, qh, qs };
    let values = decoded(TensorType::Q5_0, bytemuck::bytes_of(&q5_0));
    let mut expected = [-4.0; 32];
    // Codes 31, 1, 19 and 16 of the elements 0, 16, 17 and 31.
    (expected[0], expected[16]) = (3.75, -3.75);
    (expected[17], expected[31]) = (0.75, 0.0);
    assert_eq!(values, expected);

    let m = HALF_MINUS_TWO;
    let q5_1 = BlockQ5_1 { d, m, qh, qs };
    let values = decoded(TensorType::Q5_1, bytemuck::bytes_of(&q5_1));
    let expected = expected.map(|value| value + 4.0 - 2.0);
    assert_eq!(values, expected);
}

#[test]
fn iq4_levels_are_looked_up() {
    let qs = std::array::from_fn(|j| (15 - j as u8) << 4 | j as u8);
    let d = HALF_QUARTER;
    let block = BlockIq4Nl { d, qs };
    let values = decoded(TensorType::Iq4Nl, bytemuck::bytes_of(&block));
    for (code, level) in IQ4_LEVELS.into_iter().enumerate() {
        let value = f32::from(level) / 4.0;
        assert_eq!((values[code], values[31 - code]), (value, value), "{code}");
    }
    // From ggml-common.h: everything else reads the table, the oracles of kernels and engine too.
    let published = [
        -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
    ];
    assert_eq!(IQ4_LEVELS, published);
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

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
        (TensorType::Q5_0, 1.0 / 16.0 + SCALE),
        (TensorType::Q5_1, 1.0 / 31.0 + 2.0 * SCALE),
        (TensorType::Q8_0, 1.0 / 254.0 + SCALE),
        // Searched scales may clip the largest number a little to serve the others.
        (TensorType::Q2K, 1.2 / 3.0),
        (TensorType::Q3K, 1.2 / 4.0),
        (TensorType::Q4K, 1.2 / 15.0),
        (TensorType::Q5K, 1.2 / 31.0),
        (TensorType::Q6K, 1.2 / 64.0),
        // The widest gap between levels is 24 of 127.
        (TensorType::Iq4Nl, 1.2 * 14.0 / 127.0),
        (TensorType::Iq4Xs, 1.2 * 14.0 / 127.0),
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
    let levels = |step: f32| -> Vec<f32> {
        let level = |index: usize| f32::from(IQ4_LEVELS[index % 16]) * step;
        (0..256).map(level).collect()
    };
    let cases = [
        (TensorType::Q4_0, steps(-8, 7, 0.25)),
        (TensorType::Q4_1, steps(-2, 13, 0.5)),
        (TensorType::Q5_0, steps(-16, 15, 0.25)),
        (TensorType::Q5_1, steps(-2, 29, 0.5)),
        (TensorType::Q3K, steps(-4, 3, 0.125)),
        (TensorType::Q6K, steps(-32, -17, 0.125)),
        // Whole f16 scales: 63 and 15 steps of a power of two.
        (TensorType::Q2K, steps(-1, 2, 15.0)),
        (TensorType::Q4K, steps(-1, 14, 63.0)),
        (TensorType::Q5K, steps(-1, 30, 63.0)),
        (TensorType::Iq4Nl, levels(0.25)),
        (TensorType::Iq4Xs, levels(0.25)),
    ];
    let zeros = CONVERTIBLE.map(|kind| (kind, vec![0.0; 256]));
    for (kind, values) in cases.into_iter().chain(zeros) {
        assert_eq!(decoded(kind, &encoded(kind, &values)), values, "{kind}");
    }
}

#[test]
fn encoders_round_to_the_nearest_step() {
    // The first number fixes the step at 1; the zeros fix the minimum of Q4_1 and Q5_1.
    let cases = [
        (TensorType::Q4_0, -8.0),
        (TensorType::Q4_1, 15.0),
        (TensorType::Q5_0, -16.0),
        (TensorType::Q5_1, 31.0),
        (TensorType::Q8_0, 127.0),
    ];
    for (kind, first) in cases {
        let mut values = vec![0.0; 32];
        (values[0], values[1], values[20]) = (first, 2.4, 4.6);
        let back = decoded(kind, &encoded(kind, &values));
        assert_eq!((back[0], back[1], back[20]), (first, 2.0, 5.0), "{kind}");
    }
}

/// The square error of rounding `values` in groups, without any search: `step` gives the step and
/// the lowest number of a group, `steps` says how many steps there are above it.
fn plain_error(
    values: &[f32],
    group: usize,
    steps: f32,
    step: impl Fn(&[f32]) -> (f32, f32),
) -> f32 {
    let groups = values.chunks_exact(group);
    groups
        .flat_map(|group| {
            let (step, lowest) = step(group);
            group.iter().map(move |value| {
                let q = ((value - lowest) / step).round().clamp(0.0, steps);
                (value - (q * step + lowest)).powi(2)
            })
        })
        .sum()
}

#[test]
fn searches_beat_the_plain_scale() {
    // Exact steps that reach the largest number, nothing searched; the encoders' own steps are
    // rounded to their codes besides.
    let signed = |half: f32| {
        move |group: &[f32]| {
            let step = largest_magnitude(group) / -half;
            (step, -half * step)
        }
    };
    let ranged = |steps: f32| {
        move |group: &[f32]| {
            let lowest = group.iter().copied().fold(0.0, f32::min);
            let highest = group.iter().copied().fold(0.0, f32::max);
            ((highest - lowest) / steps, lowest)
        }
    };
    let values = wave(2048);
    let cases = [
        (TensorType::Q2K, plain_error(&values, 16, 3.0, ranged(3.0))),
        (TensorType::Q3K, plain_error(&values, 16, 7.0, signed(4.0))),
        (
            TensorType::Q4K,
            plain_error(&values, 32, 15.0, ranged(15.0)),
        ),
        (
            TensorType::Q5K,
            plain_error(&values, 32, 31.0, ranged(31.0)),
        ),
        (
            TensorType::Q6K,
            plain_error(&values, 16, 63.0, signed(32.0)),
        ),
        // Levels that follow the weights' distribution beat even ones; here it is nearly uniform.
        (
            TensorType::Iq4Nl,
            1.5 * plain_error(&values, 32, 15.0, signed(8.0)),
        ),
        (
            TensorType::Iq4Xs,
            1.5 * plain_error(&values, 32, 15.0, signed(8.0)),
        ),
    ];
    for (kind, plain) in cases {
        let back = decoded(kind, &encoded(kind, &values));
        let searched: f32 = back.iter().zip(&values).map(|(a, b)| (a - b).powi(2)).sum();
        assert!(searched < plain, "{kind}: {searched} >= {plain}");
    }
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
