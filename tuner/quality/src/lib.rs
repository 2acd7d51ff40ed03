//! What kernels, the cache's type and a quantisation cost in quality: perplexity and Kullback-Leibler divergence
//! over a text.
//!
//! [`windows`] says which tokens are read and which are scored, [`measure`] runs them through the
//! model and its reference ([`predictor`]), [`divergence`] compares two rows of logits, [`statistics`] and
//! [`report`] say what they come to. [`memory`] is what that takes, [`text`] where it comes from.
#![forbid(unsafe_code)]

pub mod divergence;
pub mod measure;
pub mod memory;
pub mod predictor;
pub mod report;
pub mod statistics;
pub mod text;
pub mod windows;
