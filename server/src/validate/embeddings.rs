//! Requests for embeddings.

use serde_json::{Map, Value};
use sysinfer_engine::tokenizer::TooManyTokens;

use super::COUNTED_CONTEXTS;
use super::tokens::valid_ids;
use crate::api::embeddings::EmbeddingApi;
use crate::api::fields::{On, survey};
use crate::api::request::{EmbeddingRequest, Encoding, WirePrompt};
use crate::error::ApiError;
use crate::prompt::text::{Reading, TextEncoder};
use crate::scheduler::ValidInputs;
use crate::scheduler::inputs::InputError;

/// Most inputs of a request: OpenAI's limit.
const MOST_INPUTS: usize = 2048;

/// Most tokens of an input that is cut to the context: it takes memory and time in proportion to all of them.
const MOST_CUT_TOKENS: usize = 1 << 18;

/// What whoever sends ids that there are not should know.
const OTHER_TOKENIZER: &str = "these are ids of this model's own tokens; a client that sends those of another \
     tokenizer, as LangChain's OpenAIEmbeddings does (cl100k), must send texts: check_embedding_ctx_length=False";

/// How vectors are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VectorForm {
    /// Scaled to length 1.
    pub normalized: bool,
    /// How they are written.
    pub encoding: Encoding,
}

/// A request for embeddings whose values are in range, before its inputs are tokens.
#[derive(Clone, Debug)]
pub struct CheckedEmbeddings {
    /// How vectors are wanted.
    pub form: VectorForm,
    field: &'static str,
    inputs: Vec<WirePrompt>,
    reading: Reading,
    truncates: bool,
    vocabulary_size: usize,
}

/// Checks a body for a model that is `width` wide; `None` if nothing is asked for, where the API has that.
///
/// # Errors
/// A 400 that names the field.
pub fn check_embeddings(
    body: Map<String, Value>,
    api: EmbeddingApi,
    vocabulary_size: usize,
    width: usize,
) -> Result<Option<CheckedEmbeddings>, ApiError> {
    survey(&body, On::Embeddings)?;
    let request = EmbeddingRequest::from_object(body)?;
    let (field, inputs) = (request.field, request.inputs);
    if request.encoding == Encoding::Base64 && api != EmbeddingApi::OpenAi {
        let message = "encoding_format: this API has numbers only; use /v1/embeddings";
        return Err(ApiError::unsupported("encoding_format", message));
    }
    if let Some(asked) = request.dimensions.filter(|asked| *asked != width as i64) {
        let message = format!(
            "dimensions is {asked}: vectors of this model have {width} values and are not cut; leave it out"
        );
        return Err(ApiError::unsupported("dimensions", message));
    }
    let nothing = matches!(&inputs[..], [] | [WirePrompt::Text(_)])
        && inputs.iter().all(WirePrompt::is_empty);
    if nothing && api.loads() {
        return Ok(None);
    }
    if inputs.is_empty() {
        let message = format!("{field} is missing or empty; send a text, or a list of them");
        return Err(ApiError::invalid_param(field, message));
    }
    let most = match api {
        EmbeddingApi::OllamaOld => 1,
        _ => MOST_INPUTS,
    };
    if inputs.len() > most {
        let count = inputs.len();
        let message = format!(
            "{field} has {count} texts; at most {most} may be sent here; send fewer at once"
        );
        return Err(ApiError::invalid_param(field, message));
    }
    let empty = inputs.iter().position(WirePrompt::is_empty);
    if let Some(message) = empty.map(|number| is_empty(field, number)) {
        return Err(ApiError::invalid_param(field, message));
    }
    Ok(Some(CheckedEmbeddings {
        form: VectorForm {
            normalized: request.normalize.unwrap_or(api.normalizes()),
            encoding: request.encoding,
        },
        field,
        inputs,
        reading: Reading {
            begins: request.add_special_tokens.unwrap_or(true),
            // As with all texts that are read without a chat template.
            reads_specials: true,
        },
        truncates: request.truncate.unwrap_or(api.truncates()),
        vocabulary_size,
    }))
}

impl CheckedEmbeddings {
    /// Tokenises the inputs. Takes milliseconds for long ones: not for an asynchronous thread.
    ///
    /// # Errors
    /// A 400: an input does not fit `context_tokens`, has no tokens, or has ids that there are not.
    pub fn into_inputs(
        self,
        text: &dyn TextEncoder,
        context_tokens: usize,
    ) -> Result<ValidInputs, ApiError> {
        let counted = context_tokens.saturating_mul(COUNTED_CONTEXTS);
        let most = match self.truncates {
            true => counted.max(MOST_CUT_TOKENS),
            false => counted,
        };
        let field = self.field;
        let tokens = |(number, input): (usize, &WirePrompt)| {
            let mut tokens = match input {
                WirePrompt::Tokens(ids) => {
                    let ids: Vec<i64> = ids.iter().map(|id| i64::from(*id)).collect();
                    valid_ids(field, &ids, self.vocabulary_size).map_err(of_another_tokenizer)?
                }
                WirePrompt::Text(input) => {
                    let tokens = text.encode(input, self.reading, most);
                    tokens.map_err(|TooManyTokens { at_least }| {
                        let has = format!("at least {at_least}");
                        too_long(field, number, &has, context_tokens)
                    })?
                }
            };
            if self.truncates {
                tokens.truncate(context_tokens);
            }
            Ok(tokens)
        };
        let inputs = self.inputs.iter().enumerate().map(tokens);
        let inputs = inputs.collect::<Result<Vec<_>, ApiError>>()?;
        ValidInputs::new(inputs, context_tokens).map_err(|error| match error {
            InputError::NoInputs => ApiError::invalid_param(field, format!("{field} is empty")),
            InputError::Empty { number } => ApiError::invalid_param(field, is_empty(field, number)),
            InputError::TooLong { number, tokens } => {
                too_long(field, number, &tokens.to_string(), context_tokens)
            }
        })
    }
}

fn is_empty(field: &str, number: usize) -> String {
    format!("{field}[{number}] is empty, and nothing has no embedding; leave it out")
}

fn too_long(field: &str, number: usize, tokens: &str, context_tokens: usize) -> ApiError {
    let message = format!(
        "{field}[{number}] has {tokens} tokens and the context holds {context_tokens}; send it in parts, or cut \
         it with truncate: true"
    );
    ApiError::context_length(field, message)
}

fn of_another_tokenizer(error: ApiError) -> ApiError {
    error.with_hint(OTHER_TOKENIZER)
}
