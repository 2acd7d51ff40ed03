//! Following an answer through its form.

use llguidance::Matcher;

use crate::scheduler::{BackendError, Guide, TokenSet};

/// llguidance at some place of an answer.
pub struct Follow(Matcher);

impl Follow {
    pub(super) fn new(matcher: Matcher) -> Follow {
        Follow(matcher)
    }

    /// The same place in the same form, for another answer. Both find out together how the form reads text,
    /// which takes most of the memory.
    pub fn begun(&self) -> Follow {
        Follow(self.0.clone())
    }
}

impl Guide for Follow {
    fn allows(&mut self, token: u32) -> Result<bool, BackendError> {
        let valid = self.0.validate_tokens(&[token]).map_err(costly)?;
        Ok(valid == 1)
    }

    fn may_end(&mut self) -> Result<bool, BackendError> {
        self.0.is_accepting().map_err(costly)
    }

    fn allowed(&mut self) -> Result<TokenSet, BackendError> {
        let mask = self.0.compute_mask_or_eos().map_err(costly)?;
        Ok(TokenSet(mask.as_slice().to_vec()))
    }

    fn take(&mut self, token: u32) -> Result<(), BackendError> {
        self.0.consume_token(token).map_err(costly)
    }

    fn is_complete(&self) -> bool {
        self.0.is_stopped() && !self.0.is_error()
    }
}

/// What a form may come to in the middle of an answer, however it was checked before: llguidance bounds the work
/// for a token and the memory of all.
fn costly(error: impl std::fmt::Display) -> BackendError {
    BackendError(format!(
        "the form that was asked for took too much work in the middle of the answer; make it simpler ({})",
        error.to_string().lines().next().unwrap_or_default()
    ))
}
