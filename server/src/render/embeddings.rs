//! Vectors of texts, in the form of each API.

use std::time::Instant;

use axum::Json;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::nanoseconds;
use super::no_answer::NoAnswer;
use crate::api::embeddings::{
    Embedding, EmbeddingApi, EmbeddingList, EmbeddingUsage, Means, Vector,
};
use crate::api::ollama::response::{Embeddings, OneEmbedding};
use crate::api::request::Encoding;
use crate::error::ApiError;
use crate::observe::GenerationLog;
use crate::scheduler::{Embedded, Event, Events};
use crate::validate::VectorForm;

/// Waits for the means of a request's inputs. Dropping the future cancels it.
///
/// # Errors
/// 500 when the engine fails, 503 when the server stops first.
pub async fn embedded(mut events: Events, mut log: GenerationLog) -> Result<Embedded, ApiError> {
    match events.next().await {
        Some(Event::Embedded(embedded)) => {
            log.embedded(&embedded);
            Ok(embedded)
        }
        event => Err(NoAnswer::of(event).logged(&mut log)),
    }
}

/// The vectors of a request.
#[derive(Debug)]
pub struct Vectors {
    embedded: Embedded,
    encoding: Encoding,
    api: EmbeddingApi,
    /// The served name.
    model: String,
}

impl Vectors {
    /// The means themselves.
    pub fn new(embedded: Embedded, api: EmbeddingApi, model: String) -> Self {
        Self {
            embedded,
            encoding: Encoding::Float,
            api,
            model,
        }
    }

    /// The same as they were asked for.
    #[must_use]
    pub fn in_form(mut self, form: VectorForm) -> Self {
        self.encoding = form.encoding;
        if form.normalized {
            self.embedded.means.iter_mut().for_each(|mean| scale(mean));
        }
        self
    }

    /// The answer to a request that arrived at `began`.
    pub fn response(self, began: Instant) -> Response {
        let Embedded {
            means,
            prompt_tokens,
            ..
        } = self.embedded;
        match self.api {
            EmbeddingApi::OpenAi => Json(EmbeddingList {
                object: "list",
                data: means
                    .into_iter()
                    .enumerate()
                    .map(|(index, mean)| Embedding {
                        object: "embedding",
                        index,
                        embedding: written(mean, self.encoding),
                    })
                    .collect(),
                model: &self.model,
                usage: EmbeddingUsage {
                    prompt_tokens,
                    total_tokens: prompt_tokens,
                },
            })
            .into_response(),
            EmbeddingApi::Tei => Json(Means(means)).into_response(),
            EmbeddingApi::Ollama => Json(Embeddings {
                model: &self.model,
                embeddings: means,
                total_duration: nanoseconds(began.elapsed()),
                load_duration: 0,
                prompt_eval_count: prompt_tokens,
            })
            .into_response(),
            EmbeddingApi::OllamaOld => {
                let embedding = means.into_iter().next().unwrap_or_default();
                Json(OneEmbedding { embedding }).into_response()
            }
        }
    }
}

/// Scales a vector to length 1. One of zeros has no direction and stays.
fn scale(vector: &mut [f32]) {
    let squares: f64 = vector.iter().map(|value| f64::from(*value).powi(2)).sum();
    let length = squares.sqrt();
    if length > 0.0 {
        let scaled = |value: f32| (f64::from(value) / length) as f32;
        vector.iter_mut().for_each(|value| *value = scaled(*value));
    }
}

fn written(vector: Vec<f32>, encoding: Encoding) -> Vector {
    match encoding {
        Encoding::Float => Vector::Float(vector),
        Encoding::Base64 => {
            let bytes: Vec<u8> = vector
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect();
            Vector::Base64(STANDARD.encode(bytes))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(vector: &[f32]) -> f64 {
        let squares: f64 = vector.iter().map(|value| f64::from(*value).powi(2)).sum();
        squares.sqrt()
    }

    #[test]
    fn vectors_have_length_one_whatever_they_had() {
        for size in [1e-40_f32, 1e-3, 1.0, 1e30, f32::MAX] {
            let mut vector: Vec<f32> = (1..100).map(|at| size / at as f32).collect();
            scale(&mut vector);
            assert!((length(&vector) - 1.0).abs() < 1e-6, "{size}");
        }
        let mut nothing = [0.0; 3];
        scale(&mut nothing);
        assert_eq!(nothing, [0.0; 3]);
    }

    #[test]
    fn base64_is_of_little_endian_floats() {
        let written = written(vec![1.0, -2.5], Encoding::Base64);
        // 00 00 80 3f 00 00 20 c0
        assert_eq!(written, Vector::Base64("AACAPwAAIMA=".into()));
    }

    #[test]
    fn numbers_are_the_same_f32_again() {
        let values = [
            0.1_f32,
            1.0 / 3.0,
            f32::MIN_POSITIVE,
            1e-45,
            16_777_216.0,
            -0.0,
            1.0,
        ];
        let text = serde_json::to_string(&Vector::Float(values.to_vec())).expect("finite");
        let again: Vec<f32> = serde_json::from_str(&text).expect("numbers");
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&again), bits(&values), "{text}");
    }
}
