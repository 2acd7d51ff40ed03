//! Block sizes worth trying, from cache sizes and the lengths that are measured.

use sysinfer_engine::{Blocking, Plan};

use super::asked::Asked;
use super::{Candidate, Skipped, rules};

/// What sizes depend on.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Second-level cache of a core, bytes; 0: unknown.
    pub l2_bytes: usize,
    /// Width of the model, the usual number of columns.
    pub columns: usize,
    /// Tokens of the prompt that prefill candidates are measured with.
    pub prompt_tokens: usize,
}

/// Sizes to try of one field, and what was left out.
#[derive(Clone, Debug, Default)]
pub struct Sizes {
    /// Candidates, the present size first, as the anchor.
    pub candidates: Vec<Candidate>,
    /// Sizes that are not tried, and why.
    pub skipped: Vec<Skipped>,
}

/// Distances of prefetching: none, and from a third to nearly three times what a core streams in a
/// memory latency (about 100 ns at 15 GB/s: 1.5 KiB).
pub fn prefetch(base: &Plan, asked: &Asked) -> Sizes {
    let sizes = [0, 512, 1024, 1536, 2048, 4096];
    sweep(
        base,
        "prefetch",
        &sizes,
        asked.prefetch.as_deref(),
        field(|b| &mut b.prefetch_bytes),
        |bytes| {
            Ok(match bytes {
                0 => "the hardware prefetcher alone".into(),
                _ => format!("{} cache lines ahead", bytes / 64),
            })
        },
    )
}

/// Rows of activations that stay in cache while the weights pass.
pub fn prefill_rows(base: &Plan, limits: Limits, asked: &Asked) -> Sizes {
    sweep(
        base,
        "rows",
        &[16, 32, 64, 128, 256],
        asked.rows.as_deref(),
        field(|b| &mut b.prefill_rows),
        |rows| {
            rules::rows_matter(rows, limits.prompt_tokens)?;
            let kib = rows * limits.columns / 1024;
            Ok(match limits.l2_bytes / 1024 {
                0 => format!("{kib} KiB of 8-bit activations; cache sizes are unknown here"),
                l2 => format!("{kib} KiB of 8-bit activations, of {l2} KiB second-level cache"),
            })
        },
    )
}

/// Tokens per step of a long prompt.
pub fn prefill_chunk(base: &Plan, limits: Limits, asked: &Asked) -> Sizes {
    sweep(
        base,
        "chunk",
        &[64, 128, 256, 512, 1024],
        asked.chunk.as_deref(),
        field(|b| &mut b.prefill_chunk),
        |tokens| {
            rules::chunk_matters(tokens, limits.prompt_tokens)?;
            Ok(format!(
                "weights are read {} times for the prompt",
                limits.prompt_tokens.div_ceil(tokens)
            ))
        },
    )
}

/// Positions of the context per attention task.
pub fn attention_chunk(base: &Plan, asked: &Asked) -> Sizes {
    let sizes = [64, 128, 256, 512, 1024];
    sweep(
        base,
        "attention",
        &sizes,
        asked.attention.as_deref(),
        field(|b| &mut b.attention_chunk),
        |positions| {
            Ok(format!(
                "{positions} positions per task: fewer balance better, more cost less to join"
            ))
        },
    )
}

/// Rows of a step up to which it is run by the decode team and its kernels, of which many multiply up to
/// eight rows for one reading of the weights.
pub fn decode_rows(base: &Plan, asked: &Asked) -> Sizes {
    sweep(
        base,
        "decode-rows",
        &[4, 8, 16, 32],
        asked.decode_rows.as_deref(),
        field(|b| &mut b.decode_rows),
        |rows| {
            Ok(format!(
                "steps of more than {rows} tokens are the prefill team's"
            ))
        },
    )
}

type Field = fn(&mut Blocking) -> &mut usize;

fn field(field: Field) -> Field {
    field
}

fn sweep(
    base: &Plan,
    label: &str,
    derived: &[usize],
    asked: Option<&[usize]>,
    field: Field,
    judge: impl Fn(usize) -> Result<String, String>,
) -> Sizes {
    let current = *field(&mut base.blocking.clone());
    let sizes = asked.unwrap_or(derived);
    let mut found = Sizes::default();
    let present = std::iter::once(&current);
    for (place, &size) in present
        .chain(sizes.iter().filter(|size| **size != current))
        .enumerate()
    {
        let name = format!("{label} {size}");
        let verdict = if size == current {
            Ok("the present size".into())
        } else if asked.is_some() {
            Ok("asked for with --blocks".into())
        } else {
            judge(size)
        };
        match verdict {
            Ok(reason) => {
                let mut plan = base.clone();
                *field(&mut plan.blocking) = size;
                found.candidates.push(Candidate {
                    name,
                    reason,
                    rank: (0, place),
                    plan,
                });
            }
            Err(reason) => found.skipped.push(Skipped { name, reason }),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use sysinfer_engine::PhasePlan;

    use super::*;

    #[test]
    fn the_present_size_comes_first_and_senseless_ones_are_left_out() {
        let base = Plan::with_threads(PhasePlan::unpinned(2));
        let asked = Asked::default();
        let limits = Limits {
            l2_bytes: 1 << 20,
            columns: 4096,
            prompt_tokens: 96,
        };
        let rows = prefill_rows(&base, limits, &asked);
        let names: Vec<&str> = rows.candidates.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["rows 128", "rows 16", "rows 32", "rows 64"]);
        assert_eq!(rows.skipped.len(), 1);
        assert_eq!(rows.candidates[1].plan.blocking.prefill_rows, 16);
        assert_eq!(
            rows.candidates[1].plan.blocking.prefill_chunk,
            base.blocking.prefill_chunk
        );
        let chunk = prefill_chunk(&base, limits, &asked);
        assert_eq!(chunk.candidates.len(), 2, "the present one and 64");
        let asked = Asked {
            rows: Some(vec![128, 64]),
            ..Asked::default()
        };
        let rows = prefill_rows(&base, limits, &asked);
        let names: Vec<&str> = rows.candidates.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(
            names,
            ["rows 128", "rows 64"],
            "as asked, beside the present one"
        );
    }

    #[test]
    fn every_candidate_is_a_valid_plan() {
        let base = Plan::with_threads(PhasePlan::unpinned(2));
        let asked = Asked::default();
        let limits = Limits {
            l2_bytes: 0,
            columns: 256,
            prompt_tokens: 4096,
        };
        let all = [
            prefetch(&base, &asked),
            prefill_rows(&base, limits, &asked),
            prefill_chunk(&base, limits, &asked),
            attention_chunk(&base, &asked),
            decode_rows(&base, &asked),
        ];
        for candidate in all.iter().flat_map(|sizes| &sizes.candidates) {
            assert_eq!(candidate.plan.validate(), Ok(()), "{}", candidate.name);
            assert!(!candidate.reason.is_empty());
        }
    }
}
