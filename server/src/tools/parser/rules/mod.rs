//! What calls look like, syntax by syntax.

mod form;
mod functionary;
mod hermes;
mod llama3;
mod mistral;

pub(super) use form::{Head, Opening, Rules, Tail, Undecided};

use crate::tools::format::Syntax;

/// The rules of a syntax.
pub(super) fn rules(syntax: Syntax) -> &'static dyn Rules {
    match syntax {
        Syntax::Hermes | Syntax::Generic => &hermes::Hermes,
        Syntax::Llama3 => &llama3::Llama3,
        Syntax::MistralList | Syntax::MistralArgs { .. } => &mistral::Mistral,
        Syntax::Functionary31 => &functionary::V31,
        Syntax::Functionary32 => &functionary::V32,
    }
}
