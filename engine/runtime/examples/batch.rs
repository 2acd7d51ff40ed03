//! Several prompts whose answers share every step, so that weights are read once for all of them:
//! `cargo run --release --example batch MODEL.gguf "A prompt" "Another"`.

use std::path::Path;

use sysinfer_engine::tokenizer::Encode;
use sysinfer_engine::{
    Engine, Entry, ModelFile, Plan, Precision, Sampler, SamplingOptions, Sequence, Wanted,
    untuned_threads,
};
use sysinfer_machine::{Neighbours, Topology, effective_cpus};

/// Tokens of each answer, if nothing ends it before.
const ANSWER_TOKENS: usize = 32;

/// A prompt that is being answered.
struct Answer {
    sequence: Sequence,
    sampler: Sampler,
    /// What the next step reads: the prompt, then one token at a time.
    next: Vec<u32>,
    said: Vec<u32>,
    is_over: bool,
}

impl Answer {
    /// Its part of the next step.
    fn entry(&mut self) -> Entry<'_> {
        Entry {
            sequence: &mut self.sequence,
            tokens: &self.next,
            wanted: Wanted::Last,
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, prompts @ ..] = arguments.as_slice() else {
        return Err("usage: batch MODEL.gguf PROMPT...".into());
    };
    let topology = Topology::discover()?;
    let threads = untuned_threads(&topology, effective_cpus(&topology));
    let neighbours = Neighbours::of_this_host(&topology);
    let (plan, _why) = Plan::untuned(&topology, threads, &neighbours);
    let file = ModelFile::open(Path::new(model))?;
    let mut engine = Engine::load(&file, plan, Precision::default(), &topology, &mut |_| {})?;
    let tokenizer = engine.tokenizer().ok_or("the model has no tokenizer")?;
    let tokenizer = tokenizer.clone();

    let mut answers = Vec::new();
    for prompt in prompts {
        let as_prompt = Encode {
            add_special: true,
            parse_special: false,
        };
        let next = tokenizer.encode(prompt, as_prompt);
        answers.push(Answer {
            // Memory for all that it may hold is promised here, so no step can lack it.
            sequence: engine.sequence(next.len() + ANSWER_TOKENS)?,
            sampler: Sampler::new(SamplingOptions::default(), 1)?,
            next,
            said: Vec::new(),
            is_over: false,
        });
    }
    for _ in 0..ANSWER_TOKENS {
        let mut live: Vec<&mut Answer> = answers.iter_mut().filter(|a| !a.is_over).collect();
        if live.is_empty() {
            break;
        }
        let mut batch: Vec<Entry<'_>> = live.iter_mut().map(|answer| answer.entry()).collect();
        let logits = engine.step(&mut batch)?;
        // Rows are in the order of the batch, and none depends on those beside it.
        for (row, answer) in live.iter_mut().enumerate() {
            let row = logits.row(row)?;
            let token = answer.sampler.sample_without(tokenizer.suppressed(), row);
            answer.is_over = tokenizer.is_end(token);
            if !answer.is_over {
                answer.said.push(token);
                answer.next = vec![token];
            }
        }
    }
    for (prompt, answer) in prompts.iter().zip(&answers) {
        println!("{prompt}{}", tokenizer.decode(&answer.said, false));
    }
    Ok(())
}
