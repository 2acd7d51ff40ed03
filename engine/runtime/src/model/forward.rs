//! One step of the decoder, top to bottom.
//!
//! Every line that computes is a region of the team: all workers take part, each on its share, and
//! meet before the next. Per layer: queries, keys and values | append to the cache | attention |
//! attention output | gate and up | down. Norms, merging and quantisation happen inside the region
//! that needs their result.

use sysinfer_kernels::matmul::Loops;
use sysinfer_kernels::{Phase, ROWS};
use sysinfer_machine::{Lead, Lines, Ranges, ranges};

use super::attention::{Addition, AttentionPlan, Cut, Heads};
use super::config::Config;
use super::experts::ExpertBuffers;
use super::ops::{Input, Target};
use super::rope::{Rope, alibi_slopes};
use super::step::{Inputs, Kind, Scratch, Step, run_region};
use super::weights::{FeedForward, Layer, Weights};
use crate::kv::{HeadShares, KvShape};

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

/// Activations of a step; allocated when the largest step so far comes, then kept. What a buffer holds is
/// overwritten before it is read. Those that workers write columns of start at cache lines, so that none has
/// values of two nodes where these divide the rows of a matrix evenly.
#[derive(Debug, Default)]
pub struct Buffers {
    /// Residual stream, `[row][embedding_length]`.
    residual: Lines,
    /// Queries, keys and values, `[row][query_width + 2 kv_width]`.
    qkv: Lines,
    /// Partial results of attention.
    partials: Lines,
    /// Attention of all heads, `[row][query_width]`, where workers merge it together.
    merged: Lines,
    /// `[row][feed_forward_length]`.
    hidden: Lines,
    experts: ExpertBuffers,
    /// Hidden states that are added up, `[row][embedding_length]`.
    states: Lines,
    /// Rows whose logits are wanted, `[row][embedding_length]`.
    last: Vec<f32>,
    /// `[wanted row][vocabulary, padded to whole row groups]`.
    logits: Vec<f32>,
    shared: Inputs,
}

impl Buffers {
    /// Exchanges the logits of the last pass for other memory, so that they need not be copied.
    pub(crate) fn swap_logits(&mut self, other: &mut Vec<f32>) {
        std::mem::swap(&mut self.logits, other);
    }
}

/// How a step is run.
#[derive(Clone, Copy, Debug)]
pub struct Mode<'m> {
    /// Which kernels and shares apply.
    pub phase: Phase,
    /// Block sizes of the products.
    pub loops: Loops,
    /// Positions per attention unit.
    pub attention_chunk: usize,
    /// Shape of the sequences' caches.
    pub cache: KvShape,
    /// Which workers have which heads of these.
    pub heads: &'m HeadShares,
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

    /// Runs the new tokens of some sequences through the model, adds up the hidden states of those that want
    /// it, and returns the logits of the rows in `wanted`. The sequences have room for the tokens; their
    /// length is the caller's to change.
    pub fn forward<'b>(
        &self,
        lead: &mut Lead<'_>,
        mode: Mode<'_>,
        additions: &mut [Addition<'_>],
        wanted: &[usize],
        scratch: &mut [Scratch],
        buffers: &'b mut Buffers,
    ) -> &'b [f32] {
        let Buffers {
            residual,
            qkv,
            partials,
            merged,
            hidden,
            experts,
            states,
            last,
            logits,
            shared,
        } = buffers;
        let config = &self.config;
        let epsilon = config.norm_epsilon;
        let rows = additions.iter().map(|addition| addition.tokens.len()).sum();
        let cut = Cut {
            cache: mode.cache,
            group: config.group(),
            chunk: mode.attention_chunk,
            heads: mode.heads,
            slopes: &self.slopes,
        };
        let plan = AttentionPlan::new(cut, additions, &self.rope);
        let width = config.embedding_length;
        residual.resize(rows * width);
        qkv.resize(rows * (config.query_width() + 2 * config.kv_width()));
        partials.resize(plan.partials_len());
        if config.experts.is_none() {
            hidden.resize(rows * config.feed_forward_length);
        }
        let mut step = Step {
            lead,
            phase: mode.phase,
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
            let heads = self.heads(layer);
            plan.append(&mut step, index, qkv, heads, additions);
            plan.attend(&mut step, index, qkv, heads, additions, partials);
            let gather = plan.gather(partials);
            let attended = plan.merged(&mut step, &gather, merged);
            step.project(&layer.attention_output, attended, Target::Add, residual);

            let weight = &layer.feed_forward_norm;
            let normed = Input::Normed {
                values: residual,
                weight,
                epsilon,
            };
            match &layer.feed_forward {
                FeedForward::Dense(dense) => {
                    step.gate(&dense.gated, normed, hidden);
                    step.project(&dense.down, Input::Plain(hidden), Target::Add, residual);
                }
                FeedForward::Experts(layer) => {
                    step.experts_gate(layer, normed, experts);
                    step.experts_down(layer, experts, residual);
                }
            }
        }

        self.sum_states(&mut step, additions, residual, states);
        last.resize(wanted.len() * width, 0.0);
        for (out, row) in last.chunks_exact_mut(width).zip(wanted) {
            out.copy_from_slice(&residual[row * width..][..width]);
        }
        logits.resize(wanted.len() * self.logits_width(), 0.0);
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

    /// What a layer does to its heads.
    fn heads<'m>(&'m self, layer: &'m Layer) -> Heads<'m> {
        Heads {
            query_norm: layer.query_norm.as_deref(),
            key_norm: layer.key_norm.as_deref(),
            epsilon: self.config.norm_epsilon,
            slopes: &self.slopes,
        }
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
        let kind = Kind::Rest;
        run_region(step.lead, kind, ranges(residual, &cuts), |worker, out| {
            fill(&tokens[rows.get(worker)], out)
        });
    }
}
