//! The decoder by the papers, in plain f64 loops over dequantised weights: the oracle for the whole
//! engine. It shares the file parser and nothing else with it.

use sysinfer_formats::Gguf;
use sysinfer_formats::blocks::dequantize;

/// What the metadata says, as far as the oracle needs it.
struct Shape {
    layers: usize,
    heads: usize,
    kv_heads: usize,
    head: usize,
    epsilon: f64,
    base: f64,
    alibi: bool,
}

/// A model whose weights are decoded on every use: slow, small, obvious.
pub struct Naive<'f> {
    file: &'f Gguf<'f>,
    shape: Shape,
}

type Row = Vec<f64>;

impl<'f> Naive<'f> {
    /// Reads the description of a Llama or Baichuan file.
    ///
    /// # Panics
    /// If a key is missing: the tests' own files have them.
    pub fn new(file: &'f Gguf<'f>) -> Self {
        let metadata = file.metadata();
        let architecture = metadata
            .require_string("general.architecture")
            .expect("has one");
        let key = |name: &str| format!("{architecture}.{name}");
        let count = |name: &str| metadata.require_unsigned(&key(name)).expect("is there") as usize;
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
            base: metadata
                .float(&key("rope.freq_base"))
                .ok()
                .flatten()
                .unwrap_or(10_000.0)
                .into(),
            alibi: architecture == "baichuan" && layers == 40,
        };
        Self { file, shape }
    }

    fn rows(&self, name: &str) -> Vec<Row> {
        let tensor = self.file.require(name).expect("the test's file has it");
        (0..tensor.rows())
            .map(|row| {
                let mut values = vec![0.0; tensor.columns()];
                dequantize(tensor.kind, tensor.row(row), &mut values).expect("a type we decode");
                values.into_iter().map(f64::from).collect()
            })
            .collect()
    }

    fn multiply(&self, name: &str, inputs: &[Row]) -> Vec<Row> {
        let weights = self.rows(name);
        let dot = |a: &Row, b: &Row| a.iter().zip(b).map(|(a, b)| a * b).sum();
        inputs
            .iter()
            .map(|x| weights.iter().map(|w| dot(w, x)).collect())
            .collect()
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
            let mut hidden = self.multiply(&name("ffn_gate"), &normed);
            let up = self.multiply(&name("ffn_up"), &normed);
            for (gate, up) in hidden.iter_mut().flatten().zip(up.iter().flatten()) {
                *gate = *gate / (1.0 + (-*gate).exp()) * up;
            }
            add(&mut x, self.multiply(&name("ffn_down"), &hidden));
        }
        let last = self.norm("output_norm.weight", &x);
        let output = if self.file.tensor("output.weight").is_some() {
            "output"
        } else {
            "token_embd"
        };
        let logits = self.multiply(&format!("{output}.weight"), &last);
        logits
            .into_iter()
            .map(|row| row.into_iter().map(|v| v as f32).collect())
            .collect()
    }

    fn attention(&self, name: &dyn Fn(&str) -> String, inputs: &[Row]) -> Vec<Row> {
        let shape = &self.shape;
        let mut queries = self.multiply(&name("attn_q"), inputs);
        let mut keys = self.multiply(&name("attn_k"), inputs);
        let values = self.multiply(&name("attn_v"), inputs);
        if !shape.alibi {
            for rows in [&mut queries, &mut keys] {
                for (position, row) in rows.iter_mut().enumerate() {
                    row.chunks_mut(shape.head)
                        .for_each(|head| rotate(head, position, shape.base));
                }
            }
        }
        (0..inputs.len())
            .map(|row| self.attend(row, &queries[row], &keys, &values))
            .collect()
    }

    fn attend(&self, row: usize, query: &Row, keys: &[Row], values: &[Row]) -> Row {
        let shape = &self.shape;
        let mut out = vec![0.0; query.len()];
        for head in 0..shape.heads {
            let kv = head / (shape.heads / shape.kv_heads) * shape.head;
            let q = &query[head * shape.head..][..shape.head];
            // Slopes for a power of two of heads; the tests' models have no other number.
            let slope = if shape.alibi {
                (-8.0 * (head + 1) as f64 / shape.heads as f64).exp2()
            } else {
                0.0
            };
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

fn rotate(head: &mut [f64], position: usize, base: f64) {
    let size = head.len() as f64;
    for (pair, values) in head.chunks_exact_mut(2).enumerate() {
        let angle = position as f64 * base.powf(-2.0 * pair as f64 / size);
        let (a, b) = (values[0], values[1]);
        values[0] = a * angle.cos() - b * angle.sin();
        values[1] = a * angle.sin() + b * angle.cos();
    }
}

fn add(sums: &mut [Row], values: Vec<Row>) {
    for (sum, value) in sums.iter_mut().flatten().zip(values.into_iter().flatten()) {
        *sum += value;
    }
}
