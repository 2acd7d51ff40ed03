//! The weights of a decoder, layer by layer, as a step uses them.

use std::sync::Arc;

use sysinfer_formats::blocks::dequantize;
use sysinfer_kernels::ROWS;
use sysinfer_machine::{FileMap, NodeBuffer};

use super::config::Experts;
use super::file_rows::FileRows;
use super::matrix::{Matrix, Shares};
use super::tensor::TensorInfo;

/// Matrices with one input whose outputs stand side by side: query, key and value.
#[derive(Debug)]
pub struct Projection {
    /// In output order.
    pub matrices: Vec<Matrix>,
    /// Added to the output, padding included.
    pub bias: Option<Vec<f32>>,
    /// Row groups of all of them, counted through, by worker.
    pub shares: Shares,
}

impl Projection {
    /// Row groups of all matrices.
    pub fn groups(&self) -> usize {
        self.matrices.iter().map(Matrix::groups).sum()
    }

    /// Values per output row, padding included.
    pub fn width(&self) -> usize {
        self.groups() * ROWS
    }
}

/// The gated half of a feed-forward: two matrices with one input, joined value by value.
#[derive(Debug)]
pub struct Gated {
    /// Goes through the activation function.
    pub gate: Matrix,
    /// Multiplies it.
    pub up: Matrix,
    /// Added to their outputs.
    pub biases: Option<GatedBiases>,
    /// Row groups of either, by worker.
    pub shares: Shares,
}

/// Biases of a gated half, one value per row of a matrix.
#[derive(Debug)]
pub struct GatedBiases {
    /// Added before the activation function.
    pub gate: Vec<f32>,
    /// Added to what multiplies it.
    pub up: Vec<f32>,
}

/// A feed-forward that every token goes through.
#[derive(Debug)]
pub struct DenseLayer {
    /// Gate and up: `embedding_length` to `feed_forward_length`.
    pub gated: Gated,
    /// `feed_forward_length` to `embedding_length`.
    pub down: Projection,
}

/// The experts of one layer.
#[derive(Debug)]
pub struct ExpertLayer {
    /// Experts that a row uses, and how they are weighed.
    pub rule: Experts,
    /// `embedding_length` to a score per expert.
    pub router: Projection,
    /// Goes through the activation function: `embedding_length` to `feed_forward_length`.
    pub gate: Matrix,
    /// Multiplies it.
    pub up: Matrix,
    /// `feed_forward_length` to `embedding_length`.
    pub down: Matrix,
    /// Row groups of one expert's gate or up, by worker.
    pub hidden_shares: Shares,
    /// Row groups of one expert's down, by worker.
    pub output_shares: Shares,
    /// The expert that every row uses.
    pub shared: Option<SharedExpert>,
}

/// The expert of a layer that every token uses.
#[derive(Debug)]
pub struct SharedExpert {
    /// `embedding_length` to one score.
    pub router: Projection,
    /// Gate, up and down.
    pub dense: DenseLayer,
}

/// What a layer does after attention.
#[derive(Debug)]
pub enum FeedForward {
    /// All of it for every token.
    Dense(Box<DenseLayer>),
    /// Some experts for every token.
    Experts(Box<ExpertLayer>),
}

/// One decoder layer.
#[derive(Debug)]
pub struct Layer {
    /// Weights of the norm before attention, `[embedding_length]`.
    pub attention_norm: Vec<f32>,
    /// Query, key and value: `embedding_length` to `query_width + 2 kv_width`.
    pub qkv: Projection,
    /// Weights of the norm of every query head, `[head_size]`.
    pub query_norm: Option<Vec<f32>>,
    /// Weights of the norm of every key head.
    pub key_norm: Option<Vec<f32>>,
    /// `query_width` to `embedding_length`.
    pub attention_output: Projection,
    /// Weights of the norm before the feed-forward.
    pub feed_forward_norm: Vec<f32>,
    /// The feed-forward.
    pub feed_forward: FeedForward,
}

/// The token embedding in its file form: a row is read per token.
#[derive(Debug)]
pub struct Embedding {
    /// Its rows are decodable.
    pub(super) tensor: TensorInfo,
    pub(super) rows: EmbeddingRows,
}

/// Where the rows of the embedding are.
#[derive(Debug)]
pub(super) enum EmbeddingRows {
    /// Row after row in memory of their own.
    Copied(NodeBuffer),
    /// In the file.
    Mapped(FileRows),
}

/// All of a model's weights.
#[derive(Debug)]
pub struct Weights {
    /// Token embedding.
    pub embedding: Embedding,
    /// The layers in order.
    pub layers: Vec<Layer>,
    /// Weights of the norm before the output.
    pub output_norm: Vec<f32>,
    /// `embedding_length` to the vocabulary.
    pub output: Projection,
    /// Divisors of the rotary frequencies, where the model has them.
    pub rope_factors: Option<Vec<f32>>,
}

impl Embedding {
    /// The embedding of a token that is in the vocabulary.
    pub fn row(&self, token: u32, out: &mut [f32]) {
        let row_bytes = self.tensor.row_bytes();
        let row = token as usize;
        let bytes = match &self.rows {
            EmbeddingRows::Copied(bytes) => &bytes[row * row_bytes..][..row_bytes],
            EmbeddingRows::Mapped(rows) => rows.row(row),
        };
        dequantize(self.tensor.kind, bytes, out).expect("the type was checked at load");
    }

    /// Bytes of all rows, in memory or in the file.
    pub fn len_bytes(&self) -> usize {
        self.tensor.row_bytes() * self.tensor.rows
    }
}

impl DenseLayer {
    fn matrices_mut(&mut self) -> impl Iterator<Item = &mut Matrix> {
        let gated = [&mut self.gated.gate, &mut self.gated.up];
        gated.into_iter().chain(&mut self.down.matrices)
    }

    fn matrices(&self) -> impl Iterator<Item = &Matrix> {
        let gated = [&self.gated.gate, &self.gated.up];
        gated.into_iter().chain(&self.down.matrices)
    }

    fn share(&mut self, divide: &dyn Fn(usize) -> Shares) {
        self.gated.shares = divide(self.gated.gate.groups());
        self.down.shares = divide(self.down.groups());
    }
}

impl Layer {
    fn matrices_mut(&mut self) -> Vec<&mut Matrix> {
        let mut all: Vec<&mut Matrix> = Vec::new();
        all.extend(&mut self.qkv.matrices);
        all.extend(&mut self.attention_output.matrices);
        match &mut self.feed_forward {
            FeedForward::Dense(dense) => all.extend(dense.matrices_mut()),
            FeedForward::Experts(experts) => {
                all.extend(&mut experts.router.matrices);
                all.extend([&mut experts.gate, &mut experts.up, &mut experts.down]);
                if let Some(shared) = &mut experts.shared {
                    all.extend(&mut shared.router.matrices);
                    all.extend(shared.dense.matrices_mut());
                }
            }
        }
        all
    }

    fn matrices(&self) -> Vec<&Matrix> {
        let mut all: Vec<&Matrix> = Vec::new();
        all.extend(&self.qkv.matrices);
        all.extend(&self.attention_output.matrices);
        match &self.feed_forward {
            FeedForward::Dense(dense) => all.extend(dense.matrices()),
            FeedForward::Experts(experts) => {
                all.extend(&experts.router.matrices);
                all.extend([&experts.gate, &experts.up, &experts.down]);
                if let Some(shared) = &experts.shared {
                    all.extend(&shared.router.matrices);
                    all.extend(shared.dense.matrices());
                }
            }
        }
        all
    }

    /// Divides all row groups with `divide`.
    fn share(&mut self, divide: &dyn Fn(usize) -> Shares) {
        for projection in [&mut self.qkv, &mut self.attention_output] {
            projection.shares = divide(projection.groups());
        }
        match &mut self.feed_forward {
            FeedForward::Dense(dense) => dense.share(divide),
            FeedForward::Experts(experts) => {
                experts.router.shares = divide(experts.router.groups());
                experts.hidden_shares = divide(experts.gate.groups());
                experts.output_shares = divide(experts.down.groups());
                if let Some(shared) = &mut experts.shared {
                    shared.router.shares = divide(shared.router.groups());
                    shared.dense.share(divide);
                }
            }
        }
    }
}

impl Weights {
    /// Every matrix.
    pub fn matrices(&self) -> impl Iterator<Item = &Matrix> {
        let layers = self.layers.iter().flat_map(Layer::matrices);
        layers.chain(&self.output.matrices)
    }

    /// The files that weights are read from, each once; none if all are packed.
    pub fn files(&self) -> Vec<Arc<FileMap>> {
        let embedding = match &self.embedding.rows {
            EmbeddingRows::Copied(_) => None,
            EmbeddingRows::Mapped(rows) => Some(rows),
        };
        let embedding = embedding.into_iter().flat_map(FileRows::files);
        let mut files: Vec<Arc<FileMap>> = Vec::new();
        for file in self.matrices().flat_map(Matrix::files).chain(embedding) {
            if !files.iter().any(|known| Arc::ptr_eq(known, file)) {
                files.push(Arc::clone(file));
            }
        }
        files
    }

    /// Every matrix, to be changed.
    pub fn matrices_mut(&mut self) -> impl Iterator<Item = &mut Matrix> {
        let layers = self.layers.iter_mut().flat_map(Layer::matrices_mut);
        layers.chain(&mut self.output.matrices)
    }

    /// Divides all row groups anew, for other teams.
    pub fn share(&mut self, decode_nodes: &[usize], prefill_nodes: &[usize]) {
        let divide = |groups| Shares::new(groups, decode_nodes, prefill_nodes);
        for layer in &mut self.layers {
            layer.share(&divide);
        }
        self.output.shares = divide(self.output.groups());
    }
}
