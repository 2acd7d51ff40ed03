//! From a model file to a backend and what the HTTP side needs to know of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use sysinfer_engine::engine::pass_rows;
use sysinfer_engine::lookup::MAX_DRAFTED;
use sysinfer_engine::residency::Located;
use sysinfer_engine::{
    Engine, EngineInfo, LoadStep, Lookup, ModelFile, PhasePlan, Plan, Precision, Tokenizer,
};
use sysinfer_machine::{Runner, Topology, usable_memory_bytes};

use super::answer::Vocabulary;
use super::capacity::{Capacity, Needs, Wishes, context_tokens};
use super::engine::{EngineBackend, Limits};
use super::inspector::Inspector;
use super::load_error::LoadError;
use super::template_choice;
use crate::cli::LookupMode;
use crate::constraint::Grammars;
use crate::http_threads::{keep_on, spare_cpus};
use crate::plan_choice::compressed;
use crate::profile_use::Shown;
use crate::prompt::PromptEncoder;
use crate::prompt::encode::{ModelPrompt, TemplateSource};
use crate::prompt::sandbox::process::Program;
use crate::prompt::text::ModelText;
use crate::scheduler::compose::StepLimits;
use crate::serving::{Limit, MeasuredSteps, rows_and_time, steps_line};
use crate::state::{ModelFacts, ServedModel};
use crate::tools::ChatFormat;

/// Tokens whose memory is made ready before the first request; more becomes ready as it is used.
const STOCKED_TOKENS: usize = 1024;

/// What to load and how.
#[derive(Debug)]
pub struct LoadRequest {
    /// The name of the GGUF file.
    pub model: PathBuf,
    /// How to run it.
    pub plan: Plan,
    /// What may be rounded.
    pub precision: Precision,
    /// The host.
    pub topology: Topology,
    /// Whether tokens are drafted.
    pub lookup: LookupMode,
    /// How many requests of what length.
    pub capacity: Wishes,
    /// `--token-gap`.
    pub token_gap_ms: Limit<u32>,
    /// What steps took where the profile was made.
    pub measured: MeasuredSteps,
    /// `--chat-template`.
    pub chat_template: Option<String>,
    /// What starts the process that renders a template, see [`Program`].
    pub runner: Runner,
    /// The profile, and what becomes of it, for `/props`.
    pub profile: Option<Shown>,
    /// What was overridden, for `/props`.
    pub notes: Vec<String>,
}

/// A model that is ready to answer.
pub struct Loaded {
    /// For the worker.
    pub backend: EngineBackend,
    /// For the handlers.
    pub model: ServedModel,
    /// The model's facts.
    pub info: EngineInfo,
    /// Lines for the log: model, template, plan in force.
    pub summary: Vec<String>,
}

/// The vocabulary for answers of a form.
fn grammars(tokenizer: &Tokenizer, vocabulary_size: usize) -> Option<Grammars> {
    let grammars = Grammars::new(tokenizer, vocabulary_size, tokenizer.eos());
    let refused = |error| tracing::warn!("{error}; requests for them are refused");
    grammars.map_err(refused).ok()
}

/// Loads the model. Takes seconds to minutes.
///
/// # Errors
/// [`LoadError`], for the operator.
pub fn load(request: &LoadRequest) -> Result<Loaded, LoadError> {
    let file = ModelFile::open(&request.model)?;
    check_context(request, &file)?;
    let renderer = Program::this(request.runner.clone());
    let given = request.chat_template.as_deref();
    let given = given.map(|name| template_choice::given(name, renderer.clone()));
    let given = given.transpose()?;
    let mut tenth = 0;
    let mut progress = |step: LoadStep| log_progress(&step, &mut tenth);
    let mut plan = request.plan.clone();
    let asked = plan.memory.weights;
    let (weights, why) = file.storage(asked, usable_memory_bytes());
    plan.memory.weights = weights;
    let (precision, topology) = (request.precision, &request.topology);
    let mut engine = Engine::load(&file, plan, precision, topology, &mut progress)?;
    // Weights that are not packed keep the map that they are in.
    drop(file);
    // The team has its CPUs. What this thread starts from here on is not of the team.
    keep_on(&spare_cpus(engine.plan(), topology));
    let tokenizer = engine
        .tokenizer()
        .cloned()
        .ok_or_else(|| LoadError::NoTokenizer(request.model.clone()))?;
    for note in engine.notes() {
        tracing::warn!("{note}");
    }
    let info = engine.info().clone();
    let needs = Needs::from(&info);
    let capacity = Capacity::of(request.capacity, needs, usable_memory_bytes())?;
    engine.limit_cache(capacity.cache_tokens);
    engine.stock_cache(STOCKED_TOKENS.min(capacity.cache_tokens))?;
    let template = template_choice::chosen(given, &engine, &tokenizer);
    let prompt =
        ModelPrompt::guarded_by(renderer, &template, Arc::clone(&tokenizer), Timestamp::now)?;
    let steps = request.measured.of(&info.fingerprint);
    let memory = engine.residency().unwrap_or_else(|error| {
        tracing::info!("memory: the kernel does not say on which nodes it is: {error}");
        Vec::new()
    });
    for warning in memory.iter().filter_map(Located::warning) {
        tracing::warn!("memory: {warning}");
    }
    let props = props(request, &engine, capacity, &memory, &template);
    let mut summary = vec![
        format!(
            "model: {} ({}, {}, {:.2} GB of weights), made for {} tokens",
            info.name,
            info.architecture,
            info.quantisation,
            info.weight_bytes as f64 / 1e9,
            info.context_length
        ),
        format!(
            "keys and values: {}, {} bytes a token",
            request.precision.cache.name(),
            info.kv_bytes_per_position
        ),
        format!("chat template: {}", template.origin()),
        tools_line(prompt.format()),
        lookup_line(request.lookup),
    ];
    summary.extend(capacity.lines(request.capacity, needs));
    summary.push(gap_line(request.token_gap_ms));
    summary.push(steps_line(steps));
    summary.extend(why);
    summary.extend(plan_lines(engine.plan(), &engine.pins()));
    summary.extend(
        memory
            .iter()
            .map(|known| format!("memory: {}", known.words())),
    );
    let tuned = request.measured.tuned(&engine);
    let turns = template_choice::turns(&template, &info.architecture);
    let grammars = grammars(&tokenizer, info.vocabulary_size);
    let text = ModelText::from(Arc::clone(&tokenizer));
    let vocabulary = Vocabulary::new(tokenizer, info.vocabulary_size, &turns);
    let limits = Limits {
        parallel: capacity.parallel,
        step: StepLimits {
            rows: pass_rows(engine.plan()),
            gap: Duration::from_millis(request.token_gap_ms.value.into()),
        },
    };
    let lookup = lookup(request.lookup).beginning_with(steps.iter().map(rows_and_time));
    let backend = EngineBackend::new(engine, vocabulary, lookup, limits);
    let inspector = Inspector::start(request.model.clone(), request.precision.cache);
    let backend = backend.with_inspector(inspector);
    let vocabulary_size = info.vocabulary_size;
    let model = ServedModel {
        prompt: Arc::new(prompt),
        text: Arc::new(text),
        grammars,
        context_tokens: capacity.context_tokens,
        parallel: capacity.parallel,
        tuned,
        vocabulary_size,
        facts: ModelFacts::from(&info),
        props,
    };
    Ok(Loaded {
        backend,
        model,
        info,
        summary,
    })
}

/// One line per tenth, so that a log shows that loading goes on.
fn log_progress(step: &LoadStep, tenth: &mut u64) {
    let now = step
        .done_bytes
        .saturating_mul(10)
        .checked_div(step.total_bytes)
        .unwrap_or(0)
        .min(10);
    if now > *tenth {
        *tenth = now;
        tracing::info!(percent = now * 10, "loading: {}", step.what);
    }
}

/// Finds `--context` to be too long before minutes are spent on weights. What else is wrong with a
/// file is for the engine to say.
fn check_context(request: &LoadRequest, file: &ModelFile) -> Result<(), LoadError> {
    match file.config() {
        Ok(config) => context_tokens(request.capacity.context, config.context_length).map(drop),
        Err(_) => Ok(()),
    }
}

fn lookup(mode: LookupMode) -> Lookup {
    let start = Instant::now();
    let clock = Box::new(move || start.elapsed());
    match mode {
        LookupMode::Auto => Lookup::auto(clock),
        LookupMode::Off => Lookup::off(clock),
    }
}

fn lookup_line(mode: LookupMode) -> String {
    match mode {
        LookupMode::Auto => format!(
            "lookup: auto, up to {MAX_DRAFTED} tokens are drafted from what prompt and answer repeat, where that is measured to pay"
        ),
        LookupMode::Off => "lookup: off".into(),
    }
}

fn tools_line(format: &ChatFormat) -> String {
    let syntax = format.syntax.describe();
    match format.thinks {
        true => format!("tools: {syntax}; thoughts are told from answers"),
        false => format!("tools: {syntax}"),
    }
}

fn gap_line(gap: Limit<u32>) -> String {
    format!(
        "token gap: {} ms or three steps, the longer of them, while prompts are read ({})",
        gap.value, gap.source
    )
}

fn plan_lines(plan: &Plan, pins: &str) -> Vec<String> {
    let phase = |name: &str, phase: &PhasePlan| {
        let cpus = if phase.cpus.is_empty() {
            "no pinning".into()
        } else {
            format!("CPUs {}", compressed(&phase.cpus))
        };
        format!(
            "plan: {name}: {} threads, map {}, {cpus}",
            phase.threads, phase.map
        )
    };
    let mut lines = vec![
        phase("decode", &plan.decode),
        phase("prefill", &plan.prefill),
    ];
    for (block_type, kernel) in &plan.kernels {
        let named = |kernel: &Option<String>| kernel.clone().unwrap_or_else(|| "default".into());
        lines.push(format!(
            "plan: {block_type}: decode kernel {}, prefill kernel {}",
            named(&kernel.decode),
            named(&kernel.prefill)
        ));
    }
    lines.push(format!("pins: {pins}"));
    lines
}

fn props(
    request: &LoadRequest,
    engine: &Engine,
    capacity: Capacity,
    memory: &[Located],
    template: &TemplateSource,
) -> Value {
    let (info, plan) = (engine.info(), engine.plan());
    let phase = |phase: &PhasePlan| json!({"threads": phase.threads, "map": phase.map, "cpus": compressed(&phase.cpus)});
    json!({
        "model": {
            "path": request.model.display().to_string(),
            "name": info.name,
            "architecture": info.architecture,
            "quantisation": info.quantisation,
            "parameters": info.parameters,
            "weight_bytes": info.weight_bytes,
            "layers": info.layers,
            "embedding_length": info.embedding_length,
            "heads": info.heads,
            "kv_heads": info.kv_heads,
            "vocabulary_size": info.vocabulary_size,
            "context_length": info.context_length,
            "fingerprint": info.fingerprint,
        },
        "plan": {
            "decode": phase(&plan.decode),
            "prefill": phase(&plan.prefill),
            "kernels": plan.kernels,
            "blocking": plan.blocking,
            "memory": plan.memory,
            "pins": engine.pins(),
            // Where the plan comes from: null, if it is the default.
            "profile": request.profile.as_ref().filter(|shown| shown.applied).map(|shown| &shown.path),
            "notes": request.notes,
        },
        "profile": request.profile,
        // What lies where since the model was loaded; empty: the kernel does not say.
        "memory": memory.iter().map(|known| json!({
            "what": known.what,
            "wanted_node": known.wanted,
            "bytes_by_node": known.found.bytes,
            "absent_bytes": known.found.absent,
        })).collect::<Vec<_>>(),
        "serving": {
            "parallel": capacity.parallel,
            "context_tokens": capacity.context_tokens,
            "cache_tokens": capacity.cache_tokens,
            "token_gap_ms": request.token_gap_ms.value,
        },
        "cache_type": request.precision.cache.name(),
        "lookup": request.lookup.name(),
        "chat_template": template.origin(),
    })
}
