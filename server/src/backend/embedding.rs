//! A live request for embeddings. Its inputs go through the model one after the other, several in a step
//! where they are short, each in a sequence of its own that is given up when its mean is known.

use std::time::Instant;

use sysinfer_engine::{Engine, EngineError, Entry, NotFinite, Sequence, Wanted};

use crate::scheduler::{Embedded, JobId, ValidInputs};

/// Most inputs of a request in one step: with the shortest of them a step has enough rows to be as
/// efficient as it gets, and every sequence takes a block of the cache from what others may find there.
const MOST_AT_ONCE: usize = 16;

/// A request between its admission and its release.
pub(super) struct Embedding {
    id: JobId,
    inputs: ValidInputs,
    admitted: Instant,
    /// Inputs that have begun, in their order. After a step at most one is left.
    reading: Vec<Input>,
    /// A sequence with room for any of the inputs, while none of them uses it. There is always one, here or in
    /// use: so the request goes on however full the cache is.
    spare: Option<Sequence>,
    /// Of the inputs that are done, in their order.
    means: Vec<Vec<f32>>,
    over: bool,
}

/// An input on its way through the model.
struct Input {
    number: usize,
    sequence: Sequence,
    /// Its tokens in the next step.
    tokens: usize,
}

impl Embedding {
    /// Nothing yet; `sequence` has room for the longest input.
    pub(super) fn new(id: JobId, inputs: ValidInputs, sequence: Sequence) -> Self {
        Self {
            id,
            inputs,
            admitted: Instant::now(),
            reading: Vec::new(),
            spare: Some(sequence),
            means: Vec::new(),
            over: false,
        }
    }

    pub(super) fn id(&self) -> JobId {
        self.id
    }

    /// Whether it takes part in no step any more.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Tokens that it could put into a step.
    pub(super) fn lacking(&self) -> usize {
        let begun: usize = self.reading.iter().map(|input| input.sequence.len()).sum();
        let inputs = self.inputs.all()[self.means.len()..].iter();
        inputs.take(MOST_AT_ONCE).map(Vec::len).sum::<usize>() - begun
    }

    /// Says what of its inputs is in the next step: up to `rows` tokens, less if the cache has no room for more
    /// sequences.
    ///
    /// # Errors
    /// No memory: it is over.
    pub(super) fn begin(&mut self, rows: usize, engine: &Engine) -> Result<(), EngineError> {
        let begun = self.begin_within(rows, engine);
        self.over |= begun.is_err();
        begun
    }

    fn begin_within(&mut self, mut rows: usize, engine: &Engine) -> Result<(), EngineError> {
        let all = self.inputs.all();
        for input in &mut self.reading {
            input.tokens = rows.min(all[input.number].len() - input.sequence.len());
            input.sequence.reserve(input.tokens)?;
            rows -= input.tokens;
        }
        while rows > 0 && self.reading.len() < MOST_AT_ONCE {
            let number = self.means.len() + self.reading.len();
            let Some(next) = all.get(number) else {
                return Ok(());
            };
            let mut sequence = match self.spare.take() {
                Some(sequence) => sequence,
                None => match engine.sequence(next.len()) {
                    Ok(sequence) => sequence,
                    Err(EngineError::NoRoom(_)) => return Ok(()),
                    Err(error) => return Err(error),
                },
            };
            let tokens = rows.min(next.len());
            sequence.reserve(tokens)?;
            rows -= tokens;
            self.reading.push(Input {
                number,
                sequence,
                tokens,
            });
        }
        Ok(())
    }

    /// Its part of the step as the engine takes it.
    pub(super) fn entries(&mut self) -> impl Iterator<Item = Entry<'_>> {
        let (all, over) = (self.inputs.all(), self.over);
        let reading = self.reading.iter_mut();
        reading
            .filter(move |input| input.tokens > 0 && !over)
            .map(move |input| {
                let from = input.sequence.len();
                Entry {
                    tokens: &all[input.number][from..][..input.tokens],
                    sequence: &mut input.sequence,
                    wanted: Wanted::Mean,
                }
            })
    }

    /// Takes the means of inputs that have been read, and returns all when there are as many as inputs.
    ///
    /// # Errors
    /// One of them is not finite: it is over.
    pub(super) fn collect(&mut self) -> Result<Option<Embedded>, NotFinite> {
        if self.over {
            return Ok(None);
        }
        let all = self.inputs.all();
        let is_done = |input: &Input| input.sequence.len() == all[input.number].len();
        let done = self
            .reading
            .iter()
            .take_while(|input| is_done(input))
            .count();
        for Input { mut sequence, .. } in self.reading.drain(..done) {
            let mean = sequence.mean_state().inspect_err(|_| self.over = true)?;
            let mean = mean.expect("all tokens of an input go in with their states");
            self.means.push(mean);
            if self.spare.is_none() && sequence.capacity() >= self.inputs.longest() {
                sequence.clear();
                self.spare = Some(sequence);
            }
        }
        if self.means.len() < all.len() {
            return Ok(None);
        }
        self.over = true;
        Ok(Some(Embedded {
            means: std::mem::take(&mut self.means),
            prompt_tokens: self.inputs.tokens(),
            time: self.admitted.elapsed(),
        }))
    }
}
