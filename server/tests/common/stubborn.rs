//! A model that would say the same at every step. Its tokens are drawn as the engine draws them, so what it says
//! against its will is what a request made it say.

use std::sync::Arc;

use sysinfer_engine::Drafts;
use sysinfer_server::backend::answer::{Answer, Vocabulary};
use sysinfer_server::constraint::Grammars;
use sysinfer_server::scheduler::{Backend, BackendError, Event, Job, JobId, NotAdmitted};

use super::vocabulary::{END, tokenizer};
use super::{Options, Server};

/// So much likelier than the next one is what it likes better, that no temperature matters.
const STEP: f32 = 100.0;

pub(crate) struct Stubborn {
    vocabulary: Vocabulary,
    logits: Vec<f32>,
    live: Option<Answer>,
}

/// A server of a model that likes these characters in their order, then to end.
pub(crate) fn server(likes: &str) -> Server {
    let tokenizer = tokenizer();
    let size = tokenizer.vocabulary_size();
    let mut logits = vec![0.0; size];
    let byte = |byte: u8| 197 + usize::from(byte);
    let liked: Vec<usize> = likes.bytes().map(byte).chain([END as usize]).collect();
    for (rank, token) in liked.iter().rev().enumerate() {
        logits[*token] = STEP * (rank + 1) as f32;
    }
    let grammars = Grammars::new(&tokenizer, size, Some(END)).expect("it can say everything");
    let stubborn = Stubborn {
        vocabulary: Vocabulary::new(Arc::clone(&tokenizer), size, &[]),
        logits,
        live: None,
    };
    let options = Options {
        grammars: Some(grammars),
        ..Options::default()
    };
    Server::on(stubborn, options)
}

impl Backend for Stubborn {
    fn admit(&mut self, id: JobId, job: Job) -> Result<(), NotAdmitted> {
        if self.live.is_some() {
            return Err(NotAdmitted::Wait(Box::new(job)));
        }
        let Job::Answer(job) = job else {
            let error = BackendError("it has no vectors".into());
            return Err(NotAdmitted::Failed(error));
        };
        let answer = Answer::new(id, *job, 0, &self.vocabulary).map_err(NotAdmitted::Failed)?;
        self.live = Some(answer);
        Ok(())
    }

    fn step(&mut self, emit: &mut dyn FnMut(JobId, Event)) -> Result<(), BackendError> {
        if let Some(answer) = &mut self.live
            && answer.draw(&self.vocabulary, &self.logits, emit).over
        {
            answer.end(Drafts::default(), emit);
        }
        Ok(())
    }

    fn release(&mut self, _: JobId) {
        self.live = None;
    }
}
