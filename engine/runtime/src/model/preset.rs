//! Shapes of well-known models, for tuning and benchmarks without their weights.

use sysinfer_formats::TensorType;

use super::config::{Config, Experts, Positions, RotaryOrder, RotaryScaling};
use super::tensor::{TensorInfo, packed_bytes};

/// A model shape that can be filled with random weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Preset {
    /// Meta Llama 3 8B: 32 layers, 4096 wide, 8 of 32 heads hold keys and values.
    Llama3_8b,
    /// Baichuan 2 13B: 40 layers, 5120 wide, 40 heads, ALiBi instead of RoPE.
    Baichuan2_13b,
    /// Meta Llama 3.2 1B: 16 layers, 2048 wide, tied embeddings.
    Llama3_2_1b,
    /// Qwen 2.5 7B: 28 layers, 3584 wide, 4 of 28 heads hold keys and values, biases.
    Qwen2_5_7b,
    /// Qwen 3 8B: 36 layers, 4096 wide, norms per head.
    Qwen3_8b,
    /// Qwen 3 30B-A3B: 48 layers, 2048 wide, 8 of 128 experts per token.
    Qwen3Moe30b,
    /// The same with 8 of its layers, for hosts with less memory.
    Qwen3Moe30b8Layers,
    /// Two layers, 256 wide: for tests.
    Tiny,
}

impl Preset {
    /// Every preset, smallest first.
    pub fn all() -> &'static [Preset] {
        &[
            Preset::Tiny,
            Preset::Llama3_2_1b,
            Preset::Qwen3Moe30b8Layers,
            Preset::Qwen2_5_7b,
            Preset::Llama3_8b,
            Preset::Qwen3_8b,
            Preset::Baichuan2_13b,
            Preset::Qwen3Moe30b,
        ]
    }

    /// The name on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Preset::Llama3_8b => "llama3-8b",
            Preset::Baichuan2_13b => "baichuan2-13b",
            Preset::Llama3_2_1b => "llama3.2-1b",
            Preset::Qwen2_5_7b => "qwen2.5-7b",
            Preset::Qwen3_8b => "qwen3-8b",
            Preset::Qwen3Moe30b => "qwen3-30b-a3b",
            Preset::Qwen3Moe30b8Layers => "qwen3-30b-a3b-8-layers",
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
            scaling: RotaryScaling::None,
            magnitude: 1.0,
            order: RotaryOrder::Neighbours,
        };
        let halves = Positions::Rotary {
            dimensions: 0,
            base: 1_000_000.0,
            scaling: RotaryScaling::None,
            magnitude: 1.0,
            order: RotaryOrder::Halves,
        };
        let llama = |layers, width, hidden, heads, kv_heads, head_size| Config {
            architecture: "llama".into(),
            name: self.name().into(),
            layers,
            embedding_length: width,
            feed_forward_length: hidden,
            experts: None,
            heads,
            kv_heads,
            head_size,
            context_length: 8192,
            sliding_window: None,
            vocabulary_size: 128_256,
            norm_epsilon: 1e-5,
            positions: rotary(500_000.0),
            qkv_bias: false,
            output_bias: false,
            head_norms: false,
            feed_forward_bias: false,
        };
        let qwen3 = |config: Config| Config {
            architecture: "qwen3".into(),
            context_length: 40_960,
            vocabulary_size: 151_936,
            norm_epsilon: 1e-6,
            positions: halves.clone(),
            head_norms: true,
            ..config
        };
        let qwen3_moe = |layers| Config {
            architecture: "qwen3moe".into(),
            experts: Some(Experts {
                count: 128,
                used: 8,
                normed: true,
                scale: 1.0,
                shared_length: None,
            }),
            ..qwen3(llama(layers, 2048, 768, 32, 4, 128))
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
            Preset::Qwen2_5_7b => Config {
                architecture: "qwen2".into(),
                context_length: 32_768,
                vocabulary_size: 152_064,
                norm_epsilon: 1e-6,
                positions: halves,
                qkv_bias: true,
                ..llama(28, 3584, 18_944, 28, 4, 128)
            },
            Preset::Qwen3_8b => qwen3(llama(36, 4096, 12_288, 32, 8, 128)),
            Preset::Qwen3Moe30b => qwen3_moe(48),
            Preset::Qwen3Moe30b8Layers => qwen3_moe(8),
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

    /// Bytes of its weights in memory, Q4_0.
    pub fn weight_bytes(self) -> u64 {
        packed_bytes(&tensors(self))
    }

    /// Whether the output matrix is the embedding.
    fn tied(self) -> bool {
        self == Preset::Llama3_2_1b
    }
}

/// The tensors of a preset in file order, typed like the Q4_0 files that users have: Q4_0 but for
/// the F32 vectors and router and a Q6_K output matrix (llama.cpp's `quantize` with `q4_0`).
pub fn tensors(preset: Preset) -> Vec<TensorInfo> {
    use TensorType::{F32, Q4_0, Q6K};
    let config = preset.config();
    let (width, vocabulary) = (config.embedding_length, config.vocabulary_size);
    // A tied embedding is quantised as the output matrix that it also is.
    let embedding = if preset.tied() { Q6K } else { Q4_0 };
    let mut all = vec![matrix(
        "token_embd.weight".into(),
        embedding,
        width,
        vocabulary,
    )];
    for layer in 0..config.layers {
        let name = |part: &str| format!("blk.{layer}.{part}");
        attention(&config, &name, &mut all);
        feed_forward(&config, &name, &mut all);
    }
    all.push(matrix("output_norm.weight".into(), F32, width, 1));
    if !preset.tied() {
        all.push(matrix("output.weight".into(), Q6K, width, vocabulary));
    }
    all
}

fn matrix(name: String, kind: TensorType, columns: usize, rows: usize) -> TensorInfo {
    TensorInfo {
        name,
        kind,
        columns,
        rows,
        matrices: 1,
    }
}

fn attention(config: &Config, name: &dyn Fn(&str) -> String, all: &mut Vec<TensorInfo>) {
    use TensorType::{F32, Q4_0};
    let width = config.embedding_length;
    let (queries, kv) = (config.query_width(), config.kv_width());
    all.extend([
        matrix(name("attn_norm.weight"), F32, width, 1),
        matrix(name("attn_q.weight"), Q4_0, width, queries),
        matrix(name("attn_k.weight"), Q4_0, width, kv),
        matrix(name("attn_v.weight"), Q4_0, width, kv),
        matrix(name("attn_output.weight"), Q4_0, queries, width),
    ]);
    if config.qkv_bias {
        all.extend([
            matrix(name("attn_q.bias"), F32, queries, 1),
            matrix(name("attn_k.bias"), F32, kv, 1),
            matrix(name("attn_v.bias"), F32, kv, 1),
        ]);
    }
    if config.head_norms {
        all.extend([
            matrix(name("attn_q_norm.weight"), F32, config.head_size, 1),
            matrix(name("attn_k_norm.weight"), F32, config.head_size, 1),
        ]);
    }
}

fn feed_forward(config: &Config, name: &dyn Fn(&str) -> String, all: &mut Vec<TensorInfo>) {
    use TensorType::{F32, Q4_0};
    let (width, hidden) = (config.embedding_length, config.feed_forward_length);
    all.push(matrix(name("ffn_norm.weight"), F32, width, 1));
    let Some(Experts { count, .. }) = config.experts else {
        return all.extend([
            matrix(name("ffn_gate.weight"), Q4_0, width, hidden),
            matrix(name("ffn_up.weight"), Q4_0, width, hidden),
            matrix(name("ffn_down.weight"), Q4_0, hidden, width),
        ]);
    };
    let experts = |part: &str, columns, rows| TensorInfo {
        matrices: count,
        ..matrix(name(part), Q4_0, columns, rows * count)
    };
    all.extend([
        matrix(name("ffn_gate_inp.weight"), F32, width, count),
        experts("ffn_gate_exps.weight", width, hidden),
        experts("ffn_up_exps.weight", width, hidden),
        experts("ffn_down_exps.weight", hidden, width),
    ]);
}
