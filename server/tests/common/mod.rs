//! A server on a scripted backend: every test says what the engine does, step by step.
#![allow(dead_code, reason = "each test file uses its part of this module")]

pub(crate) mod metrics;
pub(crate) mod stubborn;
pub(crate) mod vocabulary;

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sysinfer_engine::kv::CacheUse;
use sysinfer_engine::tokenizer::TooManyTokens;
use sysinfer_engine::{Drafts, NotFinite};
use sysinfer_server::app::app;
use sysinfer_server::backend::stop::StopMatcher;
use sysinfer_server::connections::{Limits, Service};
use sysinfer_server::constraint::Grammars;
use sysinfer_server::cors::Origins;
use sysinfer_server::keys::Keys;
use sysinfer_server::observe::AccessLog;
use sysinfer_server::prompt::text::{Reading, TextEncoder};
use sysinfer_server::prompt::{Conversation, PromptEncoder, PromptError};
use sysinfer_server::rate::Tuned;
use sysinfer_server::scheduler::{
    Backend, BackendError, Embedded, Event, Finish, FinishReason, Job, JobId, Logprob, NotAdmitted,
    StepReport, TokenLogprobs, ValidInputs, ValidJob, worker,
};
use sysinfer_server::state::{ModelFacts, ServedModel, ServerState, Settings};
use sysinfer_server::tools::format::ChatFormat;
use sysinfer_server::validate::Defaults;
use tower::ServiceExt;

/// Tokens of the words that make the scripted engine misbehave.
const PANIC: u32 = 1;
const FAIL: u32 = 2;
const THINK: u32 = 4;
const OTHER: u32 = 10;
/// Begins a text.
const BEGIN: u32 = 3;

pub(crate) const CONTEXT_TOKENS: usize = 4096;

/// One token per word.
pub(crate) struct Words;

/// The same with the format of a template, and prompts that end in open thoughts if they end in "think".
pub(crate) struct Formatted(pub(crate) ChatFormat);

impl Formatted {
    pub(crate) fn like(template: &str) -> Arc<dyn PromptEncoder> {
        Arc::new(Self(ChatFormat::of(template, &|_| None)))
    }
}

impl PromptEncoder for Formatted {
    fn encode(&self, conversation: &Conversation, most: usize) -> Result<Vec<u32>, PromptError> {
        PromptEncoder::encode(&Words, conversation, most)
    }

    fn render(&self, conversation: &Conversation) -> Result<String, PromptError> {
        Words.render(conversation)
    }

    fn format(&self) -> &ChatFormat {
        &self.0
    }

    fn opens_thoughts(&self, tokens: &[u32]) -> bool {
        tokens.last() == Some(&THINK)
    }
}

impl PromptEncoder for Words {
    fn encode(&self, conversation: &Conversation, _: usize) -> Result<Vec<u32>, PromptError> {
        let words = contents(conversation).flat_map(str::split_whitespace);
        Ok(words.map(token).collect())
    }

    fn render(&self, conversation: &Conversation) -> Result<String, PromptError> {
        Ok(contents(conversation).fold(String::new(), |text, content| text + content + "|"))
    }
}

/// A word of a text is a token, and a token's text is its id.
impl TextEncoder for Words {
    fn encode(&self, text: &str, reading: Reading, most: usize) -> Result<Vec<u32>, TooManyTokens> {
        let begin = reading.begins.then_some(BEGIN);
        let words = text.split_whitespace().map(token);
        let tokens: Vec<u32> = begin.into_iter().chain(words).collect();
        match tokens.len() {
            at_least if at_least > most => Err(TooManyTokens { at_least }),
            _ => Ok(tokens),
        }
    }

    fn decode(&self, tokens: &[u32]) -> String {
        tokens.iter().map(|token| format!("<{token}>")).collect()
    }

    fn piece(&self, token: u32) -> Vec<u8> {
        match token {
            BEGIN => vec![0xFF],
            token => format!("<{token}>").into_bytes(),
        }
    }
}

fn token(word: &str) -> u32 {
    match word {
        "panic" => PANIC,
        "fail" => FAIL,
        "think" => THINK,
        _ => OTHER,
    }
}

/// Texts, and texts of parts.
fn contents(conversation: &Conversation) -> impl Iterator<Item = &str> {
    let messages = conversation.messages.iter();
    messages.flat_map(|message| match &message.fields["content"] {
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part["text"].as_str())
            .collect(),
        content => Vec::from_iter(content.as_str()),
    })
}

/// What the tests see of the engine.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) admitted: usize,
    pub(crate) released: usize,
    pub(crate) steps: usize,
}

/// Values of a vector.
pub(crate) const WIDTH: usize = 3;

/// The vector of a text before it is scaled: its first token, how many there are, and 1.
fn vector(tokens: &[u32]) -> Vec<f32> {
    vec![tokens[0] as f32, tokens.len() as f32, 1.0]
}

/// Says `pieces` one per step, whatever it is asked, and nothing where there are none; embeds one input per
/// step. Waits for a permit before each step if gated.
struct Scripted {
    pieces: Vec<&'static str>,
    permits: Option<Receiver<()>>,
    seen: Arc<Mutex<Seen>>,
    live: Option<(JobId, ValidJob, StopMatcher, usize)>,
    reading: Option<(JobId, ValidInputs, usize)>,
    report: Option<StepReport>,
}

/// What a step of the scripted engine takes, as it says itself.
pub(crate) const STEP_TIME: Duration = Duration::from_millis(10);

/// Of a prompt all tokens but one are computed.
fn read(tokens: usize) -> StepReport {
    StepReport {
        prompt_rows: tokens,
        took: STEP_TIME,
        ..StepReport::default()
    }
}

impl Backend for Scripted {
    fn admit(&mut self, id: JobId, job: Job) -> Result<(), NotAdmitted> {
        if self.live.is_some() || self.reading.is_some() {
            return Err(NotAdmitted::Wait(Box::new(job)));
        }
        self.seen.lock().unwrap().admitted += 1;
        match job {
            Job::Embeddings(inputs) => self.reading = Some((id, inputs, 0)),
            Job::Answer(job) => {
                let stop = StopMatcher::new(job.limits().stop.clone());
                self.live = Some((id, *job, stop, 0));
            }
        }
        Ok(())
    }

    fn step(&mut self, emit: &mut dyn FnMut(JobId, Event)) -> Result<(), BackendError> {
        if let Some(permits) = &self.permits {
            // All permits are given once the test has dropped its end.
            let _ = permits.recv();
        }
        self.seen.lock().unwrap().steps += 1;
        if let Some((id, inputs, done)) = &mut self.reading {
            self.report = Some(read(inputs.all()[*done].len()));
            *done += 1;
            match inputs.all()[*done - 1].last() {
                Some(&PANIC) => panic!("as the test asked"),
                Some(&FAIL) => return Err(BackendError("as the test asked".into())),
                Some(&THINK) => emit(*id, Event::NotFinite(NotFinite)),
                _ if *done < inputs.all().len() => {}
                _ => {
                    let embedded = Embedded {
                        means: inputs.all().iter().map(|input| vector(input)).collect(),
                        prompt_tokens: inputs.tokens(),
                        time: Duration::ZERO,
                    };
                    emit(*id, Event::Embedded(embedded));
                }
            }
            return Ok(());
        }
        let Some((id, job, stop, said)) = &mut self.live else {
            return Ok(());
        };
        let length = job.prompt().len();
        self.report = Some(match *said {
            0 => StepReport {
                queried_tokens: length,
                cached_tokens: length.min(1),
                generated_tokens: 1,
                ..read(length - length.min(1))
            },
            said => StepReport {
                answers: 1,
                context_tokens: length + said,
                generated_tokens: 1,
                took: STEP_TIME,
                ..StepReport::default()
            },
        });
        if *said == 1 {
            match job.prompt()[0] {
                PANIC => panic!("as the test asked"),
                FAIL => return Err(BackendError("as the test asked".into())),
                _ => {}
            }
        }
        let Some(piece) = self.pieces.get(*said) else {
            // The first token ends the answer.
            let end = finish(FinishReason::Stop, job.prompt().len(), 1);
            emit(*id, Event::Finished(end));
            return Ok(());
        };
        *said += 1;
        let mut passed = stop.push(piece);
        let reason = if passed.stopped || *said == self.pieces.len() {
            Some(FinishReason::Stop)
        } else if *said == job.limits().max_tokens {
            Some(FinishReason::Length)
        } else {
            None
        };
        if reason.is_some() && !passed.stopped {
            passed.text += &stop.flush();
        }
        let entry = |text: &str, logprob| Logprob {
            bytes: text.as_bytes().to_vec(),
            logprob,
        };
        let logprobs = job.top_logprobs().map(|count| TokenLogprobs {
            chosen: entry(piece, -0.5),
            top: vec![entry(piece, f32::NEG_INFINITY); count],
        });
        emit(
            *id,
            Event::Text {
                text: passed.text,
                logprobs,
            },
        );
        let Some(reason) = reason else {
            return Ok(());
        };
        emit(
            *id,
            Event::Finished(finish(reason, job.prompt().len(), *said)),
        );
        Ok(())
    }

    fn release(&mut self, _: JobId) {
        self.live = None;
        self.reading = None;
        self.seen.lock().unwrap().released += 1;
    }

    fn report(&self) -> Option<StepReport> {
        self.report
    }

    fn cache_use(&self) -> Option<CacheUse> {
        let live = usize::from(self.live.is_some());
        let (limit, kept) = (4, 2);
        Some(CacheUse { limit, live, kept })
    }
}

fn finish(reason: FinishReason, prompt_tokens: usize, completion_tokens: usize) -> Finish {
    Finish {
        reason,
        prompt_tokens,
        cached_tokens: 0,
        completion_tokens,
        drafts: Drafts::default(),
        prefill_time: Duration::ZERO,
        decode_time: Duration::ZERO,
    }
}

/// A server under test.
pub(crate) struct Server {
    pub(crate) state: Arc<ServerState>,
    pub(crate) seen: Arc<Mutex<Seen>>,
    pub(crate) permits: Option<Sender<()>>,
    pub(crate) worker: JoinHandle<()>,
}

pub(crate) struct Options {
    pub(crate) pieces: Vec<&'static str>,
    pub(crate) gated: bool,
    pub(crate) queue_limit: usize,
    pub(crate) api_keys: Vec<String>,
    pub(crate) api_key_file: Option<PathBuf>,
    pub(crate) origins: Origins,
    pub(crate) access_log: Option<AccessLog>,
    pub(crate) ready: bool,
    pub(crate) prompt: Arc<dyn PromptEncoder>,
    pub(crate) grammars: Option<Grammars>,
    pub(crate) tuned: Tuned,
}

impl Default for Options {
    fn default() -> Self {
        let pieces = vec!["Hel", "lo", " wor", "ld", "!"];
        Self {
            pieces,
            gated: false,
            queue_limit: 4,
            api_keys: Vec::new(),
            api_key_file: None,
            origins: Origins::Any,
            access_log: None,
            ready: true,
            prompt: Arc::new(Words),
            grammars: None,
            tuned: Tuned::default(),
        }
    }
}

impl Server {
    pub(crate) fn start(mut options: Options) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (sender, receiver) = channel();
        let backend = Scripted {
            pieces: std::mem::take(&mut options.pieces),
            permits: options.gated.then_some(receiver),
            seen: Arc::clone(&seen),
            live: None,
            reading: None,
            report: None,
        };
        let permits = options.gated.then_some(sender);
        Self {
            seen,
            permits,
            ..Self::on(backend, options)
        }
    }

    /// A server on another backend than the scripted one, of which nothing is seen.
    pub(crate) fn on(mut backend: impl Backend + 'static, options: Options) -> Self {
        let state = ServerState::new(Settings {
            model_name: "test/model".into(),
            api_keys: Arc::new(Keys::new(options.api_keys, options.api_key_file).unwrap()),
            defaults: Defaults {
                temperature: 0.0,
                max_tokens: 4096,
            },
            created: 1_700_000_000,
            queue_limit: options.queue_limit,
            origins: options.origins,
            max_body_bytes: 8 << 20,
            access_log: options.access_log,
        });
        if options.ready {
            state.set_ready(ServedModel {
                prompt: options.prompt,
                text: Arc::new(Words),
                grammars: options.grammars,
                context_tokens: CONTEXT_TOKENS,
                parallel: 1,
                tuned: options.tuned,
                vocabulary_size: 100,
                facts: ModelFacts {
                    architecture: "llama".into(),
                    quantisation: "Q4_0".into(),
                    parameters: 1_500_000_000,
                    embedding_length: WIDTH,
                    ..ModelFacts::default()
                },
                props: json!({"plan": {"threads": 2}}),
            });
        }
        let worker = {
            let state = Arc::clone(&state);
            std::thread::spawn(move || worker::run(&mut backend, &state.queue))
        };
        Self {
            state,
            seen: Arc::default(),
            permits: None,
            worker,
        }
    }

    pub(crate) fn app(&self) -> Router {
        app(Arc::clone(&self.state))
    }

    /// The same for every connection, unencrypted.
    pub(crate) fn service(&self, limits: Limits) -> Service {
        Service {
            app: self.app(),
            limits,
            tls: None,
        }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.app().oneshot(request).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Response<Body> {
        self.send(post(path, &body)).await
    }

    pub(crate) async fn chat(&self, body: Value) -> Response<Body> {
        self.send(chat_request(&body.to_string())).await
    }

    /// Lets the engine take `count` steps.
    pub(crate) fn allow(&self, count: usize) {
        for _ in 0..count {
            self.permits.as_ref().unwrap().send(()).unwrap();
        }
    }

    /// Waits until the engine was seen to do what is asked; a minute without is a failure.
    pub(crate) async fn until(&self, reached: impl Fn(&Seen) -> bool) {
        for _ in 0..6000 {
            if reached(&self.seen.lock().unwrap()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never reached; seen: {:?}", self.seen.lock().unwrap());
    }
}

pub(crate) fn chat_request(body: &str) -> Request<Body> {
    request("/v1/chat/completions", body)
}

pub(crate) fn post(path: &str, body: &Value) -> Request<Body> {
    request(path, &body.to_string())
}

fn request(path: &str, body: &str) -> Request<Body> {
    Request::post(path)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

pub(crate) fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

/// A conversation of one message, with more fields.
pub(crate) fn ask(text: &str, fields: Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": text}]});
    body.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    body
}

pub(crate) async fn text(response: Response<Body>) -> String {
    String::from_utf8(
        response
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .to_vec(),
    )
    .unwrap()
}

pub(crate) async fn body(response: Response<Body>) -> Value {
    serde_json::from_str(&text(response).await).unwrap()
}

/// The data of each event of a stream; comments are left out.
pub(crate) fn events(stream: &str) -> Vec<String> {
    let data = |event: &str| event.strip_prefix("data: ").map(str::to_string);
    stream.split("\n\n").filter_map(data).collect()
}
