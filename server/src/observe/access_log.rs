//! [`AccessLog`]: a line of JSON for each request that is over, in a file or on standard output.
//!
//! A thread writes the lines, so that a slow disk makes no answer wait. Where it cannot keep up, lines are
//! dropped, and the log says how many.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

use super::line::Line;

/// Lines that may wait to be written: seconds of the busiest server, a few megabytes.
const LINES_WAITING: usize = 8192;

/// A disk that is full stays so for a while.
const BETWEEN_COMPLAINTS: Duration = Duration::from_secs(60);

/// Where lines go. Clones write to the same place.
#[derive(Clone, Debug)]
pub struct AccessLog {
    lines: NonBlocking,
    dropped: ErrorCounter,
    /// Lines that were dropped when it was last said.
    said: Arc<AtomicUsize>,
    reopen: Arc<AtomicBool>,
}

impl AccessLog {
    /// Appends to the file at `path`; `-` is standard output. What is still to be written when the guard is
    /// dropped is written then.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: &Path) -> io::Result<(Self, WorkerGuard)> {
        let reopen = Arc::new(AtomicBool::new(false));
        let target = match path.as_os_str() == "-" {
            true => Target::Output,
            false => Target::File {
                file: append_to(path)?,
                path: path.into(),
                reopen: Arc::clone(&reopen),
            },
        };
        let target = Patient {
            target,
            complained: None,
        };
        let (lines, guard) = NonBlockingBuilder::default()
            .buffered_lines_limit(LINES_WAITING)
            .thread_name("sysinfer-access-log")
            .finish(target);
        let log = Self {
            dropped: lines.error_counter(),
            lines,
            said: Arc::default(),
            reopen,
        };
        Ok((log, guard))
    }

    /// Opens the file again before the next line, since the old one was moved away.
    pub fn reopen(&self) {
        self.reopen.store(true, Ordering::Relaxed);
    }

    /// Writes a line.
    pub(super) fn write(&self, line: Line<'_>) {
        let Ok(mut text) = serde_json::to_vec(&line) else {
            tracing::error!("a line of the access log cannot be written as JSON");
            return;
        };
        text.push(b'\n');
        // It waits for nobody; what is dropped is counted.
        let _ = self.lines.clone().write_all(&text);
        let dropped = self.dropped.dropped_lines();
        if dropped > self.said.swap(dropped, Ordering::Relaxed) {
            tracing::warn!(
                "{dropped} lines of the access log were dropped so far: its disk is too slow"
            );
        }
    }
}

/// Readable by its owner and group: it has the addresses of clients.
fn append_to(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o640).open(path)
}

enum Target {
    Output,
    File {
        file: File,
        path: PathBuf,
        reopen: Arc<AtomicBool>,
    },
}

impl Target {
    fn write_all(&mut self, text: &[u8]) -> io::Result<()> {
        match self {
            Target::Output => {
                let mut output = io::stdout().lock();
                output.write_all(text).and_then(|()| output.flush())
            }
            Target::File { file, path, reopen } => {
                if reopen.swap(false, Ordering::Relaxed) {
                    match append_to(path) {
                        Ok(new) => *file = new,
                        Err(error) => tracing::error!(
                            %error,
                            "{} cannot be opened again: lines go to the old file",
                            path.display()
                        ),
                    }
                }
                file.write_all(text)
            }
        }
    }
}

/// A target whose failures are said once in a while, and end nothing.
struct Patient {
    target: Target,
    complained: Option<Instant>,
}

impl Write for Patient {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        if let Err(error) = self.target.write_all(text)
            && (self.complained).is_none_or(|last| last.elapsed() >= BETWEEN_COMPLAINTS)
        {
            self.complained = Some(Instant::now());
            tracing::error!(%error, "lines of the access log are lost: it cannot be written");
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
