//! Values that are not finite in logits, where they end an answer.

/// A row of logits that has a value which is not finite. No token can be drawn from it: the value may be
/// that of the token that should have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the model's logits are not finite numbers, so there is no next token: its file is damaged, or its \
     values are beyond the range of the computation; sysinfer-tune check MODEL.gguf tells which"
)]
pub struct NotFinite;
