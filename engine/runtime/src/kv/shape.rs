//! What a block of the cache looks like.
//!
//! A block holds keys and values of [`BLOCK_POSITIONS`] positions for all layers and heads:
//! `[part][layer][head of the part][keys, values, longest key]`, each as [`CacheType`] says. A part has the
//! heads of one NUMA node, and no page has bytes of two parts: pages come from the node of the workers that
//! write them first, which are those that read them.

use std::ops::Range;

use sysinfer_kernels::attention::CacheType;
use sysinfer_machine::{Pages, PartLayout, Ranges};

/// Positions in one block.
pub const BLOCK_POSITIONS: usize = 128;

/// Bytes at the end of a head's part; the first four are a bound of the lengths of its keys.
const TAIL_BYTES: usize = 64;

/// What a model's cache looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvShape {
    /// Decoder layers.
    pub layers: usize,
    /// Heads that keep keys and values.
    pub heads: usize,
    /// Values per head.
    pub head_size: usize,
    /// How they are kept.
    pub cache: CacheType,
    /// Parts of heads that have no page in common; they have equally many heads.
    pub parts: usize,
    /// Bytes from the start of a part to that of the next.
    stride: usize,
}

impl KvShape {
    /// A cache of one part.
    pub fn new(layers: usize, heads: usize, head_size: usize, cache: CacheType) -> Self {
        let shape = Self {
            layers,
            heads,
            head_size,
            cache,
            parts: 1,
            stride: 0,
        };
        Self {
            stride: shape.part_bytes(),
            ..shape
        }
    }

    /// The same heads in `parts` parts on such pages.
    ///
    /// # Panics
    /// If the heads cannot be divided into so many.
    pub(crate) fn in_parts(self, parts: usize, pages: Pages) -> Self {
        assert!(
            parts > 0 && self.heads.is_multiple_of(parts),
            "{parts} parts"
        );
        let divided = Self { parts, ..self };
        let stride = divided.layout_on(pages).stride;
        Self { stride, ..divided }
    }

    /// Where the parts of a block lie.
    pub(super) fn layout(&self) -> PartLayout {
        PartLayout {
            bytes: self.part_bytes(),
            count: self.parts,
            stride: self.stride,
        }
    }

    fn layout_on(&self, pages: Pages) -> PartLayout {
        PartLayout::new(self.part_bytes(), self.parts, pages)
    }

    /// Heads of a part.
    pub(crate) fn part_heads(&self) -> usize {
        self.heads / self.parts
    }

    /// Bytes from the start of a part to that of the next.
    #[cfg(test)]
    pub(crate) fn part_stride(&self) -> usize {
        self.stride
    }

    /// Where a head's bytes start, counted from the first head of its layer.
    pub(crate) fn head_start(&self, head: usize) -> usize {
        let (part, place) = (head / self.part_heads(), head % self.part_heads());
        part * self.stride + place * self.head_bytes()
    }

    /// Bytes from the start of a layer's first head to the end of its last.
    pub(super) fn layer_span(&self) -> usize {
        self.head_start(self.heads - 1) + self.head_bytes()
    }

    /// Where workers' heads lie in a layer: those of each are neighbours, and between two that are in
    /// different parts lies nothing of the layer.
    pub(crate) fn spans(&self, heads: &Ranges) -> Ranges {
        let mut free_from = 0;
        let span = |heads: Range<usize>| {
            let start = match heads.is_empty() {
                true => free_from,
                false => self.head_start(heads.start),
            };
            free_from = match heads.is_empty() {
                true => free_from,
                false => self.head_start(heads.end - 1) + self.head_bytes(),
            };
            start..free_from
        };
        let spans = heads.iter().map(span).collect();
        Ranges::from_ranges(self.layer_span(), spans).expect("heads ascend")
    }

    /// Bytes of one head's keys (or values) in a block.
    pub(super) fn half_head(&self) -> usize {
        BLOCK_POSITIONS * self.cache.position_bytes(self.head_size)
    }

    /// Bytes of one head in a block: keys, values, and the bound of the keys' lengths.
    pub fn head_bytes(&self) -> usize {
        2 * self.half_head() + TAIL_BYTES
    }

    /// The parts of one head's bytes in a block.
    pub(crate) fn head_mut<'b>(&self, bytes: &'b mut [u8]) -> HeadMut<'b> {
        let (keys, rest) = bytes.split_at_mut(self.half_head());
        let (values, tail) = rest.split_at_mut(self.half_head());
        let longest = tail.first_chunk_mut().expect("a tail is longer");
        HeadMut {
            keys,
            values,
            longest,
        }
    }

    /// Bytes of a layer in a part.
    pub(super) fn layer_bytes(&self) -> usize {
        self.part_heads() * self.head_bytes()
    }

    fn part_bytes(&self) -> usize {
        self.layers * self.layer_bytes()
    }

    /// Bytes of keys and values of one position, all layers.
    pub fn position_bytes(&self) -> usize {
        self.layers * self.heads * 2 * self.cache.position_bytes(self.head_size)
    }
}

/// One head of one layer of a block, to be written.
pub(crate) struct HeadMut<'b> {
    pub(crate) keys: &'b mut [u8],
    pub(crate) values: &'b mut [u8],
    longest: &'b mut [u8; 4],
}

impl HeadMut<'_> {
    /// Notes that a key of at most that length goes to `place`. Keys that are forgotten count until the
    /// block's first place is written again.
    pub(crate) fn note_length(&mut self, place: usize, length: f32) {
        let before = match place {
            0 => 0.0,
            _ => f32::from_le_bytes(*self.longest),
        };
        *self.longest = before.max(length).to_le_bytes();
    }
}
