//! Fits the final table to the time there is: what is decoded all the way, what is sampled, what is
//! left out; and says so.

use crate::sampling::{Sampling, SamplingLimits};
use crate::speed::Speed;
use crate::table_plan::{TablePlan, join};

/// Share of the time that the decode run may take; prompts get what it leaves.
const DECODE_SHARE: f64 = 0.7;
/// With sampling at hand, so many of the shortest lengths are worth time that the search would have.
const WORTH_DECODING: usize = 3;
/// The most of the limit that is taken from search and confirmation for the table.
const MAX_RESERVED: f64 = 0.25;
/// An estimate is this far off where the shortest length alone is decoded; the pass itself stops in time.
const ROUGHLY: f64 = 1.15;

impl TablePlan {
    /// Fits the table into `seconds`: where decoding to all lengths takes longer, the longest are
    /// sampled, as far as that fits, and what is beyond is left out. One line about each.
    pub fn fit(&mut self, speed: &Speed, seconds: f64, limits: SamplingLimits) -> Vec<String> {
        let mut whole = self.clone();
        let cuts = whole.cut_to_time(speed, seconds);
        if whole.decode_lengths == self.decode_lengths {
            *self = whole;
            return cuts;
        }
        match self.sampled(speed, seconds, limits, whole.decode_lengths.last()) {
            Some(mut plan) => {
                let lines = self.about(&mut plan, speed, seconds);
                *self = plan;
                lines
            }
            None => {
                *self = whole;
                cuts
            }
        }
    }

    /// The plan that reaches the longest length by sampling in `seconds`, and decodes as far as that
    /// leaves time for; `None` if it would not get beyond `reached`.
    fn sampled(
        &self,
        speed: &Speed,
        seconds: f64,
        limits: SamplingLimits,
        reached: Option<&usize>,
    ) -> Option<TablePlan> {
        let lengths = &self.decode_lengths;
        let ends = (1..lengths.len()).rev();
        for end in ends.filter(|end| reached.is_none_or(|reached| lengths[*end] > *reached)) {
            for last in (0..end).rev() {
                let plan = self.split(speed, limits, last, end);
                let rough = if last == 0 { ROUGHLY } else { 1.0 };
                if plan.with_one_pass(speed) <= rough * seconds {
                    return Some(plan);
                }
            }
        }
        None
    }

    /// Decodes up to the length of index `last`, samples from there to that of index `end`.
    fn split(&self, speed: &Speed, limits: SamplingLimits, last: usize, end: usize) -> TablePlan {
        let lengths = &self.decode_lengths;
        let sampling = Sampling::new(lengths[last + 1..=end].to_vec(), limits, speed);
        let mut plan = TablePlan {
            decode_lengths: lengths[..=last].to_vec(),
            sampling: Some(sampling),
            ..self.clone()
        };
        let longest = lengths[last];
        // A pass reads the prompts of its stops.
        let visits = plan.visits();
        let read = |length: usize| visits.iter().any(|visit| visit.total_tokens == length);
        plan.prefill_lengths
            .retain(|length| *length <= longest || read(*length));
        plan
    }

    /// What becomes of the lengths, line by line; adds prompts to `plan` that there is time for.
    fn about(&self, plan: &mut TablePlan, speed: &Speed, seconds: f64) -> Vec<String> {
        let repeat = self.repeat as f64;
        let mut left = seconds - plan.with_one_pass(speed);
        let mut prompts = self.prefill_lengths.clone();
        let cut = take_where(&mut prompts, |length| {
            if plan.prefill_lengths.contains(&length) {
                return false;
            }
            left -= repeat * speed.prompt_part_seconds(0, length);
            left < 0.0
        });
        plan.prefill_lengths = prompts;
        let sampled = plan.sampling.as_ref().map_or(&[][..], |s| &s.lengths);
        let mut lines = Vec::new();
        if let Some(longest) = sampled.last() {
            let all = speed.decode_seconds(self.prompt_tokens, *longest);
            lines.push(format!(
                "lengths {} are sampled: no time to decode all the way (about {:.0} s)",
                join(sampled),
                repeat * all
            ));
        }
        let lengths = self.decode_lengths.iter().copied();
        let beyond: Vec<usize> = lengths
            .filter(|length| !plan.decode_lengths.contains(length) && !sampled.contains(length))
            .collect();
        if !beyond.is_empty() {
            lines.push(format!("lengths {} are left out: no time", join(&beyond)));
        }
        if !cut.is_empty() {
            lines.push(format!("prompts of {} are left out: no time", join(&cut)));
        }
        lines
    }

    /// The part of a run's time that is worth taking from the search: all lengths, most of them
    /// sampled where decoding to them does not fit into `usual` seconds. At most a quarter of `limit_seconds`,
    /// at least `usual`.
    pub fn worth_seconds(
        &self,
        speed: &Speed,
        usual: f64,
        limit_seconds: f64,
        limits: SamplingLimits,
    ) -> f64 {
        let mut whole = self.clone();
        whole.cut_to_time(speed, usual);
        let last = self.decode_lengths.len().saturating_sub(1);
        if whole == *self || last == 0 {
            return usual;
        }
        let decoded = (WORTH_DECODING - 1).min(last - 1);
        let plan = self.split(speed, limits, decoded, last);
        plan.with_one_pass(speed)
            .min(MAX_RESERVED * limit_seconds)
            .max(usual)
    }

    /// Estimated time of all runs and one sampled pass.
    fn with_one_pass(&self, speed: &Speed) -> f64 {
        self.repeat as f64 * self.seconds(speed) + self.pass_seconds(speed)
    }
    /// Leaves out lengths beyond the model's context and decode lengths within the prompt; one line
    /// about each cut.
    pub fn cut_to_context(&mut self, context_length: usize) -> Vec<String> {
        let prompt = self.prompt_tokens;
        let mut lines = Vec::new();
        let mut too_short = take_where(&mut self.decode_lengths, |length| length <= prompt);
        if let Some(sampling) = &mut self.sampling {
            too_short.extend(take_where(&mut sampling.lengths, |length| length <= prompt));
        }
        if !too_short.is_empty() {
            let list = join(&too_short);
            lines.push(format!(
                "lengths {list} are left out: the prompt alone has {prompt} tokens"
            ));
        }
        let mut too_long = take_where(&mut self.decode_lengths, |length| length > context_length);
        if let Some(sampling) = &mut self.sampling {
            too_long.extend(take_where(&mut sampling.lengths, |length| {
                length > context_length
            }));
        }
        if !too_long.is_empty() {
            let list = join(&too_long);
            lines.push(format!(
                "lengths {list} are left out: the model's context ends at {context_length}"
            ));
        }
        let too_long = take_where(&mut self.prefill_lengths, |length| length > context_length);
        if !too_long.is_empty() {
            let list = join(&too_long);
            lines.push(format!(
                "prompts of {list} are left out: the model's context ends at {context_length}"
            ));
        }
        lines
    }

    /// Leaves out what would not be done in `seconds`, longest first; the shortest decode length
    /// always stays. One line about each cut, with the time that the whole would take.
    pub fn cut_to_time(&mut self, speed: &Speed, seconds: f64) -> Vec<String> {
        let repeat = self.repeat as f64;
        let mut lines = Vec::new();
        let whole = repeat * self.seconds(speed);
        let prompt = self.prompt_tokens;
        let start = speed.prefill_seconds(prompt);
        let decode_until = seconds
            * if self.prefill_lengths.is_empty() {
                1.0
            } else {
                DECODE_SHARE
            };
        let shortest = self.decode_lengths.first().copied();
        let cut = take_where(&mut self.decode_lengths, |length| {
            let needed = repeat * (start + speed.decode_seconds(prompt, length));
            Some(length) != shortest && needed > decode_until
        });
        if !cut.is_empty() {
            let list = join(&cut);
            lines.push(format!(
                "lengths {list} are left out: no time (all would take about {whole:.0} s)"
            ));
        }
        let decode = self
            .decode_lengths
            .last()
            .map_or(0.0, |end| speed.decode_seconds(prompt, *end));
        let mut left = seconds - repeat * (start + decode);
        let cut = take_where(&mut self.prefill_lengths, |length| {
            left -= repeat * speed.prefill_seconds(length);
            left < 0.0
        });
        if !cut.is_empty() {
            let list = join(&cut);
            lines.push(format!(
                "prompts of {list} are left out: no time (all would take about {whole:.0} s)"
            ));
        }
        lines
    }
}

fn take_where(lengths: &mut Vec<usize>, mut leaves: impl FnMut(usize) -> bool) -> Vec<usize> {
    let (cut, kept): (Vec<usize>, Vec<usize>) =
        lengths.iter().copied().partition(|length| leaves(*length));
    *lengths = kept;
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEED: Speed = Speed {
        step_seconds: 0.1,
        prompt_token_seconds: 0.1,
        decode_bytes: 1000.0,
        kv_bytes_per_position: 0.0,
        prompt_growth: 0.0,
    };

    fn plan() -> TablePlan {
        TablePlan {
            prompt_tokens: 16,
            decode_lengths: vec![16, 32, 64, 128, 256],
            prefill_lengths: vec![32, 64, 128],
            repeat: 1,
            sampling: None,
        }
    }

    /// Llama3-8B Q4_0 on two cores, as a calibration finds it.
    const LARGE: Speed = Speed {
        step_seconds: 0.153,
        prompt_token_seconds: 0.034,
        decode_bytes: 4.357e9,
        kv_bytes_per_position: 131_072.0,
        prompt_growth: 1.05e-4,
    };
    const LIMITS: SamplingLimits = SamplingLimits {
        prompt_chunk: 512,
        visit_seconds: 2.0,
    };

    fn full(repeat: usize) -> TablePlan {
        let lengths = vec![32, 64, 128, 256, 512, 1024, 2048, 4096];
        TablePlan {
            prompt_tokens: 16,
            decode_lengths: lengths.clone(),
            prefill_lengths: lengths,
            repeat,
            sampling: None,
        }
    }

    #[test]
    fn what_cannot_be_decoded_is_sampled_and_what_cannot_be_sampled_is_named() {
        // (seconds, decoded up to, sampled up to)
        let cases = [
            (5000.0, 4096, None),
            (330.0, 256, Some(4096)),
            (225.0, 32, Some(4096)),
            (240.0, 64, Some(4096)),
            (130.0, 32, Some(2048)),
            (60.0, 32, Some(512)),
            (3.0, 32, None),
        ];
        for (seconds, decoded, sampled) in cases {
            let mut table = full(3);
            let lines = table.fit(&LARGE, seconds, LIMITS);
            let lengths = table.sampling.as_ref().map_or(&[][..], |s| &s.lengths);
            let found = (table.decode_lengths.last(), lengths.last());
            assert_eq!(
                found,
                (Some(&decoded), sampled.as_ref()),
                "{seconds}: {lines:?}"
            );
            let said = lines.join("; ");
            assert_eq!(
                said.contains("are sampled"),
                sampled.is_some(),
                "{seconds}: {said}"
            );
            let cut = decoded.max(sampled.unwrap_or(0)) < 4096;
            assert_eq!(said.contains("4096 are left out"), cut, "{seconds}: {said}");
        }
    }

    #[test]
    fn a_table_that_fits_takes_nothing_from_the_search_and_a_large_one_a_quarter_at_most() {
        let small = Speed {
            step_seconds: 0.005,
            prompt_token_seconds: 0.001,
            ..LARGE
        };
        let worth = |speed: &Speed, repeat: usize, limit: f64| {
            full(repeat).worth_seconds(speed, 0.15 * limit, limit, LIMITS)
        };
        assert_eq!(worth(&small, 3, 900.0), 135.0);
        let large = worth(&LARGE, 3, 900.0);
        assert!((190.0..=225.0).contains(&large), "{large}");
        let slow = Speed {
            step_seconds: 0.24,
            prompt_token_seconds: 0.065,
            ..LARGE
        };
        assert_eq!(worth(&slow, 3, 900.0), 225.0);
        let whole = worth(&slow, 1, 1800.0);
        assert!((330.0..450.0).contains(&whole), "{whole}");
    }

    #[test]
    fn lengths_beyond_the_context_are_cut_and_named() {
        let mut plan = plan();
        let lines = plan.cut_to_context(100);
        assert_eq!(plan.decode_lengths, [32, 64]);
        assert_eq!(plan.prefill_lengths, [32, 64]);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(
            lines[1].contains("128, 256") && lines[1].contains("100"),
            "{lines:?}"
        );
    }

    #[test]
    fn time_cuts_the_longest_first_and_keeps_the_shortest() {
        let mut table = plan();
        table.cut_to_context(4096);
        let mut generous = table.clone();
        assert!(generous.cut_to_time(&SPEED, 1000.0).is_empty());
        assert_eq!(generous, table);
        // Decode to 64 takes 1.6 + 4.8 s of the 7 s; prompts of 32 and 64 take 9.6 s of the rest.
        let mut tight = table.clone();
        let lines = tight.cut_to_time(&SPEED, 10.0);
        assert_eq!(
            (tight.decode_lengths, tight.prefill_lengths),
            (vec![32, 64], vec![32])
        );
        assert_eq!(lines.len(), 2, "{lines:?}");
        let mut none = table;
        none.cut_to_time(&SPEED, 0.0);
        assert_eq!(
            (none.decode_lengths, none.prefill_lengths),
            (vec![32], vec![])
        );
    }

    #[test]
    fn steps_slow_down_as_their_bytes_grow() {
        let growing = Speed {
            kv_bytes_per_position: 1.0,
            ..SPEED
        };
        assert_eq!(SPEED.decode_seconds(0, 100), 10.0);
        assert!((growing.decode_seconds(0, 1000) - 150.0).abs() < 1e-9);
    }
}
