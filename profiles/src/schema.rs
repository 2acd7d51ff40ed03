//! Schema version 1 of a profile, field by field. Units are in the names.

use serde::{Deserialize, Serialize};
use sysinfer_engine::{EngineInfo, Plan};
use sysinfer_machine::HostInfo;

use crate::length::LengthEvidence;
use crate::serving::{Serving, StepEvidence};

/// The schema version that this build reads and writes.
pub const SCHEMA: i64 = 1;

/// Lengths that have room in a profile, with all their runs.
pub const MAX_LENGTHS: usize = 48;

/// A plan with the host and model that it was measured on, and the measurements.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Version of this layout, [`SCHEMA`].
    pub schema: i64,
    /// Who made the file, when and how.
    pub created: Created,
    /// The host that was measured.
    pub host: HostInfo,
    /// The model that was measured.
    pub model: ModelFacts,
    /// What to run.
    pub plan: Plan,
    /// How many users are served, and how; absent: not measured, as in profiles of before it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<Serving>,
    /// Why the plan is believed to be good.
    pub evidence: Evidence,
}

/// Where a profile comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Created {
    /// RFC 3339 time of writing, UTC.
    pub date: String,
    /// Version of the program that wrote it.
    pub version: String,
    /// The command line that made it.
    pub command: String,
}

/// The shape of a model, as far as speed depends on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFacts {
    /// Name in the file, or the preset of a synthetic model.
    pub name: String,
    /// `llama`, `baichuan`, ...
    pub architecture: String,
    /// Block types of the weights.
    pub quantisation: String,
    /// Equal for two models of one shape and quantisation.
    pub fingerprint: String,
    /// Weights, as a count.
    pub parameters: u64,
    /// Packed weights, bytes.
    pub weight_bytes: u64,
    /// Weights that one decode step reads, bytes.
    pub decode_bytes: u64,
    /// Keys and values that one decode step reads for each position of the context, bytes.
    pub kv_bytes_per_position: u64,
    /// Longest sequence, tokens.
    pub context_length: usize,
}

/// What was measured under the plan, in the run that wrote the profile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Whether the run is to be trusted; absent in profiles of before it was recorded, which are judged by
    /// their counts of samples. See [`Profile::distrust`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted: Option<bool>,
    /// Why it is not, on one line; empty: it is, or nobody says.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub not_trusted_because: String,
    /// Read bandwidth of the decode team in the same run, GB/s (10^9 bytes); absent: it could not be
    /// read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_gb_per_second: Option<f64>,
    /// Decode rate over that of the default plan: 1.10 is ten percent faster. A gain only where its
    /// interval says so: see [`Evidence::decode_gain`].
    pub gain_decode: f64,
    /// Lower end of its 95 % interval; absent: the plan is the default's, or it was not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gain_decode_low: Option<f64>,
    /// Upper end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gain_decode_high: Option<f64>,
    /// Prefill rate over that of the default plan, in the same manner.
    pub gain_prefill: f64,
    /// Lower end of its 95 % interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gain_prefill_low: Option<f64>,
    /// Upper end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gain_prefill_high: Option<f64>,
    /// Tokens of the prompt that every decode run starts from.
    pub prompt_tokens: usize,
    /// Samples taken in that run, void ones included; 0: not recorded.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub samples: usize,
    /// How many of them were void: the host was throttled, busy or taken from us meanwhile.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub void_samples: usize,
    /// Between-run standard deviation of the logarithm of one plan's decode rate in that run, beyond the noise of
    /// samples close together; 0.05: about 5 %. Absent: not known. Older profiles call it `decode_drift`.
    #[serde(
        default,
        alias = "decode_drift",
        skip_serializing_if = "Option::is_none"
    )]
    pub decode_between_runs: Option<f64>,
    /// The same for prompts, once `prefill_drift`.
    #[serde(
        default,
        alias = "prefill_drift",
        skip_serializing_if = "Option::is_none"
    )]
    pub prefill_between_runs: Option<f64>,
    /// Runs of the table that began at least two minutes after one another: so many draws of what is between runs;
    /// 0: not recorded. Once `table_spells`.
    #[serde(default, alias = "table_spells", skip_serializing_if = "is_zero")]
    pub independent_runs: usize,
    /// One entry for each total length, ascending.
    #[serde(default)]
    pub lengths: Vec<LengthEvidence>,
    /// What steps of many sequences took, those without a prompt first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepEvidence>,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl From<&EngineInfo> for ModelFacts {
    fn from(info: &EngineInfo) -> Self {
        Self {
            name: info.name.clone(),
            architecture: info.architecture.clone(),
            quantisation: info.quantisation.clone(),
            fingerprint: info.fingerprint.clone(),
            parameters: info.parameters,
            weight_bytes: info.weight_bytes,
            decode_bytes: info.decode_bytes,
            kv_bytes_per_position: info.kv_bytes_per_position,
            context_length: info.context_length,
        }
    }
}
