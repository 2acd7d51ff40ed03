//! The shortest whole program: `cargo run --release --example generate MODEL.gguf "A prompt"`.

use std::io::Write;
use std::path::Path;

use sysinfer_engine::tokenizer::{Encode, TextStream};
use sysinfer_engine::{
    Engine, Entry, ModelFile, Plan, Precision, Sampler, SamplingOptions, Wanted, untuned_threads,
};
use sysinfer_machine::{Neighbours, Topology, effective_cpus};

/// Tokens of the answer, if nothing ends it before.
const ANSWER_TOKENS: usize = 64;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, model, prompt] = arguments.as_slice() else {
        return Err("usage: generate MODEL.gguf PROMPT".into());
    };

    // How: one thread per core that may be used, away from processes that are pinned. A profile of
    // `sysinfer-tune` has a better plan for its host.
    let topology = Topology::discover()?;
    let threads = untuned_threads(&topology, effective_cpus(&topology));
    let neighbours = Neighbours::of_this_host(&topology);
    let (plan, _why) = Plan::untuned(&topology, threads, &neighbours);

    // What: the file is opened once, its weights are packed by the threads that will read them.
    let file = ModelFile::open(Path::new(model))?;
    let precision = Precision::default();
    let mut engine = Engine::load(&file, plan, precision, &topology, &mut |_| {})?;
    drop(file);
    for note in engine.notes() {
        eprintln!("{note}");
    }
    let tokenizer = engine.tokenizer().ok_or("the model has no tokenizer")?;
    let tokenizer = tokenizer.clone();

    let as_prompt = Encode {
        add_special: true,
        parse_special: false,
    };
    let mut tokens = tokenizer.encode(prompt, as_prompt);
    let mut sequence = engine.sequence(tokens.len() + ANSWER_TOKENS)?;
    let mut text = TextStream::new(tokenizer.clone(), tokens.last().copied(), false);
    let mut sampler = Sampler::new(SamplingOptions::default(), 1)?;
    for _ in 0..ANSWER_TOKENS {
        // The first step reads the prompt, each one after it a single token.
        let entry = Entry {
            sequence: &mut sequence,
            tokens: &tokens,
            wanted: Wanted::Last,
        };
        let logits = engine.step(&mut [entry])?;
        let token = sampler.sample_without(tokenizer.suppressed(), logits.row(0)?);
        if tokenizer.is_end(token) {
            break;
        }
        print!("{}", text.push(token));
        std::io::stdout().flush()?;
        tokens = vec![token];
    }
    println!("{}", text.flush());
    Ok(())
}
