//! What the parts promise together: goldens, end-to-end runs, hostile input.
//!
//! [`golden`] holds a folder of models with exact logits against the engine; the binary `golden`
//! does that from a command line. [`naive`] is the decoder once more, in plain f64 loops: it makes
//! goldens out of models from a seed, so that the check needs no files. [`fixtures`] and [`models`] are what they run
//! on, [`edit`] puts them into the forms that people have, [`spoil`] plants faults in them, [`product`] runs
//! the binaries. [`fuzz`] is what the fuzzer runs and the tests replay.
#![forbid(unsafe_code)]

pub mod edit;
pub mod fixtures;
pub mod fuzz;
pub mod golden;
pub mod models;
pub mod naive;
pub mod product;
pub mod spoil;
