//! `Plan`: everything about *how* a model is run that is not the model, as one plain value.
//!
//! `main` builds it (from a profile, the environment and the command line) and hands it down; the
//! engine reads nothing else. Two engines with two plans can live in one process. A plan changes
//! speed only: any two plans that differ in threads, maps or loop sizes give the same logits.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sysinfer_kernels::Phase;

use crate::weight_storage::WeightStorage;

/// How a model is run: threads and their map for each phase, kernels, block sizes, memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The team that generates tokens, one per sequence and step.
    pub decode: PhasePlan,
    /// The team that reads prompts, many tokens per step.
    pub prefill: PhasePlan,
    /// Kernels by block type (`"Q4_0"`); a type that is absent gets the table's default.
    #[serde(default)]
    pub kernels: BTreeMap<String, KernelChoice>,
    /// Block sizes of the kernels and of the step.
    #[serde(default)]
    pub blocking: Blocking,
    /// Pages of weights and cache, and those of the file.
    #[serde(default)]
    pub memory: MemoryPlan,
}

/// Threads of one phase and the CPUs they are pinned to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhasePlan {
    /// Workers, at least 1.
    pub threads: usize,
    /// The policy that made the map (`compact`, `spread`, ...): a label, `cpus` is what counts.
    pub map: String,
    /// Worker `i` runs on `cpus[i]` (OS index); empty: not pinned.
    #[serde(default)]
    pub cpus: Vec<usize>,
}

/// The kernels for one block type, by their names in the kernel table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelChoice {
    /// Few activation rows, weights read once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode: Option<String>,
    /// Tiles of activation rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefill: Option<String>,
}

impl KernelChoice {
    /// The kernel of a phase, if one is named.
    pub fn of(&self, phase: Phase) -> Option<&str> {
        match phase {
            Phase::Decode => self.decode.as_deref(),
            Phase::Prefill => self.prefill.as_deref(),
        }
    }

    /// The same, to change it.
    pub fn of_mut(&mut self, phase: Phase) -> &mut Option<String> {
        match phase {
            Phase::Decode => &mut self.decode,
            Phase::Prefill => &mut self.prefill,
        }
    }
}

/// Rows that a decode step has room for where nothing else is planned: drafts of prompt-lookup decoding take
/// what sequences leave of them.
pub const DECODE_ROWS: usize = 8;

/// Block sizes. They change speed; of results, `attention_chunk` alone may change the last bits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Blocking {
    /// How far ahead of its reads a decode kernel prefetches weights; 0: not at all.
    pub prefetch_bytes: usize,
    /// Most rows of a step that the decode team runs with decode kernels; more are the prefill team's.
    pub decode_rows: usize,
    /// Activation rows that a prefill tile loop keeps in cache while all weights pass by; more than
    /// 256 count as 256.
    pub prefill_rows: usize,
    /// Tokens of a prompt that go through the model in one step.
    pub prefill_chunk: usize,
    /// Positions of the context that one attention task of a decode step covers.
    pub attention_chunk: usize,
}

impl Default for Blocking {
    fn default() -> Self {
        Self {
            prefetch_bytes: 1536,
            decode_rows: DECODE_ROWS,
            prefill_rows: 128,
            prefill_chunk: 512,
            attention_chunk: 256,
        }
    }
}

/// Where weights are, pages of the engine's own memory, and those of the file that it loads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MemoryPlan {
    /// Ask for transparent huge pages.
    pub huge_pages: bool,
    /// Ask the kernel to keep each worker's weights on its NUMA node (`mbind`); first touch puts
    /// them there anyway where this is forbidden.
    pub bind_nodes: bool,
    /// Leave the model file in the system's page cache once its weights are packed: it is read from
    /// memory when it is opened again, and takes that memory until the system wants it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub keep_file_cache: bool,
    /// Whether weights are packed in memory or stay in the file's map.
    #[serde(skip_serializing_if = "is_auto")]
    pub weights: WeightStorage,
}

fn is_auto(weights: &WeightStorage) -> bool {
    *weights == WeightStorage::Auto
}

impl Default for MemoryPlan {
    fn default() -> Self {
        Self {
            huge_pages: true,
            bind_nodes: true,
            keep_file_cache: false,
            weights: WeightStorage::Auto,
        }
    }
}

/// Attention works on blocks of 32 positions.
const CHUNK_RANGE: &str = "a multiple of 32 from 32 to 65536";

/// Why a plan cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A count or size is outside its range.
    #[error("{field} is {value}; it must be {allowed}")]
    OutOfRange {
        /// Dotted name of the field, as in a profile.
        field: &'static str,
        /// What the plan says.
        value: usize,
        /// What it may say.
        allowed: &'static str,
    },
    /// Fewer CPUs than threads: every worker needs its own entry.
    #[error(
        "{phase}.cpus lists {cpus} CPUs for {threads} threads; list one CPU per thread, or none to leave them unpinned"
    )]
    CpuCount {
        /// `decode` or `prefill`.
        phase: &'static str,
        /// Entries in the list.
        cpus: usize,
        /// Threads of the phase.
        threads: usize,
    },
    /// CPUs to pin to on a topology that is not this host's.
    #[error(
        "{phase}.cpus names CPUs of a topology that is not this host's ({topology}); leave the list empty, or unset HWLOC_SYNTHETIC and HWLOC_XMLFILE"
    )]
    ForeignTopology {
        /// `decode` or `prefill`.
        phase: &'static str,
        /// Where the topology came from.
        topology: String,
    },
    /// A kernel that does not exist, or not for this block type, or not on this CPU.
    #[error("kernels.{block_type}.{phase} = \"{name}\": {reason}; choose one of: {choices}")]
    Kernel {
        /// Block type, for example `Q4_0`.
        block_type: String,
        /// `decode` or `prefill`.
        phase: &'static str,
        /// The name in the plan.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
        /// Names that would do here.
        choices: String,
    },
}

impl PhasePlan {
    /// `threads` workers that the scheduler may move.
    pub fn unpinned(threads: usize) -> Self {
        Self {
            threads,
            map: "unpinned".into(),
            cpus: Vec::new(),
        }
    }

    fn validate(&self, phase: &'static str) -> Result<(), PlanError> {
        let field = if phase == "decode" {
            "decode.threads"
        } else {
            "prefill.threads"
        };
        in_range(field, self.threads, 1..=4096, "1 to 4096")?;
        if !self.cpus.is_empty() && self.cpus.len() != self.threads {
            return Err(PlanError::CpuCount {
                phase,
                cpus: self.cpus.len(),
                threads: self.threads,
            });
        }
        Ok(())
    }
}

impl Plan {
    /// Both phases by the same team, and everything else as it is by default.
    pub fn with_threads(phase: PhasePlan) -> Self {
        Self {
            decode: phase.clone(),
            prefill: phase,
            kernels: BTreeMap::new(),
            blocking: Blocking::default(),
            memory: MemoryPlan::default(),
        }
    }

    /// The team of a phase.
    pub fn team(&self, phase: Phase) -> &PhasePlan {
        match phase {
            Phase::Decode => &self.decode,
            Phase::Prefill => &self.prefill,
        }
    }

    /// The same, to change it.
    pub fn team_mut(&mut self, phase: Phase) -> &mut PhasePlan {
        match phase {
            Phase::Decode => &mut self.decode,
            Phase::Prefill => &mut self.prefill,
        }
    }

    /// This plan with the team that `donor` has for a phase.
    #[must_use]
    pub fn with_team_of(&self, donor: &Plan, phase: Phase) -> Self {
        let mut plan = self.clone();
        plan.team_mut(phase).clone_from(donor.team(phase));
        plan
    }

    /// Checks every number against its range.
    ///
    /// # Errors
    /// The first field that is out of range. Kernel names are checked where the model's block
    /// types are known, when an engine is opened.
    pub fn validate(&self) -> Result<(), PlanError> {
        self.decode.validate("decode")?;
        self.prefill.validate("prefill")?;
        let b = &self.blocking;
        in_range(
            "blocking.prefetch_bytes",
            b.prefetch_bytes,
            0..=65_536,
            "0 to 65536",
        )?;
        in_range("blocking.decode_rows", b.decode_rows, 1..=256, "1 to 256")?;
        in_range(
            "blocking.prefill_rows",
            b.prefill_rows,
            1..=4096,
            "1 to 4096",
        )?;
        in_range(
            "blocking.prefill_chunk",
            b.prefill_chunk,
            1..=8192,
            "1 to 8192",
        )?;
        let chunk = b.attention_chunk;
        in_range("blocking.attention_chunk", chunk, 32..=65_536, CHUNK_RANGE)?;
        if chunk.is_multiple_of(32) {
            Ok(())
        } else {
            let field = "blocking.attention_chunk";
            Err(PlanError::OutOfRange {
                field,
                value: chunk,
                allowed: CHUNK_RANGE,
            })
        }
    }
}

fn in_range(
    field: &'static str,
    value: usize,
    range: std::ops::RangeInclusive<usize>,
    allowed: &'static str,
) -> Result<(), PlanError> {
    if range.contains(&value) {
        Ok(())
    } else {
        Err(PlanError::OutOfRange {
            field,
            value,
            allowed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field's name and a way to make it wrong.
    type Spoilt = (&'static str, fn(&mut Plan));

    #[test]
    fn a_default_plan_is_valid_and_each_bad_field_is_named() {
        let good = Plan::with_threads(PhasePlan::unpinned(2));
        assert_eq!(good.validate(), Ok(()));
        let spoil: [Spoilt; 7] = [
            ("decode.threads", |p| p.decode.threads = 0),
            ("prefill.cpus", |p| p.prefill.cpus = vec![0]),
            ("blocking.prefetch_bytes", |p| {
                p.blocking.prefetch_bytes = 1 << 20
            }),
            ("blocking.decode_rows", |p| p.blocking.decode_rows = 257),
            ("blocking.prefill_rows", |p| p.blocking.prefill_rows = 0),
            ("blocking.prefill_chunk", |p| p.blocking.prefill_chunk = 0),
            ("blocking.attention_chunk", |p| {
                p.blocking.attention_chunk = 40
            }),
        ];
        for (name, change) in spoil {
            let mut plan = good.clone();
            change(&mut plan);
            let message = plan.validate().expect_err(name).to_string();
            assert!(message.contains(name), "{message} does not name {name}");
        }
    }
}
