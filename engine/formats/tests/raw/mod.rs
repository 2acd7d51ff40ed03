//! GGUF fields by hand, so that tests can write what the writer refuses.

/// Value and tensor type numbers, as they stand in a file.
pub(crate) const U8: u32 = 0;
pub(crate) const U32: u32 = 4;
pub(crate) const BOOL: u32 = 7;
pub(crate) const STRING: u32 = 8;
pub(crate) const ARRAY: u32 = 9;
pub(crate) const U64: u32 = 10;
pub(crate) const TENSOR_F32: u32 = 0;
pub(crate) const TENSOR_Q4_0: u32 = 2;

/// A file under construction.
#[derive(Clone)]
pub(crate) struct Raw(pub(crate) Vec<u8>);

impl Raw {
    /// Magic, version 3 and the counts.
    pub(crate) fn new(tensors: u64, keys: u64) -> Self {
        Self(b"GGUF".to_vec()).u32(3).u64(tensors).u64(keys)
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn u32(self, value: u32) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(crate) fn u64(self, value: u64) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Length and bytes.
    pub(crate) fn string(self, bytes: &[u8]) -> Self {
        self.u64(bytes.len() as u64).bytes(bytes)
    }

    /// Key and value type; the value is to follow.
    pub(crate) fn key(self, key: &str, value_type: u32) -> Self {
        self.string(key.as_bytes()).u32(value_type)
    }

    /// A directory entry.
    pub(crate) fn tensor(self, name: &str, shape: &[u64], kind: u32, offset: u64) -> Self {
        let entry = self.string(name.as_bytes()).u32(shape.len() as u32);
        shape
            .iter()
            .fold(entry, |entry, &length| entry.u64(length))
            .u32(kind)
            .u64(offset)
    }

    /// Padding to 32 bytes, then `bytes` bytes of tensor data.
    pub(crate) fn data(mut self, bytes: usize) -> Self {
        let start = self.0.len().next_multiple_of(32);
        self.0.resize(start + bytes, 0);
        self
    }
}
