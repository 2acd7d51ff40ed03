//! Finding a decoder's tensors by name, checking them against its description, packing them (or
//! leaving them where they are).

use std::collections::HashSet;

use sysinfer_formats::TensorType;
use sysinfer_formats::blocks::dequantize;
use sysinfer_kernels::ROWS;
use sysinfer_machine::{Lead, NodeBuffer, Pages, ranges};

use super::arenas::Arenas;
use super::config::{Config, Experts, Positions};
use super::matrix::{Kernels, Matrix, Place, Shares, stripes};
use super::source::{Source, decodable};
use super::tensor::TensorInfo;
use super::weights::{
    DenseLayer, Embedding, EmbeddingRows, ExpertLayer, FeedForward, Gated, GatedBiases, Layer,
    Projection, SharedExpert, Weights,
};
use crate::error::EngineError;

/// Packs a model's tensors, worker by worker.
pub struct Loader<'l, 't> {
    /// Where rows come from.
    pub source: &'l dyn Source,
    /// The team that will read the weights.
    pub lead: &'l mut Lead<'t>,
    /// Where they go.
    pub arenas: &'l mut Arenas,
    /// Node of every worker of the decode and of the prefill team.
    pub nodes: (&'l [usize], &'l [usize]),
    /// Kernels by block type.
    pub kernels: &'l dyn Fn(TensorType) -> Result<Kernels, EngineError>,
    /// Told the bytes of each tensor once it is packed.
    pub progress: &'l mut dyn FnMut(u64),
    /// Names of what was loaded so far.
    pub loaded: HashSet<String>,
}

/// Tensors of old files that hold what the metadata says too.
const REDUNDANT: &str = ".attn_rot_embd";

impl Loader<'_, '_> {
    /// Loads everything that `config` says there is.
    ///
    /// # Errors
    /// A tensor that is missing, of the wrong shape, of a type without kernels, or not part of such
    /// a model; no memory.
    pub fn load(&mut self, config: &Config) -> Result<Weights, EngineError> {
        let width = config.embedding_length;
        let embedding = self.embedding(config)?;
        let layers = (0..config.layers)
            .map(|layer| self.layer(config, layer))
            .collect::<Result<_, _>>()?;
        let output_norm = self.vector("output_norm.weight", width)?;
        let output_name = match self.tied() {
            false => "output.weight",
            true => "token_embd.weight",
        };
        let rows = config.vocabulary_size;
        let mut output = self.projection(width, &[(output_name.into(), rows)])?;
        if self.source.find("output.bias").is_some() {
            output.bias = Some(self.bias(&[("output.bias".into(), rows)])?);
        }
        let rope_factors = match (&config.positions, self.source.find("rope_freqs.weight")) {
            (Positions::Rotary { dimensions, .. }, Some(_)) => {
                let factors = self.vector("rope_freqs.weight", dimensions / 2)?;
                Some(positive("rope_freqs.weight", factors)?)
            }
            _ => None,
        };
        self.all_loaded(config)?;
        Ok(Weights {
            embedding,
            layers,
            output_norm,
            output,
            rope_factors,
        })
    }

    /// Whether the embedding is the output matrix too, which then is read twice.
    fn tied(&self) -> bool {
        self.source.find("output.weight").is_none()
    }

    fn layer(&mut self, config: &Config, layer: usize) -> Result<Layer, EngineError> {
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        let bias = |part: &str| format!("blk.{layer}.{part}.bias");
        let width = config.embedding_length;
        let (query_width, kv_width) = (config.query_width(), config.kv_width());
        let joined = [("attn_qkv", query_width + 2 * kv_width)];
        let apart = [
            ("attn_q", query_width),
            ("attn_k", kv_width),
            ("attn_v", kv_width),
        ];
        let qkv: &[(&str, usize)] = match self.source.find(&name(joined[0].0)) {
            Some(_) => &joined,
            None => &apart,
        };
        let named = |of: &dyn Fn(&str) -> String| -> Vec<(String, usize)> {
            qkv.iter().map(|(part, rows)| (of(part), *rows)).collect()
        };
        let biases = named(&bias);
        let mut qkv = self.projection(width, &named(&name))?;
        if config.qkv_bias {
            qkv.bias = Some(self.bias(&biases)?);
        }
        let mut attention_output = self.projection(query_width, &[(name("attn_output"), width)])?;
        if config.output_bias {
            attention_output.bias = Some(self.bias(&[(bias("attn_output"), width)])?);
        }
        let mut head_norm = |part: &str| match config.head_norms {
            true => self.vector(&name(part), config.head_size).map(Some),
            false => Ok(None),
        };
        Ok(Layer {
            query_norm: head_norm("attn_q_norm")?,
            key_norm: head_norm("attn_k_norm")?,
            attention_norm: self.vector(&name("attn_norm"), width)?,
            qkv,
            attention_output,
            feed_forward_norm: self.vector(&name("ffn_norm"), width)?,
            feed_forward: match config.experts {
                None => {
                    let hidden = config.feed_forward_length;
                    let mut dense = self.dense(width, hidden, "", &name)?;
                    if config.feed_forward_bias {
                        self.feed_forward_biases(&mut dense, width, hidden, &bias)?;
                    }
                    FeedForward::Dense(Box::new(dense))
                }
                Some(experts) => self.experts(config, experts, &name)?,
            },
        })
    }

    /// A feed-forward of one expert, `suffix` in its tensors' names.
    fn dense(
        &mut self,
        width: usize,
        hidden: usize,
        suffix: &str,
        name: &dyn Fn(&str) -> String,
    ) -> Result<DenseLayer, EngineError> {
        let [gate, up, down] =
            ["ffn_gate", "ffn_up", "ffn_down"].map(|part| name(&format!("{part}{suffix}")));
        Ok(DenseLayer {
            gated: self.gated(&gate, &up, width, hidden)?,
            down: self.projection(hidden, &[(down, width)])?,
        })
    }

    fn feed_forward_biases(
        &mut self,
        dense: &mut DenseLayer,
        width: usize,
        hidden: usize,
        name: &dyn Fn(&str) -> String,
    ) -> Result<(), EngineError> {
        dense.gated.biases = Some(GatedBiases {
            gate: self.bias(&[(name("ffn_gate"), hidden)])?,
            up: self.bias(&[(name("ffn_up"), hidden)])?,
        });
        dense.down.bias = Some(self.bias(&[(name("ffn_down"), width)])?);
        Ok(())
    }

    fn experts(
        &mut self,
        config: &Config,
        rule: Experts,
        name: &dyn Fn(&str) -> String,
    ) -> Result<FeedForward, EngineError> {
        let (width, hidden) = (config.embedding_length, config.feed_forward_length);
        let count = rule.count;
        let router = self.projection(width, &[(name("ffn_gate_inp"), count)])?;
        let gate = name("ffn_gate_exps");
        whole_groups(&gate, hidden)?;
        let gate = self.own_product(&gate, width, hidden, count)?;
        let up = self.own_product(&name("ffn_up_exps"), width, hidden, count)?;
        let down = self.own_product(&name("ffn_down_exps"), hidden, width, count)?;
        let shared = match rule.shared_length {
            None => None,
            Some(hidden) => Some(SharedExpert {
                router: self.projection(width, &[(name("ffn_gate_inp_shexp"), 1)])?,
                dense: self.dense(width, hidden, "_shexp", name)?,
            }),
        };
        let shares = |groups| Shares::new(groups, self.nodes.0, self.nodes.1);
        Ok(FeedForward::Experts(Box::new(ExpertLayer {
            rule,
            hidden_shares: shares(gate.groups()),
            output_shares: shares(down.groups()),
            router,
            gate,
            up,
            down,
            shared,
        })))
    }

    fn projection(
        &mut self,
        columns: usize,
        parts: &[(String, usize)],
    ) -> Result<Projection, EngineError> {
        let groups = |rows: usize| rows.div_ceil(ROWS);
        let total = parts.iter().map(|(_, rows)| groups(*rows)).sum();
        let mut matrices = Vec::with_capacity(parts.len());
        let mut before = 0;
        for (index, (name, rows)) in parts.iter().enumerate() {
            if index + 1 < parts.len() {
                whole_groups(name, *rows)?;
            }
            matrices.push(self.matrices(name, Place { before, total }, columns, *rows, 1)?);
            before += groups(*rows);
        }
        Ok(Projection {
            matrices,
            bias: None,
            shares: Shares::new(total, self.nodes.0, self.nodes.1),
        })
    }

    fn gated(
        &mut self,
        gate: &str,
        up: &str,
        columns: usize,
        rows: usize,
    ) -> Result<Gated, EngineError> {
        whole_groups(gate, rows)?;
        let (gate, up) = (
            self.own_product(gate, columns, rows, 1)?,
            self.own_product(up, columns, rows, 1)?,
        );
        let shares = Shares::new(gate.groups(), self.nodes.0, self.nodes.1);
        Ok(Gated {
            gate,
            up,
            biases: None,
            shares,
        })
    }

    /// `count` matrices of `columns` x `rows` in one tensor, of which every expert's row groups are divided
    /// among the workers.
    fn own_product(
        &mut self,
        name: &str,
        columns: usize,
        rows: usize,
        count: usize,
    ) -> Result<Matrix, EngineError> {
        let (before, total) = (0, rows.div_ceil(ROWS));
        self.matrices(name, Place { before, total }, columns, rows, count)
    }

    /// `count` matrices of `columns` x `rows` in one tensor.
    fn matrices(
        &mut self,
        name: &str,
        place: Place,
        columns: usize,
        rows: usize,
        count: usize,
    ) -> Result<Matrix, EngineError> {
        let tensor = self.find(name, columns, rows, count)?;
        let kernels = (self.kernels)(tensor.kind).map_err(|error| match error {
            EngineError::Model(why) => EngineError::Model(format!("tensor {name}: {why}")),
            other => other,
        })?;
        let matrix = match self.source.stay(&tensor) {
            Some(rows) => Matrix::mapped(rows, &tensor, place, kernels)?,
            None => {
                let (lead, arenas) = (&mut *self.lead, &mut *self.arenas);
                Matrix::pack(self.source, &tensor, place, kernels, lead, arenas)?
            }
        };
        (self.progress)(tensor.bytes());
        Ok(matrix)
    }

    /// A tensor that exists and has the shape that the description asks for.
    fn find(
        &mut self,
        name: &str,
        columns: usize,
        rows: usize,
        matrices: usize,
    ) -> Result<TensorInfo, EngineError> {
        let tensor = self
            .source
            .find(name)
            .ok_or_else(|| EngineError::Model(format!("tensor {name} is missing")))?;
        let shape = |rows: usize, matrices: usize| match matrices {
            1 => format!("{columns} x {rows}", columns = tensor.columns),
            _ => format!("{} x {} x {matrices}", tensor.columns, rows / matrices),
        };
        let found = (tensor.columns, tensor.rows, tensor.matrices);
        // The counts were read within bounds whose product fits.
        if found != (columns, rows * matrices, matrices) {
            let wanted = match matrices {
                1 => format!("{columns} x {rows}"),
                _ => format!("{columns} x {rows} x {matrices}"),
            };
            return Err(EngineError::Model(format!(
                "tensor {name} is {}; the metadata asks for {wanted}",
                shape(tensor.rows, tensor.matrices)
            )));
        }
        self.loaded.insert(tensor.name.clone());
        Ok(tensor)
    }

    /// Refuses tensors that no part of the model reads: results would silently be wrong.
    fn all_loaded(&self, config: &Config) -> Result<(), EngineError> {
        let tensors = self.source.tensors();
        let stray = tensors
            .iter()
            .find(|tensor| !self.loaded.contains(&tensor.name) && !tensor.name.contains(REDUNDANT));
        match stray {
            None => Ok(()),
            Some(tensor) => Err(EngineError::Model(format!(
                "tensor {} is not part of a model of architecture \"{}\" as this engine runs it; \
                 results would be wrong without it",
                tensor.name, config.architecture
            ))),
        }
    }

    /// Biases side by side, padded to whole row groups.
    fn bias(&mut self, parts: &[(String, usize)]) -> Result<Vec<f32>, EngineError> {
        let mut all = Vec::new();
        for (name, length) in parts {
            all.extend(self.vector(name, *length)?);
        }
        all.resize(all.len().next_multiple_of(ROWS), 0.0);
        Ok(all)
    }

    fn vector(&mut self, name: &str, length: usize) -> Result<Vec<f32>, EngineError> {
        let tensor = self.find(name, length, 1, 1)?;
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
        let (columns, rows) = (config.embedding_length, config.vocabulary_size);
        let tensor = self.find(name, columns, rows, 1)?;
        let row_bytes = tensor.row_bytes();
        decodable(&tensor)?;
        if let Some(rows) = self.source.stay(&tensor) {
            (self.progress)(tensor.bytes());
            let rows = EmbeddingRows::Mapped(rows);
            return Ok(Embedding { tensor, rows });
        }
        // Rows are read one at a time, at random: huge pages would not pay.
        let mut bytes = NodeBuffer::new(row_bytes * tensor.rows, Pages::Normal)?;
        let rows = sysinfer_machine::Ranges::split(tensor.rows, 1, self.lead.threads());
        let cuts = rows.scaled(row_bytes);
        let (source, tied) = (self.source, self.tied());
        self.lead.run(ranges(&mut bytes, &cuts), |worker, out| {
            let mut buffer = vec![0; row_bytes];
            let mut out = out.chunks_exact_mut(row_bytes);
            for stripe in stripes(rows.get(worker), row_bytes) {
                for (row, out) in stripe.clone().zip(&mut out) {
                    out.copy_from_slice(source.row(&tensor, row, &mut buffer));
                }
                if !tied {
                    source.release(&tensor, stripe);
                }
            }
        });
        (self.progress)(tensor.bytes());
        let rows = EmbeddingRows::Copied(bytes);
        Ok(Embedding { tensor, rows })
    }
}

/// Refuses factors of angles that are none. An infinite one would leave its pair unrotated, and no result
/// would show it.
fn positive(name: &str, factors: Vec<f32>) -> Result<Vec<f32>, EngineError> {
    let wrong = |factor: &f32| !factor.is_finite() || *factor <= 0.0;
    match factors.iter().position(wrong) {
        None => Ok(factors),
        Some(at) => Err(EngineError::Model(format!(
            "tensor {name} has {} at column {at}; factors must be finite and above 0: the file is damaged, \
             fetch it again or convert the model again",
            factors[at]
        ))),
    }
}

/// Refuses a matrix whose row groups would straddle the next one's.
fn whole_groups(name: &str, rows: usize) -> Result<(), EngineError> {
    if rows.is_multiple_of(ROWS) {
        return Ok(());
    }
    let message = format!("{name} has {rows} rows; they must be a multiple of {ROWS}");
    Err(EngineError::Model(message))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ops::Range;
    use std::sync::Mutex;

    use sysinfer_machine::{SpinPolicy, Team, TeamSpec};

    use super::*;
    use crate::choice::kernels;
    use crate::model::preset::Preset;
    use crate::model::source::Synthetic;
    use crate::plan::{PhasePlan, Plan};

    /// What happened to a row, in order.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Event {
        Read,
        Released,
    }

    /// Keeps a record of every row.
    struct Recording {
        rows: Synthetic,
        events: Mutex<BTreeMap<String, Vec<Vec<Event>>>>,
    }

    impl Recording {
        fn note(&self, tensor: &TensorInfo, rows: Range<usize>, event: Event) {
            let mut events = self.events.lock().expect("no test panics meanwhile");
            let of_tensor = events.entry(tensor.name.clone());
            let of_rows = of_tensor.or_insert_with(|| vec![Vec::new(); tensor.rows]);
            rows.for_each(|row| of_rows[row].push(event));
        }
    }

    impl Source for Recording {
        fn find(&self, name: &str) -> Option<TensorInfo> {
            self.rows.find(name)
        }

        fn tensors(&self) -> Vec<TensorInfo> {
            self.rows.tensors()
        }

        fn row<'s>(&'s self, tensor: &TensorInfo, row: usize, buffer: &'s mut [u8]) -> &'s [u8] {
            self.note(tensor, row..row + 1, Event::Read);
            self.rows.row(tensor, row, buffer)
        }

        fn release(&self, tensor: &TensorInfo, rows: Range<usize>) {
            self.note(tensor, rows, Event::Released);
        }
    }

    fn load(source: &dyn Source) {
        let team = TeamSpec {
            threads: 2,
            cpus: Vec::new(),
            topology: None,
            spin: SpinPolicy::Auto,
            effective_cpus: 1,
        };
        let plan = Plan::with_threads(PhasePlan::unpinned(2));
        let mut arenas = Arenas::new(&[0, 0], Pages::Normal, false, 1 << 20);
        Team::new(team).expect("two threads").enter(|lead| {
            let mut loader = Loader {
                source,
                lead,
                arenas: &mut arenas,
                nodes: (&[0, 0], &[0, 0]),
                kernels: &|block| kernels(&plan, block),
                progress: &mut |_| {},
                loaded: HashSet::new(),
            };
            loader.load(&Preset::Tiny.config()).expect("our own shape");
        });
    }

    #[test]
    fn every_row_of_a_matrix_is_released_once_after_it_was_last_read() {
        use Event::{Read, Released};
        for tied in [false, true] {
            let mut rows = Synthetic::new(Preset::Tiny, 1);
            if tied {
                rows.forget("output.weight");
            }
            let events = Mutex::default();
            let source = Recording { rows, events };
            load(&source);
            let events = source
                .events
                .into_inner()
                .expect("no test panics meanwhile");
            let mut matrices = 0;
            for tensor in source
                .rows
                .tensors()
                .iter()
                .filter(|tensor| tensor.rows > 1)
            {
                let expected: &[Event] = match tied && tensor.name == "token_embd.weight" {
                    true => &[Read, Read, Released],
                    false => &[Read, Released],
                };
                for (row, events) in events[&tensor.name].iter().enumerate() {
                    assert_eq!(events, expected, "{} row {row}, tied: {tied}", tensor.name);
                }
                matrices += 1;
            }
            assert_eq!(matrices, if tied { 15 } else { 16 });
        }
    }
}
