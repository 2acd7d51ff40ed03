//! `golden FOLDER`: runs every model of a folder with known logits, names each with its error and
//! bound, and fails if one is read wrongly.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sysinfer_conformance::golden::{Feed, Golden, Way, check, load};
use sysinfer_engine::CacheType;

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

/// Runs one file every way and prints the worst of each type of cache; whether all ways hold.
fn report(folder: &Path, golden: &Golden) -> bool {
    let mut holds = true;
    for cache in [CacheType::F16, CacheType::Q8_0] {
        let name = format!("{:32} {:4}", golden.file, cache.name());
        let ways = [1, 2].map(|threads| {
            [Feed::AtOnce, Feed::TokenByToken].map(|feed| Way {
                threads,
                feed,
                cache,
            })
        });
        let results: Result<Vec<_>, _> = ways
            .as_flattened()
            .iter()
            .map(|way| check(folder, golden, *way))
            .collect();
        match results {
            Err(reason) => {
                println!("{name} FAILED: {reason}");
                holds = false;
            }
            Ok(all) => {
                let bound = all[0].bound;
                let worst = all
                    .iter()
                    .fold(0.0, |worst: f64, one| worst.max(one.relative_rms_error));
                let verdict = if worst <= bound { "ok" } else { "WRONG" };
                println!("{name} {worst:.6} of {bound:.6} {verdict}");
                holds &= worst <= bound;
            }
        }
    }
    holds
}
