//! Schema version 1 of a profile, field by field. Units are in the names.

use serde::{Deserialize, Serialize};
use sysinfer_engine::{EngineInfo, Plan};
use sysinfer_machine::HostInfo;

use crate::serving::{Serving, StepEvidence};

/// The schema version that this build reads and writes.
pub const SCHEMA: i64 = 1;

/// Runs that are recorded for one length and phase; a profile stays small enough to be read.
pub const MOST_RUNS: usize = 15;

/// Lengths that have room in a profile, with all their runs.
pub const MOST_LENGTHS: usize = 48;

/// Rates that drift by more than this (a logarithm: sevenfold) are none.
const MOST_DRIFT: f64 = 2.0;

/// A plan with the host and model that it was measured on, and the measurements.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Version of this layout, [`SCHEMA`].
    pub schema: i64,
    /// Who made the file, when and how.
    pub created: Created,
    /// The host that was measured.
    pub host: HostFacts,
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

/// The facts of a host that decide whether a plan carries over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostFacts {
    /// Marketing or implementer name of the processor.
    pub cpu_model: String,
    /// `x86_64` or `aarch64`.
    pub architecture: String,
    /// Length of SVE vectors on arm64, bits, 0 without SVE; absent: another architecture, or not recorded.
    /// For the record: no kernel uses SVE, so differences mean nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sve_bits: Option<usize>,
    /// One line: packages x nodes x cores x threads.
    pub topology: String,
    /// Sockets.
    pub packages: usize,
    /// NUMA nodes.
    pub nodes: usize,
    /// Physical cores that the process may use.
    pub cores: usize,
    /// Logical CPUs that the process may use.
    pub cpus: usize,
    /// Memory of the host, bytes.
    pub memory_bytes: u64,
    /// Base page size, bytes.
    pub page_bytes: usize,
    /// CPUs' worth of time that the control group allows; absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_quota: Option<f64>,
    /// Kernel release; differences are only noted.
    pub kernel: String,
    /// Mode of transparent huge pages; differences are only noted.
    pub huge_pages: String,
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
    /// How much the decode rate of one plan drifted in that run: standard deviation of what minutes add to
    /// its logarithm, beyond the noise of samples close together; 0.05: about 5 %. Absent: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode_drift: Option<f64>,
    /// The same for prompts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefill_drift: Option<f64>,
    /// Runs of the table that began at least two minutes after one another: so many draws of that drift;
    /// 0: not recorded.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub table_spells: usize,
    /// One entry for each total length, ascending.
    #[serde(default)]
    pub lengths: Vec<LengthEvidence>,
    /// What steps of many sequences took, those without a prompt first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepEvidence>,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Rates at one total length. Absent: not measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LengthEvidence {
    /// Prompt and output together, tokens.
    pub total_tokens: usize,
    /// Whether the decode rate was put together from steps at several contexts, in place of runs that
    /// decode all the way.
    #[serde(default, skip_serializing_if = "is_false")]
    pub sampled: bool,
    /// Runs behind the decode rate; groups of steps, if it was sampled.
    #[serde(default)]
    pub samples: usize,
    /// Median over the runs: generated tokens / time of their steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode_tokens_per_second: Option<f64>,
    /// Slowest run; the lower end of the interval of the steps, if the rate was sampled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode_low: Option<f64>,
    /// Fastest run, or the upper end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode_high: Option<f64>,
    /// Decode rate of each run or sampled pass, tokens/s, at most [`MOST_RUNS`] of them: what later measurements are
    /// compared with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decode_runs: Vec<f64>,
    /// Weights and cache read while decoding, GB/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode_gb_per_second: Option<f64>,
    /// The same in percent of `read_gb_per_second`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent_of_read_bandwidth: Option<f64>,
    /// Plain multiply-adds of the decode team beside these runs, 10^9 a second: how fast its cores were,
    /// whatever they run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode_arithmetic_gmac_per_second: Option<f64>,
    /// What its workers read beside these runs of what another had just written, GB/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode_exchange_gb_per_second: Option<f64>,
    /// Prompt tokens per second for a prompt of `total_tokens`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefill_tokens_per_second: Option<f64>,
    /// Prefill rate of each run, tokens/s, at most [`MOST_RUNS`] of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefill_runs: Vec<f64>,
    /// Plain multiply-adds of the prompts' team beside these runs, 10^9 a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefill_arithmetic_gmac_per_second: Option<f64>,
    /// What its workers read beside these runs of what another had just written, GB/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefill_exchange_gb_per_second: Option<f64>,
    /// Time from such a prompt to its first token, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_to_first_token_ms: Option<f64>,
    /// What the original system published for this shape on its server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_tokens_per_second: Option<f64>,
}

impl LengthEvidence {
    /// At most [`MOST_RUNS`] of the rates: all, or order statistics at even distances, so that median
    /// and extremes stay what they were.
    pub fn kept_runs(rates: &[f64]) -> Vec<f64> {
        if rates.len() <= MOST_RUNS {
            return rates.to_vec();
        }
        let mut sorted = rates.to_vec();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len() - 1;
        let place = |index: usize| (index * last + (MOST_RUNS - 1) / 2) / (MOST_RUNS - 1);
        (0..MOST_RUNS).map(|index| sorted[place(index)]).collect()
    }

    /// Decode rates of the runs, tokens/s; of a profile without them, what it says of their median and
    /// extremes, which is all of up to three runs.
    pub fn decode_rates(&self) -> Vec<f64> {
        if !self.decode_runs.is_empty() {
            return self.decode_runs.clone();
        }
        let Some(median) = self.decode_tokens_per_second else {
            return Vec::new();
        };
        match (self.samples, self.decode_low, self.decode_high) {
            _ if self.sampled => vec![median],
            (2, Some(low), Some(high)) => vec![low, high],
            (3.., Some(low), Some(high)) => vec![low, median, high],
            _ => vec![median],
        }
    }

    /// Prefill rates of the runs, tokens/s; of a profile without them, their median.
    pub fn prefill_rates(&self) -> Vec<f64> {
        if self.prefill_runs.is_empty() {
            self.prefill_tokens_per_second.into_iter().collect()
        } else {
            self.prefill_runs.clone()
        }
    }

    /// All rates and times, by their keys.
    fn rates(&self) -> Vec<(&'static str, f64)> {
        let single = [
            ("decode_tokens_per_second", self.decode_tokens_per_second),
            ("decode_low", self.decode_low),
            ("decode_high", self.decode_high),
            ("decode_gb_per_second", self.decode_gb_per_second),
            ("percent_of_read_bandwidth", self.percent_of_read_bandwidth),
            (
                "decode_arithmetic_gmac_per_second",
                self.decode_arithmetic_gmac_per_second,
            ),
            (
                "decode_exchange_gb_per_second",
                self.decode_exchange_gb_per_second,
            ),
            ("prefill_tokens_per_second", self.prefill_tokens_per_second),
            (
                "prefill_arithmetic_gmac_per_second",
                self.prefill_arithmetic_gmac_per_second,
            ),
            (
                "prefill_exchange_gb_per_second",
                self.prefill_exchange_gb_per_second,
            ),
            ("time_to_first_token_ms", self.time_to_first_token_ms),
            (
                "reference_tokens_per_second",
                self.reference_tokens_per_second,
            ),
        ];
        let single = single
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)));
        let decode = self.decode_runs.iter().map(|rate| ("decode_runs", *rate));
        let prefill = self.prefill_runs.iter().map(|rate| ("prefill_runs", *rate));
        single.chain(decode).chain(prefill).collect()
    }
}

impl From<&HostInfo> for HostFacts {
    fn from(host: &HostInfo) -> Self {
        Self {
            cpu_model: host.cpu_model.clone(),
            architecture: host.architecture.clone(),
            sve_bits: host.sve_bits,
            topology: host.topology.clone(),
            packages: host.packages,
            nodes: host.nodes,
            cores: host.cores,
            cpus: host.cpus,
            memory_bytes: host.memory_bytes,
            page_bytes: host.page_bytes,
            cpu_quota: host.cpu_quota,
            kernel: host.kernel.clone(),
            huge_pages: host.huge_pages.clone(),
        }
    }
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

impl Profile {
    /// Checks what types cannot: ranges of the plan, and that rates are numbers.
    ///
    /// # Errors
    /// The dotted key of the first field that is wrong, and what is wrong with it.
    pub fn validate(&self) -> Result<(), (String, String)> {
        self.plan
            .validate()
            .map_err(|error| (plan_key(&error), error.to_string()))?;
        let evidence = &self.evidence;
        let rates = [
            ("read_gb_per_second", evidence.read_gb_per_second),
            ("gain_decode", Some(evidence.gain_decode)),
            ("gain_decode_low", evidence.gain_decode_low),
            ("gain_decode_high", evidence.gain_decode_high),
            ("gain_prefill", Some(evidence.gain_prefill)),
            ("gain_prefill_low", evidence.gain_prefill_low),
            ("gain_prefill_high", evidence.gain_prefill_high),
            ("decode_drift", evidence.decode_drift),
            ("prefill_drift", evidence.prefill_drift),
        ];
        let rates = rates
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)));
        let rates = rates.map(|(key, value)| (key.to_owned(), value));
        let lengths = evidence.lengths.iter().enumerate();
        let lengths = lengths.flat_map(|(index, length)| {
            let rates = length.rates().into_iter();
            rates.map(move |(key, value)| (format!("lengths.{index}.{key}"), value))
        });
        for (key, value) in rates.chain(lengths) {
            if !(value.is_finite() && value >= 0.0) {
                let problem =
                    format!("{value} is no measurement; it must be 0 or a positive number");
                return Err((format!("evidence.{key}"), problem));
            }
        }
        let intervals = [
            (
                "gain_decode_low",
                evidence.gain_decode_low,
                evidence.gain_decode_high,
            ),
            (
                "gain_prefill_low",
                evidence.gain_prefill_low,
                evidence.gain_prefill_high,
            ),
        ];
        for (key, low, high) in intervals {
            let is_interval = match (low, high) {
                (Some(low), Some(high)) => low <= high,
                (low, high) => low.is_none() && high.is_none(),
            };
            if !is_interval {
                let problem = "an interval has a lower and an upper end; write both or none";
                return Err((format!("evidence.{key}"), problem.into()));
            }
        }
        for (key, drift) in [
            ("decode_drift", evidence.decode_drift),
            ("prefill_drift", evidence.prefill_drift),
        ] {
            if drift.is_some_and(|drift| drift > MOST_DRIFT) {
                let problem = format!("must be at most {MOST_DRIFT}: 0.05 stands for about 5 %");
                return Err((format!("evidence.{key}"), problem));
            }
        }
        if self
            .host
            .cpu_quota
            .is_some_and(|quota| !(quota.is_finite() && quota > 0.0))
        {
            let problem = "must be a positive number of CPUs; leave it out for no limit";
            return Err(("host.cpu_quota".into(), problem.into()));
        }
        self.validate_serving()
    }
}

/// The key in the file for a complaint of the engine about its plan.
fn plan_key(error: &sysinfer_engine::PlanError) -> String {
    use sysinfer_engine::PlanError;
    match error {
        PlanError::OutOfRange { field, .. } => format!("plan.{field}"),
        PlanError::CpuCount { phase, .. } | PlanError::ForeignTopology { phase, .. } => {
            format!("plan.{phase}.cpus")
        }
        PlanError::Kernel {
            block_type, phase, ..
        } => format!("plan.kernels.{block_type}.{phase}"),
    }
}
