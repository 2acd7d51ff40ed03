//! A host file: the numbers that a simulated host is made of, their units and their ranges.

use std::ops::RangeInclusive;
use std::path::Path;

use serde::Deserialize;

use super::kernel_rate::{AttentionRate, Clocks, KernelRate, Modelled};

/// Why a host file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DescriptionError {
    /// The file cannot be read.
    #[error("cannot read the simulated host {path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// Not TOML, an unknown or missing key, or a wrong type; the parser names line and key.
    #[error("{path}: {message}")]
    Syntax {
        /// The file.
        path: String,
        /// The parser's words.
        message: String,
    },
    /// A value outside its range.
    #[error("{path}, line {line}: {key} is {value}; it must be {allowed}")]
    Range {
        /// The file.
        path: String,
        /// Line of the key, or of its section where the key is left out.
        line: usize,
        /// Dotted key.
        key: String,
        /// What the file says.
        value: String,
        /// What it may say.
        allowed: String,
    },
}

/// One number for all nodes, or one for each.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum PerNode {
    /// All nodes are alike.
    Same(f64),
    /// In node order.
    Each(Vec<f64>),
}

impl PerNode {
    /// The value of node `node`.
    pub fn at(&self, node: usize) -> f64 {
        match self {
            PerNode::Same(value) => *value,
            PerNode::Each(values) => values.get(node).or(values.last()).copied().unwrap_or(1.0),
        }
    }

    fn values(&self) -> Vec<f64> {
        match self {
            PerNode::Same(value) => vec![*value],
            PerNode::Each(values) => values.clone(),
        }
    }
}

/// A whole host file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Name in reports.
    pub name: String,
    /// Must be true: says to whoever opens the file that no such host was measured.
    pub simulated: bool,
    /// What the numbers rest on.
    pub description: String,
    /// In hwloc's synthetic syntax.
    pub topology: String,
    /// `x86_64` or `aarch64`.
    pub architecture: String,
    /// Memory of the whole host, GB.
    pub memory_gb: f64,
    /// Second-level cache of a core, KiB.
    pub l2_kib: f64,
    /// Third-level cache of all nodes together, MiB.
    pub l3_mib: f64,
    /// CPUs' worth of time that the control group allows; absent: no limit.
    pub cpu_quota: Option<f64>,
    /// Seed of the noise.
    pub seed: u64,
    /// Preset that `study` runs here: one of a size that such a host is used for.
    pub study_model: String,
    /// Bandwidths.
    pub memory: Memory,
    /// Rates of arithmetic.
    pub compute: Compute,
    /// Cost of meeting.
    pub barrier: Barrier,
    /// Cost of a step whatever it does.
    pub step: StepCost,
    /// What prefetching is worth.
    pub prefetch: Prefetch,
    /// What samples suffer from.
    pub noise: Noise,
    /// What kernels' rates were modelled with; absent: no rate needs it.
    pub modelled: Option<Modelled>,
    /// Kernels to choose from; the first of a block type and role is its default.
    pub kernels: Vec<KernelRate>,
}

/// Bandwidths of reading.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// What a node's memory gives to all cores together, GB/s.
    pub node_gb_per_second: PerNode,
    /// What one core can take, GB/s.
    pub core_gb_per_second: f64,
    /// What a core takes with two threads, over what it takes with one.
    pub smt_gain: f64,
    /// Rate of reading from another node over that of the own one.
    pub remote_factor: f64,
    /// Rate of threads that the scheduler moves, over that of pinned ones.
    pub unpinned_factor: f64,
}

/// Rates of arithmetic.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compute {
    /// Clock of one busy core, at which rates are given, GHz.
    pub clock_ghz: f64,
    /// Clock when all cores are busy, GHz.
    pub clock_all_cores_ghz: f64,
    /// What two threads of a core compute together, over what one does.
    pub smt_gain: f64,
    /// Decode kernels that are not listed, 10^9 multiply-adds per second and core.
    pub decode_gmac_per_second: f64,
    /// Prefill kernels that are not listed, with all overheads amortised.
    pub prefill_gmac_per_second: f64,
    /// Attention of a decode step: one number, or four for 1 to 4 query heads per key/value head.
    pub attention_gmac_per_second: AttentionRate,
    /// Merging partial results of attention, 10^9 values per second; absent: as many as attention of one
    /// query head per key/value head has multiply-adds.
    pub merge_gvalues_per_second: Option<f64>,
    /// Attention of a prompt.
    pub prompt_attention_gmac_per_second: f64,
    /// Rows at which unpacking weights costs as much as multiplying with them.
    pub unpack_rows: f64,
    /// Share of the rate lost when the activations of a tile loop take the whole second-level cache.
    pub cache_loss: f64,
}

impl Compute {
    /// Values of partial results that a core merges, 10^9 per second.
    pub fn merge_rate(&self) -> f64 {
        let attention = self.attention_gmac_per_second.of_group(1);
        self.merge_gvalues_per_second.unwrap_or(attention)
    }
}

/// Cost of meeting at a barrier, microseconds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Barrier {
    /// Any phase with more than one thread.
    pub base_us: f64,
    /// Each doubling of the threads.
    pub per_doubling_us: f64,
    /// Each node beyond the first.
    pub per_node_us: f64,
    /// Each package beyond the first.
    pub per_package_us: f64,
}

/// Costs of a step that do not depend on its team.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepCost {
    /// Any step, microseconds.
    pub fixed_us: f64,
    /// Each unit of attention, microseconds.
    pub attention_unit_us: f64,
    /// Share of speed lost when no CPU is left for the rest of the system.
    pub full_host_loss: f64,
}

/// What prefetching is worth.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prefetch {
    /// The best distance, bytes.
    pub best_bytes: f64,
    /// Share of the bandwidth lost by each factor of two away from it.
    pub loss_per_doubling: f64,
    /// Share lost without any prefetching; no distance loses more.
    pub loss_without: f64,
}

/// What samples suffer from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noise {
    /// Standard deviation of the logarithm of a sample of one second.
    pub sigma: f64,
    /// Standard deviation of the slow drift.
    pub drift_sigma: f64,
    /// Time after which the drift has mostly forgotten where it was, seconds.
    pub drift_seconds: f64,
    /// Chance that a sample is far too slow without anything showing it.
    pub outlier_chance: f64,
    /// Most of the rate that such a sample loses.
    pub outlier_most: f64,
    /// Chance that a sample is disturbed in a way that the watch notices.
    pub void_chance: f64,
}

const RATE: RangeInclusive<f64> = 0.01..=1e6;
const FACTOR: RangeInclusive<f64> = 0.01..=4.0;
const SHARE: RangeInclusive<f64> = 0.0..=0.9;
const MICROSECONDS: RangeInclusive<f64> = 0.0..=1e6;

/// Largest host file, bytes.
const LIMIT_BYTES: u64 = 1 << 20;

impl Description {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`DescriptionError`], with line and key.
    pub fn load(path: &Path) -> Result<Description, DescriptionError> {
        let name = path.display().to_string();
        let unreadable = |source| DescriptionError::Unreadable {
            path: name.clone(),
            source,
        };
        let metadata = std::fs::metadata(path).map_err(unreadable)?;
        if !metadata.is_file() || metadata.len() > LIMIT_BYTES {
            let message = "not a host file: those are regular files of at most 1 MiB".into();
            return Err(DescriptionError::Syntax {
                path: name,
                message,
            });
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        Self::parse(&text, &name)
    }

    /// Reads and checks a file's text; `path` names it in errors.
    ///
    /// # Errors
    /// [`DescriptionError`], with line and key.
    pub fn parse(text: &str, path: &str) -> Result<Description, DescriptionError> {
        let description: Description = toml::from_str(text).map_err(|error| {
            let message = error.to_string().trim_end().to_owned();
            DescriptionError::Syntax {
                path: path.into(),
                message,
            }
        })?;
        // `entry` counts sections of one name.
        let out_of_range =
            |key: &str, entry: usize, value: String, allowed: String| DescriptionError::Range {
                path: path.into(),
                line: line_of(text, key, entry),
                key: key.into(),
                value,
                allowed,
            };
        let check = |key: &str, entry: usize, value: f64, range: RangeInclusive<f64>| {
            if range.contains(&value) {
                return Ok(());
            }
            let allowed = format!("from {} to {}", range.start(), range.end());
            Err(out_of_range(key, entry, value.to_string(), allowed))
        };
        for (key, value, range) in description.numbers() {
            check(key, 0, value, range)?;
        }
        if !description.simulated {
            let allowed = "true: such a host was never measured".into();
            return Err(out_of_range("simulated", 0, "false".into(), allowed));
        }
        for (entry, kernel) in description.kernels.iter().enumerate() {
            let Some((key, rate)) = kernel.rate() else {
                let given = "none or several rates".into();
                let allowed = "one of gmac_per_second, mac_per_cycle, weight_gb_per_second";
                return Err(out_of_range("kernels.name", entry, given, allowed.into()));
            };
            if key == "weight_gb_per_second" && description.modelled.is_none() {
                let allowed =
                    "in a file with a section [modelled], which says at what clock".into();
                let key = "kernels.weight_gb_per_second";
                return Err(out_of_range(key, entry, rate.to_string(), allowed));
            }
            check(&format!("kernels.{key}"), entry, rate, RATE)?;
            if !["decode", "prefill"].contains(&kernel.role.as_str()) {
                let (value, allowed) = (format!("\"{}\"", kernel.role), "decode or prefill".into());
                return Err(out_of_range("kernels.role", entry, value, allowed));
            }
        }
        Ok(description)
    }

    /// The clocks that rates of kernels depend on.
    pub fn clocks(&self) -> Clocks {
        let host_ghz = self.compute.clock_ghz;
        let modelled = self.modelled.as_ref();
        Clocks {
            host_ghz,
            model_ghz: modelled.map_or(host_ghz, |modelled| modelled.clock_ghz),
        }
    }

    /// Every number with its key and range, but those of kernels.
    fn numbers(&self) -> Vec<(&'static str, f64, RangeInclusive<f64>)> {
        let (memory, compute, barrier) = (&self.memory, &self.compute, &self.barrier);
        let (step, prefetch, noise) = (&self.step, &self.prefetch, &self.noise);
        let mut all = vec![
            ("memory_gb", self.memory_gb, 0.01..=1e6),
            ("l2_kib", self.l2_kib, 1.0..=1e6),
            ("l3_mib", self.l3_mib, 0.1..=1e6),
            ("cpu_quota", self.cpu_quota.unwrap_or(1.0), 0.01..=1e5),
            ("memory.core_gb_per_second", memory.core_gb_per_second, RATE),
            ("memory.smt_gain", memory.smt_gain, FACTOR),
            ("memory.remote_factor", memory.remote_factor, 0.01..=1.0),
            ("memory.unpinned_factor", memory.unpinned_factor, 0.01..=1.0),
            ("compute.clock_ghz", compute.clock_ghz, 0.01..=100.0),
            (
                "compute.clock_all_cores_ghz",
                compute.clock_all_cores_ghz,
                0.01..=100.0,
            ),
            ("compute.smt_gain", compute.smt_gain, FACTOR),
            (
                "compute.decode_gmac_per_second",
                compute.decode_gmac_per_second,
                RATE,
            ),
            (
                "compute.prefill_gmac_per_second",
                compute.prefill_gmac_per_second,
                RATE,
            ),
            (
                "compute.prompt_attention_gmac_per_second",
                compute.prompt_attention_gmac_per_second,
                RATE,
            ),
            ("compute.unpack_rows", compute.unpack_rows, 0.0..=1e4),
            ("compute.cache_loss", compute.cache_loss, SHARE),
            ("barrier.base_us", barrier.base_us, MICROSECONDS),
            (
                "barrier.per_doubling_us",
                barrier.per_doubling_us,
                MICROSECONDS,
            ),
            ("barrier.per_node_us", barrier.per_node_us, MICROSECONDS),
            (
                "barrier.per_package_us",
                barrier.per_package_us,
                MICROSECONDS,
            ),
            ("step.fixed_us", step.fixed_us, MICROSECONDS),
            (
                "step.attention_unit_us",
                step.attention_unit_us,
                MICROSECONDS,
            ),
            ("step.full_host_loss", step.full_host_loss, SHARE),
            ("prefetch.best_bytes", prefetch.best_bytes, 64.0..=65_536.0),
            (
                "prefetch.loss_per_doubling",
                prefetch.loss_per_doubling,
                SHARE,
            ),
            ("prefetch.loss_without", prefetch.loss_without, SHARE),
            ("noise.sigma", noise.sigma, 0.0..=0.5),
            ("noise.drift_sigma", noise.drift_sigma, 0.0..=0.5),
            ("noise.drift_seconds", noise.drift_seconds, 0.001..=1e6),
            ("noise.outlier_chance", noise.outlier_chance, 0.0..=0.5),
            ("noise.outlier_most", noise.outlier_most, SHARE),
            ("noise.void_chance", noise.void_chance, 0.0..=0.5),
        ];
        if let Some(modelled) = &self.modelled {
            all.push(("modelled.clock_ghz", modelled.clock_ghz, 0.01..=100.0));
        }
        if let Some(merge) = compute.merge_gvalues_per_second {
            all.push(("compute.merge_gvalues_per_second", merge, RATE));
        }
        let attention = compute.attention_gmac_per_second.values().iter();
        all.extend(attention.map(|value| ("compute.attention_gmac_per_second", *value, RATE)));
        let nodes = memory.node_gb_per_second.values();
        all.extend(
            nodes
                .into_iter()
                .map(|value| ("memory.node_gb_per_second", value, RATE)),
        );
        all
    }
}

/// Line of a dotted key in the section of its name with this number, from 0, or of that section where the
/// key is absent; 1 where neither is there.
fn line_of(text: &str, key: &str, entry: usize) -> usize {
    let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
    let (mut present, mut found, mut seen) = ("", 1, 0);
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            let inside = line.trim_start_matches('[');
            present = inside.split(']').next().unwrap_or(inside).trim();
            if present == section {
                seen += 1;
            }
            if present == section && seen == entry + 1 {
                found = index + 1;
            }
        } else if present == section
            && (section.is_empty() || seen == entry + 1)
            && line
                .split('=')
                .next()
                .is_some_and(|left| left.trim() == name)
        {
            return index + 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::HOST;

    #[test]
    fn wrong_values_are_named_with_their_line() {
        assert!(Description::parse(HOST, "host.toml").is_ok());
        let cases = [
            (
                "core_gb_per_second = 20.0",
                "core_gb_per_second = -1.0",
                "memory.core_gb_per_second",
            ),
            (
                "attention_gmac_per_second = 10.0",
                "attention_gmac_per_second = [10.0, 11.0, 0.0, 12.0]",
                "compute.attention_gmac_per_second",
            ),
            (
                "unpack_rows = 8.0",
                "merge_gvalues_per_second = -1.0\nunpack_rows = 8.0",
                "compute.merge_gvalues_per_second",
            ),
            ("sigma = 0.03", "sigma = 7.0", "noise.sigma"),
            ("simulated = true", "simulated = false", "simulated"),
            ("role = \"decode\"", "role = \"both\"", "kernels.role"),
            (
                "\ngmac_per_second = 1000.0",
                "\nweight_gb_per_second = 9.0",
                "kernels.weight_gb_per_second",
            ),
            (
                "\ngmac_per_second = 1000.0",
                "\nmac_per_cycle = -9.0",
                "kernels.mac_per_cycle",
            ),
            // Of the second kernel.
            (
                "gmac_per_second = 2.0",
                "gmac_per_second = -2.0",
                "kernels.gmac_per_second",
            ),
        ];
        for (good, bad, key) in cases {
            let text = HOST.replacen(good, bad, 1);
            let at = text.find(bad).expect("replaced");
            let line = 1 + text[..=at].matches('\n').count();
            let message = Description::parse(&text, "host.toml")
                .expect_err(bad)
                .to_string();
            assert!(message.contains(key), "{message}");
            assert!(message.contains(&format!("line {line}:")), "{message}");
        }
    }

    #[test]
    fn attention_has_one_rate_or_four() {
        let with = |rates: &str| {
            let rates = format!("attention_gmac_per_second = {rates}");
            let text = HOST.replace("attention_gmac_per_second = 10.0", &rates);
            Description::parse(&text, "h.toml")
        };
        for rates in ["10", "[5.0, 8.0, 9, 10.0]"] {
            assert!(with(rates).is_ok(), "{rates}");
        }
        for rates in ["[5.0, 8.0, 9.0]", "[1.0, 2.0, 3.0, 4.0, 5.0]", "\"fast\""] {
            let message = with(rates).expect_err(rates).to_string();
            assert!(message.contains("one number, or four"), "{message}");
            assert!(message.contains("attention_gmac_per_second"), "{message}");
        }
    }

    #[test]
    fn a_kernel_has_one_rate() {
        for rates in ["", "gmac_per_second = 1.0\nmac_per_cycle = 1.0"] {
            let text = HOST.replace("gmac_per_second = 2.0", rates);
            let message = Description::parse(&text, "h.toml").expect_err(rates);
            let message = message.to_string();
            assert!(message.contains("one of gmac_per_second"), "{message}");
        }
        let modelled = "[modelled]\nclock_ghz = 0.0\nsource = \"s\"\n\n[noise]";
        let text = HOST.replace("[noise]", modelled);
        let message = Description::parse(&text, "h.toml").expect_err("no clock");
        assert!(message.to_string().contains("modelled.clock_ghz"));
    }

    #[test]
    fn sections_with_a_comment_are_found() {
        let text = "name = 1\n[memory] # DDR4\na = 1\n[noise]  # as on a shared host\nsigma = 7\n";
        assert_eq!(line_of(text, "noise.sigma", 0), 5);
        assert_eq!(line_of(text, "noise.absent", 0), 4);
        assert_eq!(line_of(text, "memory.a", 0), 3);
        assert_eq!(line_of(text, "name", 0), 1);
        let text = "[[k]]\na = 1\nb = 1\n[other]\nb = 1\n[[k]]\nb = 1\n";
        for (key, entry, line) in [("k.b", 0, 3), ("k.b", 1, 7), ("k.a", 1, 6), ("k.a", 2, 1)] {
            assert_eq!(line_of(text, key, entry), line, "{key} {entry}");
        }
    }

    #[test]
    fn unknown_and_missing_keys_are_errors_with_a_place() {
        let unknown = HOST.replace("[noise]", "[noise]\nsgima = 0.1");
        let message = Description::parse(&unknown, "h.toml")
            .expect_err("unknown")
            .to_string();
        assert!(
            message.contains("sgima") && message.contains("line"),
            "{message}"
        );
        let missing = HOST.replace("core_gb_per_second = 20.0\n", "");
        let message = Description::parse(&missing, "h.toml")
            .expect_err("missing")
            .to_string();
        assert!(message.contains("core_gb_per_second"), "{message}");
        assert!(Description::load(Path::new("/nonexistent.toml")).is_err());
        assert!(Description::load(Path::new("/dev/zero")).is_err());
    }
}
