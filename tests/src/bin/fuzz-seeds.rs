//! Writes the models that fuzzing starts from into a folder: `fuzz-seeds FOLDER`.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use sysinfer_conformance::fuzz::seeds;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: fuzz-seeds FOLDER");
        return ExitCode::FAILURE;
    };
    let made = std::fs::create_dir_all(&folder).and_then(|()| {
        let mut models = seeds::models().into_iter();
        models.try_for_each(|(name, model)| std::fs::write(folder.join(name), model))
    });
    match made {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}
