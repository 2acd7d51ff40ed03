//! Ranges of numbers, with errors that name field, value and range.

use serde_json::{Map, Value};
use sysinfer_engine::SamplingOptions;

use crate::api::request::WireSampling;
use crate::error::ApiError;

/// Most entries of `logit_bias`: each costs time per token.
const MOST_BIASES: usize = 1024;

/// A number of tokens that must be at least 1.
pub(super) fn ceiling(name: &str, value: Option<i64>) -> Result<Option<usize>, ApiError> {
    match count(name, value)? {
        Some(0) => Err(ApiError::invalid_param(
            name,
            format!("{name} is 0; it must be at least 1"),
        )),
        checked => Ok(checked),
    }
}

/// A number that must not be negative.
pub(super) fn count(name: &str, value: Option<i64>) -> Result<Option<usize>, ApiError> {
    let Some(value) = value else { return Ok(None) };
    usize::try_from(value).map(Some).map_err(|_| {
        ApiError::invalid_param(name, format!("{name} is {value}; it must not be negative"))
    })
}

fn within(
    name: &str,
    value: Option<f64>,
    range: (f64, f64),
    default: f32,
) -> Result<f32, ApiError> {
    match value {
        None => Ok(default),
        Some(value) if (range.0..=range.1).contains(&value) => Ok(value as f32),
        Some(value) => {
            let message = format!(
                "{name} is {value}; it must be from {} to {}",
                range.0, range.1
            );
            Err(ApiError::invalid_param(name, message))
        }
    }
}

/// Sampling options in the ranges of OpenAI's and vLLM's documents.
pub(super) fn sampling(
    wire: &WireSampling,
    temperature: f32,
    vocabulary_size: usize,
) -> Result<SamplingOptions, ApiError> {
    let options = SamplingOptions {
        temperature: within("temperature", wire.temperature, (0.0, 2.0), temperature)?,
        top_k: top_k(wire.top_k)?,
        top_p: within("top_p", wire.top_p, (0.0, 1.0), 1.0)?,
        min_p: within("min_p", wire.min_p, (0.0, 1.0), 0.0)?,
        repetition_penalty: within(
            wire.repetition_penalty.name,
            wire.repetition_penalty.value,
            (0.01, 10.0),
            1.0,
        )?,
        presence_penalty: within("presence_penalty", wire.presence_penalty, (-2.0, 2.0), 0.0)?,
        frequency_penalty: within(
            "frequency_penalty",
            wire.frequency_penalty,
            (-2.0, 2.0),
            0.0,
        )?,
        logit_bias: logit_bias(&wire.logit_bias, vocabulary_size)?,
        // Any 64 bits make a seed; the sign is one of them.
        seed: wire.seed.map(i64::cast_unsigned),
    };
    check_reach(wire.repeat_last_n, &options)?;
    Ok(options)
}

/// Penalties look at prompt and answer as a whole; how far back they are to look matters where there are any.
fn check_reach(tokens: Option<i64>, options: &SamplingOptions) -> Result<(), ApiError> {
    let penalised = options.repetition_penalty != 1.0
        || options.presence_penalty != 0.0
        || options.frequency_penalty != 0.0;
    match tokens {
        Some(tokens) if tokens != -1 && penalised => {
            let message = format!(
                "repeat_last_n is {tokens}: penalties look at all tokens here; leave it out, set it to -1, or leave the penalties out"
            );
            Err(ApiError::unsupported("repeat_last_n", message))
        }
        _ => Ok(()),
    }
}

/// vLLM's clients say -1 for off, others 0.
fn top_k(value: Option<i64>) -> Result<usize, ApiError> {
    match value {
        None | Some(-1) => Ok(0),
        Some(value) => usize::try_from(value).map_err(|_| {
            ApiError::invalid_param(
                "top_k",
                format!("top_k is {value}; it must be -1 (off), 0 (off) or more"),
            )
        }),
    }
}

fn logit_bias(
    entries: &Map<String, Value>,
    vocabulary_size: usize,
) -> Result<Vec<(u32, f32)>, ApiError> {
    let wrong = |message: String| ApiError::invalid_param("logit_bias", message);
    if entries.len() > MOST_BIASES {
        return Err(wrong(format!(
            "logit_bias has {} entries; at most {MOST_BIASES} are allowed",
            entries.len()
        )));
    }
    let entry = |(key, value): (&String, &Value)| {
        let token = key
            .parse::<u32>()
            .ok()
            .filter(|token| (*token as usize) < vocabulary_size);
        let token = token.ok_or_else(|| {
            wrong(format!(
                "logit_bias: \"{key}\" is no token id; ids are from 0 to {}",
                vocabulary_size.saturating_sub(1)
            ))
        })?;
        let bias = value
            .as_f64()
            .filter(|bias| (-100.0..=100.0).contains(bias));
        let bias = bias.ok_or_else(|| {
            wrong(format!(
                "logit_bias of token {token} is {value}; it must be a number from -100 to 100"
            ))
        })?;
        Ok((token, bias as f32))
    };
    entries.iter().map(entry).collect()
}
