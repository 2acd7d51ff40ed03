//! The weights of a decoder by name, checked against its description and packed.

use sysinfer_formats::TensorType;
use sysinfer_formats::blocks::dequantize;
use sysinfer_kernels::ROWS;
use sysinfer_machine::{Lead, NodeBuffer, Pages, ranges};

use super::config::{Config, Positions};
use super::matrix::{Home, Kernels, Matrix, Shares};
use super::source::Source;
use super::tensor::TensorInfo;
use crate::error::EngineError;

/// Matrices with one input whose outputs stand side by side: query, key and value.
#[derive(Debug)]
pub struct Projection {
    /// In output order.
    pub matrices: Vec<Matrix>,
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
    /// Row groups of either, by worker.
    pub shares: Shares,
}

/// One decoder layer.
#[derive(Debug)]
pub struct Layer {
    /// Weights of the norm before attention, `[embedding_length]`.
    pub attention_norm: Vec<f32>,
    /// Query, key and value: `embedding_length` to `query_width + 2 kv_width`.
    pub qkv: Projection,
    /// `query_width` to `embedding_length`.
    pub attention_output: Projection,
    /// Weights of the norm before the feed-forward.
    pub feed_forward_norm: Vec<f32>,
    /// Gate and up: `embedding_length` to `feed_forward_length`.
    pub gated: Gated,
    /// `feed_forward_length` to `embedding_length`.
    pub down: Projection,
}

/// The token embedding in its file form: a row is read per token.
#[derive(Debug)]
pub struct Embedding {
    tensor: TensorInfo,
    bytes: NodeBuffer,
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
        let bytes = &self.bytes[token as usize * row_bytes..][..row_bytes];
        dequantize(self.tensor.kind, bytes, out).expect("the type was checked at load");
    }

    /// Bytes in memory.
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }
}

/// Packs a model's tensors, worker by worker.
pub struct Loader<'l, 't> {
    /// Where rows come from.
    pub source: &'l dyn Source,
    /// The team that will read the weights.
    pub lead: &'l mut Lead<'t>,
    /// Where they go.
    pub home: Home<'l>,
    /// Node of every worker of the decode and of the prefill team.
    pub nodes: (&'l [usize], &'l [usize]),
    /// Kernels by block type.
    pub kernels: &'l dyn Fn(TensorType) -> Result<Kernels, EngineError>,
    /// Told the file bytes of each tensor once it is packed.
    pub progress: &'l mut dyn FnMut(u64),
}

impl Loader<'_, '_> {
    /// Loads everything that `config` says there is.
    ///
    /// # Errors
    /// A tensor that is missing, of the wrong shape or of a type without kernels; no memory.
    pub fn load(&mut self, config: &Config) -> Result<Weights, EngineError> {
        let width = config.embedding_length;
        let embedding = self.embedding(config)?;
        let layers = (0..config.layers)
            .map(|layer| self.layer(config, layer))
            .collect::<Result<_, _>>()?;
        let output_norm = self.vector("output_norm.weight", width)?;
        // Models with tied embeddings have no output matrix of their own.
        let output_name = match self.source.find("output.weight") {
            Some(_) => "output.weight",
            None => "token_embd.weight",
        };
        let output = self.projection(width, &[(output_name.into(), config.vocabulary_size)])?;
        let rope_factors = match (&config.positions, self.source.find("rope_freqs.weight")) {
            (Positions::Rotary { dimensions, .. }, Some(_)) => {
                Some(self.vector("rope_freqs.weight", dimensions / 2)?)
            }
            _ => None,
        };
        Ok(Weights {
            embedding,
            layers,
            output_norm,
            output,
            rope_factors,
        })
    }

    fn layer(&mut self, config: &Config, layer: usize) -> Result<Layer, EngineError> {
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        let (width, hidden) = (config.embedding_length, config.feed_forward_length);
        let qkv = [
            (name("attn_q"), config.query_width()),
            (name("attn_k"), config.kv_width()),
            (name("attn_v"), config.kv_width()),
        ];
        Ok(Layer {
            attention_norm: self.vector(&name("attn_norm"), width)?,
            qkv: self.projection(width, &qkv)?,
            attention_output: self
                .projection(config.query_width(), &[(name("attn_output"), width)])?,
            feed_forward_norm: self.vector(&name("ffn_norm"), width)?,
            gated: self.gated(&name("ffn_gate"), &name("ffn_up"), width, hidden)?,
            down: self.projection(hidden, &[(name("ffn_down"), width)])?,
        })
    }

    fn projection(
        &mut self,
        columns: usize,
        parts: &[(String, usize)],
    ) -> Result<Projection, EngineError> {
        let mut matrices = Vec::with_capacity(parts.len());
        for (index, (name, rows)) in parts.iter().enumerate() {
            if index + 1 < parts.len() && !rows.is_multiple_of(ROWS) {
                let message = format!("{name} has {rows} rows; they must be a multiple of {ROWS}");
                return Err(EngineError::Model(message));
            }
            matrices.push(self.matrix(name, columns, *rows)?);
        }
        let groups = matrices.iter().map(Matrix::groups).sum();
        Ok(Projection {
            matrices,
            shares: Shares::new(groups, self.nodes.0, self.nodes.1),
        })
    }

    fn gated(
        &mut self,
        gate: &str,
        up: &str,
        columns: usize,
        rows: usize,
    ) -> Result<Gated, EngineError> {
        if !rows.is_multiple_of(ROWS) {
            let message = format!("{gate} has {rows} rows; they must be a multiple of {ROWS}");
            return Err(EngineError::Model(message));
        }
        let (gate, up) = (
            self.matrix(gate, columns, rows)?,
            self.matrix(up, columns, rows)?,
        );
        let shares = Shares::new(gate.groups(), self.nodes.0, self.nodes.1);
        Ok(Gated { gate, up, shares })
    }

    fn matrix(&mut self, name: &str, columns: usize, rows: usize) -> Result<Matrix, EngineError> {
        let tensor = self.find(name, columns, rows)?;
        let kernels = (self.kernels)(tensor.kind)
            .map_err(|error| EngineError::Model(format!("{name}: {error}")))?;
        let matrix = Matrix::pack(self.source, &tensor, kernels, self.lead, self.home)?;
        (self.progress)((tensor.row_bytes() * tensor.rows) as u64);
        Ok(matrix)
    }

    /// A tensor that exists and has the shape that the description asks for.
    fn find(&self, name: &str, columns: usize, rows: usize) -> Result<TensorInfo, EngineError> {
        let tensor = self
            .source
            .find(name)
            .ok_or_else(|| EngineError::Model(format!("tensor {name} is missing")))?;
        if (tensor.columns, tensor.rows) != (columns, rows) {
            return Err(EngineError::Model(format!(
                "tensor {name} is {} x {}; the metadata asks for {columns} x {rows}",
                tensor.columns, tensor.rows
            )));
        }
        Ok(tensor)
    }

    fn vector(&mut self, name: &str, length: usize) -> Result<Vec<f32>, EngineError> {
        let tensor = self.find(name, length, 1)?;
        let mut buffer = vec![0; tensor.row_bytes()];
        let mut values = vec![0.0; length];
        dequantize(
            tensor.kind,
            self.source.row(&tensor, 0, &mut buffer),
            &mut values,
        )
        .map_err(|error| EngineError::Model(format!("tensor {name}: {error}")))?;
        Ok(values)
    }

    fn embedding(&mut self, config: &Config) -> Result<Embedding, EngineError> {
        let name = "token_embd.weight";
        let tensor = self.find(name, config.embedding_length, config.vocabulary_size)?;
        let row_bytes = tensor.row_bytes();
        // Decoding one block tells whether the type can be decoded at all.
        let probe = vec![0; tensor.kind.block_bytes()];
        dequantize(
            tensor.kind,
            &probe,
            &mut vec![0.0; tensor.kind.block_elements()],
        )
        .map_err(|error| EngineError::Model(format!("tensor {name}: {error}")))?;
        // Rows are read one at a time, at random: huge pages would not pay.
        let mut bytes = NodeBuffer::new(row_bytes * tensor.rows, Pages::Normal)?;
        let rows = sysinfer_machine::Ranges::split(tensor.rows, 1, self.lead.threads());
        let cuts = rows.scaled(row_bytes);
        let source = self.source;
        self.lead.run(ranges(&mut bytes, &cuts), |worker, out| {
            let mut buffer = vec![0; row_bytes];
            for (row, out) in rows.get(worker).zip(out.chunks_exact_mut(row_bytes)) {
                out.copy_from_slice(source.row(&tensor, row, &mut buffer));
            }
        });
        (self.progress)((row_bytes * tensor.rows) as u64);
        Ok(Embedding { tensor, bytes })
    }
}

impl Weights {
    /// Every packed matrix.
    pub fn matrices(&self) -> impl Iterator<Item = &Matrix> {
        let layers = self.layers.iter().flat_map(|layer| {
            let projections = [&layer.qkv, &layer.attention_output, &layer.down];
            projections
                .into_iter()
                .flat_map(|projection| &projection.matrices)
                .chain([&layer.gated.gate, &layer.gated.up])
        });
        layers.chain(&self.output.matrices)
    }

    /// Every packed matrix, to be changed.
    pub fn matrices_mut(&mut self) -> impl Iterator<Item = &mut Matrix> {
        let layers = self.layers.iter_mut().flat_map(|layer| {
            let projections = [&mut layer.qkv, &mut layer.attention_output, &mut layer.down];
            projections
                .into_iter()
                .flat_map(|projection| &mut projection.matrices)
                .chain([&mut layer.gated.gate, &mut layer.gated.up])
        });
        layers.chain(&mut self.output.matrices)
    }

    /// Divides all row groups anew, for other teams.
    pub fn share(&mut self, decode_nodes: &[usize], prefill_nodes: &[usize]) {
        let divide = |groups| Shares::new(groups, decode_nodes, prefill_nodes);
        for layer in &mut self.layers {
            for projection in [&mut layer.qkv, &mut layer.attention_output, &mut layer.down] {
                projection.shares = divide(projection.groups());
            }
            layer.gated.shares = divide(layer.gated.gate.groups());
        }
        self.output.shares = divide(self.output.groups());
    }
}
