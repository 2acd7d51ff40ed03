//! The shortest whole program: `cargo run --release --example generate MODEL.gguf "A prompt"`.

use std::io::Write;
use std::path::Path;

use sysinfer_engine::tokenizer::{Encode, TextStream};
use sysinfer_engine::{
    Engine, Entry, ModelFile, PhasePlan, Plan, Precision, Sampler, SamplingOptions, Wanted,
};
use sysinfer_machine::{Topology, effective_cpus};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, model, prompt] = arguments.as_slice() else {
        return Err("usage: generate MODEL.gguf PROMPT".into());
    };
    let topology = Topology::discover()?;
    let plan = Plan::with_threads(PhasePlan::unpinned(effective_cpus(&topology)));
    let file = ModelFile::open(Path::new(model))?;
    let mut engine = Engine::load(&file, plan, Precision::default(), &topology, &mut |_| {})?;
    let tokenizer = engine
        .tokenizer()
        .ok_or("the model has no tokenizer")?
        .clone();
    for note in engine.notes() {
        eprintln!("{note}");
    }

    let mut tokens = tokenizer.encode(
        prompt,
        Encode {
            add_special: true,
            parse_special: false,
        },
    );
    let mut sequence = engine.sequence(tokens.len() + 64)?;
    let mut text = TextStream::new(tokenizer.clone(), tokens.last().copied(), false);
    let mut sampler = Sampler::new(SamplingOptions::default(), 1)?;
    for _ in 0..64 {
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
