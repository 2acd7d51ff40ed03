//! The decision and its measurements, as a profile.

use sysinfer_probe::{CoreReading, Phase, Point};
use sysinfer_profiles::{Created, Evidence, LengthEvidence, Profile, SCHEMA};
use sysinfer_report::Length;
use sysinfer_search::confirm::Confirmation;
use sysinfer_stats::{Estimate, between_runs, median_of};
use sysinfer_table::TableData;
use sysinfer_table::concurrency::Concurrency;

use super::report_of_run::Ended;

/// The profile of a run that ended with a decision, with measurements rounded to what they are worth. `data` are the
/// runs behind the table, as far as that was measured under the plan of the decision: of another plan nothing is
/// evidence.
pub fn profile(ended: &Ended<'_>, found: &Confirmation, data: Option<&TableData>) -> Profile {
    let gain = |phase| found.gain(phase).as_ref().and_then(known_gain);
    let (decode, prefill) = (gain(Phase::Decode), gain(Phase::Prefill));
    let concurrency = data.map(|_| &ended.concurrency);
    let runs = data.map_or(0, |data| between_runs::count(data.starts().iter().copied()));
    let lengths = data.map(|data| ended.rows.iter().map(|row| length(row, data)).collect());
    let known = &ended.samples.between_runs;
    Profile {
        schema: SCHEMA,
        created: Created {
            date: ended.date.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            command: ended.command.clone(),
        },
        host: ended.host.clone(),
        model: ended.info.into(),
        plan: found.plan.clone(),
        serving: concurrency.and_then(Concurrency::limits),
        evidence: Evidence {
            read_gb_per_second: data.and_then(|_| ended.roof()).map(rounded),
            trusted: Some(ended.distrust.is_none()),
            not_trusted_because: ended
                .distrust
                .as_ref()
                .map(|it| it.why.clone())
                .unwrap_or_default(),
            gain_decode: decode.map_or(1.0, |gain| gain.median),
            gain_decode_low: decode.map(|gain| gain.low),
            gain_decode_high: decode.map(|gain| gain.high),
            gain_prefill: prefill.map_or(1.0, |gain| gain.median),
            gain_prefill_low: prefill.map(|gain| gain.low),
            gain_prefill_high: prefill.map(|gain| gain.high),
            prompt_tokens: ended.prompt_tokens,
            samples: ended.conditions.taken,
            void_samples: ended.conditions.voids.total(),
            decode_between_runs: known.decode.map(rounded),
            prefill_between_runs: known.prefill.map(rounded),
            independent_runs: runs,
            lengths: lengths.unwrap_or_default(),
            steps: concurrency.map(Concurrency::evidence).unwrap_or_default(),
        },
    }
}

/// A gain that can be written down: too few rounds have no interval, and prove nothing.
fn known_gain(gain: &Estimate) -> Option<Estimate> {
    // Finer than rates: rounding must not move an end of the interval across 1.
    let fine = gain.map(|ratio| (ratio * 1e5).round() / 1e5);
    (fine.low.is_finite() && fine.high.is_finite()).then_some(fine)
}

fn length(row: &Length, data: &TableData) -> LengthEvidence {
    let runs = |points: &[Point]| {
        let rates: Vec<f64> = points
            .iter()
            .map(|point| rounded(point.tokens_per_second()))
            .collect();
        LengthEvidence::kept_runs(&rates)
    };
    let middle = |known: Option<Estimate>| known.map(|known| rounded(known.median));
    // Of a sampled length, what is known is the interval of its steps; of any other, its runs.
    let rate = row.decode_tokens_per_second;
    let (low, high) = match row.is_sampled() {
        true => rate.map(|rate| (rate.low, rate.high)),
        false => row.decode_range,
    }
    .unzip();
    let count = match row.is_sampled() {
        true => rate.map(|rate| rate.count),
        false => row.decode_runs,
    };
    let prompts = data.prefill.get(&row.total_tokens);
    let decode_cores = data.decode_cores(row.total_tokens);
    let prefill_cores = data.prefill_cores(row.total_tokens);
    LengthEvidence {
        total_tokens: row.total_tokens,
        sampled: row.is_sampled(),
        samples: count.unwrap_or(0),
        decode_tokens_per_second: middle(rate),
        decode_low: low.map(rounded),
        decode_high: high.map(rounded),
        decode_runs: runs(data.decode_runs(row.total_tokens)),
        prefill_runs: runs(prompts.map_or(&[], Vec::as_slice)),
        decode_gb_per_second: middle(row.decode_gb_per_second),
        percent_of_read_bandwidth: middle(row.percent_of_read_bandwidth),
        decode_arithmetic_gmac_per_second: typical(&decode_cores, |cores| cores.arithmetic),
        decode_exchange_gb_per_second: typical(&decode_cores, |cores| cores.core_to_core),
        prefill_arithmetic_gmac_per_second: typical(&prefill_cores, |cores| cores.arithmetic),
        prefill_exchange_gb_per_second: typical(&prefill_cores, |cores| cores.core_to_core),
        prefill_tokens_per_second: middle(row.prefill_tokens_per_second),
        time_to_first_token_ms: middle(row.time_to_first_token_ms),
        reference_tokens_per_second: row.reference_tokens_per_second,
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
    use crate::tune::report_of_run::distrust::{Distrust, Kept};
    use crate::tune::report_of_run::tests::{Planted, data, unproven};

    fn written(distrust: Option<&str>, gain: Option<Estimate>) -> Profile {
        let mut planted = Planted::new();
        let found = planted.confirmation.as_mut().expect("planted");
        found.gain_decode = gain;
        let mut ended = planted.ended();
        ended.distrust = distrust.map(|why| Distrust {
            why: why.into(),
            kept: Kept::Found,
        });
        let found = ended.confirmation.expect("planted");
        let profile = profile(&ended, found, Some(&data()));
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
    fn of_another_plan_nothing_is_evidence() {
        let planted = Planted::new();
        let ended = planted.ended();
        let profile = profile(&ended, ended.confirmation.expect("planted"), None);
        let evidence = profile.evidence;
        assert!(evidence.lengths.is_empty() && evidence.steps.is_empty());
        assert_eq!((evidence.read_gb_per_second, profile.serving), (None, None));
        assert_eq!(evidence.samples, ended.conditions.taken);
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
