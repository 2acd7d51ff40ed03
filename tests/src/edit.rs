//! GGUF files taken apart and put together again: other keys, and the forms and parts that people have
//! models in.

use sysinfer_formats::{Gguf, GgufWriter, OwnedValue, Tensor, TensorType};

/// A file in pieces that can be changed.
#[derive(Clone, Debug)]
pub struct Edit {
    /// In the order of the file.
    pub metadata: Vec<(String, OwnedValue)>,
    /// In the order of the file.
    pub tensors: Vec<OwnTensor>,
}

/// A tensor with its bytes.
#[derive(Clone, Debug)]
pub struct OwnTensor {
    /// Name in the file.
    pub name: String,
    /// Type of its blocks.
    pub kind: TensorType,
    /// Contiguous dimension first.
    pub shape: Vec<u64>,
    /// Plain bytes of all rows.
    pub data: Vec<u8>,
}

impl Edit {
    /// Takes a file apart.
    ///
    /// # Panics
    /// If it is no GGUF.
    pub fn of(bytes: &[u8]) -> Edit {
        let file = Gguf::parse(bytes).expect("a good file");
        let metadata = file.metadata().iter();
        let tensors = file.tensors().iter().map(|tensor| OwnTensor {
            name: tensor.name.to_owned(),
            kind: tensor.kind,
            shape: tensor.shape.clone(),
            data: tensor.data.to_vec(),
        });
        Edit {
            metadata: metadata
                .map(|(key, value)| (key.to_owned(), OwnedValue::from(*value)))
                .collect(),
            tensors: tensors.collect(),
        }
    }

    /// Adds a key, or gives it another value.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<OwnedValue>) -> Edit {
        self.metadata.retain(|(known, _)| known != key);
        self.metadata.push((key.into(), value.into()));
        self
    }

    /// Removes the tensors whose names end so.
    pub fn take(&mut self, end: &str) -> Vec<OwnTensor> {
        let (taken, left) = std::mem::take(&mut self.tensors)
            .into_iter()
            .partition(|tensor| tensor.name.ends_with(end));
        self.tensors = left;
        taken
    }

    /// The whole as one file.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn write(&self) -> Vec<u8> {
        write(&self.metadata, &self.tensors)
    }

    /// The whole as the parts that llama.cpp's gguf-split makes of it, cut before the tensors of these
    /// numbers: all keys are in the first part, and every part says which one it is.
    pub fn parts(&self, cuts: &[usize]) -> Vec<Vec<u8>> {
        let mut bounds = vec![0];
        bounds.extend(cuts);
        bounds.push(self.tensors.len());
        let count = bounds.len() - 1;
        let part = |index: usize| {
            let mut metadata = match index {
                0 => self.metadata.clone(),
                _ => Vec::new(),
            };
            metadata.extend([
                ("split.no".to_owned(), OwnedValue::U16(index as u16)),
                ("split.count".to_owned(), OwnedValue::U16(count as u16)),
                (
                    "split.tensors.count".to_owned(),
                    OwnedValue::I32(self.tensors.len() as i32),
                ),
            ]);
            write(&metadata, &self.tensors[bounds[index]..bounds[index + 1]])
        };
        (0..count).map(part).collect()
    }

    /// Experts as in files of 2023: a tensor for each.
    #[must_use]
    pub fn one_tensor_per_expert(mut self) -> Edit {
        for part in ["ffn_gate", "ffn_up", "ffn_down"] {
            for stack in self.take(&format!(".{part}_exps.weight")) {
                let layer = stack.name.split(".ffn").next().expect("a layer");
                let count = stack.shape[2] as usize;
                let each = stack.data.chunks_exact(stack.data.len() / count);
                self.tensors
                    .extend(each.enumerate().map(|(expert, data)| OwnTensor {
                        name: format!("{layer}.{part}.{expert}.weight"),
                        kind: stack.kind,
                        shape: stack.shape[..2].to_vec(),
                        data: data.to_vec(),
                    }));
            }
        }
        self
    }

    /// Gate and up of all experts in one tensor.
    #[must_use]
    pub fn gate_and_up_joined(mut self) -> Edit {
        let gates = self.take(".ffn_gate_exps.weight");
        for (gate, up) in gates.into_iter().zip(self.take(".ffn_up_exps.weight")) {
            let count = gate.shape[2] as usize;
            let each = |stack: &OwnTensor| stack.data.len() / count;
            let pairs = gate.data.chunks_exact(each(&gate));
            let pairs = pairs.zip(up.data.chunks_exact(each(&up)));
            self.tensors.push(OwnTensor {
                name: gate.name.replace("ffn_gate_exps", "ffn_gate_up_exps"),
                kind: gate.kind,
                shape: vec![gate.shape[0], 2 * gate.shape[1], gate.shape[2]],
                data: pairs.flat_map(|(gate, up)| [gate, up].concat()).collect(),
            });
        }
        self
    }

    /// Queries, keys and values in one tensor, and so their biases.
    #[must_use]
    pub fn queries_keys_and_values_joined(mut self) -> Edit {
        for end in ["weight", "bias"] {
            let [queries, keys, values] =
                ["q", "k", "v"].map(|part| self.take(&format!(".attn_{part}.{end}")));
            for ((query, key), value) in queries.into_iter().zip(keys).zip(values) {
                let mut shape = query.shape.clone();
                let rows = shape.last_mut().expect("at least one dimension");
                *rows = [&query, &key, &value]
                    .iter()
                    .filter_map(|part| part.shape.last())
                    .sum();
                self.tensors.push(OwnTensor {
                    name: query.name.replace("attn_q.", "attn_qkv."),
                    kind: query.kind,
                    shape,
                    data: [query.data, key.data, value.data].concat(),
                });
            }
        }
        self
    }
}

fn write(metadata: &[(String, OwnedValue)], tensors: &[OwnTensor]) -> Vec<u8> {
    let tensors: Vec<Tensor<'_>> = tensors
        .iter()
        .map(|tensor| Tensor {
            name: &tensor.name,
            kind: tensor.kind,
            shape: tensor.shape.clone(),
            data: &tensor.data,
        })
        .collect();
    let keys = metadata.iter().cloned();
    keys.fold(GgufWriter::new(), |writer, (key, value)| {
        writer.metadata(key, value)
    })
    .write_to_vec(&tensors)
    .expect("a valid file")
}
