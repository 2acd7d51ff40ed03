//! What handlers share: settings from start, the model once it is loaded, the queue, the status.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use serde_json::Value;
use sysinfer_engine::EngineInfo;

use crate::constraint::Grammars;
use crate::cors::Origins;
use crate::error::ApiError;
use crate::intake::Intake;
use crate::keys::Keys;
use crate::metrics::{Metrics, Now};
use crate::observe::AccessLog;
use crate::prompt::PromptEncoder;
use crate::prompt::text::TextEncoder;
use crate::rate::{Rate, Tuned, watch};
use crate::scheduler::{Meters, Queue};
use crate::validate::Defaults;

/// Known before the model is loaded.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the model in the API.
    pub model_name: String,
    /// Accepted keys.
    pub api_keys: Arc<Keys>,
    /// For requests that say nothing.
    pub defaults: Defaults,
    /// Unix time of the start, in seconds.
    pub created: u64,
    /// Requests that may wait.
    pub queue_limit: usize,
    /// Pages of other sites that may use the API in a browser.
    pub origins: Origins,
    /// Largest body of a request, bytes.
    pub max_body_bytes: usize,
    /// Where each request leaves a line.
    pub access_log: Option<AccessLog>,
}

/// Known when the model is loaded.
pub struct ServedModel {
    /// Conversation to tokens.
    pub prompt: Arc<dyn PromptEncoder>,
    /// Other texts to tokens, and back.
    pub text: Arc<dyn TextEncoder>,
    /// The vocabulary, for answers of a form; `None` where it cannot be used.
    pub grammars: Option<Grammars>,
    /// Tokens that prompt and answer may have together.
    pub context_tokens: usize,
    /// Jobs that the engine works on at once at most.
    pub parallel: usize,
    /// What decode steps take when tuned.
    pub tuned: Tuned,
    /// Token ids are below this.
    pub vocabulary_size: usize,
    /// The model's facts, as Ollama's clients ask for them.
    pub facts: ModelFacts,
    /// What `GET /props` shows of model and plan.
    pub props: Value,
}

/// What kind of model is served.
#[derive(Clone, Debug, Default)]
pub struct ModelFacts {
    /// Architecture, for example `llama`.
    pub architecture: String,
    /// Block type of most weights and what differs.
    pub quantisation: String,
    /// Weights.
    pub parameters: u64,
    /// Their bytes.
    pub weight_bytes: u64,
    /// Positions that the model was made for.
    pub context_length: usize,
    /// Width of the residual stream.
    pub embedding_length: usize,
    /// The shape in one word.
    pub fingerprint: String,
}

impl From<&EngineInfo> for ModelFacts {
    fn from(info: &EngineInfo) -> Self {
        Self {
            architecture: info.architecture.clone(),
            quantisation: info.quantisation.clone(),
            parameters: info.parameters,
            weight_bytes: info.weight_bytes,
            context_length: info.context_length,
            embedding_length: info.embedding_length,
            fingerprint: info.fingerprint.clone(),
        }
    }
}

/// Whether requests can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// The model is being loaded.
    Loading,
    /// Requests are served.
    Ready,
    /// The server is stopping: running requests finish, new ones are refused.
    Draining,
    /// The same, and nobody waits for running requests any more; the process is about to end.
    CutOff,
    /// The engine is gone; the process is about to end.
    Failed,
}

impl Status {
    /// All of them.
    const ALL: [Self; 5] = [
        Self::Loading,
        Self::Ready,
        Self::Draining,
        Self::CutOff,
        Self::Failed,
    ];

    /// Its name in labels.
    fn name(self) -> &'static str {
        match self {
            Status::Loading => "loading",
            Status::Ready => "ready",
            Status::Draining => "draining",
            Status::CutOff => "cut_off",
            Status::Failed => "failed",
        }
    }
}

/// Shared by all handlers and the engine thread.
pub struct ServerState {
    /// Known before the model is loaded.
    pub settings: Settings,
    /// Jobs on their way to the engine.
    pub queue: Queue,
    /// Room for bodies, and permits to turn them into prompts.
    pub intake: Intake,
    /// What `GET /metrics` shows.
    pub metrics: Arc<Metrics>,
    /// How fast answers are decoded.
    pub rate: Arc<Rate>,
    model: OnceLock<ServedModel>,
    status: AtomicU8,
}

impl ServerState {
    /// A server that is loading.
    pub fn new(settings: Settings) -> Arc<Self> {
        let statuses = Status::ALL.map(Status::name);
        let metrics = Metrics::new(&settings.model_name, settings.queue_limit, &statuses);
        let rate = Rate::default();
        let queue = Queue::new(settings.queue_limit).measured_by(Meters {
            jobs: Arc::clone(metrics.jobs()),
            steps: metrics.steps().clone(),
            tally: Arc::clone(rate.tally()),
        });
        let status = AtomicU8::new(Status::Loading as u8);
        Arc::new(Self {
            settings,
            queue,
            intake: Intake::default(),
            metrics: Arc::new(metrics),
            rate: Arc::new(rate),
            model: OnceLock::new(),
            status,
        })
    }

    /// The model is there: serves requests from now on, unless the server is stopping already.
    pub fn set_ready(&self, model: ServedModel) {
        let (kind, quantisation) = (&model.facts.architecture, &model.facts.quantisation);
        let (context, parallel) = (model.context_tokens, model.parallel);
        self.metrics.loaded(kind, quantisation, context, parallel);
        self.rate.begin(model.tuned.clone());
        if self.model.set(model).is_ok() {
            let (from, to) = (Status::Loading as u8, Status::Ready as u8);
            // Fails only when draining or failed came first, which must stand.
            let _ = self
                .status
                .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire);
        }
    }

    /// Refuses new requests; those that wait or run are finished.
    pub fn set_draining(&self) {
        self.status.store(Status::Draining as u8, Ordering::Release);
        self.queue.close();
    }

    /// Ends all requests with an error, because the time for them is over.
    pub fn set_cut_off(&self) {
        self.status.store(Status::CutOff as u8, Ordering::Release);
        self.queue.cut_off();
    }

    /// Ends all requests with an error, because the engine is gone.
    pub fn set_failed(&self) {
        self.status.store(Status::Failed as u8, Ordering::Release);
        self.queue.abandon();
    }

    /// What can be expected now.
    pub fn status(&self) -> Status {
        let now = self.status.load(Ordering::Acquire);
        (Status::ALL.into_iter())
            .find(|status| *status as u8 == now)
            .unwrap_or(Status::Failed)
    }

    /// Starts the thread that keeps [`Self::rate`] and [`Self::metrics`] up to date, on `spare` CPUs if there are any.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn watch_rate(&self, spare: Vec<usize>) -> std::io::Result<()> {
        let metrics = Arc::clone(&self.metrics);
        let upkeep = Box::new(move || metrics.upkeep());
        watch::start(Arc::clone(&self.rate), upkeep, spare)
    }

    /// What `GET /metrics` shows now.
    pub fn metrics_text(&self) -> String {
        self.metrics.text(&Now {
            waiting: self.queue.len(),
            status: self.status().name(),
            rate: self.rate.now(),
        })
    }

    /// The model, if requests are served.
    ///
    /// # Errors
    /// 503 with the reason.
    pub fn ready(&self) -> Result<&ServedModel, ApiError> {
        let reason = match (self.status(), self.model.get()) {
            (Status::Ready, Some(model)) => return Ok(model),
            (Status::Ready | Status::Loading, _) => "the model is being loaded",
            (Status::Draining | Status::CutOff, _) => "the server is stopping",
            (Status::Failed, _) => "the engine has stopped",
        };
        Err(ApiError::unavailable(reason))
    }
}
