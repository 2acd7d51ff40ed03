//! Steps of many sequences, and of parts of a prompt beside them.

use std::time::Instant;

use sysinfer_engine::{Entry, Sequence, Wanted};
use sysinfer_probe::{Point, ProbeError, WARM_STEPS};

use super::EngineProbe;
use super::sequences::Batch;
use super::steps::{argmax, entries, failed, prompt, step};

impl EngineProbe<'_> {
    /// Makes sequences ready that hold a prompt each and have room for so many steps. Prompts differ, since
    /// equal ones would all go to the same experts.
    pub(super) fn fill_batch(
        &mut self,
        most: usize,
        prompt_tokens: usize,
        steps: usize,
    ) -> Result<(), ProbeError> {
        let capacity = self.capacity.max(prompt_tokens + WARM_STEPS + steps);
        if capacity > self.engine.info().context_length {
            return Err(ProbeError::Refused(format!(
                "{prompt_tokens} tokens and {steps} steps are more than the model's context"
            )));
        }
        let Batch {
            sequences,
            prompt_len,
        } = &mut self.batch;
        let fits = |sequence: &Sequence| sequence.capacity() >= capacity;
        if *prompt_len != prompt_tokens || !sequences.iter().all(fits) {
            sequences.clear();
        }
        *prompt_len = prompt_tokens;
        let vocabulary = self.engine.info().vocabulary_size;
        let tokens = prompt(prompt_tokens * most, vocabulary);
        for tokens in tokens.chunks_exact(prompt_tokens).skip(sequences.len()) {
            let mut sequence = self.engine.sequence(capacity).map_err(failed)?;
            step(&mut self.engine, &mut sequence, tokens)?;
            sequences.push(sequence);
        }
        Ok(())
    }

    /// Times `steps` steps of each number of sequences; stops early on Ctrl-C with what was timed.
    pub(super) fn run_batch(
        &mut self,
        numbers: &[usize],
        prompt_rows: usize,
        steps: usize,
    ) -> Result<Vec<Point>, ProbeError> {
        let (mut total, mut points) = (Point::default(), Vec::new());
        for &number in numbers {
            self.batch_steps(number, prompt_rows, WARM_STEPS)?;
            let Some(timed) = self.batch_steps(number, prompt_rows, steps)? else {
                break;
            };
            total = Point {
                total_tokens: number,
                tokens: total.tokens + timed.tokens,
                seconds: total.seconds + timed.seconds,
                bytes: total.bytes + timed.bytes,
            };
            points.push(total);
        }
        Ok(points)
    }

    /// Steps behind the prompts; `None` after Ctrl-C.
    fn batch_steps(
        &mut self,
        number: usize,
        prompt_rows: usize,
        steps: usize,
    ) -> Result<Option<Point>, ProbeError> {
        let (decode_bytes, kv_bytes, context, vocabulary) = {
            let info = self.engine.info();
            let bytes = (info.decode_bytes as f64, info.kv_bytes_per_position as f64);
            (bytes.0, bytes.1, info.context_length, info.vocabulary_size)
        };
        let Batch {
            sequences,
            prompt_len,
        } = &mut self.batch;
        let mut sequences: Vec<&mut Sequence> = sequences.iter_mut().take(number).collect();
        sequences
            .iter_mut()
            .for_each(|sequence| sequence.truncate(*prompt_len));
        let mut next = prompt(sequences.len(), vocabulary);
        let read = prompt(prompt_rows, vocabulary);
        let room = (steps * prompt_rows).clamp(1, context);
        let mut reader = self.engine.sequence(room).map_err(failed)?;
        let mut timed = Point::default();
        for _ in 0..steps {
            if self.interrupt.is_set() {
                return Ok(None);
            }
            if reader.len() + prompt_rows > room {
                reader.clear();
            }
            let mut entries = entries(&mut sequences, &next);
            if prompt_rows > 0 {
                entries.push(Entry {
                    sequence: &mut reader,
                    tokens: &read,
                    wanted: Wanted::None,
                });
            }
            let started = Instant::now();
            let logits = self.engine.step(&mut entries);
            timed.seconds += started.elapsed().as_secs_f64();
            let logits = logits.map_err(failed)?;
            for (row, token) in next.iter_mut().enumerate() {
                *token = argmax(logits.row(row).map_err(failed)?);
            }
            timed.tokens += next.len();
            let positions: usize = sequences.iter().map(|sequence| sequence.len()).sum();
            timed.bytes += decode_bytes + kv_bytes * positions as f64;
        }
        Ok(Some(timed))
    }
}
