//! `sysinfer-tune`: arguments in, exit code out.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use sysinfer_tune::Ending;
use sysinfer_tune::commands::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(Ending::Complete) => ExitCode::SUCCESS,
        // What shells report for a program ended by Ctrl-C.
        Ok(Ending::Interrupted) => ExitCode::from(130),
        Err(error) => {
            sysinfer_tune::complain(&error);
            ExitCode::FAILURE
        }
    }
}
