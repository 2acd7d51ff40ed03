//! Models with known logits: a folder with `golden.json` and the GGUF files that it names.
//!
//! Each entry has `file`, `tokens`, `positions`, `logits_f32` (one row per position, from the same
//! weights in exact arithmetic) and `reference_relative_rms_error`: what llama.cpp's own rounding
//! costs on the file.

use std::path::Path;

use serde::Deserialize;
use sysinfer_engine::model::config::ARCHITECTURES;
use sysinfer_engine::{Engine, Entry, PhasePlan, Plan, Wanted};
use sysinfer_formats::{Gguf, TensorType};
use sysinfer_machine::{FileMap, Topology};

/// An engine may err this many times as much as the reference.
pub const ALLOWED: f64 = 1.25;

/// One model and what it should say.
#[derive(Clone, Debug, Deserialize)]
pub struct Golden {
    /// GGUF file beside `golden.json`.
    pub file: String,
    /// Tokens that go in.
    pub tokens: Vec<u32>,
    /// Positions whose logits are known.
    pub positions: Vec<usize>,
    /// The logits, `[position][vocabulary]`.
    pub logits_f32: Vec<Vec<f32>>,
    /// Relative RMS error of the reference engine.
    pub reference_relative_rms_error: f64,
}

/// How tokens are fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// All in one step.
    AtOnce,
    /// One step per token.
    TokenByToken,
}

/// What came of one file.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It ran; the error is relative to the size of the exact logits.
    Ran {
        /// Root of the mean square error over the root mean square of the exact logits.
        relative_rms_error: f64,
        /// The most it may be.
        bound: f64,
    },
    /// A block type or architecture that is not read yet.
    NotRead(String),
    /// It should have run and did not.
    Failed(String),
}

impl Outcome {
    /// Whether the check holds; a file that is not read yet does not break it.
    pub fn holds(&self) -> bool {
        match self {
            Outcome::Ran {
                relative_rms_error,
                bound,
            } => relative_rms_error <= bound,
            Outcome::NotRead(_) => true,
            Outcome::Failed(_) => false,
        }
    }
}

/// Reads `golden.json` of a folder.
///
/// # Errors
/// The file's path and what is wrong with it.
pub fn load(folder: &Path) -> Result<Vec<Golden>, String> {
    let path = folder.join("golden.json");
    let text = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Root mean square of the difference over root mean square of what is wanted.
pub fn relative_rms_error(got: &[Vec<f32>], wanted: &[Vec<f32>]) -> f64 {
    let (mut error, mut size) = (0.0, 0.0);
    for (got, wanted) in got.iter().flatten().zip(wanted.iter().flatten()) {
        error += (f64::from(*got) - f64::from(*wanted)).powi(2);
        size += f64::from(*wanted).powi(2);
    }
    (error / size).sqrt()
}

/// Runs one golden file.
pub fn check(folder: &Path, golden: &Golden, threads: usize, feed: Feed) -> Outcome {
    let path = folder.join(&golden.file);
    match why_not_read(&path) {
        Err(error) => return Outcome::Failed(error),
        Ok(Some(reason)) => return Outcome::NotRead(reason),
        Ok(None) => {}
    }
    match logits(&path, golden, threads, feed) {
        Err(error) => Outcome::Failed(error),
        Ok(got) => Outcome::Ran {
            relative_rms_error: relative_rms_error(&got, &golden.logits_f32),
            bound: ALLOWED * golden.reference_relative_rms_error,
        },
    }
}

fn why_not_read(path: &Path) -> Result<Option<String>, String> {
    let map = FileMap::open(path).map_err(|error| error.to_string())?;
    let file = Gguf::parse(&map).map_err(|error| error.to_string())?;
    let architecture = file.metadata().require_string("general.architecture");
    let architecture = architecture.map_err(|error| error.to_string())?;
    if !ARCHITECTURES.contains(&architecture) {
        return Ok(Some(format!("architecture {architecture}")));
    }
    let unread = |kind: TensorType| sysinfer_kernels::Layout::of(kind).is_none();
    let tensor = file.tensors().iter().find(|tensor| unread(tensor.kind));
    Ok(tensor.map(|tensor| format!("block type {}", tensor.kind.name())))
}

fn logits(
    path: &Path,
    golden: &Golden,
    threads: usize,
    feed: Feed,
) -> Result<Vec<Vec<f32>>, String> {
    let topology = Topology::discover().map_err(|error| error.to_string())?;
    let plan = Plan::with_threads(PhasePlan::unpinned(threads));
    let engine = Engine::open(path, plan, &topology, &mut |_| {});
    let mut engine = engine.map_err(|error| error.to_string())?;
    let sequence = engine.sequence(golden.tokens.len());
    let mut sequence = sequence.map_err(|error| error.to_string())?;
    let mut rows = Vec::new();
    let step = match feed {
        Feed::AtOnce => golden.tokens.len(),
        Feed::TokenByToken => 1,
    };
    for tokens in golden.tokens.chunks(step) {
        let entry = Entry {
            sequence: &mut sequence,
            tokens,
            wanted: Wanted::All,
        };
        let mut batch = [entry];
        let logits = engine.step(&mut batch).map_err(|error| error.to_string())?;
        rows.extend((0..logits.rows()).map(|row| logits.row(row).to_vec()));
    }
    Ok(golden
        .positions
        .iter()
        .map(|position| rows[*position].clone())
        .collect())
}
