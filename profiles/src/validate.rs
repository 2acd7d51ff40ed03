//! What the types of a profile cannot say: ranges, and that rates are numbers.

use sysinfer_engine::PlanError;

use crate::schema::Profile;
use crate::serving::{MAX_PARALLEL, MAX_TOKEN_GAP_MS};

/// Rates whose runs differ by more than this (a logarithm: sevenfold) are none.
const MAX_BETWEEN_RUNS: f64 = 2.0;

/// Most rows of a step that is recorded.
const MAX_ROWS: usize = 65_536;

/// Steps that have room in a profile.
const MAX_STEPS: usize = 64;

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
            ("decode_between_runs", evidence.decode_between_runs),
            ("prefill_between_runs", evidence.prefill_between_runs),
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
        for (key, known) in [
            ("decode_between_runs", evidence.decode_between_runs),
            ("prefill_between_runs", evidence.prefill_between_runs),
        ] {
            if known.is_some_and(|known| known > MAX_BETWEEN_RUNS) {
                let problem =
                    format!("must be at most {MAX_BETWEEN_RUNS}: 0.05 stands for about 5 %");
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

    /// Checks limits and steps.
    ///
    /// # Errors
    /// The dotted key of the first that is wrong, and what is wrong with it.
    fn validate_serving(&self) -> Result<(), (String, String)> {
        if let Some(serving) = &self.serving {
            let ranges = [
                ("parallel", serving.parallel, MAX_PARALLEL),
                (
                    "token_gap_ms",
                    serving.token_gap_ms as usize,
                    MAX_TOKEN_GAP_MS as usize,
                ),
            ];
            for (key, value, most) in ranges {
                if !(1..=most).contains(&value) {
                    let problem = format!("is {value}; it must be 1 to {most}");
                    return Err((format!("serving.{key}"), problem));
                }
            }
        }
        let steps = &self.evidence.steps;
        if steps.len() > MAX_STEPS {
            let problem = format!("has {} entries; at most {MAX_STEPS}", steps.len());
            return Err(("evidence.steps".into(), problem));
        }
        for (index, step) in steps.iter().enumerate() {
            let wrong = |key: &str, problem: String| {
                Err((format!("evidence.steps.{index}.{key}"), problem))
            };
            if !(1..=MAX_ROWS).contains(&step.sequences) {
                return wrong("sequences", format!("must be 1 to {MAX_ROWS}"));
            }
            if step.prompt_rows > MAX_ROWS {
                return wrong("prompt_rows", format!("must be at most {MAX_ROWS}"));
            }
            for (key, time) in [
                ("milliseconds", step.milliseconds),
                ("low", step.low),
                ("high", step.high),
            ] {
                if !(time.is_finite() && time > 0.0) {
                    return wrong(key, format!("{time} is no time that a step takes"));
                }
            }
        }
        Ok(())
    }
}

/// The key in the file for a complaint of the engine about its plan.
fn plan_key(error: &PlanError) -> String {
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
