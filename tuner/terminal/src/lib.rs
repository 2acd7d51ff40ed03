//! How things are written: tables of text, lines that fit, sizes, and standard streams that may be piped into a program
//! which stops reading.
#![forbid(unsafe_code)]

mod lines;
pub mod output;
mod sizes;
mod table;

pub use lines::{height, wrapped};
pub use sizes::{gigabytes, number};
pub use table::render;
