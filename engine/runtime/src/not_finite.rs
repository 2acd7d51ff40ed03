//! Values that are not finite in logits or hidden states, where they end an answer.

/// A row of logits that has a value which is not finite: no token can be drawn from it, since the value may
/// be that of the token that should have been. Or hidden states that have one: their mean means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the model's logits or hidden states are not finite numbers, so there is no answer: its file is damaged, \
     or its values are beyond the range of the computation; sysinfer-tune check MODEL.gguf tells which"
)]
pub struct NotFinite;
