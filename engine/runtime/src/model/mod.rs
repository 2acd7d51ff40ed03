//! The model: what its file says it is, its weights in the form that kernels read, and the step.
//!
//! [`config`] describes a model as data ([`metadata`] reads it, [`keys`] says which keys there are), so that [`forward`] is one story for every family
//! ([`family`] is the table of what differs). [`model_file`] is the file of a model, or all its parts, [`stored`] is
//! what it holds, whatever form that is in; [`source`] gives the plain rows of tensors, from files or
//! from a seed; [`loader`] names them; [`matrix`] packs them into [`arenas`]; [`weights`] is what comes of it.
//! [`ops`] is where a team of threads meets a kernel, in a [`step`]; [`forward`] is a step, top to
//! bottom; [`attention`] the part of it that looks back, [`experts`] the part that chooses, `states` what it
//! leaves beside logits.

pub mod arenas;
pub mod attention;
pub mod config;
pub mod experts;
pub mod family;
pub mod file_rows;
mod files;
pub mod forward;
pub mod keys;
mod kind;
pub mod loader;
pub mod mapped;
pub mod matrix;
pub mod metadata;
pub mod model_file;
pub mod ops;
pub mod part_name;
pub mod preset;
pub mod rope;
pub mod source;
mod states;
pub mod step;
mod storage;
pub mod stored;
pub mod synth;
pub mod tensor;
pub mod weights;
