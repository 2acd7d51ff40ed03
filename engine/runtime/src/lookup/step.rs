//! A step of all live sequences: draft, run, draw, take back; parts of prompts share it.

use std::fmt;
use std::time::Duration;

use super::acceptance::Acceptance;
use super::controller::{Controller, Outcome, Prospect};
use super::costs::{Rows, StepCosts};
use super::index::NgramIndex;
use crate::batch::{Entry, Wanted};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::not_finite::NotFinite;
use crate::plan::DECODE_ROWS;
use crate::sequence::Sequence;

/// Time since some moment that stays the same.
pub type Clock = Box<dyn FnMut() -> Duration + Send>;

/// Runs steps, with drafts where they pay. One for all sequences of an engine.
pub struct Lookup {
    controller: Controller,
    clock: Clock,
    drafts: bool,
    last: Option<Outcome>,
}

/// What one answer is drafted from, and how that went. It belongs to one sequence from the end of its
/// prompt to the end of its answer.
#[derive(Clone, Debug, Default)]
pub struct Drafter {
    index: NgramIndex,
    acceptance: Acceptance,
    drafts: Drafts,
    draft: Vec<u32>,
}

/// How many tokens were drafted for an answer, and how many of them it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drafts {
    /// Tokens that were run through the model beside those that were drawn.
    pub drafted: usize,
    /// Of these, tokens that were then drawn.
    pub accepted: usize,
}

/// One sequence's part of a step.
#[derive(Debug)]
pub struct Turn<'a> {
    /// Prompt and answer but for the last token.
    pub sequence: &'a mut Sequence,
    /// The answer's drafter.
    pub drafter: &'a mut Drafter,
    /// The last token that was drawn.
    pub last: u32,
    /// Tokens that the answer may still get.
    pub most_tokens: usize,
}

/// What became of a turn's input.
struct Verified {
    /// Tokens drawn.
    drawn: usize,
    /// Whether the logits after them are not finite.
    spoilt: bool,
}

/// What the caller made of a row of logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// The token.
    pub token: u32,
    /// Whether it ends the answer.
    pub over: bool,
}

/// The turns and prompts of a step that came to logits which are not finite: they drew nothing from these and have no
/// next token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a turn without logits has no next token"]
pub struct Spoilt(Vec<usize>);

impl Spoilt {
    /// Whether the turn, or prompt, of that number is one of them.
    pub fn contains(&self, turn: usize) -> bool {
        self.0.contains(&turn)
    }

    /// For those who go on with all turns or none.
    ///
    /// # Errors
    /// There is such a turn.
    pub fn require_none(&self) -> Result<(), NotFinite> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(NotFinite),
        }
    }
}

impl Lookup {
    /// Drafts where `clock` says that it pays.
    pub fn auto(clock: Clock) -> Self {
        Self {
            controller: Controller::default(),
            clock,
            drafts: true,
            last: None,
        }
    }

    /// Plain steps only.
    pub fn off(clock: Clock) -> Self {
        Self {
            drafts: false,
            ..Self::auto(clock)
        }
    }

    /// The same, which begins with what such steps took elsewhere, until it has measured its own.
    #[must_use]
    pub fn beginning_with(mut self, known: impl IntoIterator<Item = (Rows, Duration)>) -> Self {
        self.controller.costs_mut().begin_with(known);
        self
    }

    /// Most rows of turns and their drafts in a step of fewer turns.
    pub fn most_rows(&self) -> usize {
        match self.drafts {
            true => DECODE_ROWS,
            false => 0,
        }
    }

    /// What the last step came to that did not fail.
    pub fn last_step(&self) -> Option<Outcome> {
        self.last
    }

    /// What steps took so far.
    pub fn costs(&self) -> &StepCosts {
        self.controller.costs()
    }

    /// One step for all of `turns`, and for `prompts`, which are numbered after them. `draw` gets the number
    /// of a turn and the logits after its last token, and, as long as what it draws was drafted and the
    /// answer is not over, those after the drawn token: the same calls, in the same order for each turn, as
    /// without drafts. Every sequence then holds what it would hold after as many plain steps. Of a prompt
    /// `draw` gets what is wanted. Logits that are not finite are not drawn from; they end their own
    /// turn or prompt, and what was drawn before them stands.
    ///
    /// # Errors
    /// Those of [`Engine::step`].
    pub fn step(
        &mut self,
        engine: &mut Engine,
        turns: &mut [Turn<'_>],
        prompts: Vec<Entry<'_>>,
        draw: &mut dyn FnMut(usize, &[f32]) -> Drawn,
    ) -> Result<Spoilt, EngineError> {
        let prompt_rows = prompts.iter().map(|entry| entry.tokens.len()).sum();
        self.draft(turns, prompt_rows);
        let inputs: Vec<Vec<u32>> = turns.iter().map(Turn::input).collect();
        let began = (self.clock)();
        let mut batch: Vec<Entry<'_>> = turns
            .iter_mut()
            .zip(&inputs)
            .map(|(turn, tokens)| Entry {
                sequence: &mut *turn.sequence,
                tokens,
                wanted: Wanted::All,
            })
            .collect();
        let wanted: Vec<usize> = prompts.iter().map(Entry::wanted_rows).collect();
        batch.extend(prompts);
        let logits = engine.step(&mut batch)?;
        let took = (self.clock)().saturating_sub(began);
        let (mut first_row, mut tokens, mut spoilt) = (0, 0, Spoilt::default());
        for (number, (turn, input)) in turns.iter_mut().zip(&inputs).enumerate() {
            let row = |row: usize| logits.row(first_row + row);
            let verified = turn.verify(input, row, &mut |logits| draw(number, logits));
            tokens += verified.drawn;
            if verified.spoilt {
                spoilt.0.push(number);
            }
            first_row += input.len();
        }
        let rows = Rows {
            decode: first_row,
            prompt: prompt_rows,
        };
        for (number, count) in (turns.len()..).zip(wanted) {
            for row in first_row..first_row + count {
                match logits.row(row) {
                    Ok(logits) => drop(draw(number, logits)),
                    Err(NotFinite) => spoilt.0.push(number),
                }
            }
            first_row += count;
        }
        let outcome = Outcome {
            sequences: turns.len(),
            rows,
            tokens,
            took,
        };
        self.controller.note(outcome);
        self.last = Some(outcome);
        Ok(spoilt)
    }

    /// Leaves in every turn's drafter the draft of this step.
    fn draft(&mut self, turns: &mut [Turn<'_>], prompt_rows: usize) {
        if !self.drafts {
            return;
        }
        for turn in &mut *turns {
            turn.drafter.catch_up(turn.sequence.tokens(), turn.last);
        }
        let prospects: Vec<Prospect<'_>> = turns.iter().map(Turn::prospect).collect();
        let lengths = self.controller.drafts(&prospects, prompt_rows);
        for (turn, length) in turns.iter_mut().zip(lengths) {
            let Drafter { index, draft, .. } = &mut *turn.drafter;
            index.draft(length, draft);
        }
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Lookup")
            .field("controller", &self.controller)
            .field("drafts", &self.drafts)
            .finish_non_exhaustive()
    }
}

impl Drafter {
    /// What came of its drafts so far.
    pub fn drafts(&self) -> Drafts {
        self.drafts
    }

    /// Takes in the tokens that it does not know yet: those of `sequence`, then `last`.
    fn catch_up(&mut self, sequence: &[u32], last: u32) {
        if self.index.is_empty() {
            self.index.extend(sequence);
        }
        let new = sequence.get(self.index.len()..).unwrap_or_default();
        for token in new.iter().chain([&last]) {
            if let (Some(at), Some(predicted)) = (self.index.current(), self.index.predicted()) {
                self.acceptance.note(at.length, predicted == *token);
            }
            self.index.push(*token);
        }
    }
}

impl Turn<'_> {
    fn prospect(&self) -> Prospect<'_> {
        let room = self.sequence.capacity() - self.sequence.len();
        Prospect {
            acceptance: &self.drafter.acceptance,
            match_length: self.drafter.index.current().map_or(0, |at| at.length),
            // A step gives one token more than was drafted, and all of them need a place.
            most: self.most_tokens.min(room).saturating_sub(1),
        }
    }

    /// The last token and the draft.
    fn input(&self) -> Vec<u32> {
        let draft = self.drafter.draft.iter().copied();
        std::iter::once(self.last).chain(draft).collect()
    }

    /// Draws from one row of logits after another while what is drawn was drafted, and takes the
    /// rest of the draft back.
    fn verify<'l>(
        &mut self,
        input: &[u32],
        row: impl Fn(usize) -> Result<&'l [f32], NotFinite>,
        draw: &mut dyn FnMut(&[f32]) -> Drawn,
    ) -> Verified {
        let drafted = input.len() - 1;
        let before = self.sequence.len() - input.len();
        let (mut drawn, mut spoilt) = (0, false);
        loop {
            let Ok(logits) = row(drawn) else {
                spoilt = true;
                break;
            };
            let Drawn { token, over } = draw(logits);
            drawn += 1;
            let right = input.get(drawn) == Some(&token);
            self.drafter.drafts.accepted += usize::from(right);
            if over || !right {
                break;
            }
        }
        self.drafter.drafts.drafted += drafted;
        self.sequence.truncate(before + drawn);
        Verified { drawn, spoilt }
    }
}
