//! GGUF files that are no model which writes text: what they are, and what to do with them.

use sysinfer_formats::{GgufError, Metadata, Value};

use super::family::Family;
use super::source::Source;
use super::stored::StoredModel;
use crate::error::EngineError;

/// Architectures of encoders: they turn text into vectors.
const EMBEDDERS: [&str; 11] = [
    "bert",
    "modern-bert",
    "nomic-bert",
    "nomic-bert-moe",
    "neo-bert",
    "jina-bert-v2",
    "jina-bert-v3",
    "eurobert",
    "gemma-embedding",
    "llama-embed",
    "t5encoder",
];
/// Architectures that guess the next tokens of another model.
const DRAFTERS: [&str; 3] = ["eagle3", "dflash", "gemma4-assistant"];

/// Refuses files that hold something else than a model, before anything is looked for in them that only a
/// model has.
///
/// # Errors
/// What the file is, and what to do.
pub(super) fn require_model(file: &StoredModel<'_>) -> Result<(), EngineError> {
    match other_kind(file) {
        Ok(None) => Ok(()),
        Ok(Some(refusal)) => Err(EngineError::Model(refusal)),
        Err(error) => Err(EngineError::Model(error.to_string())),
    }
}

/// What the file is, if it is no model.
fn other_kind(file: &StoredModel<'_>) -> Result<Option<String>, GgufError> {
    let metadata = file.metadata();
    let architecture = metadata.string("general.architecture")?;
    let kind = metadata.string("general.type")?;
    let refusal = match (kind, architecture) {
        (Some("adapter"), _) => {
            "this file is a LoRA adapter (general.type is \"adapter\"), a change to a model; merge it into \
             its base model: llama-export-lora -m BASE.gguf --lora ADAPTER.gguf -o MERGED.gguf"
                .into()
        }
        (Some("mmproj"), _) | (_, Some("clip")) => {
            "this file is a multimodal projector (mmproj), the part of a model that sees or hears; give the \
             file of the language model, which reads text without it"
                .into()
        }
        (Some("imatrix"), _) | (_, Some("imatrix")) => importance_matrix(),
        (None, None) if metadata.get("imatrix.datasets").is_some() => importance_matrix(),
        (Some(kind), _) if kind != "model" => format!(
            "general.type is {kind:?}; only files of type \"model\" are run, so give the file of the model"
        ),
        (_, Some(name)) if EMBEDDERS.contains(&name) => embedder(&format!(
            "general.architecture is \"{name}\""
        )),
        (_, Some(name)) if DRAFTERS.contains(&name) => format!(
            "this file (general.architecture is \"{name}\") only drafts for another model; give that model's \
             file: it is drafted for by lookup, without a file"
        ),
        (_, Some(name)) => return Ok(of_model(file, metadata, name)),
        (None | Some(_), None) => return Ok(None),
    };
    Ok(Some(refusal))
}

/// What a model's own keys say.
fn of_model(file: &StoredModel<'_>, metadata: &Metadata<'_>, architecture: &str) -> Option<String> {
    if Source::tensors(file).is_empty() && Family::of(architecture).is_some() {
        let refusal = "this file has a vocabulary but no weights (no tensors); give the file of a whole model";
        return Some(refusal.into());
    }
    let pooling = format!("{architecture}.pooling_type");
    // What is no integer is for the table of keys to judge.
    match metadata.get(&pooling).and_then(Value::as_integer) {
        None | Some(0) => {}
        Some(4) => {
            return Some(format!(
                "this file is a reranker ({pooling} is 4): it scores texts and writes none; give the file of \
                 a chat model"
            ));
        }
        Some(number) => return Some(embedder(&format!("{pooling} is {number}"))),
    }
    let causal = format!("{architecture}.attention.causal");
    match metadata.get(&causal) {
        Some(Value::Bool(false)) => Some(embedder(&format!("{causal} is false"))),
        _ => None,
    }
}

fn importance_matrix() -> String {
    "this file is an importance matrix (imatrix), which llama-quantize reads to make a model smaller; give \
     the file of the model"
        .into()
}

fn embedder(why: &str) -> String {
    format!(
        "this file is an embedding model ({why}): it turns text into vectors and writes none; give the file \
         of a chat model"
    )
}

#[cfg(test)]
mod tests {
    use sysinfer_formats::{Gguf, GgufWriter, Tensor, TensorType};

    use super::*;

    fn refused(writer: GgufWriter, weights: bool) -> Result<(), String> {
        let tensor = Tensor {
            name: "token_embd.weight",
            kind: TensorType::F32,
            shape: vec![8, 1],
            data: &[0; 32],
        };
        let tensors: &[Tensor<'_>] = match weights {
            true => std::slice::from_ref(&tensor),
            false => &[],
        };
        let bytes = writer.write_to_vec(tensors).expect("a valid file");
        let file = Gguf::parse(&bytes).expect("just written");
        let file = StoredModel::new(&[file]).expect("a whole one");
        require_model(&file).map_err(|error| error.to_string())
    }

    #[test]
    fn other_kinds_are_named_with_a_remedy() {
        let of_type = |kind: &str| GgufWriter::new().metadata("general.type", kind);
        let of = |name: &str| GgufWriter::new().metadata("general.architecture", name);
        let cases = [
            (
                of_type("adapter").metadata("general.architecture", "llama"),
                "LoRA adapter",
                "llama-export-lora",
            ),
            (of_type("mmproj"), "multimodal projector", "language model"),
            (of("clip"), "multimodal projector", "language model"),
            (of_type("imatrix"), "importance matrix", "file of the model"),
            (of("imatrix"), "importance matrix", "file of the model"),
            (
                of_type("dataset").metadata("general.architecture", "llama"),
                "\"dataset\"",
                "file of the model",
            ),
            (of("bert"), "embedding model", "chat model"),
            (of("nomic-bert"), "embedding model", "chat model"),
            (of("gemma-embedding"), "embedding model", "chat model"),
            (
                of("qwen3").metadata("qwen3.pooling_type", 3u32),
                "qwen3.pooling_type is 3",
                "chat model",
            ),
            (
                of("qwen3").metadata("qwen3.pooling_type", 4u32),
                "reranker",
                "chat model",
            ),
            (
                of("llama").metadata("llama.attention.causal", false),
                "llama.attention.causal",
                "chat model",
            ),
            (of("eagle3"), "drafts", "that model's"),
        ];
        for (writer, what, remedy) in cases {
            let message = refused(writer, true).expect_err(what);
            for part in [what, remedy] {
                assert!(message.contains(part), "no {part:?} in {message:?}");
            }
        }
        let message = refused(of("llama"), false).expect_err("no weights");
        assert!(message.contains("vocabulary but no weights"), "{message}");
    }

    #[test]
    fn models_pass() {
        let model = || GgufWriter::new().metadata("general.architecture", "llama");
        assert_eq!(refused(model(), true), Ok(()));
        assert_eq!(
            refused(model().metadata("general.type", "model"), true),
            Ok(())
        );
        let causal = model()
            .metadata("llama.pooling_type", 0u32)
            .metadata("llama.attention.causal", true);
        assert_eq!(refused(causal, true), Ok(()));
        // What is missing or not known is for the reader of the metadata to say.
        assert_eq!(refused(GgufWriter::new(), true), Ok(()));
        let unknown = GgufWriter::new().metadata("general.architecture", "mamba");
        assert_eq!(refused(unknown, true), Ok(()));
    }
}
