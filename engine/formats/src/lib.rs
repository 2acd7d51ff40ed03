//! What the bytes of a model file mean: the GGUF container and the quantised blocks inside it.
//!
//! The crate reads from a byte slice and writes to a [`std::io::Write`]; it opens no files, starts
//! no threads and does no arithmetic beyond turning blocks into `f32` and back. Everything else in
//! the workspace that touches model bytes goes through here, so this is where hostile files stop.
//!
//! Reading order: [`TensorType`] (how numbers are stored), [`blocks`] (one storage type per file),
//! [`gguf`] (header, metadata, tensor directory, writer).
//!
//! ```
//! use sysinfer_formats::{Gguf, GgufWriter, Tensor, TensorType};
//!
//! let row = Tensor { name: "bias", kind: TensorType::F32, shape: vec![2], data: &[0; 8] };
//! let file = GgufWriter::new()
//!     .metadata("general.architecture", "llama")
//!     .write_to_vec(&[row])?;
//! let gguf = Gguf::parse(&file)?;
//! assert_eq!(gguf.metadata().require_string("general.architecture")?, "llama");
//! assert_eq!(gguf.require("bias")?.shape, [2]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

#[cfg(target_endian = "big")]
compile_error!("blocks are read as they lie in the file, which is little-endian; this host is not");

pub mod blocks;
pub mod gguf;
mod tensor_type;

pub use blocks::UnsupportedType;
pub use gguf::{
    Array, Gguf, GgufError, GgufWriteError, GgufWriter, Metadata, OwnedArray, OwnedValue, Tensor,
    TensorDataWriter, Value, ValueType,
};
pub use tensor_type::TensorType;
