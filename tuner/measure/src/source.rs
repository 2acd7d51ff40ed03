//! Where the model comes from: a GGUF file, or random weights of a known shape.

use std::path::PathBuf;

use anyhow::Context;
use sysinfer_engine::{
    Engine, EngineError, LoadStep, ModelFile, ModelShape, Plan, Precision, Preset, WeightStorage,
};
use sysinfer_machine::{Topology, usable_memory_bytes};
use sysinfer_probe::Progress;

use crate::host::{available_bytes, require_memory};

/// A model to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A GGUF file.
    File(PathBuf),
    /// Random weights of this shape.
    Synthetic(Preset),
}

impl Source {
    /// The name in JSON and reports: the file's name, or the preset.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.file_name().map_or_else(
                || path.display().to_string(),
                |name| name.to_string_lossy().into(),
            ),
            Self::Synthetic(preset) => preset.name().into(),
        }
    }

    /// What the server would be started with.
    pub fn server_argument(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Synthetic(_) => "MODEL.gguf".into(),
        }
    }

    /// Loads the model under `plan`, after a look at the memory that its file takes. Says so if weights
    /// stay in the file because they would take too much.
    ///
    /// # Errors
    /// Too little memory, an unreadable file, or a plan that the engine refuses.
    pub fn open(
        &self,
        plan: Plan,
        precision: Precision,
        topology: &Topology,
        progress: &dyn Progress,
    ) -> anyhow::Result<Engine> {
        match self {
            Self::File(path) => {
                load_file(&ModelFile::open(path)?, plan, precision, topology, progress)
            }
            Self::Synthetic(preset) => loaded(
                &self.name(),
                preset.weight_bytes(),
                plan,
                progress,
                &|plan, show| Engine::synthetic(*preset, plan, precision, topology, show),
            ),
        }
    }

    /// The shape of the model, without its weights.
    ///
    /// # Errors
    /// A file that is no model.
    pub fn shape(&self) -> anyhow::Result<ModelShape> {
        let precision = Precision::default();
        let shape = match self {
            Self::File(path) => {
                ModelFile::open(path).and_then(|file| ModelShape::of_file(&file, precision))
            }
            Self::Synthetic(preset) => ModelShape::of_preset(*preset, precision),
        };
        shape.with_context(|| format!("cannot read the shape of {}", self.name()))
    }
}

/// As [`Source::open`], from a file that is open already.
///
/// # Errors
/// As there.
pub fn load_file(
    file: &ModelFile,
    mut plan: Plan,
    precision: Precision,
    topology: &Topology,
    progress: &dyn Progress,
) -> anyhow::Result<Engine> {
    let (weights, why) = file.storage(plan.memory.weights, usable_memory_bytes());
    plan.memory.weights = weights;
    why.iter().for_each(|line| progress.note(line));
    let name = Source::File(file.path().to_owned()).name();
    loaded(&name, file.bytes(), plan, progress, &|plan, show| {
        Engine::load(file, plan, precision, topology, show)
    })
}

/// What loads an engine under a plan, and says how far it is.
type Load<'l> = dyn Fn(Plan, &mut dyn FnMut(LoadStep)) -> Result<Engine, EngineError> + 'l;

/// Loads a model whose weights take `needed` bytes, if there is as much.
fn loaded(
    name: &str,
    needed: u64,
    plan: Plan,
    progress: &dyn Progress,
    load: &Load<'_>,
) -> anyhow::Result<Engine> {
    if plan.memory.weights != WeightStorage::Mapped {
        require_memory(name, needed, available_bytes())?;
    }
    progress.stage(&format!("loading {name}"), 1000);
    let mut show = |step: LoadStep| {
        let share = 1000 * step.done_bytes.min(step.total_bytes) / step.total_bytes.max(1);
        progress.set(share, step.what);
    };
    let engine = load(plan, &mut show).with_context(|| format!("cannot load {name}"))?;
    for note in engine.notes() {
        progress.note(&note);
    }
    Ok(engine)
}

/// The preset of that name.
///
/// # Errors
/// Names the presets that exist.
pub fn preset(name: &str) -> anyhow::Result<Preset> {
    let found = Preset::from_name(name);
    found.with_context(|| format!("no preset \"{name}\"; choose one of {}", preset_names()))
}

/// The names of all presets, for messages.
pub fn preset_names() -> String {
    Preset::all()
        .iter()
        .map(|preset| preset.name())
        .collect::<Vec<_>>()
        .join(", ")
}
