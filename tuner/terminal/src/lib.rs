//! How things are written: tables of text, sizes, and standard streams that may be piped into a program which stops reading.
#![forbid(unsafe_code)]

pub mod output;
mod sizes;
mod table;

pub use sizes::{gigabytes, number};
pub use table::render;
