//! `perplexity`: what kernels, the cache's type and a quantisation cost in quality, as perplexity
//! and Kullback-Leibler divergence over a text.

mod arguments;

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, bail};
use sysinfer_engine::tokenizer::Encode;
use sysinfer_engine::{
    CacheType, Engine, ModelFile, Plan, Precision, WeightPrecision, WeightStorage,
};
use sysinfer_machine::usable_memory_bytes;

pub use arguments::{Format, PerplexityArgs};

use sysinfer_measure::host::available_bytes;
use sysinfer_measure::source::{Source, load_file};
use sysinfer_probe::Progress;
use sysinfer_quality::measure::{self, Measurement, Setup};
use sysinfer_quality::memory::{self, Demand};
use sysinfer_quality::predictor::{EnginePredictor, Predictor};
use sysinfer_quality::report::{Report, Run, Subject};
use sysinfer_quality::text;
use sysinfer_quality::windows::{Windows, WindowsError};

use crate::commands::chosen_plan;
use crate::progress::Terminal;
use crate::{Ending, interrupt, this_host};

/// What is compared with what, from files.
struct Pair<'a> {
    model: (&'a ModelFile, Precision),
    reference: Option<(&'a ModelFile, Precision)>,
}

/// The same, loaded, with the text in their tokens.
struct Loaded {
    model: EnginePredictor,
    reference: Option<EnginePredictor>,
    windows: Windows,
}

/// Measures and prints.
///
/// # Errors
/// A text or model that cannot be read, too little memory, a text that is too short.
pub fn run(arguments: &PerplexityArgs) -> anyhow::Result<Ending> {
    let host = this_host::discover()?;
    host.require_real()?;
    let plan = chosen_plan::plan(&arguments.plan, &host)?;
    let model = open(&arguments.model)?;
    let other = arguments
        .reference
        .as_deref()
        .filter(|_| !arguments.no_reference);
    let other = other.map(open).transpose()?;
    let pair = Pair::of(arguments, &model, other.as_ref());
    pair.require_memory(arguments)?;
    let text = text::read(&arguments.text)?;
    let interrupt = interrupt::install()?;
    let progress = Terminal::to_stderr();

    let started = Instant::now();
    let load = |(file, precision): (&ModelFile, Precision), plan| {
        load_file(file, plan, precision, &host.topology, &progress)
    };
    let mut loaded = pair.load(arguments, &text, plan, &load)?;
    let loading_seconds = started.elapsed().as_secs_f64();
    let setup = Setup {
        windows: &loaded.windows,
        step_tokens: arguments.step.into(),
        stop: interrupt.flag(),
        advance: &|tokens, score| progress.advance(tokens, score),
    };
    progress.stage("scoring the text", loaded.windows.input_tokens() as u64);
    let reference = loaded.reference.as_mut();
    let reference = reference.map(|reference| reference as &mut dyn Predictor);
    let measured = measure::measure(&setup, &mut loaded.model, reference);
    progress.finish();

    let model = Run::of(file_name(pair.model.0.path()), loaded.model.engine());
    let reference = pair.reference.zip(loaded.reference.as_ref());
    let reference =
        reference.map(|((file, _), predictor)| Run::of(file_name(file.path()), predictor.engine()));
    let subject = Subject {
        text: text::name(&arguments.text),
        windows: &loaded.windows,
        step_tokens: arguments.step.into(),
        model,
        reference,
        loading_seconds,
    };
    print(arguments.format, subject, &measured?)
}

fn open(path: &Path) -> anyhow::Result<ModelFile> {
    ModelFile::open(path).with_context(|| path.display().to_string())
}

/// Loads a model file in a precision, under a plan.
type Load<'l> = dyn Fn((&ModelFile, Precision), Plan) -> anyhow::Result<Engine> + 'l;

impl<'a> Pair<'a> {
    fn of(arguments: &PerplexityArgs, model: &'a ModelFile, other: Option<&'a ModelFile>) -> Self {
        let reference = match other {
            _ if arguments.no_reference => None,
            Some(other) => Some((other, Precision::with_cache(CacheType::F32))),
            None => Some((model, Precision::REFERENCE)),
        };
        Self {
            model: (model, Precision::with_cache(arguments.cache)),
            reference,
        }
    }

    fn require_memory(&self, arguments: &PerplexityArgs) -> anyhow::Result<()> {
        let (context, step) = (arguments.context as usize, arguments.step.into());
        let bytes = |(file, precision): (&ModelFile, Precision)| -> anyhow::Result<u64> {
            let weights = arguments.plan.file.weights.unwrap_or_default();
            let (weights, _) = file.storage(weights, usable_memory_bytes());
            let mut demand = Demand::read(file, precision)?;
            if weights == WeightStorage::Mapped && precision.weights == WeightPrecision::AsStored {
                demand = demand.of_mapped_weights();
            }
            Ok(demand.bytes(context, step))
        };
        let reference = self.reference.map(bytes).transpose()?;
        memory::require(bytes(self.model)?, reference, available_bytes())
    }

    /// Loads the model, cuts the text as it does, and loads the reference.
    fn load(
        &self,
        arguments: &PerplexityArgs,
        text: &str,
        mut plan: Plan,
        load: &Load<'_>,
    ) -> anyhow::Result<Loaded> {
        let engine = load(self.model, plan.clone())?;
        chosen_plan::check_kernels(&arguments.plan, &engine)?;
        let tokens = encode(&engine, text)?;
        let model = predictor(engine, arguments)?;
        let windows = cut(arguments, model.engine(), &tokens)?;
        let Some((file, precision)) = self.reference else {
            return Ok(Loaded {
                model,
                reference: None,
                windows,
            });
        };
        // The plan's kernels are for the model's block types, and may be what is measured.
        plan.kernels.clear();
        let engine = load((file, precision), plan)?;
        if encode(&engine, text)? != tokens {
            bail!(
                "{} cuts the text into other tokens than {}; \
                 choose a reference with the same tokenizer",
                file.path().display(),
                self.model.0.path().display()
            );
        }
        Ok(Loaded {
            model,
            reference: Some(predictor(engine, arguments)?),
            windows,
        })
    }
}

/// The tokens of the text, BOS not included.
fn encode(engine: &Engine, text: &str) -> anyhow::Result<Vec<u32>> {
    let tokenizer = engine.tokenizer();
    let tokenizer = tokenizer.context("the model file has no tokenizer, so no text can be read")?;
    Ok(tokenizer.encode(text, Encode::default()))
}

fn cut(
    arguments: &PerplexityArgs,
    engine: &Engine,
    tokens: &[u32],
) -> Result<Windows, WindowsError> {
    let tokenizer = engine.tokenizer().filter(|tokenizer| tokenizer.adds_bos());
    let bos = tokenizer.and_then(|tokenizer| tokenizer.bos());
    let most = arguments.tokens.map(|most| most as usize);
    Windows::new(tokens, bos, arguments.context as usize, most)
}

fn predictor(engine: Engine, arguments: &PerplexityArgs) -> anyhow::Result<EnginePredictor> {
    EnginePredictor::new(engine, arguments.context as usize).context("--context")
}

fn file_name(path: &Path) -> String {
    Source::File(path.to_owned()).name()
}

fn print(format: Format, subject: Subject<'_>, measured: &Measurement) -> anyhow::Result<Ending> {
    let Some(report) = Report::new(subject, measured) else {
        eprintln!("interrupted before the first token was scored");
        return Ok(Ending::Interrupted);
    };
    match format {
        Format::Text => print!("{}", report.text()),
        Format::Json => println!("{}", report.json()?),
    }
    Ok(if report.is_partial() {
        Ending::Interrupted
    } else {
        Ending::Complete
    })
}
