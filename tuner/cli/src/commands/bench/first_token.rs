//! `bench --first-token`: what a user waits for after starting the program, and the memory that this
//! takes. Nothing is warmed up and nothing else is allocated, so that a fresh process shows both.

use std::time::Instant;

use serde::Serialize;
use sysinfer_engine::{Entry, Precision, Wanted};
use sysinfer_measure::engine_probe::{argmax, prompt};
use sysinfer_measure::host::peak_bytes;
use sysinfer_probe::Progress;
use sysinfer_terminal::gigabytes;

use super::arguments::BenchArgs;
use crate::commands::chosen_plan;
use crate::progress::Terminal;
use crate::tune::lengths::check_prompt;
use crate::{Ending, this_host};

/// The JSON object.
#[derive(Serialize)]
struct Json {
    engine: &'static str,
    model: String,
    threads: usize,
    prompt: usize,
    load_seconds: f64,
    first_token_seconds: f64,
    peak_bytes: Option<u64>,
}

/// Loads, reads the prompt, chooses one token, prints.
///
/// # Errors
/// As [`super::run`].
pub fn run(arguments: &BenchArgs) -> anyhow::Result<Ending> {
    let started = Instant::now();
    let host = this_host::discover()?;
    host.require_real()?;
    let source = arguments.model.required()?;
    let plan = chosen_plan::plan(&arguments.plan, &host)?;
    let loading = Instant::now();
    let progress = Terminal::to_stderr();
    let mut engine = source.open(plan, Precision::default(), &host.topology, &progress)?;
    let load_seconds = loading.elapsed().as_secs_f64();
    progress.finish();
    chosen_plan::check_kernels(&arguments.plan, &engine)?;
    let info = engine.info();
    check_prompt(arguments.prompt, info.context_length)?;
    let tokens = prompt(arguments.prompt, info.vocabulary_size);
    let mut sequence = engine.sequence(tokens.len())?;
    let logits = engine.step(&mut [Entry {
        sequence: &mut sequence,
        tokens: &tokens,
        wanted: Wanted::Last,
    }])?;
    std::hint::black_box(argmax(logits.row(0)?));
    let first_token_seconds = started.elapsed().as_secs_f64();
    let peak = peak_bytes();
    if arguments.json {
        let json = Json {
            engine: "sysinfer",
            model: source.name(),
            threads: engine.plan().decode.threads,
            prompt: tokens.len(),
            load_seconds,
            first_token_seconds,
            peak_bytes: peak,
        };
        println!("{}", serde_json::to_string(&json)?);
    } else {
        let peak = peak.map_or_else(|| "unknown".into(), gigabytes);
        println!(
            "{}: first token after {first_token_seconds:.2} s, of which {load_seconds:.2} s loading; \
             most memory: {peak}",
            source.name()
        );
    }
    Ok(Ending::Complete)
}
