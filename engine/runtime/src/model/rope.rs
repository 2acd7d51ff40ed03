//! Angles of rotary positions, and slopes of ALiBi: what a position does to a head.

use sysinfer_kernels::elementwise::{rotate_halves, rotate_pairs};

use std::f64::consts::TAU;

use super::config::{Config, Positions, RotaryOrder, RotaryScaling, Yarn};

/// Turns heads by their position; does nothing for models that do not rotate.
#[derive(Clone, Debug)]
pub struct Rope {
    /// Angle per position of each pair; empty when heads are not rotated.
    frequencies: Vec<f64>,
    /// What rotated values are multiplied by.
    magnitude: f64,
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
            scaling,
            magnitude,
            order,
        } = config.positions
        else {
            return Rope {
                frequencies: Vec::new(),
                magnitude: 1.0,
                order: RotaryOrder::default(),
            };
        };
        let base = f64::from(base);
        let frequencies = (0..dimensions / 2)
            .map(|pair| {
                let factor = factors.map_or(1.0, |factors| f64::from(factors[pair]));
                let exponent = -2.0 * pair as f64 / dimensions as f64;
                let divisor = match scaling {
                    RotaryScaling::None => 1.0,
                    RotaryScaling::Linear { factor } => f64::from(factor),
                    RotaryScaling::Yarn(yarn) => yarn_divisor(&yarn, pair, dimensions, base),
                };
                base.powf(exponent) / factor / divisor
            })
            .collect();
        Rope {
            frequencies,
            magnitude: magnitude.into(),
            order,
        }
    }

    /// Fills `angles` for `position`.
    pub fn angles(&self, position: usize, angles: &mut Angles) {
        angles.order = self.order;
        angles.cosines.clear();
        angles.sines.clear();
        for frequency in &self.frequencies {
            let (sine, cosine) = (position as f64 * frequency).sin_cos();
            angles.cosines.push((self.magnitude * cosine) as f32);
            angles.sines.push((self.magnitude * sine) as f32);
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

/// What YaRN divides the frequency of a pair by, from 1 to its factor: the paper's "NTK by parts", with
/// the bounds between the parts at whole pairs, as its authors, transformers and llama.cpp have it.
fn yarn_divisor(yarn: &Yarn, pair: usize, dimensions: usize, base: f64) -> f64 {
    // The pair that turns so often within the original context.
    let pair_of = |turns: f32| {
        let positions_per_turn = yarn.original_context as f64 / f64::from(turns);
        dimensions as f64 * (positions_per_turn / TAU).ln() / (2.0 * base.ln())
    };
    let last = dimensions as f64 - 1.0;
    let first_mixed = pair_of(yarn.beta_fast).floor().max(0.0);
    let first_divided = pair_of(yarn.beta_slow).ceil().min(last);
    let width = (first_divided - first_mixed).max(0.001);
    let divided = ((pair as f64 - first_mixed) / width).clamp(0.0, 1.0);
    1.0 / (divided / f64::from(yarn.factor) + (1.0 - divided))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Transformers' `_compute_yarn_parameters` for Qwen 2.5 with its published long-context settings
    /// (base 1e6, 128 values a head, factor 4 over 32,768 positions): pairs that stay, mixed ones, and
    /// divided ones.
    #[test]
    fn yarn_divides_the_slow_pairs_only() {
        let yarn = Yarn {
            factor: 4.0,
            original_context: 32_768,
            beta_fast: 32.0,
            beta_slow: 1.0,
        };
        let divisor = |pair| yarn_divisor(&yarn, pair, 128, 1e6);
        // ln(32768 / 32 / tau) * 128 / (2 ln 1e6) = 23.6, and 39.6 with one turn.
        assert_eq!([0, 23].map(divisor), [1.0, 1.0]);
        assert_eq!([40, 63].map(divisor), [4.0, 4.0]);
        let mixed = 1.0 / (0.25 * 8.0 / 17.0 + 9.0 / 17.0);
        assert!((divisor(31) - mixed).abs() < 1e-12, "{}", divisor(31));
    }
}
