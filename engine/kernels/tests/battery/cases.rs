//! Shapes and contents that kernels have been seen to get wrong: odd column counts, partial row
//! groups, partial panels, scales, sub-scales, codes and activations at the ends of their ranges.

use std::fmt;

use half::{bf16, f16};
use sysinfer_formats::TensorType;

use crate::fields::Fields;
use crate::random::Random;

/// What the weights and activations are filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    /// Random codes, scales and activations.
    Random,
    /// Every code and sub-scale at its largest, activations at +127 steps.
    Largest,
    /// Every code and sub-scale at its smallest, activations at -127 steps.
    Smallest,
    /// Scales of zero.
    ZeroScales,
    /// Sub-scales and sub-minima of zero.
    ZeroSubScales,
    /// Each sub-scale byte all zeros, all ones or alternating bits; codes all zeros or all ones.
    ExtremeSubScales,
    /// Scales of either sign at the top of f16.
    HugeScales,
    /// Scales of either sign below f16's normal range.
    SubnormalScales,
    /// Every other block of activations zero, of either sign.
    ZeroActivations,
    /// Random scales over the whole range of f16, a few activations much larger than the rest.
    Outliers,
}

const FILLS: [Fill; 10] = [
    Fill::Random,
    Fill::Largest,
    Fill::Smallest,
    Fill::ZeroScales,
    Fill::ZeroSubScales,
    Fill::ExtremeSubScales,
    Fill::HugeScales,
    Fill::SubnormalScales,
    Fill::ZeroActivations,
    Fill::Outliers,
];

/// One matrix and the rows it is multiplied with.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) block: TensorType,
    pub(crate) columns: usize,
    pub(crate) fill: Fill,
    /// Plain GGUF bytes of each row.
    pub(crate) weights: Vec<Vec<u8>>,
    pub(crate) activations: Vec<Vec<f32>>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rows, columns) = (self.weights.len(), self.columns);
        write!(
            f,
            "{} {rows}x{columns} by {} rows, {:?}",
            self.block.name(),
            self.activations.len(),
            self.fill
        )
    }
}

impl Problem {
    /// A problem of random contents.
    pub(crate) fn random(block: TensorType, shape: Shape, seed: u64) -> Self {
        Self::filled(block, shape, Fill::Random, &mut Random::new(seed))
    }

    fn filled(block: TensorType, shape: Shape, fill: Fill, random: &mut Random) -> Self {
        let Shape {
            columns,
            rows,
            activation_rows,
        } = shape;
        Self {
            block,
            columns,
            fill,
            weights: (0..rows)
                .map(|_| weights(block, columns, fill, random))
                .collect(),
            activations: (0..activation_rows)
                .map(|_| activations(columns, fill, random))
                .collect(),
        }
    }
}

/// The sizes of a problem.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
    pub(crate) activation_rows: usize,
}

/// Every problem for one block type.
pub(crate) fn problems(block: TensorType) -> Vec<Problem> {
    let unit = block.block_elements().max(32);
    // 13,696 and 576 are widths of real models that are no multiples of 256: super-blocks get the
    // next width that they can have.
    let shapes = [
        (unit, 1, 1),
        (unit, 8, 2),
        (2 * unit, 7, 3),
        (3 * unit, 9, 4),
        (576 / unit * unit, 17, 5),
        (1024, 24, 9),
        // A whole tile of four row groups, and one with something left over.
        (1024, 32, 9),
        (1024, 41, 6),
        (13_696 / unit * unit, 8, 1),
    ];
    let mut all = Vec::new();
    for (index, (columns, rows, activation_rows)) in shapes.into_iter().enumerate() {
        let shape = Shape {
            columns,
            rows,
            activation_rows,
        };
        for fill in FILLS {
            let mut random = Random::new(index as u64 * 97 + fill as u64);
            all.push(Problem::filled(block, shape, fill, &mut random));
        }
    }
    all
}

fn activations(columns: usize, fill: Fill, random: &mut Random) -> Vec<f32> {
    (0..columns)
        .map(|column| match fill {
            Fill::Largest => 1.0,
            Fill::Smallest => -1.0,
            Fill::ZeroActivations if column / 32 % 2 == 0 => 0.0f32.copysign(random.unit()),
            Fill::Outliers if random.next().is_multiple_of(50) => 1e4 * random.unit(),
            _ => random.unit(),
        })
        .collect()
}

/// The plain bytes of one row.
fn weights(block: TensorType, columns: usize, fill: Fill, random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..columns / block.block_elements() {
        match block {
            TensorType::F32 => bytes.extend(plain(fill, random).to_le_bytes()),
            TensorType::F16 => bytes.extend(f16::from_f32(plain(fill, random)).to_le_bytes()),
            TensorType::BF16 => bytes.extend(bf16::from_f32(plain(fill, random)).to_le_bytes()),
            _ => bytes.extend(quantised(block, fill, random)),
        }
    }
    bytes
}

fn plain(fill: Fill, random: &mut Random) -> f32 {
    match fill {
        Fill::Largest => 60_000.0,
        Fill::Smallest => -60_000.0,
        Fill::HugeScales => 65_504.0f32.copysign(random.unit()),
        Fill::SubnormalScales => random.unit() / 20_000.0,
        Fill::ZeroScales => 0.0,
        _ => random.unit(),
    }
}

fn quantised(block: TensorType, fill: Fill, random: &mut Random) -> Vec<u8> {
    let fields = Fields::of(block);
    let mut bytes: Vec<u8> = (0..block.block_bytes())
        .map(|_| random.next() as u8)
        .collect();
    for offset in fields.halves() {
        let half = f16::from_bits(scale(fill, random));
        bytes[offset..offset + 2].copy_from_slice(&half.to_le_bytes());
    }
    for index in fields.codes.clone() {
        match fill {
            // A signed code of Q8_0: 127 and -128.
            Fill::Largest => bytes[index] = if fields.signed_codes { 127 } else { 0xFF },
            Fill::Smallest => bytes[index] = if fields.signed_codes { 0x80 } else { 0 },
            Fill::ExtremeSubScales => bytes[index] = if random.flip() { 0xFF } else { 0 },
            _ => {}
        }
    }
    let zero = fields.zero_sub_scales();
    for (position, index) in fields.sub_scales.clone().enumerate() {
        bytes[index] = match (fill, fields.signed_sub_scales) {
            (Fill::Largest, false) => 0xFF,
            (Fill::Largest, true) => 127,
            (Fill::Smallest, false) => 0,
            (Fill::Smallest, true) => 0x80,
            (Fill::ZeroSubScales, _) => zero[position],
            (Fill::ExtremeSubScales, _) => [0, 0xFF, 0x80, 0x7F, 0xAA][random.below(5)],
            _ => continue,
        };
    }
    bytes
}

/// The bits of an f16 scale.
fn scale(fill: Fill, random: &mut Random) -> u16 {
    let sign = if random.flip() { 0x8000 } else { 0 };
    match fill {
        Fill::ZeroScales => sign,
        Fill::HugeScales => f16::MAX.to_bits() | sign,
        Fill::SubnormalScales => random.below(0x0400) as u16 | sign,
        Fill::Outliers => f16::from_f32(65_504.0 * random.unit()).to_bits(),
        _ => f16::from_f32(random.unit() / 64.0).to_bits(),
    }
}
