//! What `verify` prints: a table with what the host gave in both runs, or one JSON object.

use serde::Serialize;
use sysinfer_profiles::Profile;
use sysinfer_profiles::trust::NOT_TO_BE_TRUSTED;
use sysinfer_table::sampled::DEFINITION;

use super::judgement::Judgement;
use super::verdict::Verdict;
use crate::commands::compare::rates::rate_text;
use crate::report::table;

/// The table, and what the host gave in both runs.
pub(super) fn text(
    profile: &Profile,
    verdicts: &[Verdict],
    (recorded, roof): (Option<f64>, Option<f64>),
    discarded: usize,
) -> String {
    let header = [
        "phase",
        "total tokens",
        "recorded tokens/s",
        "now tokens/s",
        "now / recorded (95 % for all)",
        "% of read bandwidth",
        "cores: GMAC/s; GB/s exchanged",
        "verdict",
    ];
    let share = |percent: Option<f64>| {
        percent.map_or_else(|| "-".into(), |percent| format!("{percent:.0}"))
    };
    let rows = verdicts.iter().map(|found| {
        let shares = match found.phase {
            "decode" => format!(
                "{} -> {}",
                share(found.recorded_percent),
                share(found.now_percent)
            ),
            _ => "-".into(),
        };
        vec![
            match found.sampled {
                true => format!("{}, sampled", found.phase),
                false => found.phase.to_owned(),
            },
            found.total_tokens.to_string(),
            rate_text(&found.recorded),
            rate_text(&found.now),
            format!(
                "{:.3} ({:.3}-{:.3})",
                found.ratio, found.interval.0, found.interval.1
            ),
            shares,
            cores(found),
            found.words(),
        ]
    });
    let warning = profile
        .distrust()
        .map(|why| format!("{NOT_TO_BE_TRUSTED}: {why}."));
    let mut lines: Vec<String> = warning.into_iter().collect();
    lines.extend([
        format!(
            "{} ({}), recorded {}",
            profile.model.name, profile.model.quantisation, profile.created.date
        ),
        table::render(&header, rows),
    ]);
    if verdicts.iter().any(|found| found.sampled) {
        lines.push(DEFINITION.into());
    }
    if let Some(now) = roof {
        lines.push(match recorded {
            Some(recorded) => format!(
                "read bandwidth: recorded {recorded:.1} GB/s, now {now:.1} GB/s, {:.2} times that",
                now / recorded
            ),
            None => format!("read bandwidth: not recorded, now {now:.1} GB/s"),
        });
    }
    if discarded > 0 {
        lines.push(format!(
            "{discarded} samples were thrown away: the host was throttled or busy with other things"
        ));
    }
    lines.join("\n") + "\n"
}

/// How fast the cores were, then and now.
fn cores(found: &Verdict) -> String {
    let both = |part: Option<(f64, f64)>| {
        part.map_or_else(
            || "-".into(),
            |(recorded, now)| format!("{recorded:.1} -> {now:.1}"),
        )
    };
    format!("{}; {}", both(found.arithmetic), both(found.exchange))
}

#[derive(Serialize)]
struct Json<'a> {
    profile: String,
    trusted: bool,
    not_trusted_because: Option<String>,
    holds: bool,
    why: &'a str,
    recorded_read_gb_per_second: Option<f64>,
    read_gb_per_second: Option<f64>,
    lengths: Vec<JsonLength>,
}

#[derive(Serialize)]
struct JsonLength {
    phase: &'static str,
    total_tokens: usize,
    sampled: bool,
    recorded_tokens_per_second: f64,
    recorded_low: f64,
    recorded_high: f64,
    tokens_per_second: f64,
    low: f64,
    high: f64,
    runs: usize,
    ratio: f64,
    ratio_low: f64,
    ratio_high: f64,
    smallest_loss_found: f64,
    recorded_percent_of_read_bandwidth: Option<f64>,
    percent_of_read_bandwidth: Option<f64>,
    recorded_arithmetic_gmac_per_second: Option<f64>,
    arithmetic_gmac_per_second: Option<f64>,
    recorded_exchange_gb_per_second: Option<f64>,
    exchange_gb_per_second: Option<f64>,
    verdict: Judgement,
}

/// The same as one JSON object.
pub(super) fn json(
    (path, profile): (String, &Profile),
    verdicts: &[Verdict],
    (recorded, roof): (Option<f64>, Option<f64>),
    (holds, why): (bool, &str),
) -> anyhow::Result<String> {
    let length = |found: &Verdict| JsonLength {
        phase: found.phase,
        total_tokens: found.total_tokens,
        sampled: found.sampled,
        recorded_tokens_per_second: found.recorded.median,
        recorded_low: found.recorded.low,
        recorded_high: found.recorded.high,
        tokens_per_second: found.now.median,
        low: found.now.low,
        high: found.now.high,
        runs: found.now.count,
        ratio: found.ratio,
        ratio_low: found.interval.0,
        ratio_high: found.interval.1,
        smallest_loss_found: found.smallest_loss_found,
        recorded_percent_of_read_bandwidth: found.recorded_percent,
        percent_of_read_bandwidth: found.now_percent,
        recorded_arithmetic_gmac_per_second: found.arithmetic.map(|(recorded, _)| recorded),
        arithmetic_gmac_per_second: found.arithmetic.map(|(_, now)| now),
        recorded_exchange_gb_per_second: found.exchange.map(|(recorded, _)| recorded),
        exchange_gb_per_second: found.exchange.map(|(_, now)| now),
        verdict: found.holds,
    };
    let distrust = profile.distrust();
    let object = Json {
        profile: path,
        trusted: distrust.is_none(),
        not_trusted_because: distrust,
        holds,
        why,
        recorded_read_gb_per_second: recorded,
        read_gb_per_second: roof,
        lengths: verdicts.iter().map(length).collect(),
    };
    Ok(serde_json::to_string(&object)?)
}
