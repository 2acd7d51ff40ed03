//! Embeddings on the wire: the APIs that have them, and what OpenAI and TEI answer. Ollama's answers
//! are in [`super::ollama::response`].

use serde::Serialize;
use utoipa::ToSchema;

/// Whose API a request speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbeddingApi {
    /// `/v1/embeddings`.
    OpenAi,
    /// `/embed` of Text Embeddings Inference, which EulerCopilot calls `mindie`.
    Tei,
    /// `/api/embed`.
    Ollama,
    /// `/api/embeddings`, which is older.
    OllamaOld,
}

impl EmbeddingApi {
    /// Whether vectors have length 1 where a request says nothing.
    pub fn normalizes(self) -> bool {
        self != Self::OllamaOld
    }

    /// Whether inputs that are too long are cut where a request says nothing.
    pub fn truncates(self) -> bool {
        self == Self::Ollama
    }

    /// Whether a request without inputs asks for nothing but that the model is loaded.
    pub fn loads(self) -> bool {
        matches!(self, Self::Ollama | Self::OllamaOld)
    }
}

/// `object: "list"` of embeddings.
#[derive(Debug, Serialize, ToSchema)]
pub struct EmbeddingList<'a> {
    /// Always `list`.
    pub object: &'static str,
    /// One for each input.
    pub data: Vec<Embedding>,
    /// The served model's name.
    pub model: &'a str,
    /// Token counts.
    pub usage: EmbeddingUsage,
}

/// An input's vector.
#[derive(Debug, Serialize, ToSchema)]
pub struct Embedding {
    /// Always `embedding`.
    pub object: &'static str,
    /// Which input, from 0.
    pub index: usize,
    /// Its vector.
    pub embedding: Vector,
}

/// A vector as it was asked for.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Vector {
    /// Numbers, each the shortest text that is this f32 again.
    Float(Vec<f32>),
    /// The base64 of its bytes.
    Base64(String),
}

/// Token counts.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct EmbeddingUsage {
    /// Tokens of all inputs.
    pub prompt_tokens: usize,
    /// The same: nothing is generated.
    pub total_tokens: usize,
}

/// TEI's answer: a vector for each input.
#[derive(Debug, Serialize, ToSchema)]
pub struct Means(pub Vec<Vec<f32>>);
