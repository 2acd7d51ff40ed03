//! What differs between the families of decoders that are run here, as a table.

use super::config::RotaryOrder;

/// Whether a family's files have a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// No file has it.
    Absent,
    /// A file may have it; its tensors or metadata tell.
    Optional,
    /// Every file has it.
    Required,
}

/// One architecture of GGUF files.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// `general.architecture`.
    pub architecture: &'static str,
    /// How heads are rotated.
    pub order: RotaryOrder,
    /// Biases of query, key and value.
    pub qkv_bias: Part,
    /// A bias of attention's output.
    pub output_bias: Part,
    /// Norms of every query and key head.
    pub head_norms: Part,
    /// A feed-forward of experts.
    pub experts: Part,
}

/// Every family. Mistral, Mixtral, SmolLM and others that share Llama's graph call themselves
/// `llama`.
pub static FAMILIES: [Family; 5] = [
    Family {
        architecture: "llama",
        order: RotaryOrder::Neighbours,
        qkv_bias: Part::Optional,
        output_bias: Part::Optional,
        head_norms: Part::Absent,
        experts: Part::Optional,
    },
    Family {
        architecture: "baichuan",
        order: RotaryOrder::Neighbours,
        qkv_bias: Part::Absent,
        output_bias: Part::Absent,
        head_norms: Part::Absent,
        experts: Part::Absent,
    },
    Family {
        architecture: "qwen2",
        order: RotaryOrder::Halves,
        qkv_bias: Part::Required,
        output_bias: Part::Optional,
        head_norms: Part::Absent,
        experts: Part::Absent,
    },
    Family {
        architecture: "qwen3",
        order: RotaryOrder::Halves,
        qkv_bias: Part::Optional,
        output_bias: Part::Optional,
        head_norms: Part::Required,
        experts: Part::Absent,
    },
    Family {
        architecture: "qwen3moe",
        order: RotaryOrder::Halves,
        qkv_bias: Part::Optional,
        output_bias: Part::Optional,
        head_norms: Part::Required,
        experts: Part::Required,
    },
];

impl Family {
    /// The family of an architecture.
    pub fn of(architecture: &str) -> Option<&'static Family> {
        FAMILIES
            .iter()
            .find(|family| family.architecture == architecture)
    }

    /// The names of all, for messages.
    pub fn names() -> String {
        FAMILIES.map(|family| family.architecture).join(", ")
    }
}

impl Part {
    /// Whether the part is there, given whether the file seems to have it.
    pub fn is_there(self, found: bool) -> bool {
        match self {
            Part::Absent => false,
            Part::Optional => found,
            Part::Required => true,
        }
    }
}
