//! What a body says of its answers.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::api::take::{Fields, Named};
use crate::error::ApiError;

/// What a request says of its answer, whatever it answers.
#[derive(Debug, Default)]
pub struct Answer {
    /// Answer piece by piece.
    pub stream: bool,
    /// What a stream carries besides text.
    pub stream_options: StreamOptions,
    /// Most tokens.
    pub max_tokens: Named<i64>,
    /// Fewest tokens.
    pub min_tokens: Named<i64>,
    /// Generate past the model's end tokens.
    pub ignore_eos: bool,
    /// How tokens are drawn.
    pub sampling: WireSampling,
    /// Texts that end it.
    pub stop: Vec<String>,
    /// Tokens that end it.
    pub stop_token_ids: Vec<i64>,
    /// The tokens that it is made of; `None`: all.
    pub allowed_token_ids: Option<Vec<i64>>,
    /// Leave control tokens out of the text. `None`: yes.
    pub skip_special_tokens: Option<bool>,
    /// Number of answers.
    pub n: Named<i64>,
    /// Number of answers of which the best are returned.
    pub best_of: Option<i64>,
}

/// `stream_options`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct StreamOptions {
    /// Send a last chunk with the token counts.
    #[serde(default)]
    pub include_usage: Option<bool>,
    /// Send the token counts so far with every chunk.
    #[serde(default)]
    pub continuous_usage_stats: Option<bool>,
}

/// Sampling fields, as numbers of any size.
#[derive(Debug, Default)]
pub struct WireSampling {
    /// 0 to 2; 0 is greedy.
    pub temperature: Option<f64>,
    /// 0 to 1.
    pub top_p: Option<f64>,
    /// -1 or 0: off.
    pub top_k: Option<i64>,
    /// 0 to 1.
    pub min_p: Option<f64>,
    /// Above 0; 1 is off.
    pub repetition_penalty: Named<f64>,
    /// How many tokens back the penalties look; -1: to the beginning.
    pub repeat_last_n: Option<i64>,
    /// -2 to 2.
    pub presence_penalty: Option<f64>,
    /// -2 to 2.
    pub frequency_penalty: Option<f64>,
    /// Token id (as text) to bias.
    pub logit_bias: Map<String, Value>,
    /// Makes draws repeatable.
    pub seed: Option<i64>,
}

/// Names of the most tokens of an answer, the one that counts first: OpenAI's new and old one and that of
/// the Responses API, those of llama-server, Ollama, and TGI.
const MOST_TOKENS: [&str; 6] = [
    "max_completion_tokens",
    "max_tokens",
    "max_output_tokens",
    "n_predict",
    "num_predict",
    "max_new_tokens",
];

/// Of these names, those by which -1 and -2 mean as many as there can be.
const UNBOUNDED: [&str; 2] = ["n_predict", "num_predict"];

impl Answer {
    pub(super) fn take(fields: &mut Fields) -> Result<Self, ApiError> {
        // The name is echoed from our side whatever is asked, but it should be a name.
        fields.take::<String>("model")?;
        let mut max_tokens: Named<i64> = fields.first(&MOST_TOKENS)?;
        let unbounded = UNBOUNDED.contains(&max_tokens.name);
        max_tokens.value =
            (max_tokens.value).filter(|most| !(unbounded && [-1, -2].contains(most)));
        Ok(Self {
            stream: fields.flag("stream")?,
            stream_options: fields.take("stream_options")?.unwrap_or_default(),
            max_tokens,
            min_tokens: fields.either(&["min_tokens", "min_new_tokens"])?,
            ignore_eos: fields.flag("ignore_eos")?,
            sampling: sampling(fields)?,
            stop: fields.texts("stop")?,
            stop_token_ids: fields.take("stop_token_ids")?.unwrap_or_default(),
            allowed_token_ids: fields.take("allowed_token_ids")?,
            skip_special_tokens: fields.take("skip_special_tokens")?,
            n: fields.either(&["n", "n_cmpl"])?,
            best_of: fields.take("best_of")?,
        })
    }
}

fn sampling(fields: &mut Fields) -> Result<WireSampling, ApiError> {
    Ok(WireSampling {
        temperature: fields.take("temperature")?,
        top_p: fields.take("top_p")?,
        top_k: fields.take("top_k")?,
        min_p: fields.take("min_p")?,
        repetition_penalty: fields.either(&["repetition_penalty", "repeat_penalty"])?,
        repeat_last_n: fields.take("repeat_last_n")?,
        presence_penalty: fields.take("presence_penalty")?,
        frequency_penalty: fields.take("frequency_penalty")?,
        logit_bias: fields.take("logit_bias")?.unwrap_or_default(),
        seed: fields.take("seed")?,
    })
}
