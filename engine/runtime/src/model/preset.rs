//! Shapes of well-known models, for tuning and benchmarks without their weights.

use sysinfer_formats::TensorType;

use super::config::{Config, Positions};
use super::tensor::TensorInfo;

/// A model shape that can be filled with random weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Preset {
    /// Meta Llama 3 8B: 32 layers, 4096 wide, 8 of 32 heads hold keys and values.
    Llama3_8b,
    /// Baichuan 2 13B: 40 layers, 5120 wide, 40 heads, ALiBi instead of RoPE.
    Baichuan2_13b,
    /// Meta Llama 3.2 1B: 16 layers, 2048 wide, tied embeddings.
    Llama3_2_1b,
    /// Two layers, 256 wide: for tests.
    Tiny,
}

impl Preset {
    /// Every preset, smallest first.
    pub fn all() -> &'static [Preset] {
        &[
            Preset::Tiny,
            Preset::Llama3_2_1b,
            Preset::Llama3_8b,
            Preset::Baichuan2_13b,
        ]
    }

    /// The name on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Preset::Llama3_8b => "llama3-8b",
            Preset::Baichuan2_13b => "baichuan2-13b",
            Preset::Llama3_2_1b => "llama3.2-1b",
            Preset::Tiny => "tiny",
        }
    }

    /// The preset of that name.
    pub fn from_name(name: &str) -> Option<Preset> {
        Preset::all()
            .iter()
            .copied()
            .find(|preset| preset.name() == name)
    }

    /// The model that the shape belongs to.
    pub fn config(self) -> Config {
        let rotary = |base| Positions::Rotary {
            dimensions: 0,
            base,
            scale: 1.0,
        };
        let llama = |layers, width, hidden, heads, kv_heads, head_size| Config {
            architecture: "llama".into(),
            name: self.name().into(),
            layers,
            embedding_length: width,
            feed_forward_length: hidden,
            heads,
            kv_heads,
            head_size,
            context_length: 8192,
            vocabulary_size: 128_256,
            norm_epsilon: 1e-5,
            positions: rotary(500_000.0),
        };
        let mut config = match self {
            Preset::Llama3_8b => llama(32, 4096, 14_336, 32, 8, 128),
            Preset::Llama3_2_1b => Config {
                context_length: 131_072,
                ..llama(16, 2048, 8192, 32, 8, 64)
            },
            Preset::Baichuan2_13b => Config {
                architecture: "baichuan".into(),
                context_length: 4096,
                vocabulary_size: 125_696,
                norm_epsilon: 1e-6,
                positions: Positions::Alibi { max_bias: 8.0 },
                ..llama(40, 5120, 13_696, 40, 40, 128)
            },
            Preset::Tiny => Config {
                context_length: 1024,
                vocabulary_size: 512,
                positions: rotary(10_000.0),
                ..llama(2, 256, 512, 8, 4, 32)
            },
        };
        if let Positions::Rotary { dimensions, .. } = &mut config.positions {
            *dimensions = config.head_size;
        }
        config
    }

    /// Whether the output matrix is the embedding.
    fn tied(self) -> bool {
        self == Preset::Llama3_2_1b
    }
}

/// The tensors of a preset in file order, typed like the Q4_0 files that users have: Q4_0 but for
/// the F32 norms and a Q6_K output matrix (llama.cpp's `quantize` with `q4_0`).
pub fn tensors(preset: Preset) -> Vec<TensorInfo> {
    use TensorType::{F32, Q4_0, Q6K};
    let config = preset.config();
    let (width, hidden) = (config.embedding_length, config.feed_forward_length);
    let spec = |name: String, kind, columns, rows| TensorInfo {
        name,
        kind,
        columns,
        rows,
    };
    // A tied embedding is quantised as the output matrix that it also is.
    let embedding = if preset.tied() { Q6K } else { Q4_0 };
    let mut all = vec![spec(
        "token_embd.weight".into(),
        embedding,
        width,
        config.vocabulary_size,
    )];
    for layer in 0..config.layers {
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        all.extend([
            spec(name("attn_norm"), F32, width, 1),
            spec(name("attn_q"), Q4_0, width, config.query_width()),
            spec(name("attn_k"), Q4_0, width, config.kv_width()),
            spec(name("attn_v"), Q4_0, width, config.kv_width()),
            spec(name("attn_output"), Q4_0, config.query_width(), width),
            spec(name("ffn_norm"), F32, width, 1),
            spec(name("ffn_gate"), Q4_0, width, hidden),
            spec(name("ffn_up"), Q4_0, width, hidden),
            spec(name("ffn_down"), Q4_0, hidden, width),
        ]);
    }
    all.push(spec("output_norm.weight".into(), F32, width, 1));
    if !preset.tied() {
        all.push(spec(
            "output.weight".into(),
            Q6K,
            width,
            config.vocabulary_size,
        ));
    }
    all
}
