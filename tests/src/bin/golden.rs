//! `golden FOLDER`: runs every model of a folder with known logits, names each with its error and
//! bound, and fails if one is read wrongly.

use std::path::PathBuf;
use std::process::ExitCode;

use sysinfer_conformance::golden::{Feed, Golden, Outcome, check, load};

fn main() -> ExitCode {
    let Some(folder) = std::env::args().nth(1).map(PathBuf::from) else {
        eprintln!("usage: golden FOLDER (with golden.json and the GGUF files that it names)");
        return ExitCode::from(2);
    };
    let goldens = match load(&folder) {
        Ok(goldens) => goldens,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let wrong = goldens
        .iter()
        .filter(|golden| !report(&folder, golden))
        .count();
    println!("{} files, {wrong} wrong", goldens.len());
    if wrong == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Runs one file every way and prints a line; whether all ways hold.
fn report(folder: &std::path::Path, golden: &Golden) -> bool {
    let ways = [
        (1, Feed::AtOnce),
        (2, Feed::AtOnce),
        (1, Feed::TokenByToken),
        (2, Feed::TokenByToken),
    ];
    let mut errors = Vec::new();
    for (threads, feed) in ways {
        match check(folder, golden, threads, feed) {
            Outcome::NotRead(reason) => {
                println!("{:32} not read: {reason}", golden.file);
                return true;
            }
            Outcome::Failed(reason) => {
                println!(
                    "{:32} FAILED with {threads} threads, {feed:?}: {reason}",
                    golden.file
                );
                return false;
            }
            Outcome::Ran {
                relative_rms_error,
                bound,
            } => errors.push((relative_rms_error, bound)),
        }
    }
    let worst = errors.iter().map(|(error, _)| *error).fold(0.0, f64::max);
    let bound = errors[0].1;
    let holds = worst <= bound;
    let verdict = if holds { "ok" } else { "WRONG" };
    println!(
        "{:32} relative rms error {worst:.6}, bound {bound:.6}: {verdict}",
        golden.file
    );
    holds
}
