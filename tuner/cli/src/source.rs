//! Where the model comes from: a GGUF file, or random weights of a known shape.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use clap::builder::PossibleValuesParser;
use sysinfer_engine::{
    Engine, EngineError, LoadStep, ModelFile, Plan, Precision, Preset, WeightStorage,
};
use sysinfer_machine::{Topology, usable_memory_bytes};

use crate::host::{available_bytes, require_memory};
use crate::progress::Progress;

/// The model: a file, or a shape.
#[derive(Args, Clone, Debug)]
pub struct ModelArgs {
    /// GGUF file of the model
    #[arg(value_name = "MODEL.gguf", conflicts_with = "synthetic")]
    pub model: Option<PathBuf>,
    /// Random weights of a known shape instead of a file; speed does not depend on weight values
    #[arg(long, value_name = "PRESET", value_parser = preset_parser())]
    pub synthetic: Option<String>,
}

/// What becomes of the model's file.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct FileArgs {
    /// Leave the model file in the page cache once it is loaded: it opens faster the next time, and
    /// takes that memory until the system wants it
    #[arg(long)]
    pub keep_file_cache: bool,
    /// Where weights are: packed (in memory, fastest), mapped (in the file, packed anew at every step)
    /// or auto (mapped if packed weights would take more than half of the memory that may be used)
    /// [default: auto, or as --profile says where
    /// there is one]
    #[arg(long, value_name = "WHERE")]
    pub weights: Option<WeightStorage>,
}

/// A model to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A GGUF file.
    File(PathBuf),
    /// Random weights of this shape.
    Synthetic(Preset),
}

impl Source {
    /// What the arguments name, if they name a model.
    ///
    /// # Errors
    /// No such preset.
    pub fn from_args(arguments: &ModelArgs) -> anyhow::Result<Option<Self>> {
        if let Some(path) = &arguments.model {
            return Ok(Some(Self::File(path.clone())));
        }
        arguments
            .synthetic
            .as_deref()
            .map(|name| preset(name).map(Self::Synthetic))
            .transpose()
    }

    /// The same, where a model is needed.
    ///
    /// # Errors
    /// None is named; the message shows how.
    pub fn required(arguments: &ModelArgs) -> anyhow::Result<Self> {
        match Self::from_args(arguments)? {
            Some(source) => Ok(source),
            None => bail!(
                "no model: name a GGUF file, or a shape with --synthetic ({}); --help has examples",
                preset_names()
            ),
        }
    }

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
        progress: &Progress,
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
    progress: &Progress,
) -> anyhow::Result<Engine> {
    let (weights, why) = file.storage(plan.memory.weights, usable_memory_bytes());
    plan.memory.weights = weights;
    why.iter().for_each(|line| eprintln!("{line}"));
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
    progress: &Progress,
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
        eprintln!("{note}");
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

/// Takes the names of presets on the command line.
pub fn preset_parser() -> PossibleValuesParser {
    PossibleValuesParser::new(Preset::all().iter().map(|preset| preset.name()))
}

fn preset_names() -> String {
    Preset::all()
        .iter()
        .map(|preset| preset.name())
        .collect::<Vec<_>>()
        .join(", ")
}
