//! The server's side of rendering in other processes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::running::{Failure, Running};
use super::wire::{self, Setup};
use crate::prompt::template::{TemplateError, TokenTexts};
use crate::prompt::{Conversation, PromptError};

pub use super::running::Program;

/// A template that is rendered in other processes. Each conversation has one to itself, so that none waits
/// while another is rendered; there are as many as callers were at once.
#[derive(Debug)]
pub struct TemplateProcesses {
    program: Program,
    /// The frame that every new process is sent first.
    setup: Vec<u8>,
    /// Processes that render nothing now.
    idle: Mutex<Vec<Running>>,
}

impl TemplateProcesses {
    /// Starts a process and has it compile `source`; `origin` names it in errors.
    ///
    /// # Errors
    /// [`TemplateError`] when the template does not compile, within its limits of time and memory, or
    /// when there is no process.
    pub fn start(
        source: &str,
        origin: &str,
        tokens: TokenTexts,
        program: Program,
    ) -> Result<Self, TemplateError> {
        let setup = wire::frame(&Setup {
            source: source.to_owned(),
            origin: origin.to_owned(),
            tokens,
        });
        let broken = |problem: String| TemplateError::Broken {
            origin: origin.to_owned(),
            problem,
        };
        let setup = setup.map_err(|error| broken(error.to_string()))?;
        let running = program.run(&setup).map_err(|failure| match failure {
            // Compiling names the origin itself.
            Failure::Refused(message) => TemplateError::Refused(message),
            Failure::NoProcess(problem) | Failure::Killed(problem) => TemplateError::NoProcess {
                origin: origin.to_owned(),
                problem,
            },
            failure => broken(failure.to_string()),
        })?;
        Ok(Self {
            program,
            setup,
            idle: Mutex::new(vec![running]),
        })
    }

    /// Renders a conversation; once more, in a new process, where somebody else has ended the first.
    ///
    /// # Errors
    /// [`PromptError::Template`] with what the template said, or that it took too much;
    /// [`PromptError::NoRenderer`] and [`PromptError::RendererEnded`] when there is no process.
    pub fn render(&self, conversation: &Conversation) -> Result<String, PromptError> {
        let request = wire::frame(conversation);
        let request = request.map_err(|error| PromptError::Template(error.to_string()))?;
        let rendered = match self.render_once(&request) {
            Err(Failure::Killed(how) | Failure::NoProcess(how)) => {
                tracing::warn!("a process that renders chat templates is lost ({how})");
                self.render_once(&request)
            }
            rendered => rendered,
        };
        rendered.map_err(|failure| match failure {
            Failure::NoProcess(problem) => PromptError::NoRenderer(problem),
            Failure::Killed(how) => PromptError::RendererEnded(how),
            failure => PromptError::Template(failure.to_string()),
        })
    }

    fn render_once(&self, request: &[u8]) -> Result<String, Failure> {
        let mut running = match self.take_idle() {
            Some(running) => running,
            None => self.program.run(&self.setup)?,
        };
        let rendered = running.ask(request, self.program.deadline);
        if matches!(rendered, Ok(_) | Err(Failure::Refused(_))) {
            self.idle().push(running);
        }
        // Any other is dropped, which ends it.
        rendered
    }

    /// A process that goes on. What ended while it rendered nothing was no template's doing.
    fn take_idle(&self) -> Option<Running> {
        loop {
            let mut running = self.idle().pop()?;
            if running.is_alive() {
                return Some(running);
            }
            tracing::warn!("a process that renders chat templates was ended; another is started");
        }
    }

    /// Nothing panics while it holds the lock.
    fn idle(&self) -> MutexGuard<'_, Vec<Running>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
