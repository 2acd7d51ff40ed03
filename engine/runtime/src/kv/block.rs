//! One block of the cache.

use std::ops::Range;

use sysinfer_machine::{MachineError, NodeBuffer, Pages};

use super::homes::Turns;
use super::shape::KvShape;
#[cfg(test)]
use crate::noted::Reads;

/// Keys and values of [`BLOCK_POSITIONS`](super::BLOCK_POSITIONS) positions.
#[derive(Debug)]
pub(crate) struct KvBlock {
    shape: KvShape,
    home: usize,
    bytes: NodeBuffer,
    #[cfg(test)]
    pub(crate) reads: Reads,
}

impl KvBlock {
    /// An empty block at one of some homes, whose parts are wanted on `nodes`; without these, on those that write
    /// them first.
    ///
    /// # Errors
    /// No memory.
    pub(crate) fn new(
        shape: KvShape,
        home: usize,
        turns: Turns,
        pages: Pages,
        nodes: Option<&[usize]>,
    ) -> Result<KvBlock, MachineError> {
        let layout = shape.layout();
        let bytes = NodeBuffer::in_parts(layout, pages, turns.homes > 1)?;
        for (part, node) in nodes.into_iter().flatten().enumerate() {
            // Where this is refused, whoever writes first decides.
            let _ = bytes.bind(layout.part(part), *node);
        }
        Ok(KvBlock {
            shape,
            home,
            bytes,
            #[cfg(test)]
            reads: Reads::default(),
        })
    }

    /// Which of the homes that take turns it is at.
    pub(crate) fn home(&self) -> usize {
        self.home
    }

    fn layer_range(&self, layer: usize) -> Range<usize> {
        let start = layer * self.shape.layer_bytes();
        start..start + self.shape.layer_span()
    }

    /// Takes over all that `other` has, of the same shape.
    pub(crate) fn copy_from(&mut self, other: &KvBlock) {
        let layout = self.shape.layout();
        for part in (0..layout.count).map(|part| layout.part(part)) {
            self.bytes[part.clone()].copy_from_slice(&other.bytes[part]);
        }
    }

    /// The bytes of each part.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let layout = self.shape.layout();
        (0..layout.count).map(move |part| &self.bytes[layout.part(part)])
    }

    /// One layer, from its first head to its last; [`KvShape::head_start`] says where each is.
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

    /// All of a head of a layer.
    pub(crate) fn head_part(&self, layer: usize, head: usize) -> &[u8] {
        let start = layer * self.shape.layer_bytes() + self.shape.head_start(head);
        &self.bytes[start..start + self.shape.head_bytes()]
    }
}

#[cfg(test)]
mod tests {
    use sysinfer_kernels::attention::CacheType;

    use super::*;

    #[test]
    fn a_head_keeps_the_longest_of_its_keys_until_it_begins_anew() {
        let shape = KvShape::new(2, 3, 8, CacheType::Q8_0);
        let mut block =
            KvBlock::new(shape, 0, Turns::NONE, Pages::Normal, None).expect("a little memory");
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

    #[test]
    fn heads_of_two_parts_have_no_page_in_common_and_none_overlap() {
        for (layers, heads, parts) in [(2, 4, 1), (2, 4, 2), (3, 8, 4), (1, 6, 3)] {
            let shape = KvShape::new(layers, heads, 8, CacheType::F16);
            let shape = shape.in_parts(parts, Pages::Normal);
            let mut block =
                KvBlock::new(shape, 0, Turns::NONE, Pages::Normal, None).expect("a little memory");
            let number = |layer, head| (1 + layer * heads + head) as u8;
            for layer in 0..layers {
                for head in 0..heads {
                    let start = shape.head_start(head);
                    let bytes = &mut block.layer_mut(layer)[start..][..shape.head_bytes()];
                    assert!(bytes.iter().all(|byte| *byte == 0), "{layer} {head}");
                    bytes.fill(number(layer, head));
                }
            }
            let mut copy =
                KvBlock::new(shape, 0, Turns::NONE, Pages::Normal, None).expect("a little memory");
            copy.copy_from(&block);
            let page = |layer, head| {
                let (keys, values) = copy.head(layer, head);
                let whole = keys.iter().chain(values);
                assert!(whole.copied().all(|byte| byte == number(layer, head)));
                let start = keys.as_ptr().addr();
                (start / 4096, (start + shape.head_bytes() - 1) / 4096)
            };
            for first in 0..heads {
                for second in (first + 1)..heads {
                    let apart = first / (heads / parts) != second / (heads / parts);
                    for (one, other) in [(0, layers - 1), (layers - 1, 0)] {
                        let (one, other) = (page(one, first), page(other, second));
                        let shared = one.0 <= other.1 && other.0 <= one.1;
                        assert!(
                            !(apart && shared),
                            "heads {first}, {second} of {parts} parts"
                        );
                    }
                }
            }
        }
    }
}
