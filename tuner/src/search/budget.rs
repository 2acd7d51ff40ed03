//! Cuts the final table to the time there is, and says what was cut.

/// What the calibration and the search know about speed.
#[derive(Clone, Copy, Debug)]
pub struct Speed {
    /// Time of a decode step at a short context, seconds.
    pub step_seconds: f64,
    /// Time of one token of a prompt, seconds.
    pub prompt_token_seconds: f64,
    /// Weights that a decode step reads, bytes.
    pub decode_bytes: f64,
    /// Cache that it reads for each position, bytes.
    pub kv_bytes_per_position: f64,
}

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
}

/// Share of the time that the decode run may take; prompts get what it leaves.
const DECODE_SHARE: f64 = 0.7;

impl Speed {
    /// Time to decode from `from` to `to` total tokens, if steps slow down as their bytes grow.
    pub fn decode_seconds(&self, from: usize, to: usize) -> f64 {
        let steps = to.saturating_sub(from) as f64;
        let mean_position = (from + to) as f64 / 2.0;
        let growth = self.kv_bytes_per_position * mean_position / self.decode_bytes.max(1.0);
        steps * self.step_seconds * (1.0 + growth)
    }

    /// Time of a prompt, without what attention adds to long ones.
    pub fn prefill_seconds(&self, tokens: usize) -> f64 {
        tokens as f64 * self.prompt_token_seconds
    }
}

impl TablePlan {
    /// Leaves out lengths beyond the model's context and decode lengths within the prompt; one line
    /// about each cut.
    pub fn cut_to_context(&mut self, context_length: usize) -> Vec<String> {
        let prompt = self.prompt_tokens;
        let mut lines = Vec::new();
        let too_short = take_where(&mut self.decode_lengths, |length| length <= prompt);
        if !too_short.is_empty() {
            let list = join(&too_short);
            lines.push(format!(
                "lengths {list} are left out: the prompt alone has {prompt} tokens"
            ));
        }
        let too_long = take_where(&mut self.decode_lengths, |length| length > context_length);
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

    /// Estimated time of one run of the table.
    pub fn seconds(&self, speed: &Speed) -> f64 {
        let prompt = self.prompt_tokens;
        let decode = self.decode_lengths.last().map_or(0.0, |end| {
            speed.prefill_seconds(prompt) + speed.decode_seconds(prompt, *end)
        });
        let prefill: f64 = self
            .prefill_lengths
            .iter()
            .map(|length| speed.prefill_seconds(*length))
            .sum();
        decode + prefill
    }
}

fn take_where(lengths: &mut Vec<usize>, mut leaves: impl FnMut(usize) -> bool) -> Vec<usize> {
    let (cut, kept): (Vec<usize>, Vec<usize>) =
        lengths.iter().copied().partition(|length| leaves(*length));
    *lengths = kept;
    cut
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
    use super::*;

    const SPEED: Speed = Speed {
        step_seconds: 0.1,
        prompt_token_seconds: 0.1,
        decode_bytes: 1000.0,
        kv_bytes_per_position: 0.0,
    };

    fn plan() -> TablePlan {
        TablePlan {
            prompt_tokens: 16,
            decode_lengths: vec![16, 32, 64, 128, 256],
            prefill_lengths: vec![32, 64, 128],
            repeat: 1,
        }
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
