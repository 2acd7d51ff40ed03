//! One process that renders: how it is started, what it is sent, and why it ended.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sysinfer_machine::Runner;

use super::wire::{self, Answer};
use super::{ARGUMENT, NO_THREAD};

/// The exit code by which shells, and a `posix_spawn` that is emulated, say that there is no such program.
const NOT_EXECUTED: i32 = 127;

/// Longest time from closed pipes to the end of a process; on a busy host it waits for a CPU.
const TIME_TO_END: Duration = Duration::from_secs(5);

/// How the rendering process is started and how long it may take.
#[derive(Clone, Debug)]
pub struct Program {
    /// A program that runs [`super::child::run`] when it is given these arguments.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// What stands before it.
    pub runner: Runner,
    /// Longest time until it says that it is there, before a template is sent to it.
    pub start: Duration,
    /// Longest time for compiling a template, or for rendering a conversation.
    pub deadline: Duration,
}

impl Program {
    /// This program once more, whatever has become of its file; with a runner, for which
    /// `/proc/self/exe` would be the runner itself, what has its name.
    pub fn this(runner: Runner) -> Self {
        let named = if runner.is_none() {
            None
        } else {
            std::env::current_exe().ok()
        };
        let path = named.unwrap_or_else(|| "/proc/self/exe".into());
        Self {
            path,
            arguments: vec![ARGUMENT.into()],
            runner,
            // Milliseconds, but the engine's threads may be on every CPU, and an emulator reads the whole
            // program first.
            start: Duration::from_secs(20),
            // Templates take milliseconds too.
            deadline: Duration::from_secs(5),
        }
    }

    /// Starts it and has it compile the template of `setup`.
    pub(super) fn run(&self, setup: &[u8]) -> Result<Running, Failure> {
        Running::start(self, setup).map_err(|failure| match failure {
            Failure::NoProcess(problem) => {
                let path = self.path.display();
                Failure::NoProcess(match self.runner.is_none() {
                    true => format!("{path}: {problem}"),
                    false => format!("{path} by {}: {problem}", self.runner),
                })
            }
            failure => failure,
        })
    }
}

/// Why the other process gave no text. The text is for the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    #[error("{0}")]
    Refused(String),
    #[error("it took more than {} ms and was stopped", .0.as_millis())]
    TooSlow(Duration),
    #[error("the process that renders it ended ({0}); it nests too deep or takes too much memory")]
    Ended(String),
    /// Not the template's doing: a signal that no program brings on itself.
    #[error("{0}")]
    Killed(String),
    /// Nor is this.
    #[error("{0}")]
    NoProcess(String),
}

/// A process and the thread that reads its answers.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    input: ChildStdin,
    answers: Receiver<io::Result<Answer>>,
}

impl Running {
    pub(super) fn start(program: &Program, setup: &[u8]) -> Result<Self, Failure> {
        let none = |error: io::Error| Failure::NoProcess(error.to_string());
        let mut child = program
            .runner
            .command(&program.path)
            .args(&program.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // All it could say is that its stack is exhausted.
            .stderr(Stdio::null())
            .spawn()
            .map_err(none)?;
        let (Some(input), Some(mut output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure::NoProcess("it has no pipes".to_owned()));
        };
        let (send, answers) = sync_channel(1);
        let mut running = Self {
            child,
            input,
            answers,
        };
        let read = move || {
            loop {
                let answer = wire::read(&mut output);
                let is_last = answer.is_err();
                if send.send(answer).is_err() || is_last {
                    break;
                }
            }
        };
        let reader = std::thread::Builder::new().name("sysinfer-template".into());
        reader.spawn(read).map_err(none)?;
        running.wait_for_start(program.start)?;
        running.ask(setup, program.deadline)?;
        Ok(running)
    }

    /// Waits for its first word. Nothing that happens until then is the doing of a template, which it
    /// has not seen.
    fn wait_for_start(&mut self, limit: Duration) -> Result<(), Failure> {
        let answer = self.answer(limit);
        answer.map(drop).map_err(|failure| match failure {
            Failure::TooSlow(limit) => {
                let milliseconds = limit.as_millis();
                Failure::NoProcess(format!("it said nothing for {milliseconds} ms"))
            }
            Failure::Ended(status) | Failure::Killed(status) => {
                Failure::NoProcess(format!("it ended before it answered ({status})"))
            }
            failure => failure,
        })
    }

    /// Whether it goes on, as far as can be told without asking it.
    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a frame and waits for the answer.
    pub(super) fn ask(&mut self, frame: &[u8], deadline: Duration) -> Result<String, Failure> {
        let sent = self
            .input
            .write_all(frame)
            .and_then(|()| self.input.flush());
        if sent.is_err() {
            return Err(self.ended());
        }
        self.answer(deadline)
    }

    fn answer(&mut self, limit: Duration) -> Result<String, Failure> {
        match self.answers.recv_timeout(limit) {
            Ok(Ok(answer)) => answer.map_err(Failure::Refused),
            Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => Err(self.ended()),
            Err(RecvTimeoutError::Timeout) => Err(Failure::TooSlow(limit)),
        }
    }

    fn ended(&mut self) -> Failure {
        match self.status() {
            Ok(None) => Failure::NoProcess("it closed its pipes and did not end".to_owned()),
            // Whatever a template does ends it by a signal, and so does the system where memory is out.
            Ok(Some(status)) => match status.code() {
                Some(NO_THREAD) => Failure::NoProcess(
                    "it is allowed no thread, or not the memory for its stack of 256 MiB"
                        .to_owned(),
                ),
                Some(NOT_EXECUTED) => {
                    Failure::NoProcess(format!("it cannot be executed ({status})"))
                }
                Some(_) => Failure::NoProcess(format!("it ended before it answered ({status})")),
                None if is_own_doing(status) => Failure::Ended(status.to_string()),
                None => Failure::Killed(status.to_string()),
            },
            Err(error) => Failure::NoProcess(error.to_string()),
        }
    }

    /// How it ended, which is some time after its pipes were closed; nothing if it goes on.
    ///
    /// It is not killed here: a signal of ours would hide the status that says why it ended.
    fn status(&mut self) -> io::Result<Option<ExitStatus>> {
        let closed = Instant::now();
        loop {
            let status = self.child.try_wait()?;
            if status.is_some() || closed.elapsed() > TIME_TO_END {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Whether the signal that ended a process is one that its own stack, memory or instructions raise.
fn is_own_doing(status: ExitStatus) -> bool {
    let raised = [
        Signal::SEGV,
        Signal::BUS,
        Signal::ABORT,
        Signal::ILL,
        Signal::FPE,
        Signal::TRAP,
        Signal::SYS,
    ];
    let signal = status.signal();
    raised.iter().any(|raised| Some(raised.as_raw()) == signal)
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; either way it must be waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
