//! How fast a simulated core runs a kernel, in the unit in which that is known.

use serde::Deserialize;
use sysinfer_engine::MatrixShape;

/// What rates of kernels were modelled with, where no core was measured.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Modelled {
    /// Clock at which [`KernelRate::weight_gb_per_second`] is given, GHz.
    pub clock_ghz: f64,
    /// Method and date.
    pub source: String,
}

/// How fast a core computes attention of a decode step, 10^9 multiply-adds per second: keys and values are
/// widened once for all query heads that share them.
#[derive(Clone, Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "one number, or four: for 1, 2, 3 and 4 query heads per key/value head"
)]
pub enum AttentionRate {
    /// However many query heads share a key/value head.
    Same(f64),
    /// For one, two, three and four of them. The kernel takes more than that four at a time.
    ByHeads([f64; MOST_TOGETHER]),
}

/// Query heads that the attention kernel takes together.
const MOST_TOGETHER: usize = 4;

impl AttentionRate {
    /// For `group` query heads per key/value head.
    pub fn of_group(&self, group: usize) -> f64 {
        match self {
            AttentionRate::Same(rate) => *rate,
            AttentionRate::ByHeads(rates) => {
                let (fours, rest) = (group / MOST_TOGETHER, group % MOST_TOGETHER);
                let time = |heads: usize| match heads {
                    0 => 0.0,
                    _ => heads as f64 / rates[heads - 1],
                };
                group as f64 / (fours as f64 * time(MOST_TOGETHER) + time(rest))
            }
        }
    }

    /// All numbers.
    pub fn values(&self) -> &[f64] {
        match self {
            AttentionRate::Same(rate) => std::slice::from_ref(rate),
            AttentionRate::ByHeads(rates) => rates,
        }
    }
}

/// A kernel and its rate in one of three units.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelRate {
    /// Name in plans.
    pub name: String,
    /// Block type.
    pub block: String,
    /// `decode` or `prefill`.
    pub role: String,
    /// 10^9 multiply-adds per second and core, at the host's clock.
    pub gmac_per_second: Option<f64>,
    /// Multiply-adds per cycle and core.
    pub mac_per_cycle: Option<f64>,
    /// Packed weights that a core works through for one row, GB/s, at the clock of [`Modelled`].
    pub weight_gb_per_second: Option<f64>,
}

/// The clocks that rates depend on, GHz.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    /// Of the host.
    pub host_ghz: f64,
    /// Of the model; that of the host where there is none.
    pub model_ghz: f64,
}

impl KernelRate {
    /// The rate as its key and number, if there is exactly one.
    pub fn rate(&self) -> Option<(&'static str, f64)> {
        let all = [
            ("gmac_per_second", self.gmac_per_second),
            ("mac_per_cycle", self.mac_per_cycle),
            ("weight_gb_per_second", self.weight_gb_per_second),
        ];
        let mut given = all.into_iter().filter_map(|(key, rate)| Some((key, rate?)));
        let first = given.next();
        first.filter(|_| given.next().is_none())
    }

    /// A core's time for one row of one matrix (of one expert, where there are several), seconds.
    pub fn seconds(&self, matrix: &MatrixShape, clocks: Clocks) -> Option<f64> {
        let products = (matrix.rows * matrix.columns) as f64;
        let bytes = matrix.packed_bytes as f64 / matrix.experts as f64;
        let nanoseconds = match self.rate()? {
            ("weight_gb_per_second", rate) => bytes / (rate * clocks.host_ghz / clocks.model_ghz),
            ("mac_per_cycle", rate) => products / (rate * clocks.host_ghz),
            (_, rate) => products / rate,
        };
        Some(nanoseconds * 1e-9)
    }
}

#[cfg(test)]
mod tests {
    use sysinfer_formats::TensorType;

    use super::*;

    #[test]
    fn heads_beyond_four_are_taken_four_at_a_time() {
        let rate = AttentionRate::ByHeads([1.0, 1.5, 2.0, 2.5]);
        // In parts of a nanosecond per query head: 4 take 1.6, 1 takes 1, 3 take 1.5.
        for (group, expected) in [(1, 1.0), (4, 2.5), (5, 5.0 / 2.6), (7, 7.0 / 3.1), (8, 2.5)] {
            assert!((rate.of_group(group) - expected).abs() < 1e-12, "{group}");
        }
        assert_eq!(AttentionRate::Same(6.0).of_group(5), 6.0);
    }

    #[test]
    fn a_rate_means_the_same_in_every_unit() {
        let matrix = MatrixShape {
            block: TensorType::Q4_0,
            rows: 8,
            columns: 3200,
            experts: 2,
            packed_bytes: 2 * 14_400,
        };
        let clocks = Clocks {
            host_ghz: 3.0,
            model_ghz: 2.0,
        };
        let kernel = |key: &str| {
            let text = format!("name = \"k\"\nblock = \"Q4_0\"\nrole = \"decode\"\n{key}");
            toml::from_str::<KernelRate>(&text).expect("a kernel")
        };
        // 25,600 products and 14,400 bytes in a microsecond.
        for key in [
            "gmac_per_second = 25.6",
            "mac_per_cycle = 8.533333333333333",
            "weight_gb_per_second = 9.6",
        ] {
            let seconds = kernel(key).seconds(&matrix, clocks).expect("one rate");
            assert!((seconds - 1e-6).abs() < 1e-15, "{key}: {seconds}");
        }
        let two = kernel("gmac_per_second = 1.0\nmac_per_cycle = 1.0");
        assert_eq!((two.rate(), kernel("").rate()), (None, None));
    }
}
