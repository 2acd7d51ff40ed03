//! `synth`: a preset as a GGUF file of random weights.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use sysinfer_engine::Preset;
use sysinfer_engine::model::synth::write_gguf;
use sysinfer_measure::host::file_bytes;
use sysinfer_measure::source::preset;
use sysinfer_terminal::gigabytes;

use crate::Ending;
use crate::model_arguments::preset_parser;

/// Arguments of `synth`.
#[derive(Args, Clone, Debug)]
pub struct SynthArgs {
    /// The shape
    #[arg(value_parser = preset_parser())]
    pub preset: String,
    /// File to write
    #[arg(value_name = "OUT.gguf")]
    pub output: PathBuf,
    /// Seed of the random weights
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// Writes the file under a temporary name, so that an interrupted run leaves no half a model.
///
/// # Errors
/// The file cannot be written (a full disk, for example).
pub fn run(arguments: &SynthArgs) -> anyhow::Result<Ending> {
    let preset = preset(&arguments.preset)?;
    let output = &arguments.output;
    let partial = partial_name(output);
    let written =
        write(preset, arguments.seed, &partial).and_then(|()| std::fs::rename(&partial, output));
    if written.is_err() {
        // The write has failed already; a leftover that cannot be removed adds nothing to that.
        let _ = std::fs::remove_file(&partial);
    }
    written.with_context(|| format!("cannot write {}", output.display()))?;
    println!(
        "{}: {}, {}, random weights",
        output.display(),
        preset.name(),
        gigabytes(file_bytes(output)?)
    );
    Ok(Ending::Complete)
}

fn write(preset: Preset, seed: u64, path: &Path) -> std::io::Result<()> {
    let mut writer = BufWriter::with_capacity(1 << 20, File::create(path)?);
    write_gguf(preset, seed, &mut writer)?;
    writer.flush()
}

fn partial_name(output: &Path) -> PathBuf {
    let mut name = output.file_name().unwrap_or_default().to_os_string();
    name.push(".partial");
    output.with_file_name(name)
}
