//! A client's socket: it ends when nothing of what is written to it is taken for too long, and says when
//! the client has hung up, whatever is still to be read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::Shutdown;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep, timeout};

use super::turn::Turn;

/// Longest time for a client to take the end of an answer to a request that was not read to its end.
const LINGER: Duration = Duration::from_secs(2);

/// What HTTP reads from and writes to.
pub(super) struct Socket {
    stream: Arc<TcpStream>,
    turn: Arc<Turn>,
    write_timeout: Duration,
    /// Runs while what was last written has not been taken.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    /// A socket that fails when it takes nothing for `write_timeout`, and tells `turn` what happens.
    pub(super) fn new(stream: Arc<TcpStream>, turn: Arc<Turn>, write_timeout: Duration) -> Self {
        Self {
            stream,
            turn,
            write_timeout,
            stalled: None,
        }
    }

    /// Writes by `write` as soon as that is possible.
    fn poll_writing(
        &mut self,
        context: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            if self.stream.poll_write_ready(context)?.is_pending() {
                break;
            }
            match write(&self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => {
                    self.stalled = None;
                    self.turn.has_unsent(false);
                    return Poll::Ready(written);
                }
            }
        }
        self.turn.has_unsent(true);
        let limit = self.write_timeout;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(context))?;
            match self.stream.try_read(buffer.initialize_unfilled()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok(count) => {
                    buffer.advance(count);
                    self.turn.was_heard();
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut()
            .poll_writing(context, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut()
            .poll_writing(context, |stream| stream.try_write_vectored(pieces))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The system has what was written.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(rustix::net::shutdown(&self.stream, Shutdown::Write).map_err(Into::into))
    }
}

/// Completes when the client has closed its end, or the connection is lost. Bytes that nobody has read are
/// not in the way: a second request behind the one that is answered, or what should not be there. (The end
/// comes behind them, so it is seen if the system has room for them, some dozens of kilobytes at least.)
///
/// To close only the sending half is to hang up as well. Servers of this API take it for that, since a
/// client that has died cannot be told from it.
pub(super) async fn hung_up(stream: &TcpStream) {
    // Urgent data never comes, because nobody asked the system for it: what is left is the end.
    while let Ok(ready) = stream.ready(Interest::PRIORITY).await {
        if ready.is_read_closed() {
            return;
        }
    }
}

/// Reads, for a while, what a client still sends of a request that was answered without it, and forgets it:
/// if the socket were closed at once, the system would take the answer back.
pub(super) async fn linger(stream: &TcpStream) {
    let mut bytes = [0; 16 << 10];
    let to_the_end = async {
        while stream.readable().await.is_ok() {
            match stream.try_read(&mut bytes) {
                Ok(0) => return,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
                _ => {}
            }
        }
    };
    let _ = timeout(LINGER, to_the_end).await;
}
