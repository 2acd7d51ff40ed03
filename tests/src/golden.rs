//! Models with known logits: a folder with `golden.json` and the GGUF files that it names.
//!
//! Each entry has `file`, `tokens`, `positions`, `logits_f32` (one row per position, from the same
//! weights in exact arithmetic) and `reference_relative_rms_error`: what llama.cpp's own rounding
//! costs on the file.

use std::path::Path;

use serde::Deserialize;
use sysinfer_engine::model::source::Source;
use sysinfer_engine::{CacheType, Engine, Entry, ModelFile, PhasePlan, Plan, Precision, Wanted};
use sysinfer_machine::Topology;

/// An engine may err this many times as much as the reference.
pub const ALLOWED: f64 = 1.25;
/// The same for types with blocks of 256: the reference rounds activations in blocks as large.
pub const ALLOWED_LARGE_BLOCKS: f64 = 1.0;
/// The same with keys and values in 8 bits, which the reference keeps in f16.
pub const ALLOWED_Q8_0_CACHE: f64 = 2.0;
/// What rounding keys and values to 8 bits costs a model whose weights are exact: steps of 1/127 of
/// a block's largest value leave half a percent of every key and value. No bound is below it.
pub const Q8_0_CACHE_FLOOR: f64 = 0.01;

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

/// How a file is run.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// Threads of both phases.
    pub threads: usize,
    /// How tokens are fed.
    pub feed: Feed,
    /// Type of keys and values.
    pub cache: CacheType,
}

/// What came of one file, relative to the size of the exact logits.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Root of the mean square error over the root mean square of the exact logits.
    pub relative_rms_error: f64,
    /// The most it may be.
    pub bound: f64,
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
///
/// # Errors
/// Why it did not run.
pub fn check(folder: &Path, golden: &Golden, way: Way) -> Result<Measured, String> {
    let path = folder.join(&golden.file);
    let reference = golden.reference_relative_rms_error;
    let bound = match way.cache {
        CacheType::Q8_0 => Q8_0_CACHE_FLOOR.max(ALLOWED_Q8_0_CACHE * reference),
        _ => allowed(&path)? * reference,
    };
    let got = logits(&path, golden, way)?;
    Ok(Measured {
        relative_rms_error: relative_rms_error(&got, &golden.logits_f32),
        bound,
    })
}

fn allowed(path: &Path) -> Result<f64, String> {
    let file = ModelFile::open(path).map_err(|error| error.to_string())?;
    let tensor = file.stored().find("blk.0.attn_q.weight");
    let kind = tensor.ok_or("blk.0.attn_q.weight is missing")?.kind;
    Ok(match kind.block_elements() {
        256 => ALLOWED_LARGE_BLOCKS,
        _ => ALLOWED,
    })
}

fn logits(path: &Path, golden: &Golden, way: Way) -> Result<Vec<Vec<f32>>, String> {
    let topology = Topology::discover().map_err(|error| error.to_string())?;
    let plan = Plan::with_threads(PhasePlan::unpinned(way.threads));
    let precision = Precision::with_cache(way.cache);
    let engine = ModelFile::open(path)
        .and_then(|file| Engine::load(&file, plan, precision, &topology, &mut |_| {}));
    let mut engine = engine.map_err(|error| error.to_string())?;
    let sequence = engine.sequence(golden.tokens.len());
    let mut sequence = sequence.map_err(|error| error.to_string())?;
    let mut rows = Vec::new();
    let step = match way.feed {
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
        for row in 0..logits.rows() {
            let row = logits.row(row).map_err(|error| error.to_string())?;
            rows.push(row.to_vec());
        }
    }
    Ok(golden
        .positions
        .iter()
        .map(|position| rows[*position].clone())
        .collect())
}
