//! `sysinfer-tune`: arguments in, exit code out.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use sysinfer_tune::cli::{Cli, Command};
use sysinfer_tune::{
    Ending, bandwidth_map, bench, check, compare, export, load, perplexity, show, study, synth,
    tune, verify,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Some(Command::Synth(arguments)) => synth::run(&arguments),
        Some(Command::Show(arguments)) => show::run(&arguments),
        Some(Command::Verify(arguments)) => verify::run(&arguments),
        Some(Command::Compare(arguments)) => compare::run(&arguments),
        Some(Command::Export(arguments)) => export::run(&arguments),
        Some(Command::Load(arguments)) => load::run(&arguments),
        Some(Command::Bench(arguments)) => bench::run(&arguments),
        Some(Command::Perplexity(arguments)) => perplexity::run(&arguments),
        Some(Command::Study(arguments)) => study::run(&arguments),
        Some(Command::Check(arguments)) => check::run(&arguments),
        Some(Command::Bandwidth(arguments)) => bandwidth_map::run(&arguments),
        None => tune::run(&cli.tune),
    };
    match outcome {
        Ok(Ending::Complete) => ExitCode::SUCCESS,
        // What shells report for a program ended by Ctrl-C.
        Ok(Ending::Interrupted) => ExitCode::from(130),
        Err(error) => {
            eprintln!("sysinfer-tune: {error:#}");
            ExitCode::FAILURE
        }
    }
}
