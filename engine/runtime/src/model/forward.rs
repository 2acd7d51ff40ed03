//! One step of the decoder, top to bottom.
//!
//! Every line that computes is a phase of the team: all workers take part, each on its share, and
//! meet before the next. Per layer: queries, keys and values | append to the cache | attention |
//! attention output | gate and up | down. Norms, merging and quantisation happen inside the phase
//! that needs their result.

use sysinfer_kernels::matmul::Loops;
use sysinfer_kernels::{ROWS, Role};
use sysinfer_machine::{Lead, Ranges, ranges};

use super::attention::{Addition, AttentionPlan};
use super::config::Config;
use super::ops::{Input, Target};
use super::rope::{Rope, alibi_slopes};
use super::step::{Prepared, Scratch, Step};
use super::weights::Weights;

/// A model ready to run.
#[derive(Debug)]
pub struct Model {
    /// What it is.
    pub config: Config,
    /// Its packed weights.
    pub weights: Weights,
    /// Rotary angles.
    pub rope: Rope,
    /// ALiBi slope per query head.
    pub slopes: Vec<f32>,
}

/// Activations of a step; allocated when the largest step so far comes, then kept.
#[derive(Debug, Default)]
pub struct Buffers {
    /// Residual stream, `[row][embedding_length]`.
    residual: Vec<f32>,
    /// Queries, keys and values, `[row][query_width + 2 kv_width]`.
    qkv: Vec<f32>,
    /// Partial results of attention.
    partials: Vec<f32>,
    /// `[row][feed_forward_length]`.
    hidden: Vec<f32>,
    /// Rows whose logits are wanted, `[row][embedding_length]`.
    last: Vec<f32>,
    /// `[wanted row][vocabulary, padded to whole row groups]`.
    logits: Vec<f32>,
    shared: Prepared,
}

/// How a step is run.
#[derive(Clone, Copy, Debug)]
pub struct Mode {
    /// Which kernels and shares apply.
    pub role: Role,
    /// Block sizes of the products.
    pub loops: Loops,
    /// Positions per attention unit.
    pub attention_chunk: usize,
}

impl Model {
    /// Puts description and weights together.
    pub fn new(config: Config, weights: Weights) -> Model {
        let rope = Rope::new(&config, weights.rope_factors.as_deref());
        let slopes = alibi_slopes(&config);
        Model {
            config,
            weights,
            rope,
            slopes,
        }
    }

    /// Values per row of logits, padding included.
    pub fn logits_width(&self) -> usize {
        self.config.vocabulary_size.div_ceil(ROWS) * ROWS
    }

    /// Runs the new tokens of some sequences through the model and returns the logits of the rows
    /// in `wanted`. The sequences have room for the tokens; their length is the caller's to change.
    pub fn forward<'b>(
        &self,
        lead: &mut Lead<'_>,
        mode: Mode,
        additions: &mut [Addition<'_>],
        wanted: &[usize],
        scratch: &mut [Scratch],
        buffers: &'b mut Buffers,
    ) -> &'b [f32] {
        let Buffers {
            residual,
            qkv,
            partials,
            hidden,
            last,
            logits,
            shared,
        } = buffers;
        let config = &self.config;
        let epsilon = config.norm_epsilon;
        let rows = additions.iter().map(|addition| addition.tokens.len()).sum();
        let plan = AttentionPlan::new(
            config,
            additions,
            mode.attention_chunk,
            lead.threads(),
            |position, angles| self.rope.angles(position, angles),
        );
        let width = config.embedding_length;
        resize(residual, rows * width);
        resize(qkv, rows * (config.query_width() + 2 * config.kv_width()));
        resize(partials, plan.partials_len());
        resize(hidden, rows * config.feed_forward_length);
        let mut step = Step {
            lead,
            role: mode.role,
            loops: mode.loops,
            rows,
            scratch,
            shared,
        };

        self.embed(&mut step, additions, residual);
        for (index, layer) in self.weights.layers.iter().enumerate() {
            let weight = &layer.attention_norm;
            let normed = Input::Normed {
                values: residual,
                weight,
                epsilon,
            };
            step.project(&layer.qkv, normed, Target::Store, qkv);
            plan.append(&mut step, index, qkv, additions);
            plan.attend(&mut step, index, (qkv, &self.slopes), additions, partials);
            let attended = plan.gather(partials);
            let attended = Input::Attended(&attended);
            step.project(&layer.attention_output, attended, Target::Add, residual);

            let weight = &layer.feed_forward_norm;
            let normed = Input::Normed {
                values: residual,
                weight,
                epsilon,
            };
            step.gate(&layer.gated, normed, hidden);
            step.project(&layer.down, Input::Plain(hidden), Target::Add, residual);
        }

        resize(last, wanted.len() * width);
        for (out, row) in last.chunks_exact_mut(width).zip(wanted) {
            out.copy_from_slice(&residual[row * width..][..width]);
        }
        resize(logits, wanted.len() * self.logits_width());
        if !wanted.is_empty() {
            step.rows = wanted.len();
            let weight = &self.weights.output_norm;
            let normed = Input::Normed {
                values: last,
                weight,
                epsilon,
            };
            step.project(&self.weights.output, normed, Target::Store, logits);
        }
        logits
    }

    /// Token embeddings of all rows.
    fn embed(&self, step: &mut Step<'_, '_>, additions: &[Addition<'_>], residual: &mut [f32]) {
        let width = self.config.embedding_length;
        let tokens: Vec<u32> = additions
            .iter()
            .flat_map(|addition| addition.tokens)
            .copied()
            .collect();
        let rows = Ranges::split(tokens.len(), 1, step.lead.threads());
        let fill = |tokens: &[u32], out: &mut [f32]| {
            for (token, out) in tokens.iter().zip(out.chunks_exact_mut(width)) {
                self.weights.embedding.row(*token, out);
            }
        };
        if tokens.len() == 1 {
            return fill(&tokens, residual);
        }
        let cuts = rows.scaled(width);
        step.lead.run(ranges(residual, &cuts), |worker, out| {
            fill(&tokens[rows.get(worker)], out)
        });
    }
}

/// Gives a buffer its length for this step; what it holds is overwritten before it is read.
fn resize(buffer: &mut Vec<f32>, len: usize) {
    buffer.resize(len, 0.0);
}
