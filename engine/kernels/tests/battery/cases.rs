//! Shapes and contents that kernels have been seen to get wrong: odd column counts, partial row
//! groups, partial panels, codes and activations at the ends of their ranges.

use std::fmt;

use half::{bf16, f16};
use sysinfer_formats::TensorType;

/// What the weights and activations are filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    /// Random codes, scales and activations.
    Random,
    /// Every code at its largest, activations at +127 steps.
    Largest,
    /// Every code at its smallest, activations alternating between -127 and +127 steps.
    Smallest,
    /// Scales of zero.
    ZeroScales,
    /// Scales at the top of f16, a few activations much larger than the rest.
    Outliers,
}

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

/// SplitMix64: enough for test data, the same on every machine.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in -1..1.
    pub(crate) fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// Every problem for one block type.
pub(crate) fn problems(block: TensorType) -> Vec<Problem> {
    let unit = block.block_elements().max(32);
    let shapes: &[(usize, usize, usize)] = &[
        // columns, weight rows, activation rows
        (unit, 1, 1),
        (unit, 8, 2),
        (2 * unit, 7, 3),
        (3 * unit, 9, 4),
        (576 / unit * unit, 17, 5),
        (1024, 24, 9),
        (13_696 / unit * unit, 8, 1),
    ];
    let fills = [
        Fill::Random,
        Fill::Largest,
        Fill::Smallest,
        Fill::ZeroScales,
        Fill::Outliers,
    ];
    let mut all = Vec::new();
    for (index, &(columns, rows, activation_rows)) in shapes.iter().enumerate() {
        for fill in fills {
            let mut random = Random(index as u64 * 97 + fill as u64);
            all.push(Problem {
                block,
                columns,
                fill,
                weights: (0..rows)
                    .map(|_| weights(block, columns, fill, &mut random))
                    .collect(),
                activations: (0..activation_rows)
                    .map(|_| activations(columns, fill, &mut random))
                    .collect(),
            });
        }
    }
    all
}

fn activations(columns: usize, fill: Fill, random: &mut Random) -> Vec<f32> {
    (0..columns)
        .map(|column| match fill {
            Fill::Largest => 1.0,
            Fill::Smallest => {
                if column % 2 == 0 {
                    -1.0
                } else {
                    1.0
                }
            }
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
        Fill::ZeroScales => 0.0,
        _ => random.unit(),
    }
}

/// Offsets of the f16 fields of a block, and of its signed 8-bit fields.
fn fields(block: TensorType) -> (&'static [usize], std::ops::Range<usize>) {
    match block {
        TensorType::Q4_0 => (&[0], 0..0),
        TensorType::Q4_1 => (&[0, 2], 0..0),
        TensorType::Q8_0 => (&[0], 2..34),
        TensorType::Q6K => (&[208], 192..208),
        other => panic!("say where the scales of {} are", other.name()),
    }
}

fn quantised(block: TensorType, fill: Fill, random: &mut Random) -> Vec<u8> {
    let (scales, signed) = fields(block);
    let mut bytes: Vec<u8> = (0..block.block_bytes())
        .map(|index| match (fill, signed.contains(&index)) {
            (Fill::Largest, false) => 0xFF,
            (Fill::Largest, true) => 127,
            (Fill::Smallest, false) => 0,
            (Fill::Smallest, true) => 0x80,
            _ => random.next() as u8,
        })
        .collect();
    for offset in scales {
        let scale = match fill {
            Fill::ZeroScales => 0.0,
            Fill::Outliers => 65_504.0 * random.unit(),
            _ => random.unit() / 64.0,
        };
        bytes[*offset..*offset + 2].copy_from_slice(&f16::from_f32(scale).to_le_bytes());
    }
    bytes
}

/// Changes one code of row 0 by one step.
pub(crate) fn change_one_code(problem: &mut Problem) {
    let row = &mut problem.weights[0];
    match problem.block {
        TensorType::F32 => row[2] ^= 0x10,
        TensorType::F16 | TensorType::BF16 => row[0] ^= 8,
        TensorType::Q6K => row[0] ^= 1,
        _ => *row.last_mut().expect("rows have bytes") ^= 1,
    }
}
