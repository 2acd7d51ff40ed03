//! Which chat template a model is served with: the one given at start, else the file's own, else the
//! built-in one that fits its vocabulary.

use std::path::Path;

use sysinfer_engine::{Engine, Tokenizer};

use super::load_error::LoadError;
use crate::prompt::builtin;
use crate::prompt::encode::TemplateSource;
use crate::prompt::sandbox::process::{Program, TemplateProcesses};
use crate::prompt::template::TokenTexts;

/// Longest chat template file that is read.
const LONGEST_TEMPLATE_BYTES: u64 = 1 << 20;

/// What `--chat-template` names.
pub(super) enum Given {
    /// A built-in one, which may depend on the vocabulary.
    Name(String),
    /// The text of a file.
    File(TemplateSource),
}

/// Reads the template that `--chat-template` names, and finds what is wrong with it before the model
/// is loaded.
pub(super) fn given(name: &str, renderer: Program) -> Result<Given, LoadError> {
    if builtin::is_name(name) {
        return Ok(Given::Name(name.into()));
    }
    let failed = |problem: String| LoadError::TemplateFile {
        name: name.into(),
        problem,
    };
    let path = Path::new(name);
    let length = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?;
    if !length.is_file() || length.len() > LONGEST_TEMPLATE_BYTES {
        return Err(failed(format!(
            "not a file of at most {LONGEST_TEMPLATE_BYTES} bytes"
        )));
    }
    let source = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let origin = format!("the chat template {name}");
    // Compiled where it will be rendered: one that nests too deep ends that process, not this one.
    TemplateProcesses::start(&source, &origin, TokenTexts::default(), renderer)?;
    Ok(Given::File(TemplateSource::Text { source, origin }))
}

/// The tokens that begin a turn and are known by their ids: those of the built-in template that is
/// served, or of the one that the architecture has, which a template of the file writes by name.
pub(super) fn turns(template: &TemplateSource, architecture: &str) -> Vec<u32> {
    let builtin = match template {
        TemplateSource::Builtin(builtin) => Some(*builtin),
        TemplateSource::Text { .. } => builtin::named(architecture, &|_| false),
    };
    let roles = builtin.and_then(|builtin| builtin.role_tokens);
    roles.map_or_else(Vec::new, |roles| vec![roles.user, roles.assistant])
}

/// The template that is served.
pub(super) fn chosen(
    given: Option<Given>,
    engine: &Engine,
    tokenizer: &Tokenizer,
) -> TemplateSource {
    let count = u32::try_from(tokenizer.vocabulary_size()).unwrap_or(u32::MAX);
    let has_token = |text: &str| (0..count).any(|token| tokenizer.token_text(token) == text);
    let name = match given {
        Some(Given::File(source)) => return source,
        Some(Given::Name(name)) => Some(name),
        None => None,
    };
    if let Some(builtin) = name.and_then(|name| builtin::named(&name, &has_token)) {
        return TemplateSource::Builtin(builtin);
    }
    if let Some(source) = engine.chat_template() {
        return TemplateSource::Text {
            source: source.to_string(),
            origin: "the chat template in the model file".to_string(),
        };
    }
    TemplateSource::Builtin(builtin::likely(&builtin::Model {
        architecture: &engine.info().architecture,
        name: &engine.info().name,
        has_token: &has_token,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_of_baichuan_are_known_whichever_template_is_served() {
        let builtin =
            |name| TemplateSource::Builtin(builtin::named(name, &|_| false).expect("one of ours"));
        let own = TemplateSource::Text {
            source: String::new(),
            origin: String::new(),
        };
        let cases = [
            (builtin("baichuan"), "baichuan", vec![195, 196]),
            (builtin("baichuan"), "llama", vec![195, 196]),
            (own.clone(), "baichuan", vec![195, 196]),
            (own, "llama", vec![]),
            (builtin("chatml"), "llama", vec![]),
            (builtin("chatml"), "baichuan", vec![]),
        ];
        for (template, architecture, wanted) in cases {
            assert_eq!(turns(&template, architecture), wanted, "{architecture}");
        }
    }
}
