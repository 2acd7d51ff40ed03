//! A stop of a sampled pass: more of a prompt, in pieces between which Ctrl-C is heard, and decode steps
//! behind it.

use std::time::Instant;

use sysinfer_engine::{Entry, Sequence, Wanted};
use sysinfer_probe::{Point, ProbeError, WARM_STEPS};

use super::EngineProbe;
use super::steps::{failed, prompt};

impl EngineProbe<'_> {
    /// Reads the prompt on from `from` to `total` tokens, then decodes the last of them again, in
    /// groups; stops early on Ctrl-C with what was timed.
    pub(super) fn visit(
        &mut self,
        from: usize,
        total: usize,
        groups: usize,
        group_steps: usize,
    ) -> Result<Vec<Point>, ProbeError> {
        let start = groups
            .checked_mul(group_steps)
            .and_then(|steps| total.checked_sub(steps))
            .filter(|start| *start > WARM_STEPS && from < total)
            .ok_or_else(|| {
                ProbeError::Refused(format!(
                    "{total} tokens from {from} have no room for {groups} x {group_steps} steps"
                ))
            })?;
        let Some(prompt) = self.read_on(from, total)? else {
            return Ok(Vec::new());
        };
        let mut points = vec![prompt];
        if let Some(sequence) = &mut self.sequence {
            sequence.truncate(start - WARM_STEPS);
        }
        self.prompt_len = start - WARM_STEPS;
        self.grow(&[start], false)?;
        let ends: Vec<usize> = (1..=groups)
            .map(|group| start + group * group_steps)
            .collect();
        let (mut seconds, mut bytes) = (0.0, 0.0);
        for end in self.grow(&ends, false)? {
            points.push(Point {
                total_tokens: end.total_tokens,
                tokens: group_steps,
                seconds: end.seconds - seconds,
                bytes: end.bytes - bytes,
            });
            (seconds, bytes) = (end.seconds, end.bytes);
        }
        self.visited = total;
        Ok(points)
    }

    /// The time of the prompt's tokens from `from` to `total`; those before are read untimed unless
    /// they are there. `None` after Ctrl-C.
    fn read_on(&mut self, from: usize, total: usize) -> Result<Option<Point>, ProbeError> {
        let mut sequence = match self.sequence.take() {
            Some(sequence) => sequence,
            None => self.engine.sequence(self.capacity).map_err(failed)?,
        };
        let kept = if self.visited >= from { from } else { 0 };
        sequence.truncate(kept);
        (self.prompt_len, self.visited) = (self.prompt_len.min(kept), 0);
        let tokens = prompt(total, self.engine.info().vocabulary_size);
        let before = self.read_chunks(&mut sequence, &tokens[kept..from])?;
        let timed = match before {
            Some(_) => self.read_chunks(&mut sequence, &tokens[from..])?,
            None => None,
        };
        self.sequence = Some(sequence);
        let chunks = (total - from).div_ceil(self.chunk());
        Ok(timed.map(|seconds| Point {
            total_tokens: total,
            tokens: total - from,
            seconds,
            bytes: chunks as f64 * self.engine.info().decode_bytes as f64,
        }))
    }

    /// Adds tokens of a prompt in the engine's own chunks, with logits of the last alone, as one step
    /// of them all does; `None` after Ctrl-C, which is looked for between chunks.
    fn read_chunks(
        &mut self,
        sequence: &mut Sequence,
        tokens: &[u32],
    ) -> Result<Option<f64>, ProbeError> {
        let chunk = self.chunk();
        let pieces = tokens.len().div_ceil(chunk);
        let mut seconds = 0.0;
        for (place, tokens) in tokens.chunks(chunk).enumerate() {
            if self.interrupt.is_set() {
                return Ok(None);
            }
            let wanted = match place + 1 == pieces {
                true => Wanted::Last,
                false => Wanted::None,
            };
            let mut batch = [Entry {
                sequence: &mut *sequence,
                tokens,
                wanted,
            }];
            let started = Instant::now();
            let logits = self.engine.step(&mut batch);
            seconds += started.elapsed().as_secs_f64();
            let finite = logits.map_err(failed)?.require_finite();
            finite.map_err(failed)?;
        }
        Ok(Some(seconds))
    }
}
