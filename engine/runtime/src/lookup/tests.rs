//! Answers with drafts are the answers without: on a model of random weights, for every option.

use std::time::Duration;

use sysinfer_machine::{Topology, allowed_cpus};

use super::step::Clock;
use super::*;
use crate::sampling::Sampled;
use crate::{
    Engine, Entry, PhasePlan, Plan, Precision, Preset, Sampler, SamplingOptions, Sequence, Wanted,
};

fn engine() -> Engine {
    let mut plan = Plan::with_threads(PhasePlan::unpinned(1));
    // Drafts reach over the bounds of chunks.
    plan.blocking.attention_chunk = 32;
    let topology = Topology::flat(&allowed_cpus());
    Engine::synthetic(
        Preset::Tiny,
        plan,
        Precision::default(),
        &topology,
        &mut |_| {},
    )
    .expect("a small model")
}

/// No time passes.
fn still() -> Clock {
    Box::new(|| Duration::ZERO)
}

/// Every step takes the same time: rows cost nothing, so every match is drafted.
fn eager() -> Lookup {
    let mut milliseconds = 0;
    Lookup::auto(Box::new(move || {
        milliseconds += 1;
        Duration::from_millis(milliseconds)
    }))
}

/// One answer in the making: what the step needs of it, and what draws its tokens.
struct Answer {
    sequence: Sequence,
    drafter: Drafter,
    voice: Voice,
}

struct Voice {
    sampler: Sampler,
    drawn: Vec<Sampled>,
    most: usize,
    /// Ends the answer at this length, as a stop text would: no step can foresee it.
    stops_at: Option<usize>,
    over: bool,
}

/// What an answer is asked to be.
#[derive(Clone, Debug)]
struct Wish {
    prompt: Vec<u32>,
    options: SamplingOptions,
    most: usize,
    stops_at: Option<usize>,
}

impl Voice {
    fn draw(&mut self, logits: &[f32]) -> Drawn {
        assert!(!self.over, "drawn after the end");
        let token = self.sampler.sample(logits);
        let sampled = self.sampler.with_logprobs(token, logits, 3);
        self.sampler.accept(token);
        self.drawn.push(sampled);
        let count = self.drawn.len();
        self.over = count == self.most || self.stops_at == Some(count);
        Drawn {
            token,
            over: self.over,
        }
    }
}

impl Answer {
    /// Computes the prompt and draws the first token.
    fn new(engine: &mut Engine, wish: &Wish) -> Self {
        let mut sampler = Sampler::new(wish.options.clone(), 1).expect("valid options");
        sampler.accept_prompt(&wish.prompt);
        // No room for a row more than the answer needs.
        let capacity = wish.prompt.len() + wish.most - 1;
        let mut sequence = engine.sequence(capacity).expect("it fits");
        let entry = Entry {
            sequence: &mut sequence,
            tokens: &wish.prompt,
            wanted: Wanted::Last,
        };
        let mut voice = Voice {
            sampler,
            drawn: Vec::new(),
            most: wish.most,
            stops_at: wish.stops_at,
            over: false,
        };
        let logits = engine.step(&mut [entry]).expect("the prompt runs");
        voice.draw(logits.row(0).expect("finite"));
        Answer {
            sequence,
            drafter: Drafter::default(),
            voice,
        }
    }

    /// All that must not depend on drafts: what was drawn and computed, and what would be drawn next.
    fn outcome(mut self) -> (Vec<Sampled>, Vec<u32>, Vec<u32>) {
        let flat = [0.0; 512];
        let sampler = &mut self.voice.sampler;
        let next = (0..4).map(|_| sampler.sample(&flat)).collect();
        (self.voice.drawn, self.sequence.tokens().to_vec(), next)
    }
}

/// One step for all answers that are not over.
fn step(engine: &mut Engine, lookup: &mut Lookup, answers: &mut [Answer]) {
    let (mut turns, mut voices) = (Vec::new(), Vec::new());
    for answer in answers.iter_mut().filter(|answer| !answer.voice.over) {
        let voice = &mut answer.voice;
        turns.push(Turn {
            sequence: &mut answer.sequence,
            drafter: &mut answer.drafter,
            last: voice.drawn.last().expect("the first was drawn").token,
            most_tokens: voice.most - voice.drawn.len(),
        });
        voices.push(voice);
    }
    let mut draw = |turn: usize, logits: &[f32]| voices[turn].draw(logits);
    lookup
        .step(engine, &mut turns, Vec::new(), &mut draw)
        .expect("the step runs")
        .require_none()
        .expect("finite logits");
}

/// Answers that share their steps, and the number of steps.
fn together(engine: &mut Engine, mut lookup: Lookup, wishes: &[Wish]) -> (Vec<Answer>, usize) {
    let mut answers: Vec<Answer> = wishes
        .iter()
        .map(|wish| Answer::new(engine, wish))
        .collect();
    let mut steps = 0;
    while answers.iter().any(|answer| !answer.voice.over) {
        step(engine, &mut lookup, &mut answers);
        steps += 1;
    }
    (answers, steps)
}

/// A prompt of `len` tokens that repeats itself in places.
fn prompt(len: usize) -> Vec<u32> {
    (0..len as u32)
        .map(|at| (at % 37 * 7 + at / 90) % 512)
        .collect()
}

fn greedy(most: usize) -> Wish {
    Wish {
        prompt: prompt(70),
        options: SamplingOptions::default(),
        most,
        stops_at: None,
    }
}

/// Random draws from four tokens only: nearly every end was seen before, and mostly went on
/// differently.
fn babble() -> SamplingOptions {
    SamplingOptions {
        temperature: 2.0,
        logit_bias: (40..44).map(|token| (token, 60.0)).collect(),
        seed: Some(11),
        ..SamplingOptions::default()
    }
}

/// Checks an answer with drafts against the one without; returns the former's drafts.
fn check(engine: &mut Engine, wish: &Wish) -> Drafts {
    let wishes = std::slice::from_ref(wish);
    let (plain, _) = together(engine, Lookup::off(still()), wishes);
    let (drafted, _) = together(engine, eager(), wishes);
    let drafts = drafted[0].drafter.drafts();
    assert_eq!(plain[0].drafter.drafts(), Drafts::default());
    for (drafted, plain) in drafted.into_iter().zip(plain) {
        assert_eq!(drafted.outcome(), plain.outcome(), "{wish:?}");
    }
    drafts
}

#[test]
fn every_option_gives_the_same_answer() {
    let mut engine = engine();
    let off = SamplingOptions::default;
    let options = [
        off(),
        babble(),
        SamplingOptions {
            top_k: 3,
            top_p: 0.9,
            min_p: 0.05,
            ..babble()
        },
        SamplingOptions {
            repetition_penalty: 1.3,
            ..babble()
        },
        SamplingOptions {
            presence_penalty: 0.5,
            frequency_penalty: 0.1,
            ..babble()
        },
        SamplingOptions {
            seed: None,
            temperature: 0.7,
            ..babble()
        },
        SamplingOptions {
            frequency_penalty: 0.2,
            repetition_penalty: 1.1,
            ..off()
        },
    ];
    let mut all = Drafts::default();
    for options in options {
        let wish = Wish {
            options,
            ..greedy(120)
        };
        let drafts = check(&mut engine, &wish);
        all.drafted += drafts.drafted;
        all.accepted += drafts.accepted;
    }
    // Both ways must have been gone often for this to mean anything.
    assert!(all.accepted > 100, "{all:?}");
    assert!(all.drafted - all.accepted > 100, "{all:?}");
}

#[test]
fn answers_end_where_they_would_in_the_middle_of_a_draft_too() {
    let mut engine = engine();
    for length in 1..=24 {
        check(&mut engine, &greedy(length));
        for options in [SamplingOptions::default(), babble()] {
            let wish = Wish {
                options,
                stops_at: Some(length + 20),
                ..greedy(60)
            };
            check(&mut engine, &wish);
        }
    }
}

#[test]
fn sequences_in_one_step_draft_without_touching_each_other() {
    let mut engine = engine();
    for count in [2, 3, 5, 8] {
        let wishes: Vec<Wish> = (0..count)
            .map(|number| Wish {
                prompt: prompt(20 + 15 * number),
                options: match number % 2 {
                    0 => SamplingOptions::default(),
                    _ => babble(),
                },
                most: 30 + 10 * number,
                stops_at: None,
            })
            .collect();
        let (drafted, steps) = together(&mut engine, eager(), &wishes);
        let drafts: usize = drafted
            .iter()
            .map(|one| one.drafter.drafts().accepted)
            .sum();
        assert!(drafts > 10, "{count} sequences: {drafts} accepted");
        assert!(
            steps < 29 + 10 * (count - 1),
            "{count} sequences: {steps} steps"
        );
        for (drafted, wish) in drafted.into_iter().zip(&wishes) {
            let wish = std::slice::from_ref(wish);
            let (mut alone, _) = together(&mut engine, Lookup::off(still()), wish);
            let alone = alone.remove(0).outcome();
            assert_eq!(drafted.outcome(), alone, "{count} sequences, {wish:?}");
        }
    }
}

#[test]
fn more_sequences_than_a_decode_step_has_rows_still_run() {
    let mut engine = engine();
    let wishes = vec![greedy(6); 10];
    let (answers, steps) = together(&mut engine, eager(), &wishes);
    assert_eq!(steps, 5);
    for answer in answers {
        assert_eq!(answer.drafter.drafts(), Drafts::default());
        assert_eq!(answer.voice.drawn.len(), 6);
    }
}
