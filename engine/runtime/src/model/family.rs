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
    /// Biases of the feed-forward's matrices, where these are dense.
    pub feed_forward_bias: Part,
    /// A feed-forward of experts.
    pub experts: Part,
    /// Whether the weights of the experts that a token uses add up to 1, unless the file says.
    pub expert_weights_normed: bool,
    /// An expert that every token uses.
    pub shared_expert: Part,
}

/// Every family. Mistral, Mixtral, SmolLM and others that share Llama's graph call themselves
/// `llama`.
pub static FAMILIES: [Family; 6] = [
    Family {
        architecture: "llama",
        order: RotaryOrder::Neighbours,
        qkv_bias: Part::Optional,
        output_bias: Part::Optional,
        head_norms: Part::Absent,
        feed_forward_bias: Part::Optional,
        experts: Part::Optional,
        expert_weights_normed: true,
        shared_expert: Part::Absent,
    },
    Family {
        architecture: "baichuan",
        order: RotaryOrder::Neighbours,
        qkv_bias: Part::Absent,
        output_bias: Part::Absent,
        head_norms: Part::Absent,
        feed_forward_bias: Part::Absent,
        experts: Part::Absent,
        expert_weights_normed: true,
        shared_expert: Part::Absent,
    },
    Family {
        architecture: "qwen2",
        order: RotaryOrder::Halves,
        qkv_bias: Part::Required,
        output_bias: Part::Optional,
        head_norms: Part::Absent,
        feed_forward_bias: Part::Absent,
        experts: Part::Absent,
        expert_weights_normed: true,
        shared_expert: Part::Absent,
    },
    Family {
        architecture: "qwen2moe",
        order: RotaryOrder::Halves,
        qkv_bias: Part::Required,
        output_bias: Part::Optional,
        head_norms: Part::Absent,
        feed_forward_bias: Part::Absent,
        experts: Part::Required,
        expert_weights_normed: false,
        shared_expert: Part::Required,
    },
    Family {
        architecture: "qwen3",
        order: RotaryOrder::Halves,
        qkv_bias: Part::Optional,
        output_bias: Part::Optional,
        head_norms: Part::Required,
        feed_forward_bias: Part::Absent,
        experts: Part::Absent,
        expert_weights_normed: true,
        shared_expert: Part::Absent,
    },
    Family {
        architecture: "qwen3moe",
        order: RotaryOrder::Halves,
        qkv_bias: Part::Optional,
        output_bias: Part::Optional,
        head_norms: Part::Required,
        feed_forward_bias: Part::Absent,
        experts: Part::Required,
        expert_weights_normed: true,
        shared_expert: Part::Absent,
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
