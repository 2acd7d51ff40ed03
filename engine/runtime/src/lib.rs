//! The model: weights, forward pass, KV cache, tokenizer, sampling, behind one type, [`Engine`].
//!
//! Reading order: `examples/generate.rs` (the shortest whole program), [`engine`] (the public
//! face), [`model`] (the step, top to bottom like the paper), [`plan`] (what can be tuned).
//!
//! This crate reads no environment variable, prints nothing, owns no global and has no `unsafe`:
//! threads and memory come from `sysinfer-machine`, arithmetic from `sysinfer-kernels`.
#![forbid(unsafe_code)]

pub mod batch;
mod choice;
pub mod damage;
pub mod engine;
pub mod error;
pub mod info;
pub mod kv;
mod load_step;
pub mod lookup;
mod matrix_shape;
pub mod model;
mod nodes;
mod not_finite;
#[cfg(test)]
mod noted;
pub mod plan;
pub mod precision;
pub mod residency;
pub mod sampling;
pub mod sequence;
pub mod shape;
mod state_sum;
mod teams;
pub mod times;
pub mod tokenizer;
mod untuned;
pub mod weight_storage;

pub use batch::{Entry, Logits, Wanted};
pub use damage::{Damage, damaged_tensors};
pub use engine::Engine;
pub use error::EngineError;
pub use info::EngineInfo;
pub use load_step::LoadStep;
pub use lookup::{Drafter, Drafts, Drawn, Lookup, Spoilt, Turn};
pub use matrix_shape::MatrixShape;
pub use model::model_file::ModelFile;
pub use model::preset::Preset;
pub use not_finite::NotFinite;
pub use plan::{Blocking, KernelChoice, MemoryPlan, PhasePlan, Plan, PlanError};
pub use precision::{Precision, WeightPrecision};
pub use sampling::{Sampler, SamplingOptions};
pub use sequence::Sequence;
pub use shape::{ModelShape, Product};
pub use sysinfer_kernels::Phase;
pub use sysinfer_kernels::attention::CacheType;
pub use times::{StepTimes, WorkerSeconds};
pub use tokenizer::Tokenizer;
pub use untuned::untuned_threads;
pub use weight_storage::WeightStorage;
