//! Where the fields of a block stand in the file, as far as the battery fills or spoils them.

use std::ops::Range;

use sysinfer_formats::TensorType;

/// The fields of one quantised block type: offsets in bytes of its block.
pub(crate) struct Fields {
    /// The f16 scale.
    pub(crate) scale: usize,
    /// The f16 minimum, or scale of the minima.
    pub(crate) minimum: Option<usize>,
    /// The bytes of the sub-scales (and sub-minima).
    pub(crate) sub_scales: Range<usize>,
    /// Whether those are signed bytes.
    pub(crate) signed_sub_scales: bool,
    /// The bytes of the codes.
    pub(crate) codes: Range<usize>,
    /// Whether those are signed bytes.
    pub(crate) signed_codes: bool,
    /// Bytes that hold bits above the low ones of the codes.
    pub(crate) tops: Range<usize>,
    /// Which bits of the sub-scale bytes are set where all sub-scales are zero.
    zero_sub_scales: fn(usize) -> u8,
}

impl Fields {
    /// The fields of a block type.
    ///
    /// # Panics
    /// For types that nobody described here.
    pub(crate) fn of(block: TensorType) -> Self {
        let simple = |scale, minimum, codes| Self {
            scale,
            minimum,
            sub_scales: 0..0,
            signed_sub_scales: false,
            codes,
            signed_codes: false,
            tops: 0..0,
            zero_sub_scales: |_| 0,
        };
        match block {
            TensorType::Q4_0 | TensorType::Iq4Nl => simple(0, None, 2..18),
            TensorType::Q4_1 => simple(0, Some(2), 4..20),
            TensorType::Q5_0 => Self {
                tops: 2..6,
                ..simple(0, None, 2..22)
            },
            TensorType::Q5_1 => Self {
                tops: 4..8,
                ..simple(0, Some(2), 4..24)
            },
            TensorType::Q8_0 => Self {
                signed_codes: true,
                ..simple(0, None, 2..34)
            },
            TensorType::Q2K => Self {
                sub_scales: 0..16,
                ..simple(80, Some(82), 16..80)
            },
            TensorType::Q3K => Self {
                sub_scales: 96..108,
                tops: 0..32,
                // 32 is zero: the high bits, in the last four bytes, are binary 10.
                zero_sub_scales: |index| if index < 8 { 0 } else { 0xAA },
                ..simple(108, None, 0..96)
            },
            TensorType::Q4K => Self {
                sub_scales: 4..16,
                ..simple(0, Some(2), 16..144)
            },
            TensorType::Q5K => Self {
                sub_scales: 4..16,
                tops: 16..48,
                ..simple(0, Some(2), 16..176)
            },
            TensorType::Q6K => Self {
                sub_scales: 192..208,
                signed_sub_scales: true,
                tops: 128..192,
                ..simple(208, None, 0..192)
            },
            TensorType::Iq4Xs => Self {
                sub_scales: 2..8,
                // 32 is zero: the high bits, in the first two bytes, are binary 10.
                zero_sub_scales: |index| if index < 2 { 0xAA } else { 0 },
                ..simple(0, None, 8..136)
            },
            other => panic!("say where the fields of {} are", other.name()),
        }
    }

    /// Offsets of the f16 fields.
    pub(crate) fn halves(&self) -> impl Iterator<Item = usize> + use<> {
        [Some(self.scale), self.minimum].into_iter().flatten()
    }

    /// The sub-scale bytes that make all sub-scales zero.
    pub(crate) fn zero_sub_scales(&self) -> Vec<u8> {
        (0..self.sub_scales.len())
            .map(self.zero_sub_scales)
            .collect()
    }

    /// Byte and mask of the lowest bit of the code of column 0.
    pub(crate) fn first_code(&self) -> (usize, u8) {
        let low = if self.tops.start == self.codes.start {
            self.tops.end
        } else {
            self.codes.start
        };
        (low, 1)
    }
}
