//! One request: a connection of its own, the answer's events with their times, or why there is none.

use std::future::Future;
use std::io;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::address::Address;
use super::chunk::{self, Part, Said, Usage};
use super::events::EventParser;

/// A connection that takes longer does not come about.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Pieces of one answer; more are no answer to what was asked.
const MOST_PIECES: usize = 1 << 20;
/// Of a body that is not streamed, as much is read.
const BODY_LIMIT_BYTES: usize = 1 << 20;

/// A way to the server; tests have one that stays in memory.
pub trait Connect: Clone + Send + Sync + 'static {
    /// The connection.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Opens a connection.
    fn connect(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// TCP to a host and port.
#[derive(Clone, Debug)]
pub struct Tcp {
    host: String,
    port: u16,
}

impl Tcp {
    /// To the server of this address.
    pub fn new(address: &Address) -> Self {
        Self {
            host: address.host.clone(),
            port: address.port,
        }
    }
}

impl Connect for Tcp {
    type Stream = TcpStream;

    async fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// An answer as it came. Times count from the moment that the caller gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// When each event with output came, ascending; never empty.
    pub pieces: Vec<Duration>,
    /// When the stream ended.
    pub end: Duration,
    /// The server's own count of tokens.
    pub usage: Option<Usage>,
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No connection.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// An error status, with the server's words.
    #[error("status {0}: {1}")]
    Status(u16, String),
    /// No end within the time limit.
    #[error("no end within the time limit")]
    Timeout,
    /// The connection or the stream ended before the answer did.
    #[error("the stream broke: {0}")]
    Broken(String),
    /// An error object within the stream.
    #[error("error in the stream: {0}")]
    InStream(String),
    /// What came is not an answer of this API.
    #[error("not an answer of this API: {0}")]
    Malformed(String),
    /// The answer has no output.
    #[error("the answer has no output")]
    Empty,
}

impl Failure {
    /// The kind under which failures are counted.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Connect(_) => "no connection",
            Self::Status(429, _) => "429 too many requests",
            Self::Status(500..=599, _) => "5xx server error",
            Self::Status(..) => "other status",
            Self::Timeout => "timeout",
            Self::Broken(_) => "broken stream",
            Self::InStream(_) => "error in stream",
            Self::Malformed(_) => "malformed",
            Self::Empty => "empty answer",
        }
    }
}

/// Asks one server.
#[derive(Clone, Debug)]
pub struct Client<C> {
    /// The way there.
    pub connector: C,
    /// Host header and root path.
    pub address: Address,
    /// `Bearer KEY`.
    pub authorization: Option<HeaderValue>,
    /// Of a whole request.
    pub timeout: Duration,
}

/// A connection and the task that drives it, which ends with this value.
struct Exchange {
    response: Response<Incoming>,
    _driver: JoinSet<()>,
}

impl<C: Connect> Client<C> {
    /// Posts `body` and follows the stream to its end. Times count from `since`, which may lie before
    /// the call; the time limit counts from the call.
    ///
    /// # Errors
    /// Every [`Failure`].
    pub async fn stream(
        &self,
        path: &str,
        body: Vec<u8>,
        since: Instant,
    ) -> Result<Answer, Failure> {
        let answer = async {
            let exchange = self.send(Method::POST, path, body).await?;
            let is_stream = exchange.response.headers().get(header::CONTENT_TYPE);
            let is_stream = is_stream.and_then(|value| value.to_str().ok());
            if !is_stream.is_some_and(|value| value.starts_with("text/event-stream")) {
                let problem = "it is not streamed (no content-type text/event-stream)";
                return Err(Failure::Malformed(problem.into()));
            }
            follow(exchange, since).await
        };
        let limited = tokio::time::timeout(self.timeout, answer).await;
        limited.unwrap_or(Err(Failure::Timeout))
    }

    /// The first model that the server lists.
    ///
    /// # Errors
    /// Every [`Failure`].
    pub async fn first_model(&self) -> Result<String, Failure> {
        let answer = async {
            let exchange = self.send(Method::GET, "/models", Vec::new()).await?;
            let body = Limited::new(exchange.response.into_body(), BODY_LIMIT_BYTES)
                .collect()
                .await;
            let body = body
                .map_err(|error| Failure::Broken(error.to_string()))?
                .to_bytes();
            let list: Value = serde_json::from_slice(&body)
                .map_err(|error| Failure::Malformed(format!("the list of models: {error}")))?;
            let name = list.pointer("/data/0/id").and_then(Value::as_str);
            name.map(str::to_owned)
                .ok_or_else(|| Failure::Malformed("the list of models is empty".into()))
        };
        let limited = tokio::time::timeout(self.timeout, answer).await;
        limited.unwrap_or(Err(Failure::Timeout))
    }

    async fn send(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Exchange, Failure> {
        let connecting = tokio::time::timeout(CONNECT_LIMIT, self.connector.connect()).await;
        let stream = match connecting {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(Failure::Connect(error.to_string())),
            Err(_) => return Err(Failure::Connect("no answer within 5 s".into())),
        };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Failure::Connect(error.to_string()))?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // A connection that breaks shows in the response.
            let _ = connection.await;
        });
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.address.root))
            .header(header::HOST, &self.address.authority)
            .header(header::CONNECTION, "close")
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| Failure::Malformed(error.to_string()))?;
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| Failure::Broken(said(&error)))?;
        if response.status().is_success() {
            Ok(Exchange {
                response,
                _driver: driver,
            })
        } else {
            Err(refusal(response).await)
        }
    }
}

/// The status and what the body says about it.
async fn refusal(response: Response<Incoming>) -> Failure {
    let status = response.status();
    let body = Limited::new(response.into_body(), BODY_LIMIT_BYTES)
        .collect()
        .await;
    // A status is worth reporting without its words, too.
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    let text = match serde_json::from_slice::<Value>(&body) {
        Ok(value) => chunk::error_text(&value),
        Err(_) => chunk::shortened(&String::from_utf8_lossy(&body)),
    };
    let text = if text.is_empty() {
        status.canonical_reason().unwrap_or("no reason").into()
    } else {
        text
    };
    Failure::Status(status.as_u16(), text)
}

/// Reads events until `[DONE]` or the end of the body.
async fn follow(exchange: Exchange, since: Instant) -> Result<Answer, Failure> {
    let Exchange { response, _driver } = exchange;
    let mut body = response.into_body();
    let (mut parser, mut events) = (EventParser::default(), Vec::new());
    let mut reading = Reading::default();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::Broken(said(&error)))?;
        let now = since.elapsed();
        let Some(bytes) = frame.data_ref() else {
            continue;
        };
        let pushed = parser.push(bytes, &mut events);
        pushed.map_err(|error| Failure::Malformed(error.to_string()))?;
        if reading.take(&mut events, now)? {
            return reading.end(now);
        }
    }
    parser.finish(&mut events);
    let now = since.elapsed();
    let done = reading.take(&mut events, now)?;
    if !done && !reading.finished {
        return Err(Failure::Broken(
            "it ended without a finish reason and without [DONE]".into(),
        ));
    }
    reading.end(now)
}

/// An answer on its way.
#[derive(Default)]
struct Reading {
    answer: Answer,
    finished: bool,
}

impl Reading {
    /// Takes events that came at `now`; true at `[DONE]`.
    fn take(&mut self, events: &mut Vec<Vec<u8>>, now: Duration) -> Result<bool, Failure> {
        for data in events.drain(..) {
            match chunk::read(&data).map_err(Failure::Malformed)? {
                Said::Done => return Ok(true),
                Said::Error(message) => return Err(Failure::InStream(message)),
                Said::Chunk(part) => self.add(part, now)?,
            }
        }
        Ok(false)
    }

    fn add(&mut self, part: Part, now: Duration) -> Result<(), Failure> {
        if part.has_output {
            if self.answer.pieces.len() >= MOST_PIECES {
                return Err(Failure::Malformed(format!(
                    "it has more than {MOST_PIECES} pieces"
                )));
            }
            self.answer.pieces.push(now);
        }
        self.finished |= part.is_last;
        self.answer.usage = part.usage.or(self.answer.usage);
        Ok(())
    }

    fn end(mut self, now: Duration) -> Result<Answer, Failure> {
        if self.answer.pieces.is_empty() {
            return Err(Failure::Empty);
        }
        self.answer.end = now;
        Ok(self.answer)
    }
}

/// hyper's error with its cause, which it leaves out of its text.
fn said(error: &hyper::Error) -> String {
    let cause = std::error::Error::source(error);
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}
