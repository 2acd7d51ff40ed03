//! What a table is to measure, and how long that takes.

use crate::sampling::{GROUPS, MIN_ROOM, PART_OF_CONTEXT, Sampling, Visit};
use crate::speed::Speed;

/// What the table shall measure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TablePlan {
    /// Tokens of the prompt of the decode run.
    pub prompt_tokens: usize,
    /// Total lengths of the decode run, ascending.
    pub decode_lengths: Vec<usize>,
    /// Prompt lengths, ascending.
    pub prefill_lengths: Vec<usize>,
    /// Runs of everything.
    pub repeat: usize,
    /// Lengths that are sampled, if any: all longer than `decode_lengths`.
    pub sampling: Option<Sampling>,
}

impl TablePlan {
    /// The stops of a sampled pass, in order; none without sampled lengths.
    ///
    /// They are the sampled lengths, the longest that is decoded all the way, and doublings where
    /// neighbours are further apart. A stop goes on from the last one that ended a chunk of the
    /// prompt; before there is one, each reads its prompt from the start.
    pub fn visits(&self) -> Vec<Visit> {
        let Some(sampling) = &self.sampling else {
            return Vec::new();
        };
        let mut contexts: Vec<usize> = Vec::new();
        let mut last = self.prompt_tokens.max(1);
        for target in self
            .decode_lengths
            .last()
            .iter()
            .copied()
            .chain(&sampling.lengths)
        {
            // A single length that is decoded needs nothing below it.
            while !contexts.is_empty() || self.decode_lengths.is_empty() {
                // No number is no length between: lengths may come from a profile, and be anything.
                let double = last.checked_mul(2);
                let between = double
                    .and_then(|double| double.checked_next_multiple_of(sampling.prompt_chunk))
                    .filter(|between| last < *between && between < target);
                let Some(between) = between else { break };
                contexts.push(between);
                last = between;
            }
            contexts.push(*target);
            last = *target;
        }
        let mut whole_chunks = 0;
        let stops = contexts.into_iter().filter(|total| *total >= MIN_ROOM);
        stops
            .map(|total_tokens| {
                let room = (total_tokens / PART_OF_CONTEXT / GROUPS).max(1);
                let visit = Visit {
                    from_tokens: whole_chunks,
                    total_tokens,
                    group_steps: sampling.group_steps.min(room),
                };
                if total_tokens.is_multiple_of(sampling.prompt_chunk) {
                    whole_chunks = total_tokens;
                }
                visit
            })
            .collect()
    }

    /// Estimated time of one sampled pass, seconds.
    pub fn pass_seconds(&self, speed: &Speed) -> f64 {
        self.visits().iter().map(|visit| visit.seconds(speed)).sum()
    }

    /// The longest sequence of the table.
    pub fn longest_tokens(&self) -> usize {
        let sampled = self.sampling.iter().flat_map(|sampling| &sampling.lengths);
        let lengths = self.decode_lengths.iter().chain(&self.prefill_lengths);
        let longest = lengths.chain(sampled).copied().max();
        longest.unwrap_or(0).max(self.prompt_tokens)
    }

    /// Prompts that are read for themselves, since no sampled pass comes by.
    pub fn separate_prompts(&self) -> Vec<usize> {
        let visits = self.visits();
        let passed = |length: &usize| visits.iter().any(|visit| visit.total_tokens == *length);
        let prompts = self.prefill_lengths.iter().copied();
        prompts.filter(|length| !passed(length)).collect()
    }

    /// Estimated time of one run of the table, without a sampled pass.
    pub fn seconds(&self, speed: &Speed) -> f64 {
        let prompt = self.prompt_tokens;
        let decode = self.decode_lengths.last().map_or(0.0, |end| {
            speed.prefill_seconds(prompt) + speed.decode_seconds(prompt, *end)
        });
        let prefill: f64 = self
            .separate_prompts()
            .iter()
            .map(|length| speed.prefill_seconds(*length))
            .sum();
        decode + prefill
    }
}

/// `32, 64`
pub fn join(lengths: &[usize]) -> String {
    lengths
        .iter()
        .map(usize::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use sysinfer_probe::WARM_STEPS;

    use super::*;
    use crate::sampling::SamplingLimits;

    fn stops(decoded: &[usize], sampled: &[usize], prompt_chunk: usize) -> Vec<(usize, usize)> {
        let table = TablePlan {
            prompt_tokens: 16,
            decode_lengths: decoded.to_vec(),
            prefill_lengths: Vec::new(),
            repeat: 1,
            sampling: Some(Sampling {
                lengths: sampled.to_vec(),
                prompt_chunk,
                group_steps: 4,
            }),
        };
        let visits = table.visits();
        for visit in &visits {
            let steps = GROUPS * visit.group_steps + WARM_STEPS;
            assert!(visit.total_tokens > steps, "{visit:?} has room");
            assert!(visit.from_tokens.is_multiple_of(prompt_chunk), "{visit:?}");
        }
        let pair = |visit: &Visit| (visit.from_tokens, visit.total_tokens);
        visits.iter().map(pair).collect()
    }

    #[test]
    fn prompts_go_on_from_whole_chunks_and_large_gaps_get_stops() {
        type Case = (
            &'static [usize],
            &'static [usize],
            usize,
            &'static [(usize, usize)],
        );
        let cases: [Case; 6] = [
            (
                &[32, 128],
                &[256, 512, 1024, 2048],
                512,
                &[(0, 128), (0, 256), (0, 512), (512, 1024), (1024, 2048)],
            ),
            (
                &[128],
                &[256, 512],
                128,
                &[(0, 128), (128, 256), (256, 512)],
            ),
            (
                &[32],
                &[4096],
                512,
                &[(0, 32), (0, 512), (512, 1024), (1024, 2048), (2048, 4096)],
            ),
            (&[8], &[16, 100], 64, &[(0, 16), (0, 64), (64, 100)]),
            (
                &[],
                &[1000, 1500],
                512,
                &[(0, 512), (512, 1000), (512, 1500)],
            ),
            (&[32], &[], 512, &[(0, 32)]),
        ];
        for (decoded, sampled, chunk, expected) in cases {
            assert_eq!(stops(decoded, sampled, chunk), expected, "{sampled:?}");
        }
    }

    #[test]
    fn steps_fill_the_time_and_stay_near_their_context() {
        let speed = |step_seconds| Speed {
            step_seconds,
            prompt_token_seconds: 0.001,
            decode_bytes: 1.0,
            kv_bytes_per_position: 0.0,
            prompt_growth: 0.0,
        };
        let limits = SamplingLimits {
            prompt_chunk: 512,
            visit_seconds: 2.0,
        };
        for (step_seconds, expected) in [(0.5, 1), (0.15, 1), (0.02, 8), (0.001, 32), (0.0, 32)] {
            let sampling = Sampling::new(vec![64], limits, &speed(step_seconds));
            assert_eq!(sampling.group_steps, expected, "{step_seconds}");
        }
    }
}
