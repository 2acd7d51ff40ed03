//! A serving loop: every line of standard input is a prompt, and all prompts that are being answered share each step:
//! `cargo run --release --example serve MODEL.gguf <prompts.txt`. Answers are printed as they end, each with the
//! number of its line.
//!
//! This is what a server does at its core: sequences begin and end at any time, the next token of every answer goes
//! into a step, and as much of new prompts as does not keep the answers waiting. `sysinfer-server` adds a bounded
//! queue, limits from measured times, and prompt-lookup decoding.

use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use sysinfer_engine::tokenizer::{Encode, TextStream};
use sysinfer_engine::{
    Engine, Entry, ModelFile, Plan, Precision, Sampler, SamplingOptions, Sequence, Tokenizer,
    Wanted, untuned_threads,
};
use sysinfer_machine::{Neighbours, Topology, effective_cpus};

/// Prompts that are answered at once; others wait in the pipe.
const AT_ONCE: usize = 8;
/// Tokens of prompts in one step: the more, the longer answers wait for their next token.
const PROMPT_ROWS: usize = 64;
/// Tokens of an answer, if nothing ends it before.
const ANSWER_TOKENS: usize = 64;

/// A prompt that is being answered.
struct Answer {
    line: usize,
    sequence: Sequence,
    sampler: Sampler,
    text: TextStream,
    said: String,
    /// Tokens that are not in the sequence yet: of the prompt, then the last one that was drawn.
    next: Vec<u32>,
    /// Tokens that may still be drawn; 0: it is over.
    left: usize,
}

impl Answer {
    /// Begins to answer a prompt. Memory for all that the sequence may come to hold is promised here, so no step can
    /// lack it.
    fn begin(
        engine: &Engine,
        tokenizer: &Arc<Tokenizer>,
        line: usize,
        prompt: &str,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let as_prompt = Encode {
            add_special: true,
            parse_special: false,
        };
        let tokens = tokenizer.encode(prompt, as_prompt);
        let Some((last, before)) = tokens.split_last() else {
            return Err("an empty prompt".into());
        };
        // What an earlier prompt began with is not computed again. The last token is: its logits are wanted.
        let sequence = engine.sequence_of(before, tokens.len() + ANSWER_TOKENS)?;
        Ok(Self {
            line,
            sampler: Sampler::new(SamplingOptions::default(), 1)?,
            text: TextStream::new(Arc::clone(tokenizer), Some(*last), false),
            said: String::new(),
            next: tokens[sequence.len()..].to_vec(),
            sequence,
            left: ANSWER_TOKENS,
        })
    }

    /// Its part of the next step: so many tokens.
    fn entry(&mut self, count: usize) -> Entry<'_> {
        let wanted = match count == self.next.len() {
            true => Wanted::Last,
            false => Wanted::None,
        };
        Entry {
            sequence: &mut self.sequence,
            tokens: &self.next[..count],
            wanted,
        }
    }

    /// Draws the next token.
    fn draw(&mut self, tokenizer: &Tokenizer, logits: &[f32]) {
        let token = self.sampler.sample_without(tokenizer.suppressed(), logits);
        self.left -= 1;
        if tokenizer.is_end(token) {
            self.left = 0;
        } else {
            self.said.push_str(self.text.push(token));
            self.next = vec![token];
        }
    }
}

/// Tokens that each answer has in the next step: one of those that are being written, and what there is room for of
/// prompts, in the order in which they came.
fn shares(live: &[Answer]) -> Vec<usize> {
    let mut room = PROMPT_ROWS;
    let share = |answer: &Answer| {
        if answer.next.len() == 1 {
            return 1;
        }
        let count = answer.next.len().min(room);
        room -= count;
        count
    };
    live.iter().map(share).collect()
}

/// One step of all answers.
fn step(
    engine: &mut Engine,
    tokenizer: &Tokenizer,
    live: &mut [Answer],
) -> Result<(), Box<dyn std::error::Error>> {
    let shares = shares(live);
    let entries = live.iter_mut().zip(&shares);
    let entries = entries.filter(|(_, count)| **count > 0);
    let mut batch: Vec<Entry<'_>> = entries
        .map(|(answer, count)| answer.entry(*count))
        .collect();
    let logits = engine.step(&mut batch)?;
    // Rows are in the order of the batch, and none depends on those beside it.
    let mut row = 0;
    for (answer, count) in live.iter_mut().zip(shares) {
        answer.next.drain(..count);
        if count == 0 || !answer.next.is_empty() {
            continue;
        }
        // A damaged weight may spoil one row: others go on.
        match logits.row(row) {
            Ok(values) => answer.draw(tokenizer, values),
            Err(error) => {
                eprintln!("line {}: {error}", answer.line);
                answer.left = 0;
            }
        }
        row += 1;
    }
    Ok(())
}

/// Lines of standard input as they come. The pipe is bounded: whoever writes faster than this answers has to wait.
fn prompts() -> Receiver<String> {
    let (sender, receiver) = sync_channel(AT_ONCE);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let line = match line {
                Ok(line) => line,
                Err(error) => return eprintln!("standard input: {error}"),
            };
            // Nobody takes prompts any more.
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, model] = arguments.as_slice() else {
        return Err("usage: serve MODEL.gguf <PROMPTS".into());
    };
    let topology = Topology::discover()?;
    let threads = untuned_threads(&topology, effective_cpus(&topology));
    let neighbours = Neighbours::of_this_host(&topology);
    let (plan, _why) = Plan::untuned(&topology, threads, &neighbours);
    let file = ModelFile::open(Path::new(model))?;
    let mut engine = Engine::load(&file, plan, Precision::default(), &topology, &mut |_| {})?;
    let tokenizer = engine.tokenizer().ok_or("the model has no tokenizer")?;
    let tokenizer = Arc::clone(tokenizer);

    let prompts = prompts();
    let mut live: Vec<Answer> = Vec::new();
    let mut line = 0;
    loop {
        while live.len() < AT_ONCE {
            // With nothing to do it waits for a prompt; while it answers, it only looks whether there is one.
            let prompt = match live.is_empty() {
                true => prompts.recv().ok(),
                false => prompts.try_recv().ok(),
            };
            let Some(prompt) = prompt else { break };
            line += 1;
            match Answer::begin(&engine, &tokenizer, line, &prompt) {
                Ok(answer) => live.push(answer),
                Err(error) => eprintln!("line {line}: {error}"),
            }
        }
        if live.is_empty() {
            return Ok(());
        }
        step(&mut engine, &tokenizer, &mut live)?;
        for mut answer in live.extract_if(.., |answer| answer.left == 0) {
            answer.said.push_str(answer.text.flush());
            println!("{}: {}", answer.line, answer.said.trim().replace('\n', " "));
            // For prompts that begin alike, as long as nobody needs its memory.
            engine.keep(answer.sequence);
        }
    }
}
