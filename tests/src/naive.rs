//! The decoder by the papers, in plain f64 loops over dequantised weights: the oracle for the whole
//! engine. It shares the file parser and the decoders of blocks with it, which
//! have tests of their own.

use std::collections::HashMap;

use sysinfer_formats::blocks::dequantize;
use sysinfer_formats::{Gguf, Tensor};

/// What the metadata says, as far as the oracle needs it.
struct Shape {
    layers: usize,
    heads: usize,
    kv_heads: usize,
    head: usize,
    epsilon: f64,
    base: f64,
    /// The steepest slope of ALiBi is 2^-(this / heads).
    alibi: Option<f64>,
    /// Rotates `i` with `i + half`, not neighbours.
    halves: bool,
    used_experts: usize,
    /// Weights of the used experts are divided by their sum.
    normed_experts: bool,
    expert_scale: f64,
    scaling: Scaling,
}

/// Positions in a context that was made longer.
struct Scaling {
    /// Positions are divided by this.
    factor: f64,
    /// The context before, where frequencies are divided by parts (YaRN).
    yarn_context: Option<f64>,
    /// Rotated values are multiplied by this.
    magnitude: f64,
}

/// A model with all its weights in f64: slow, small, obvious.
pub struct Naive {
    tensors: HashMap<String, Vec<Row>>,
    shape: Shape,
}

type Row = Vec<f64>;

impl Naive {
    /// Reads the description of a file.
    ///
    /// # Panics
    /// If a key is missing: the tests' own files have them.
    pub fn new(file: &Gguf<'_>) -> Self {
        let metadata = file.metadata();
        let architecture = metadata
            .require_string("general.architecture")
            .expect("has one");
        let key = |name: &str| format!("{architecture}.{name}");
        let count = |name: &str| metadata.require_unsigned(&key(name)).expect("is there") as usize;
        let float = |name: &str| {
            let found = metadata.float(&key(name)).ok().flatten();
            found.map(f64::from)
        };
        let (layers, heads) = (count("block_count"), count("attention.head_count"));
        let shape = Shape {
            layers,
            heads,
            kv_heads: count("attention.head_count_kv"),
            head: count("embedding_length") / heads,
            epsilon: metadata
                .require_float(&key("attention.layer_norm_rms_epsilon"))
                .expect("is there")
                .into(),
            base: float("rope.freq_base").unwrap_or(10_000.0),
            alibi: (architecture == "baichuan" && layers == 40)
                .then(|| float("attention.max_alibi_bias").unwrap_or(8.0)),
            halves: architecture.starts_with("qwen"),
            used_experts: metadata
                .unsigned(&key("expert_used_count"))
                .ok()
                .flatten()
                .unwrap_or(0) as usize,
            normed_experts: metadata
                .boolean(&key("expert_weights_norm"))
                .ok()
                .flatten()
                .unwrap_or(architecture != "qwen2moe"),
            expert_scale: float("expert_weights_scale").unwrap_or(1.0),
            scaling: {
                let factor = float("rope.scaling.factor").or(float("rope.scale_linear"));
                let factor = factor.unwrap_or(1.0);
                let kind = metadata.string(&key("rope.scaling.type")).ok().flatten();
                let yarn = kind == Some("yarn");
                let magnitude = match float("rope.scaling.yarn_attn_factor") {
                    Some(magnitude) => magnitude,
                    None if yarn => 1.0 + 0.1 * factor.ln(),
                    None => 1.0,
                };
                Scaling {
                    factor,
                    yarn_context: yarn
                        .then(|| count("rope.scaling.original_context_length") as f64),
                    magnitude: magnitude * float("rope.scaling.attn_factor").unwrap_or(1.0),
                }
            },
        };
        let tensors = file.tensors().iter();
        let tensors = tensors
            .map(|tensor| (tensor.name.to_owned(), decoded(tensor)))
            .collect();
        Self { tensors, shape }
    }

    fn rows(&self, name: &str) -> &[Row] {
        self.tensors.get(name).expect("the test's file has it")
    }

    fn multiply(&self, name: &str, inputs: &[Row]) -> Vec<Row> {
        let weights = self.rows(name);
        let mut products: Vec<Row> = inputs.iter().map(|x| product(weights, x)).collect();
        let bias = name.replace(".weight", ".bias");
        if let Some(bias) = self.tensors.get(&bias) {
            products
                .iter_mut()
                .for_each(|row| add(std::slice::from_mut(row), bias.clone()));
        }
        products
    }

    fn norm(&self, name: &str, inputs: &[Row]) -> Vec<Row> {
        let weight = &self.rows(name)[0];
        inputs
            .iter()
            .map(|x| {
                let mean = x.iter().map(|v| v * v).sum::<f64>() / x.len() as f64;
                let scale = 1.0 / (mean + self.shape.epsilon).sqrt();
                x.iter().zip(weight).map(|(x, w)| x * scale * w).collect()
            })
            .collect()
    }

    /// Logits after every token.
    pub fn logits(&self, tokens: &[u32]) -> Vec<Vec<f32>> {
        self.output(&self.states(tokens))
            .into_iter()
            .map(|row| row.into_iter().map(|v| v as f32).collect())
            .collect()
    }

    /// What the output matrix makes of hidden states.
    pub fn output(&self, states: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let output = if self.tensors.contains_key("output.weight") {
            "output"
        } else {
            "token_embd"
        };
        self.multiply(&format!("{output}.weight"), states)
    }

    /// Hidden states behind the last norm, after every token.
    pub fn states(&self, tokens: &[u32]) -> Vec<Vec<f64>> {
        let embedding = self.rows("token_embd.weight");
        let mut x: Vec<Row> = tokens
            .iter()
            .map(|t| embedding[*t as usize].clone())
            .collect();
        for layer in 0..self.shape.layers {
            let name = |part: &str| format!("blk.{layer}.{part}.weight");
            let normed = self.norm(&name("attn_norm"), &x);
            let attended = self.attention(&name, &normed);
            add(&mut x, self.multiply(&name("attn_output"), &attended));
            let normed = self.norm(&name("ffn_norm"), &x);
            if self.shape.used_experts == 0 {
                add(&mut x, self.dense(&name, "", &normed));
                continue;
            }
            add(&mut x, self.experts(&name, &normed));
            if self.tensors.contains_key(&name("ffn_gate_inp_shexp")) {
                let scores = self.multiply(&name("ffn_gate_inp_shexp"), &normed);
                let mut shared = self.dense(&name, "_shexp", &normed);
                for (row, score) in shared.iter_mut().zip(scores) {
                    let weight = 1.0 / (1.0 + (-score[0]).exp());
                    row.iter_mut().for_each(|value| *value *= weight);
                }
                add(&mut x, shared);
            }
        }
        self.norm("output_norm.weight", &x)
    }

    fn dense(&self, name: &dyn Fn(&str) -> String, suffix: &str, inputs: &[Row]) -> Vec<Row> {
        let [gate, up, down] =
            ["ffn_gate", "ffn_up", "ffn_down"].map(|part| name(&format!("{part}{suffix}")));
        let mut hidden = self.multiply(&gate, inputs);
        let up = self.multiply(&up, inputs);
        for (hidden, up) in hidden.iter_mut().zip(&up) {
            silu_times(hidden, up);
        }
        self.multiply(&down, &hidden)
    }

    fn attention(&self, name: &dyn Fn(&str) -> String, inputs: &[Row]) -> Vec<Row> {
        let shape = &self.shape;
        let mut queries = self.multiply(&name("attn_q"), inputs);
        let mut keys = self.multiply(&name("attn_k"), inputs);
        let values = self.multiply(&name("attn_v"), inputs);
        for (rows, norm) in [(&mut queries, "attn_q_norm"), (&mut keys, "attn_k_norm")] {
            for (position, row) in rows.iter_mut().enumerate() {
                for head in row.chunks_mut(shape.head) {
                    if self.tensors.contains_key(&name(norm)) {
                        let normed = self.norm(&name(norm), &[head.to_vec()]);
                        head.copy_from_slice(&normed[0]);
                    }
                    if shape.alibi.is_none() {
                        rotate(head, position, shape);
                    }
                }
            }
        }
        (0..inputs.len())
            .map(|row| self.attend(row, &queries[row], &keys, &values))
            .collect()
    }

    /// The softmax of all scores, the largest of them divided by their sum, and what these experts say.
    fn experts(&self, name: &dyn Fn(&str) -> String, inputs: &[Row]) -> Vec<Row> {
        let scores = self.multiply(&name("ffn_gate_inp"), inputs);
        let [gate, up, down] =
            ["ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"].map(|part| self.rows(&name(part)));
        let count = scores[0].len();
        fn of(rows: &[Row], expert: usize, count: usize) -> &[Row] {
            let each = rows.len() / count;
            &rows[expert * each..][..each]
        }
        let pairs = inputs.iter().zip(&scores);
        pairs
            .map(|(x, scores)| {
                let sum: f64 = scores.iter().map(|score| score.exp()).sum();
                let mut order: Vec<usize> = (0..count).collect();
                order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
                order.truncate(self.shape.used_experts);
                let share = |expert: usize| scores[expert].exp() / sum;
                let chosen: f64 = match self.shape.normed_experts {
                    true => order.iter().map(|expert| share(*expert)).sum(),
                    false => 1.0,
                };
                let mut out = vec![0.0; x.len()];
                for expert in order {
                    let mut hidden = product(of(gate, expert, count), x);
                    silu_times(&mut hidden, &product(of(up, expert, count), x));
                    let result = product(of(down, expert, count), &hidden);
                    for (out, value) in out.iter_mut().zip(result) {
                        *out += self.shape.expert_scale * share(expert) / chosen * value;
                    }
                }
                out
            })
            .collect()
    }

    fn attend(&self, row: usize, query: &Row, keys: &[Row], values: &[Row]) -> Row {
        let shape = &self.shape;
        let mut out = vec![0.0; query.len()];
        for head in 0..shape.heads {
            let kv = head / (shape.heads / shape.kv_heads) * shape.head;
            let q = &query[head * shape.head..][..shape.head];
            // Slopes for a power of two of heads; the tests' models have no other number.
            let slope = shape.alibi.map_or(0.0, |bias| {
                (-bias * (head + 1) as f64 / shape.heads as f64).exp2()
            });
            let scores: Vec<f64> = (0..=row)
                .map(|key| {
                    let dot: f64 = q.iter().zip(&keys[key][kv..]).map(|(a, b)| a * b).sum();
                    dot / (shape.head as f64).sqrt() - slope * (row - key) as f64
                })
                .collect();
            let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
            let sum: f64 = weights.iter().sum();
            for i in 0..shape.head {
                let values = weights.iter().zip(values).map(|(w, v)| w * v[kv + i]);
                out[head * shape.head + i] = values.sum::<f64>() / sum;
            }
        }
        out
    }
}

fn decoded(tensor: &Tensor<'_>) -> Vec<Row> {
    (0..tensor.rows())
        .map(|row| {
            let mut values = vec![0.0; tensor.columns()];
            dequantize(tensor.kind, tensor.row(row), &mut values).expect("a type we decode");
            values.into_iter().map(f64::from).collect()
        })
        .collect()
}

fn product(weights: &[Row], x: &Row) -> Row {
    let dot = |w: &Row| w.iter().zip(x).map(|(w, x)| w * x).sum();
    weights.iter().map(dot).collect()
}

fn silu_times(gate: &mut Row, up: &Row) {
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate = *gate / (1.0 + (-*gate).exp()) * up;
    }
}

fn rotate(head: &mut [f64], position: usize, shape: &Shape) {
    let half = head.len() / 2;
    for pair in 0..half {
        let frequency = shape.base.powf(-(pair as f64) / half as f64);
        let scaled = frequency / shape.scaling.factor;
        let frequency = match shape.scaling.yarn_context {
            None => scaled,
            // By its own number of turns a pair is left alone, scaled, or between them; the bounds, 32
            // turns and 1, are at whole pairs.
            Some(context) => {
                let pair_of = |turns: f64| {
                    half as f64 * (context / (turns * std::f64::consts::TAU)).ln() / shape.base.ln()
                };
                let (from, to) = (pair_of(32.0).floor().max(0.0), pair_of(1.0).ceil());
                let to = to.min(2.0 * half as f64 - 1.0);
                let share = ((pair as f64 - from) / (to - from)).clamp(0.0, 1.0);
                share * scaled + (1.0 - share) * frequency
            }
        };
        let angle = position as f64 * frequency;
        let (i, j) = if shape.halves {
            (pair, pair + half)
        } else {
            (2 * pair, 2 * pair + 1)
        };
        let (a, b) = (head[i], head[j]);
        let magnitude = shape.scaling.magnitude;
        head[i] = magnitude * (a * angle.cos() - b * angle.sin());
        head[j] = magnitude * (a * angle.sin() + b * angle.cos());
    }
}

fn add(sums: &mut [Row], values: Vec<Row>) {
    for (sum, value) in sums.iter_mut().flatten().zip(values.into_iter().flatten()) {
        *sum += value;
    }
}
