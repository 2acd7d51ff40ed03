//! Writes the models that fuzzing starts from into a folder for each target: `fuzz-seeds FOLDER`.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use sysinfer_conformance::fuzz::seeds;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: fuzz-seeds FOLDER");
        return ExitCode::FAILURE;
    };
    let all = [("gguf", seeds::models()), ("split", seeds::sets())];
    let made = all.into_iter().try_for_each(|(target, inputs)| {
        let folder = folder.join(target);
        std::fs::create_dir_all(&folder)?;
        let mut inputs = inputs.into_iter();
        inputs.try_for_each(|(name, input)| std::fs::write(folder.join(name), input))
    });
    match made {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}
