//! The decision and its measurements, as a profile.

use sysinfer_engine::EngineInfo;
use sysinfer_machine::HostInfo;
use sysinfer_probe::{CoreReading, Phase, Point};
use sysinfer_profiles::{Created, Evidence, LengthEvidence, Profile, SCHEMA};
use sysinfer_search::confirm::Confirmation;
use sysinfer_stats::minutes::times_apart;
use sysinfer_stats::{Estimate, median_of};
use sysinfer_table::TableData;
use sysinfer_table::concurrency::Concurrency;

use crate::report::Row;
use crate::report::conditions::Conditions;
use crate::report::samples::Samples;

/// What the profile is made from.
pub struct Evidenced<'a> {
    /// The host that was measured.
    pub host: &'a HostInfo,
    /// The model that was measured.
    pub info: &'a EngineInfo,
    /// The plan and its gain.
    pub confirmation: &'a Confirmation,
    /// Why the run is not to be trusted, if so.
    pub distrust: Option<&'a str>,
    /// The measured table, as far as it was measured under that plan.
    pub rows: &'a [Row],
    /// The runs behind the table.
    pub data: &'a TableData,
    /// Read bandwidth of the run, GB/s, if it could be read.
    pub read_gb_per_second: Option<f64>,
    /// How many samples there were, and how many void ones.
    pub conditions: &'a Conditions,
    /// What single samples tell of the host's minutes.
    pub samples: &'a Samples,
    /// Steps of many sequences.
    pub concurrency: &'a Concurrency,
    /// Tokens of the prompt of decode runs.
    pub prompt_tokens: usize,
    /// RFC 3339 time.
    pub date: &'a str,
    /// The command line.
    pub command: &'a str,
}

/// The profile, with measurements rounded to what they are worth.
pub fn profile(from: &Evidenced<'_>) -> Profile {
    let gain = |phase| from.confirmation.gain(phase).as_ref().and_then(known_gain);
    let (decode, prefill) = (gain(Phase::Decode), gain(Phase::Prefill));
    Profile {
        schema: SCHEMA,
        created: Created {
            date: from.date.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            command: from.command.into(),
        },
        host: from.host.into(),
        model: from.info.into(),
        plan: from.confirmation.plan.clone(),
        serving: from.concurrency.limits(),
        evidence: Evidence {
            read_gb_per_second: from.read_gb_per_second.map(rounded),
            trusted: Some(from.distrust.is_none()),
            not_trusted_because: from.distrust.unwrap_or_default().into(),
            gain_decode: decode.map_or(1.0, |gain| gain.median),
            gain_decode_low: decode.map(|gain| gain.low),
            gain_decode_high: decode.map(|gain| gain.high),
            gain_prefill: prefill.map_or(1.0, |gain| gain.median),
            gain_prefill_low: prefill.map(|gain| gain.low),
            gain_prefill_high: prefill.map(|gain| gain.high),
            prompt_tokens: from.prompt_tokens,
            samples: from.conditions.taken,
            void_samples: from.conditions.voids.total(),
            decode_drift: from.samples.drift.decode.map(rounded),
            prefill_drift: from.samples.drift.prefill.map(rounded),
            table_spells: times_apart(from.data.starts().iter().copied()),
            lengths: from.rows.iter().map(|row| length(row, from.data)).collect(),
            steps: from.concurrency.evidence(),
        },
    }
}

/// A gain that can be written down: too few rounds have no interval, and prove nothing.
fn known_gain(gain: &Estimate) -> Option<Estimate> {
    // Finer than rates: rounding must not move an end of the interval across 1.
    let fine = gain.map(|ratio| (ratio * 1e5).round() / 1e5);
    (fine.low.is_finite() && fine.high.is_finite()).then_some(fine)
}

fn length(row: &Row, data: &TableData) -> LengthEvidence {
    let runs = |points: &[Point]| {
        let rates: Vec<f64> = points
            .iter()
            .map(|point| rounded(point.tokens_per_second()))
            .collect();
        LengthEvidence::kept_runs(&rates)
    };
    // Of a sampled length, what is known is the interval of its steps.
    let known = match row.sampled {
        true => row
            .estimates
            .decode
            .map(|rate| (rate.count, rate.low, rate.high)),
        false => row.decode.map(|rate| (rate.count, rate.low, rate.high)),
    };
    let prompts = data.prefill.get(&row.total_tokens);
    let decode_cores = data.decode_cores(row.total_tokens);
    let prefill_cores = data.prefill_cores(row.total_tokens);
    LengthEvidence {
        total_tokens: row.total_tokens,
        sampled: row.sampled,
        samples: known.map_or(0, |(count, ..)| count),
        decode_tokens_per_second: row.decode.map(|decode| rounded(decode.median)),
        decode_low: known.map(|(_, low, _)| rounded(low)),
        decode_high: known.map(|(.., high)| rounded(high)),
        decode_runs: runs(data.decode_runs(row.total_tokens)),
        prefill_runs: runs(prompts.map_or(&[], Vec::as_slice)),
        decode_gb_per_second: row.decode_gb_per_second.map(rounded),
        percent_of_read_bandwidth: row.percent_of_read_bandwidth.map(rounded),
        decode_arithmetic_gmac_per_second: typical(&decode_cores, |cores| cores.arithmetic),
        decode_exchange_gb_per_second: typical(&decode_cores, |cores| cores.exchange),
        prefill_arithmetic_gmac_per_second: typical(&prefill_cores, |cores| cores.arithmetic),
        prefill_exchange_gb_per_second: typical(&prefill_cores, |cores| cores.exchange),
        prefill_tokens_per_second: row.prefill.map(|prefill| rounded(prefill.median)),
        time_to_first_token_ms: row.time_to_first_token_ms.map(rounded),
        reference_tokens_per_second: row.reference,
    }
}

/// The median of the readings beside runs that are known.
fn typical(readings: &[CoreReading], part: fn(&CoreReading) -> Option<f64>) -> Option<f64> {
    median_of(readings.iter().filter_map(part)).map(rounded)
}

/// Three decimals: finer than any spread seen, and readable.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{Planted, data, unproven};

    fn written(distrust: Option<&str>, gain: Option<Estimate>) -> Profile {
        let mut planted = Planted::new();
        let found = planted.confirmation.as_mut().expect("planted");
        found.gain_decode = gain;
        let report = planted.report();
        let profile = profile(&Evidenced {
            host: report.host,
            info: report.info,
            confirmation: report.confirmation.expect("planted"),
            distrust,
            rows: &report.rows,
            data: &data(),
            read_gb_per_second: report.roof(),
            conditions: &report.conditions,
            samples: &report.samples,
            concurrency: &report.concurrency,
            prompt_tokens: 16,
            date: "2026-11-22T12:00:00Z",
            command: "sysinfer-tune m.gguf",
        });
        let text = profile.to_toml().expect("renders");
        let again = Profile::parse(&text, "test").expect("parses");
        assert_eq!(again, profile);
        again
    }

    #[test]
    fn a_profile_says_whether_it_is_to_be_trusted() {
        assert_eq!(written(None, None).evidence.trusted, Some(true));
        let spoilt = written(Some("it rained"), None);
        assert_eq!(spoilt.evidence.trusted, Some(false));
        assert_eq!(spoilt.distrust().as_deref(), Some("it rained"));
    }

    #[test]
    fn a_gain_is_written_with_its_interval() {
        let evidence = written(None, Some(unproven())).evidence;
        let interval = (evidence.gain_decode_low, evidence.gain_decode_high);
        assert_eq!(
            (evidence.gain_decode, interval),
            (1.1, (Some(0.99), Some(1.21)))
        );
        assert_eq!(evidence.gain_prefill_low, None);
        // Rounding to what rates are worth would make 1.000 of it.
        let close = Estimate {
            low: 1.0004,
            ..unproven()
        };
        let gain = written(None, Some(close)).evidence.decode_gain();
        assert!(
            matches!(gain, sysinfer_profiles::Gain::Proven { .. }),
            "{gain:?}"
        );
        let endless = Estimate {
            high: f64::INFINITY,
            ..unproven()
        };
        assert_eq!(written(None, Some(endless)).evidence.gain_decode, 1.0);
    }
}
