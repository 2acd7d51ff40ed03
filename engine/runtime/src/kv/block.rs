//! One block of the cache.

use std::ops::Range;

use sysinfer_machine::{MachineError, NodeBuffer, Pages};

use super::shape::KvShape;

/// Keys and values of [`BLOCK_POSITIONS`](super::BLOCK_POSITIONS) positions.
#[derive(Debug)]
pub(crate) struct KvBlock {
    shape: KvShape,
    bytes: NodeBuffer,
}

impl KvBlock {
    /// An empty block.
    ///
    /// # Errors
    /// No memory.
    pub(crate) fn new(shape: KvShape, pages: Pages) -> Result<KvBlock, MachineError> {
        Ok(KvBlock {
            shape,
            bytes: NodeBuffer::new(shape.block_bytes(), pages)?,
        })
    }

    fn layer_range(&self, layer: usize) -> Range<usize> {
        let bytes = self.shape.layer_bytes();
        layer * bytes..(layer + 1) * bytes
    }

    /// Takes over all that `other` has, of the same shape.
    pub(crate) fn copy_from(&mut self, other: &KvBlock) {
        self.bytes.copy_from_slice(&other.bytes);
    }

    /// One layer: `[head][keys, values, longest key]`.
    pub(crate) fn layer_mut(&mut self, layer: usize) -> &mut [u8] {
        let range = self.layer_range(layer);
        &mut self.bytes[range]
    }

    /// Keys and values of one head of one layer.
    pub(crate) fn head(&self, layer: usize, head: usize) -> (&[u8], &[u8]) {
        let half = self.shape.half_head();
        self.head_part(layer, head)[..2 * half].split_at(half)
    }

    /// The bound of the lengths of one head's keys, where they were noted.
    pub(crate) fn longest_key(&self, layer: usize, head: usize) -> f32 {
        let tail = self.head_part(layer, head)[2 * self.shape.half_head()..].first_chunk();
        f32::from_le_bytes(*tail.expect("a tail is longer"))
    }

    fn head_part(&self, layer: usize, head: usize) -> &[u8] {
        let bytes = self.shape.head_bytes();
        &self.bytes[self.layer_range(layer)][head * bytes..(head + 1) * bytes]
    }
}

#[cfg(test)]
mod tests {
    use sysinfer_kernels::attention::CacheType;

    use super::*;

    #[test]
    fn a_head_keeps_the_longest_of_its_keys_until_it_begins_anew() {
        let shape = KvShape {
            layers: 2,
            heads: 3,
            head_size: 8,
            cache: CacheType::Q8_0,
        };
        let mut block = KvBlock::new(shape, Pages::Normal).expect("a little memory");
        let bytes = shape.head_bytes();
        let mut note = |place, length| {
            let layer = block.layer_mut(1);
            let mut head = shape.head_mut(&mut layer[bytes..2 * bytes]);
            assert_eq!(head.keys.len(), head.values.len());
            head.keys.fill(255);
            head.values.fill(255);
            head.note_length(place, length);
            block.longest_key(1, 1)
        };
        assert_eq!(note(0, 3.0), 3.0);
        assert_eq!(note(1, 5.0), 5.0);
        assert_eq!(note(2, 4.0), 5.0);
        assert_eq!(note(1, f32::INFINITY), f32::INFINITY);
        assert_eq!(note(0, 1.0), 1.0);
        let (keys, values) = block.head(1, 1);
        assert!(keys.iter().chain(values).all(|byte| *byte == 255));
        let others = [(0, 1), (1, 0), (1, 2)].map(|(layer, head)| block.longest_key(layer, head));
        assert_eq!(others, [0.0; 3]);
    }
}
