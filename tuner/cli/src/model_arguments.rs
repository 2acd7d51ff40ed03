//! How a command line names its model, and says what becomes of the file.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use clap::builder::PossibleValuesParser;
use sysinfer_engine::{Preset, WeightStorage};
use sysinfer_measure::source::{Source, preset, preset_names};

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

impl ModelArgs {
    /// What the arguments name, if they name a model.
    ///
    /// # Errors
    /// No such preset.
    pub fn source(&self) -> anyhow::Result<Option<Source>> {
        if let Some(path) = &self.model {
            return Ok(Some(Source::File(path.clone())));
        }
        let name = self.synthetic.as_deref();
        name.map(|name| preset(name).map(Source::Synthetic))
            .transpose()
    }

    /// The same, where a model is needed.
    ///
    /// # Errors
    /// None is named; the message shows how.
    pub fn required(&self) -> anyhow::Result<Source> {
        match self.source()? {
            Some(source) => Ok(source),
            None => bail!(
                "no model: name a GGUF file, or a shape with --synthetic ({}); --help has examples",
                preset_names()
            ),
        }
    }
}

/// Takes the names of presets on the command line.
pub fn preset_parser() -> PossibleValuesParser {
    PossibleValuesParser::new(Preset::all().iter().map(|preset| preset.name()))
}
