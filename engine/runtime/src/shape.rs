//! What a model is without its weights: the products of a step, their sizes and types. For what
//! reasons about speed, such as a simulated host, and must not allocate gigabytes for it.

use sysinfer_kernels::{Layout, ROWS};

use crate::error::EngineError;
use crate::info::EngineInfo;
use crate::matrix_shape::MatrixShape;
use crate::model::config::Config;
use crate::model::model_file::ModelFile;
use crate::model::preset::Preset;
use crate::model::source::{Source, Synthetic};
use crate::precision::Precision;

/// One product of a step: matrices with one input, whose row groups the team divides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Query, key and value; gate and up; or one alone.
    pub matrices: Vec<MatrixShape>,
    /// Experts that a token uses, where the matrices are experts'; else 1.
    pub used: usize,
    /// How many equal ones a step runs.
    pub count: usize,
}

/// A model's products in the order of a step, equal ones counted instead of repeated.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelShape {
    /// The model in numbers.
    pub info: EngineInfo,
    /// Values per head.
    pub head_size: usize,
    /// All products but that of the output.
    pub layers: Vec<Product>,
    /// The product that makes logits: once per row whose logits are wanted.
    pub output: Product,
}

impl ModelShape {
    /// The shape of a preset.
    ///
    /// # Errors
    /// A block type without a packed form.
    pub fn of_preset(preset: Preset, precision: Precision) -> Result<ModelShape, EngineError> {
        Self::of_source(&Synthetic::new(preset, 0), &preset.config(), precision)
    }

    /// The shape of a GGUF file.
    ///
    /// # Errors
    /// No model that runs here.
    pub fn of_file(file: &ModelFile, precision: Precision) -> Result<ModelShape, EngineError> {
        Self::of_source(file.stored(), &file.config()?, precision)
    }

    fn of_source(
        source: &dyn Source,
        config: &Config,
        precision: Precision,
    ) -> Result<ModelShape, EngineError> {
        let mut layers: Vec<Product> = Vec::new();
        for layer in 0..config.layers {
            for product in layer_products(source, config, layer)? {
                match layers.iter_mut().find(|known| is_equal(known, &product)) {
                    Some(known) => known.count += 1,
                    None => layers.push(product),
                }
            }
        }
        let name = match source.find("output.weight") {
            Some(_) => "output.weight",
            None => "token_embd.weight",
        };
        let output = product(source, &[name.to_owned()], 1)?;
        let embedding = source.find("token_embd.weight");
        let embedding = embedding.ok_or_else(|| missing("token_embd.weight"))?;
        let all = layers.iter().chain([&output]);
        let all = all.flat_map(|product| {
            product
                .matrices
                .iter()
                .flat_map(|m| std::iter::repeat_n(*m, product.count))
        });
        let matrices: Vec<MatrixShape> = all.collect();
        let embedding_bytes = usize::try_from(embedding.bytes()).unwrap_or(usize::MAX);
        Ok(ModelShape {
            info: EngineInfo::new(
                config,
                &matrices,
                output.matrices[0].block,
                embedding_bytes,
                precision,
            ),
            head_size: config.head_size,
            layers,
            output,
        })
    }
}

fn is_equal(a: &Product, b: &Product) -> bool {
    a.matrices == b.matrices && a.used == b.used
}

fn layer_products(
    source: &dyn Source,
    config: &Config,
    layer: usize,
) -> Result<Vec<Product>, EngineError> {
    let names = |parts: &[&str]| -> Vec<String> {
        let name = |part| format!("blk.{layer}.{part}.weight");
        parts.iter().map(name).collect()
    };
    let joined = names(&["attn_qkv"]);
    let qkv = match source.find(&joined[0]) {
        Some(_) => joined,
        None => names(&["attn_q", "attn_k", "attn_v"]),
    };
    let mut products = vec![
        product(source, &qkv, 1)?,
        product(source, &names(&["attn_output"]), 1)?,
    ];
    match config.experts {
        None => products.extend([
            product(source, &names(&["ffn_gate", "ffn_up"]), 1)?,
            product(source, &names(&["ffn_down"]), 1)?,
        ]),
        Some(experts) => products.extend([
            product(source, &names(&["ffn_gate_inp"]), 1)?,
            product(
                source,
                &names(&["ffn_gate_exps", "ffn_up_exps"]),
                experts.used,
            )?,
            product(source, &names(&["ffn_down_exps"]), experts.used)?,
        ]),
    }
    if config
        .experts
        .is_some_and(|experts| experts.shared_length.is_some())
    {
        products.extend([
            product(source, &names(&["ffn_gate_inp_shexp"]), 1)?,
            product(source, &names(&["ffn_gate_shexp", "ffn_up_shexp"]), 1)?,
            product(source, &names(&["ffn_down_shexp"]), 1)?,
        ]);
    }
    Ok(products)
}

fn product(source: &dyn Source, names: &[String], used: usize) -> Result<Product, EngineError> {
    let matrices = names.iter().map(|name| matrix(source, name));
    Ok(Product {
        matrices: matrices.collect::<Result<_, _>>()?,
        used,
        count: 1,
    })
}

fn matrix(source: &dyn Source, name: &str) -> Result<MatrixShape, EngineError> {
    let tensor = source.find(name).ok_or_else(|| missing(name))?;
    let layout = Layout::of(tensor.kind).ok_or_else(|| {
        let kind = tensor.kind.name();
        EngineError::Model(format!(
            "tensor {name} is of type {kind}, which has no kernels"
        ))
    })?;
    let experts = tensor.matrices.max(1);
    let rows = tensor.rows / experts;
    let group_bytes = layout.group_bytes(tensor.columns);
    Ok(MatrixShape {
        block: tensor.kind,
        rows,
        columns: tensor.columns,
        experts,
        packed_bytes: experts * rows.div_ceil(ROWS) * group_bytes,
    })
}

fn missing(name: &str) -> EngineError {
    EngineError::Model(format!("tensor {name} is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Engine, PhasePlan, Plan};
    use sysinfer_machine::Topology;

    #[test]
    fn a_shape_says_what_the_loaded_model_says() {
        let plan = Plan::with_threads(PhasePlan::unpinned(1));
        let precision = Precision::default();
        let topology = Topology::flat(&[0]);
        let engine = Engine::synthetic(Preset::Tiny, plan, precision, &topology, &mut |_| {});
        let engine = engine.expect("a tiny model");
        let shape = ModelShape::of_preset(Preset::Tiny, precision).expect("a known type");
        assert_eq!(&shape.info, engine.info());
        let products: usize = shape.layers.iter().map(|product| product.count).sum();
        assert_eq!((products, shape.output.matrices[0].rows), (2 * 4, 512));
    }

    #[test]
    fn every_preset_has_a_shape_and_experts_are_counted_by_use() {
        for preset in Preset::all() {
            let shape = ModelShape::of_preset(*preset, Precision::default()).expect("known types");
            let read = |product: &Product| -> usize {
                let all: usize = product
                    .matrices
                    .iter()
                    .map(|m| m.packed_bytes / m.experts)
                    .sum();
                product.count * product.used * all
            };
            let layers: usize = shape.layers.iter().map(read).sum();
            let total = layers + read(&shape.output);
            assert_eq!(total as u64, shape.info.decode_bytes, "{}", preset.name());
        }
    }
}
