//! Jobs on the real engine, as many as have room, in one step.
//!
//! A step is one call of [`Engine::step`](sysinfer_engine::Engine::step): the next token of every
//! answer, with a draft of those after it where that pays, and parts of prompts. A job that leaves is noticed
//! within a step, in the middle of a long prompt too. Keys and values of jobs that are over stay while there
//! is room, so that a prompt is computed from where it differs from what was said before; and of jobs that
//! come together and begin alike, one computes what they have in common.

use sysinfer_engine::{Drafter, Engine, EngineError, Lookup, Sequence};

use super::answer::{Answer, Words};
use super::inspector::Inspector;
use super::live::{Live, Part};
use crate::scheduler::compose::{Pace, StepLimits, divide};
use crate::scheduler::{Backend, BackendError, Event, JobId, NotAdmitted, ValidJob};

/// Tokens that a prompt must have in common with one that is being computed to wait for it.
const WORTH_WAITING: usize = 32;

/// What bounds the work of a backend.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Jobs that may be live at once.
    pub parallel: usize,
    /// Of every step.
    pub step: StepLimits,
}

/// An engine with the sequences it works on.
pub struct EngineBackend {
    engine: Engine,
    words: Words,
    lookup: Lookup,
    limits: Limits,
    /// Oldest first.
    live: Vec<Live>,
    inspector: Option<Inspector>,
}

impl EngineBackend {
    /// Prepares an engine for answers made of `words`, drafted as `lookup` does.
    pub fn new(engine: Engine, words: Words, lookup: Lookup, limits: Limits) -> Self {
        Self {
            engine,
            words,
            lookup,
            limits,
            live: Vec::new(),
            inspector: None,
        }
    }

    /// The same backend, which has its weights looked at when an answer fails because of them.
    #[must_use]
    pub fn with_inspector(mut self, inspector: Inspector) -> Self {
        self.inspector = Some(inspector);
        self
    }

    /// The engine, to look at.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// A sequence with room for a job's prompt and answer, and what is known of its prompt.
    fn sequence(&self, job: &ValidJob) -> Result<Sequence, EngineError> {
        let prompt = before_last(job.prompt());
        let capacity = job.prompt().len() + job.limits().max_tokens;
        self.engine.sequence_of(prompt, capacity)
    }

    /// The live job that will have most of a prompt's tokens, if that is worth waiting for.
    fn shared_with(&self, prompt: &[u32], known: usize) -> Option<(JobId, usize)> {
        let common = |live: &Live| (live.answer.id(), live.common(before_last(prompt)));
        let live = self.live.iter().filter(|live| !live.is_over());
        let most = live.map(common).max_by_key(|(_, count)| *count);
        most.filter(|(_, count)| *count >= known + WORTH_WAITING)
    }

    /// Lets jobs that waited for another one's prompt go on, once that is computed or the other is gone.
    fn end_waiting(&mut self) -> Result<(), EngineError> {
        for at in 0..self.live.len() {
            let Some((id, count)) = self.live[at].shares else {
                continue;
            };
            let other = self.live.iter().position(|live| live.answer.id() == id);
            let other = other.filter(|other| !self.live[*other].spoilt);
            match other {
                Some(other) if self.live[other].sequence.len() < count => continue,
                Some(other) => {
                    // The other one is older, so it stands before.
                    let (before, from) = self.live.split_at_mut(at);
                    let Live {
                        answer, sequence, ..
                    } = &mut from[0];
                    sequence.share(before_last(answer.prompt()), &before[other].sequence)?;
                }
                None => {
                    let Live {
                        answer, sequence, ..
                    } = &mut self.live[at];
                    sequence.recall(before_last(answer.prompt()))?;
                }
            }
            let Live {
                answer,
                sequence,
                shares,
                ..
            } = &mut self.live[at];
            answer.set_cached(sequence.len());
            *shares = None;
        }
        Ok(())
    }

    /// What every live job puts into the next step, if anything.
    fn compose(&self) -> Vec<Option<Part>> {
        let answers = self.live.iter().filter(|live| live.answers()).count();
        let costs = self.lookup.costs();
        let pace = Pace {
            answers,
            decode: costs.expected(answers.max(1)),
            prompt_row: costs.prompt_row(),
            known_rows: costs.most_prompt_rows(),
        };
        let reads = |live: &Live| live.lacking() > 0 && live.shares.is_none() && !live.is_over();
        let lacking: Vec<usize> = (self.live.iter())
            .filter(|live| reads(live))
            .map(Live::lacking)
            .collect();
        let decode = match answers {
            0 => 0,
            _ => answers.max(self.lookup.most_rows()),
        };
        let rows = self.limits.step.prompt_rows(pace, decode);
        let mut shares = divide(rows, &lacking).into_iter();
        let part = |live: &Live| match (live.answers(), reads(live)) {
            (true, _) => Some(Part::Next),
            (_, true) => shares.next().filter(|rows| *rows > 0).map(Part::Prompt),
            _ => None,
        };
        self.live.iter().map(part).collect()
    }

    /// Makes room for what jobs put into the step; those that get none are over.
    fn make_room(&mut self, parts: &mut [Option<Part>], emit: &mut dyn FnMut(JobId, Event)) {
        // With a draft, the next token may bring others.
        let most_next = self.lookup.most_rows().max(1);
        for (live, part) in self.live.iter_mut().zip(parts) {
            let tokens = match part {
                None => continue,
                Some(Part::Next) => live.answer.tokens_left().clamp(1, most_next),
                Some(Part::Prompt(tokens)) => *tokens,
            };
            if let Err(error) = live.sequence.reserve(tokens) {
                live.spoilt = true;
                *part = None;
                let error = BackendError(error.to_string());
                emit(live.answer.id(), Event::Failed(error));
            }
        }
    }

    /// Runs a step of `parts`.
    fn run(
        &mut self,
        parts: &[Option<Part>],
        emit: &mut dyn FnMut(JobId, Event),
    ) -> Result<(), EngineError> {
        let next_of_prompt = |(live, part): (&Live, &Option<Part>)| match part {
            Some(Part::Prompt(tokens)) => {
                live.answer.prompt()[live.sequence.len()..][..*tokens].to_vec()
            }
            _ => Vec::new(),
        };
        let pairs = self.live.iter().zip(parts);
        let tokens: Vec<Vec<u32>> = pairs.map(next_of_prompt).collect();
        let (mut turns, mut speakers) = (Vec::new(), Vec::new());
        let (mut prompts, mut readers) = (Vec::new(), Vec::new());
        for ((live, part), tokens) in self.live.iter_mut().zip(parts).zip(&tokens) {
            match part {
                None => {}
                Some(Part::Next) => {
                    let (turn, answer) = live.turn();
                    turns.push(turn);
                    speakers.push(answer);
                }
                Some(Part::Prompt(_)) => {
                    let (entry, answer) = live.entry(tokens);
                    prompts.push(entry);
                    readers.push(answer);
                }
            }
        }
        speakers.append(&mut readers);
        let words = &self.words;
        let spoilt = self.lookup.step(
            &mut self.engine,
            &mut turns,
            prompts,
            &mut |number, logits| speakers[number].draw(words, logits, emit),
        )?;
        let ids: Vec<JobId> = speakers.iter().map(|answer| answer.id()).collect();
        for id in (0..ids.len()).filter(|number| spoilt.contains(*number)) {
            self.spoil(ids[id], emit);
        }
        Ok(())
    }

    /// Ends a job that came to logits which are not finite.
    fn spoil(&mut self, id: JobId, emit: &mut dyn FnMut(JobId, Event)) {
        self.inspector.as_mut().map(Inspector::look);
        let live = self.live.iter_mut().find(|live| live.answer.id() == id);
        if let Some(live) = live {
            live.spoilt = true;
            emit(id, Event::NotFinite(sysinfer_engine::NotFinite));
        }
    }
}

impl Backend for EngineBackend {
    fn admit(&mut self, id: JobId, job: ValidJob) -> Result<(), NotAdmitted> {
        if self.live.len() >= self.limits.parallel {
            return Err(NotAdmitted::Wait(Box::new(job)));
        }
        let sequence = match self.sequence(&job) {
            Ok(sequence) => sequence,
            Err(EngineError::NoRoom(_)) => return Err(NotAdmitted::Wait(Box::new(job))),
            Err(error) => return Err(NotAdmitted::Failed(BackendError(error.to_string()))),
        };
        let shares = self.shared_with(job.prompt(), sequence.len());
        let answer = Answer::new(id, job, sequence.len(), &self.words);
        self.live.push(Live {
            answer: answer.map_err(NotAdmitted::Failed)?,
            drafter: Drafter::default(),
            sequence,
            shares,
            spoilt: false,
        });
        Ok(())
    }

    fn step(&mut self, emit: &mut dyn FnMut(JobId, Event)) -> Result<(), BackendError> {
        let mut stepped = self.end_waiting();
        if stepped.is_ok() {
            let mut parts = self.compose();
            self.make_room(&mut parts, emit);
            stepped = self.run(&parts, emit);
        }
        if let Err(error) = stepped {
            // Nobody knows how far the step came, or what is in keys and values.
            self.live.iter_mut().for_each(|live| live.spoilt = true);
            return Err(BackendError(error.to_string()));
        }
        for live in &mut self.live {
            live.answer.end(live.drafter.drafts(), emit);
        }
        Ok(())
    }

    fn release(&mut self, id: JobId) {
        let Some(at) = self.live.iter().position(|live| live.answer.id() == id) else {
            return;
        };
        let Live {
            sequence, spoilt, ..
        } = self.live.remove(at);
        if !spoilt {
            self.engine.keep(sequence);
        }
    }
}

/// All but the last token of a prompt, which is always computed: its logits are the first answer.
fn before_last(prompt: &[u32]) -> &[u32] {
    &prompt[..prompt.len().saturating_sub(1)]
}
