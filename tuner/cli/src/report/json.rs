//! `--format json`: the whole run as one object on standard output. A number that was measured is an
//! object of its median, its limits and its samples; absent is `null`.

use std::path::Path;

use serde_json::{Value, json};
use sysinfer_journal::{blocking, kernels};
use sysinfer_probe::Phase;
use sysinfer_profiles::Gain;
use sysinfer_search::race::Outcome;
use sysinfer_stats::Estimate;
use sysinfer_table::split::Split;

use super::samples::Disturbed;
use super::{Report, Row, many};

/// Version of this layout; it grows when a field changes its meaning or goes.
const LAYOUT: u32 = 2;

/// The object. `files` are those that were written, `profile` the profile if there is one.
pub fn render(report: &Report<'_>, files: &[impl AsRef<Path>], profile: Option<&Path>) -> Value {
    let (host, info) = (report.host, report.info);
    let file = |path: &Path| path.display().to_string();
    json!({
        "trusted": report.distrust.is_none(),
        "not_trusted_because": report.distrust.as_ref().map(|distrust| &distrust.why),
        "headline": report.headline(),
        "layout": LAYOUT,
        "version": env!("CARGO_PKG_VERSION"),
        "date": report.date,
        "command": report.command,
        "host": {
            "cpu_model": host.cpu_model,
            "architecture": host.architecture,
            "instruction_sets": report.instruction_sets,
            // Null: not arm64. 0: without SVE.
            "sve_bits": host.sve_bits,
            "topology": host.topology,
            "cpus": host.cpus,
            "cpu_quota": host.cpu_quota,
            "memory_bytes": host.memory_bytes,
            "kernel": host.kernel,
            "huge_pages": host.huge_pages,
        },
        "model": {
            "name": info.name,
            "architecture": info.architecture,
            "quantisation": info.quantisation,
            "fingerprint": info.fingerprint,
            "decode_bytes": info.decode_bytes,
            "kv_bytes_per_position": info.kv_bytes_per_position,
        },
        "threads": report.pins,
        "read_gb_per_second": estimate(report.roof_estimate()),
        "prefill_arithmetic_gmac_per_second": estimate(report.core_estimates().0),
        "prefill_exchange_gb_per_second": estimate(report.core_estimates().1),
        "decode_drift": report.samples.drift.decode,
        "prefill_drift": report.samples.drift.prefill,
        "chosen": chosen(report),
        "explanation": report.explanation(),
        "prompt_tokens": report.prompt_tokens,
        "lengths": report.rows.iter().map(length).collect::<Vec<_>>(),
        "concurrency": concurrency(report),
        "steps": report.splits.iter().map(step).collect::<Vec<_>>(),
        "stages": report.log.outcomes.iter().map(stage).collect::<Vec<_>>(),
        "samples": report.samples.readings,
        "void_samples": report.samples.voids.iter().map(disturbed).collect::<Vec<_>>(),
        "disturbed_samples": report.samples.kept.iter().map(disturbed).collect::<Vec<_>>(),
        "sections": report.sections.iter().map(|section| json!({
            "title": section.title,
            "lines": section.lines,
            "header": section.header,
            "rows": section.rows,
        })).collect::<Vec<_>>(),
        "not_tried": report.log.skipped.iter().map(|skipped| json!({
            "name": skipped.name,
            "reason": skipped.reason,
        })).collect::<Vec<_>>(),
        "remarks": report.remarks,
        "files": files.iter().map(|path| file(path.as_ref())).collect::<Vec<_>>(),
        "profile": profile.map(file),
    })
}

fn estimate(known: Option<Estimate>) -> Value {
    known.map_or(Value::Null, |known| {
        json!({
            "median": known.median,
            "low": known.low,
            "high": known.high,
            "samples": known.count,
        })
    })
}

fn chosen(report: &Report<'_>) -> Value {
    let Some(found) = report.confirmation else {
        return Value::Null;
    };
    let phase = |phase: Phase| {
        let gain = match report.gain(phase) {
            Gain::Proven { ratio, .. } => Some(ratio),
            Gain::None | Gain::Unproven { .. } | Gain::NoInterval { .. } => None,
        };
        let team = phase.team(&found.plan);
        let fresh = report.fresh(phase);
        let rival = fresh.and_then(|fresh| report.samples.rival(phase, fresh.candidate));
        json!({
            "threads": team.threads,
            "map": team.map,
            "cpus": team.cpus,
            "kernels": kernels(&found.plan, phase.name()),
            // Null unless it is proven; what was seen is beside it, with its interval.
            "gain": gain,
            "rate_over_default": estimate(found.gain(phase)),
            "winner_over_default": estimate(fresh.and_then(|fresh| fresh.margin)),
            "winner_tokens_per_second": estimate(rival.map(|rival| rival.rate)),
            "default_tokens_per_second": estimate(rival.map(|rival| rival.default)),
        })
    };
    json!({
        "decode": phase(Phase::Decode),
        "prefill": phase(Phase::Prefill),
        "blocking": blocking(&found.plan),
        "reasons": found.reasons,
    })
}

fn length(row: &Row) -> Value {
    let found = &row.estimates;
    json!({
        "total_tokens": row.total_tokens,
        "decode_tokens_per_second": estimate(found.decode),
        "decode_is_sampled": row.decode.map(|_| row.sampled),
        "decode_runs": row.decode.map(|decode| decode.count),
        "decode_gb_per_second": estimate(found.decode_gb),
        "percent_of_read_bandwidth": estimate(found.decode_percent),
        "reference_tokens_per_second": row.reference,
        "prefill_tokens_per_second": estimate(found.prefill),
        "prefill_gb_per_second": estimate(found.prefill_gb),
        "time_to_first_token_ms": estimate(found.first_token_ms),
    })
}

/// Null: not measured.
fn concurrency(report: &Report<'_>) -> Value {
    let measured = &report.concurrency;
    if measured.steps.is_empty() {
        return Value::Null;
    }
    let plain = measured.plain().map(|(sequences, seconds)| {
        let rate = many::rate(sequences, seconds);
        json!({
            "sequences": sequences,
            "step_seconds": estimate(Some(seconds)),
            "tokens_per_second": estimate(Some(rate)),
            "tokens_per_second_each": estimate(Some(rate.map(|rate| rate / sequences as f64))),
        })
    });
    let mixed = measured.mixed().map(|(rows, seconds)| {
        json!({
            "sequences": rows.decode,
            "prompt_rows": rows.prompt,
            "step_seconds": estimate(Some(seconds)),
        })
    });
    json!({
        "context_tokens": measured.context_tokens,
        "sequences": plain.collect::<Vec<_>>(),
        "prompt_parts": mixed.collect::<Vec<_>>(),
        // Null: of a run that is not to be trusted nothing is for the server.
        "serving": measured.limits().filter(|_| report.distrust.is_none()),
    })
}

fn step(split: &Split) -> Value {
    let part = |part: &sysinfer_table::split::SplitPart| {
        json!({
            "name": part.name,
            "mean_seconds": estimate(Some(part.mean_seconds)),
            "worst_worker_seconds": part.worst_seconds,
            "share": part.share,
        })
    };
    json!({
        "plan": split.under.name(),
        "phase": split.phase.name(),
        "total_tokens": split.total_tokens,
        "step_seconds": estimate(Some(split.step_seconds())),
        "parts": split.parts().iter().map(part).collect::<Vec<_>>(),
    })
}

fn stage(outcome: &Outcome) -> Value {
    let lanes = outcome.lanes.iter().map(|lane| {
        json!({
            "name": lane.candidate.name,
            "reason": lane.candidate.reason,
            "tokens_per_second": estimate(Estimate::of(&lane.rates)),
            "left_because": lane.out,
        })
    });
    json!({
        "stage": outcome.stage.name(),
        "title": outcome.title,
        "winner": outcome.winner().name,
        "why": outcome.why,
        "discarded_rounds": outcome.discarded_rounds,
        "candidates": lanes.collect::<Vec<_>>(),
    })
}

fn disturbed(group: &Disturbed) -> Value {
    json!({"reason": group.reason, "count": group.count, "stages": group.stages})
}

#[cfg(test)]
mod tests {
    use super::super::tests::Planted;
    use super::*;

    #[test]
    fn every_figure_of_the_run_is_there_with_its_limits() {
        let planted = Planted::new();
        let report = planted.report();
        let value = render(&report, &["a/samples.csv"], Some(Path::new("p.toml")));
        let rate = &value["lengths"][0]["decode_tokens_per_second"];
        assert_eq!(
            (rate["median"].as_f64(), rate["samples"].as_u64()),
            (Some(12.0), Some(2))
        );
        assert_eq!(value["lengths"][2]["decode_tokens_per_second"], Value::Null);
        assert_eq!(value["chosen"]["decode"]["threads"], 2);
        let ratio = &value["chosen"]["decode"]["winner_over_default"]["low"];
        assert!(ratio.as_f64().is_some_and(|low| low > 1.0), "{ratio}");
        assert_eq!(
            value["stages"][0]["candidates"].as_array().map(Vec::len),
            Some(3)
        );
        let many = &value["concurrency"];
        assert_eq!(
            many["sequences"][1]["tokens_per_second_each"]["median"],
            50.0
        );
        assert_eq!(many["serving"]["parallel"], 4);
        assert_eq!(value["steps"][0]["parts"][0]["name"], "matrix products");
        assert_eq!(value["void_samples"][0]["count"], 3);
        assert_eq!(value["files"][0], "a/samples.csv");
        assert_eq!(value["profile"], "p.toml");
    }
}
