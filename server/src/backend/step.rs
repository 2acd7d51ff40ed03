//! What goes into a step of the engine, and what is made of what comes out.

use std::collections::BTreeMap;

use sysinfer_engine::{Drafts, EngineError};

use super::embedding::Embedding;
use super::engine::EngineBackend;
use super::inspector::Inspector;
use super::live::{Live, Part};
use crate::scheduler::compose::{Pace, divide};
use crate::scheduler::{BackendError, Event, JobId, StepReport};

/// Rows of the next step that each job gets for what it reads.
type Shares = BTreeMap<JobId, usize>;

impl EngineBackend {
    /// Composes a step and runs it.
    ///
    /// # Errors
    /// The step failed, and with it all jobs.
    pub(super) fn take_step(
        &mut self,
        emit: &mut dyn FnMut(JobId, Event),
    ) -> Result<(), EngineError> {
        self.report = None;
        let shares = self.shares();
        let mut parts = self.parts(&shares);
        self.make_room(&mut parts, emit);
        self.begin_inputs(&shares, emit);
        let (planned, before) = (self.planned(&parts), self.drawn());
        self.run(&parts, emit)?;
        self.report = self.lookup.last_step().map(|outcome| {
            let (drafts, generated) = self.drawn();
            StepReport {
                drafts: Drafts {
                    drafted: drafts.drafted - before.0.drafted,
                    accepted: drafts.accepted - before.0.accepted,
                },
                prompt_rows: outcome.rows.prompt,
                generated_tokens: generated - before.1,
                took: outcome.took,
                ..planned
            }
        });
        self.collect_means(emit);
        Ok(())
    }

    /// What is known of a step of `parts` before it is run.
    fn planned(&self, parts: &[Option<Part>]) -> StepReport {
        let mut report = StepReport::default();
        for (live, part) in self.live.iter().zip(parts) {
            match part {
                Some(Part::Next) => {
                    report.answers += 1;
                    report.context_tokens += live.sequence.len();
                }
                Some(Part::Prompt(tokens)) if *tokens == live.lacking() => {
                    report.queried_tokens += live.answer.prompt().len();
                    report.cached_tokens += live.answer.cached();
                }
                Some(Part::Prompt(_)) | None => {}
            }
        }
        report
    }

    /// What all live answers have been drafted and drawn so far.
    fn drawn(&self) -> (Drafts, usize) {
        let (mut drafts, mut generated) = (Drafts::default(), 0);
        for live in &self.live {
            let of_one = live.drafter.drafts();
            drafts.drafted += of_one.drafted;
            drafts.accepted += of_one.accepted;
            generated += live.answer.generated();
        }
        (drafts, generated)
    }

    /// Divides the rows that answers leave among all that read.
    fn shares(&self) -> Shares {
        let answers = self.live.iter().filter(|live| live.answers()).count();
        let costs = self.lookup.costs();
        let pace = Pace {
            answers,
            decode: costs.expected(answers.max(1)),
            prompt_row: costs.prompt_row(),
            known_rows: costs.most_prompt_rows(),
        };
        let decode = match answers {
            0 => 0,
            _ => answers.max(self.lookup.most_rows()),
        };
        let rows = self.limits.step.prompt_rows(pace, decode);
        let prompts = self.live.iter().filter(|live| live.reads());
        let prompts = prompts.map(|live| (live.answer.id(), live.lacking()));
        let inputs = self.embeddings.iter().filter(|one| !one.is_over());
        let inputs = inputs.map(|one| (one.id(), one.lacking()));
        // Ids are given in the order of admission, so the oldest comes first.
        let (ids, lacking): (Vec<JobId>, Vec<usize>) = (prompts
            .chain(inputs)
            .collect::<BTreeMap<_, _>>()
            .into_iter())
        .unzip();
        ids.into_iter().zip(divide(rows, &lacking)).collect()
    }

    /// What every answer puts into the next step, if anything.
    fn parts(&self, shares: &Shares) -> Vec<Option<Part>> {
        let part = |live: &Live| match live.answers() {
            true => Some(Part::Next),
            false => {
                let rows = shares.get(&live.answer.id()).copied();
                rows.filter(|rows| *rows > 0).map(Part::Prompt)
            }
        };
        self.live.iter().map(part).collect()
    }

    /// Makes room for what answers put into the step; those that get none are over.
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

    /// Gives inputs that come next their sequences, and makes room for their part of the step.
    fn begin_inputs(&mut self, shares: &Shares, emit: &mut dyn FnMut(JobId, Event)) {
        for embedding in &mut self.embeddings {
            let rows = shares.get(&embedding.id()).copied().unwrap_or(0);
            if let Err(error) = embedding.begin(rows, &self.engine) {
                let error = BackendError(error.to_string());
                emit(embedding.id(), Event::Failed(error));
            }
        }
    }

    /// Runs a step of `parts`, and of the inputs that have begun.
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
        // They want no logits, so they have no speaker.
        prompts.extend(self.embeddings.iter_mut().flat_map(Embedding::entries));
        let vocabulary = &self.vocabulary;
        let spoilt = self.lookup.step(
            &mut self.engine,
            &mut turns,
            prompts,
            &mut |number, logits| speakers[number].draw(vocabulary, logits, emit),
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

    /// Takes the means of inputs that were read to their end, and sends those of a request when they are all.
    fn collect_means(&mut self, emit: &mut dyn FnMut(JobId, Event)) {
        for embedding in &mut self.embeddings {
            match embedding.collect() {
                Ok(None) => {}
                Ok(Some(embedded)) => emit(embedding.id(), Event::Embedded(embedded)),
                Err(error) => {
                    self.inspector.as_mut().map(Inspector::look);
                    emit(embedding.id(), Event::NotFinite(error));
                }
            }
        }
    }
}
