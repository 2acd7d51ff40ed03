//! Whose turn it is on a connection: the client's, to send a request or to go on with one, or ours.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderValue, Request, Response, header};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use super::client::Client;

/// What is known of a connection, told by its socket and by the bodies of its requests and answers. All of
/// them are polled by the one task of the connection.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// A request has come that is not answered to its end.
    answering: AtomicBool,
    /// Its handler waits for more of it.
    wants_body: AtomicBool,
    /// There is more of it than its handler has read.
    unread: AtomicBool,
    /// The client does not take what is written.
    unsent: AtomicBool,
    /// Something has come from the client since anybody asked.
    heard: AtomicBool,
}

impl Turn {
    /// Whether all that happens next on this connection is up to its client.
    pub(super) fn is_clients(&self) -> bool {
        let waits = !get(&self.answering) || get(&self.wants_body);
        waits && !get(&self.unsent)
    }

    /// Whether something has come from the client since this was last asked.
    pub(super) fn take_heard(&self) -> bool {
        self.heard.swap(false, Ordering::Relaxed)
    }

    pub(super) fn was_heard(&self) {
        set(&self.heard, true);
    }

    pub(super) fn has_unsent(&self, unsent: bool) {
        set(&self.unsent, unsent);
    }
}

fn get(fact: &AtomicBool) -> bool {
    fact.load(Ordering::Relaxed)
}

fn set(fact: &AtomicBool, is: bool) {
    fact.store(is, Ordering::Relaxed);
}

/// `app` as the service of the connection of one client, which tells `turn` of its requests.
pub(super) fn service(
    app: Router,
    client: Client,
    turn: Arc<Turn>,
) -> impl Service<Request<Incoming>, Response = Response<AnswerBody>, Error = Infallible, Future: Send>
{
    let app = TowerToHyperService::new(app);
    hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(client);
        let answering = Answering::new(Arc::clone(&turn));
        let turn = Arc::clone(&turn);
        set(&turn.unread, !request.body().is_end_stream());
        let answer = app.call(request.map(|body| RequestBody { body, turn }));
        async move {
            let mut answer = answer.await?;
            // Whether or not the whole request was read, nobody reads on.
            set(&answering.0.wants_body, false);
            if get(&answering.0.unread) {
                // Then hyper ends the connection, and a client that was not told would send its next request
                // into the end.
                let close = HeaderValue::from_static("close");
                answer.headers_mut().insert(header::CONNECTION, close);
            }
            Ok(answer.map(|body| AnswerBody {
                body,
                _answering: answering,
            }))
        }
    })
}

/// From the head of a request to the end of its answer.
struct Answering(Arc<Turn>);

impl Answering {
    fn new(turn: Arc<Turn>) -> Self {
        set(&turn.answering, true);
        Self(turn)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        set(&self.0.answering, false);
        set(&self.0.wants_body, false);
    }
}

/// The body of a request.
struct RequestBody {
    body: Incoming,
    turn: Arc<Turn>,
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        set(&self.turn.wants_body, frame.is_pending());
        if matches!(frame, Poll::Ready(None)) || self.body.is_end_stream() {
            set(&self.turn.unread, false);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer.
pub(super) struct AnswerBody {
    body: Body,
    _answering: Answering,
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
