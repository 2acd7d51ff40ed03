//! Which lengths of a profile are measured again, and how.

use std::collections::BTreeSet;

use anyhow::bail;
use sysinfer_engine::engine::pass_rows;
use sysinfer_profiles::{LengthEvidence, Profile};
use sysinfer_table::{Sampling, SamplingLimits, Speed, TablePlan, join};

use super::arguments::VerifyArgs;

/// With `--quick`, longer lengths are left out.
const MAX_QUICK_TOKENS: usize = 256;
/// A sampled pass that takes longer is not made unasked, seconds.
const MAX_PASS_SECONDS: f64 = 60.0;
/// Time of decode steps at a context of a sampled pass, as a usual run takes it, seconds.
const VISIT_SECONDS: f64 = 2.0;

/// Lengths of the profile that are asked for.
pub(super) fn table_plan(arguments: &VerifyArgs, profile: &Profile) -> anyhow::Result<TablePlan> {
    let asked = |length: usize| match &arguments.lengths {
        Some(lengths) => lengths.values().contains(&length),
        None => !arguments.quick || length <= MAX_QUICK_TOKENS,
    };
    let recorded = |has: fn(&LengthEvidence) -> bool| {
        let lengths = profile.evidence.lengths.iter().filter(|length| has(length));
        let lengths: BTreeSet<usize> = lengths.map(|length| length.total_tokens).collect();
        Vec::from_iter(lengths)
    };
    let whole = recorded(|length| !length.sampled && !length.decode_rates().is_empty());
    let lists = [
        whole.clone(),
        recorded(|length| length.sampled && !length.decode_rates().is_empty()),
        recorded(|length| !length.prefill_rates().is_empty()),
    ];
    let [decode, sampled, prefill] = lists.map(|mut lengths| {
        lengths.retain(|length| asked(*length));
        lengths
    });
    let chosen = [&decode[..], &sampled, &prefill].concat();
    if chosen.is_empty() {
        let all = recorded(|_| true);
        match all.is_empty() {
            true => bail!(
                "the profile has no measured lengths; tune again to have a table that can be verified"
            ),
            false => bail!(
                "the profile has none of these lengths; it has {}",
                join(&all)
            ),
        }
    }
    let unknown = arguments.lengths.iter().flat_map(|asked| asked.values());
    let unknown = unknown.copied().filter(|length| !chosen.contains(length));
    let unknown: Vec<usize> = unknown.collect();
    if !unknown.is_empty() {
        eprintln!(
            "lengths {} are left out: the profile has no rates for them",
            join(&unknown)
        );
    }
    let mut plan = TablePlan {
        prompt_tokens: profile.evidence.prompt_tokens,
        decode_lengths: decode,
        prefill_lengths: prefill,
        repeat: arguments.repeat.into(),
        sampling: None,
    };
    if !sampled.is_empty() {
        // Sampled runs begin with what is decoded all the way.
        if plan.decode_lengths.is_empty() {
            plan.decode_lengths.extend(whole.first());
        }
        plan.sampling = Some(sampling(profile, sampled));
        if arguments.lengths.is_none()
            && let Some(line) = without_long_pass(&mut plan, &speed(profile))
        {
            eprintln!("{line}");
        }
    }
    Ok(plan)
}

fn sampling(profile: &Profile, lengths: Vec<usize>) -> Sampling {
    let limits = SamplingLimits {
        prompt_chunk: pass_rows(&profile.plan),
        visit_seconds: VISIT_SECONDS,
    };
    Sampling::new(lengths, limits, &speed(profile))
}

/// Leaves sampled lengths and their prompts out if a pass takes too long, and says so.
fn without_long_pass(plan: &mut TablePlan, speed: &Speed) -> Option<String> {
    let seconds = plan.pass_seconds(speed);
    if seconds <= MAX_PASS_SECONDS {
        return None;
    }
    let sampling = plan.sampling.take()?;
    let decoded = plan.decode_lengths.last().copied().unwrap_or(0);
    plan.prefill_lengths.retain(|length| *length <= decoded);
    let longest = sampling.lengths.last().copied().unwrap_or(0);
    Some(format!(
        "lengths {} and prompts beyond {decoded} are left out: they are sampled in the profile, and a \
         pass over them takes about {seconds:.0} s; --lengths {longest} measures the longest all the same",
        join(&sampling.lengths)
    ))
}

/// What the profile says about the time that steps take: for the progress bar, and
/// to tell short passes from long ones.
pub(super) fn speed(profile: &Profile) -> Speed {
    let lengths = &profile.evidence.lengths;
    let decode = lengths
        .iter()
        .find_map(|length| length.decode_tokens_per_second);
    let prefill = lengths
        .iter()
        .find_map(|length| length.prefill_tokens_per_second);
    let seconds =
        |rate: Option<f64>, usual: f64| rate.filter(|rate| *rate > 0.0).map_or(usual, f64::recip);
    Speed {
        step_seconds: seconds(decode, 0.001),
        prompt_token_seconds: seconds(prefill, 0.0001),
        decode_bytes: profile.model.decode_bytes as f64,
        kv_bytes_per_position: profile.model.kv_bytes_per_position as f64,
        // Its rates are those of short prompts, which are slow enough for that.
        prompt_growth: 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_pass_is_left_out_with_a_word() {
        let speed = |prompt_token_seconds| Speed {
            step_seconds: 0.1,
            prompt_token_seconds,
            decode_bytes: 1.0,
            kv_bytes_per_position: 0.0,
            prompt_growth: 0.0,
        };
        let limits = SamplingLimits {
            prompt_chunk: 512,
            visit_seconds: 2.0,
        };
        for (prompt_token_seconds, stays) in [(0.001, true), (0.03, false)] {
            let speed = speed(prompt_token_seconds);
            let mut plan = TablePlan {
                prompt_tokens: 16,
                decode_lengths: vec![32, 64],
                prefill_lengths: vec![32, 64, 512, 4096],
                repeat: 3,
                sampling: Some(Sampling::new(vec![512, 4096], limits, &speed)),
            };
            let line = without_long_pass(&mut plan, &speed);
            assert_eq!(plan.sampling.is_some(), stays);
            assert_eq!(plan.prefill_lengths.len(), if stays { 4 } else { 2 });
            assert_eq!(line.is_none(), stays, "{line:?}");
            let said = line.unwrap_or_default();
            assert!(stays || (said.contains("512, 4096") && said.contains("--lengths 4096")));
        }
    }
}
