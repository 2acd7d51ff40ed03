//! Angles of rotary positions, and slopes of ALiBi: what a position does to a head.

use sysinfer_kernels::elementwise::{rotate_halves, rotate_pairs};

use super::config::{Config, Positions, RotaryOrder};

/// Turns heads by their position; does nothing for models that do not rotate.
#[derive(Clone, Debug)]
pub struct Rope {
    /// Angle per position of each pair; empty when heads are not rotated.
    frequencies: Vec<f64>,
    order: RotaryOrder,
}

/// Cosines and sines of one position, made once and used for all its heads and layers.
#[derive(Clone, Debug, Default)]
pub struct Angles {
    cosines: Vec<f32>,
    sines: Vec<f32>,
    order: RotaryOrder,
}

impl Rope {
    /// `factors` divides the frequencies one by one (the tensor `rope_freqs.weight` of Llama 3.1
    /// and later), where a model has it.
    pub fn new(config: &Config, factors: Option<&[f32]>) -> Rope {
        let Positions::Rotary {
            dimensions,
            base,
            scale,
            order,
        } = config.positions
        else {
            return Rope {
                frequencies: Vec::new(),
                order: RotaryOrder::default(),
            };
        };
        let frequencies = (0..dimensions / 2)
            .map(|pair| {
                let factor = factors.map_or(1.0, |factors| f64::from(factors[pair]));
                let exponent = -2.0 * pair as f64 / dimensions as f64;
                f64::from(base).powf(exponent) / factor / f64::from(scale)
            })
            .collect();
        Rope { frequencies, order }
    }

    /// Fills `angles` for `position`.
    pub fn angles(&self, position: usize, angles: &mut Angles) {
        angles.order = self.order;
        angles.cosines.clear();
        angles.sines.clear();
        for frequency in &self.frequencies {
            let (sine, cosine) = (position as f64 * frequency).sin_cos();
            angles.cosines.push(cosine as f32);
            angles.sines.push(sine as f32);
        }
    }
}

impl Angles {
    /// Rotates one head of a query or a key.
    pub fn rotate(&self, head: &mut [f32]) {
        match self.order {
            _ if self.cosines.is_empty() => {}
            RotaryOrder::Neighbours => rotate_pairs(head, &self.cosines, &self.sines),
            RotaryOrder::Halves => rotate_halves(head, &self.cosines, &self.sines),
        }
    }
}

/// The ALiBi slope of each query head (zeros for models without): powers of `2^(-bias / n)` for
/// the largest power of two `n` within the number of heads, then the odd powers between them, as
/// the paper's reference and llama.cpp have it.
pub fn alibi_slopes(config: &Config) -> Vec<f32> {
    let Positions::Alibi { max_bias } = config.positions else {
        return vec![0.0; config.heads];
    };
    let whole = 1usize << config.heads.ilog2();
    let (first, second) = (
        (-max_bias / whole as f32).exp2(),
        (-max_bias / 2.0 / whole as f32).exp2(),
    );
    (0..config.heads)
        .map(|head| {
            if head < whole {
                first.powi(head as i32 + 1)
            } else {
                second.powi(2 * (head - whole) as i32 + 1)
            }
        })
        .collect()
}
