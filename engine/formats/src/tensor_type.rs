//! The storage types of ggml: number, name and block size of each, in one table.
//!
//! A type can be named and measured without being decodable: the parser must know the size of every
//! tensor to check the file, [`crate::blocks`] says which of them this crate can turn into `f32`.

/// Declares [`TensorType`] and its look-ups from one row per type, so that no two can disagree.
macro_rules! tensor_types {
    ($($(#[$doc:meta])* $variant:ident = $id:literal, $name:literal, $elements:literal, $bytes:literal;)+) => {
        /// How the numbers of a tensor are stored (`ggml_type` in `ggml.h`).
        ///
        /// The discriminant is the number that stands in the file. Gaps are types that ggml
        /// removed; files that use them have to be converted again.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u32)]
        pub enum TensorType {
            $($(#[$doc])* $variant = $id,)+
        }

        impl TensorType {
            /// Every type, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The type with this number, or `None` for one that ggml removed or never had.
            pub fn from_id(id: u32) -> Option<Self> {
                match id {
                    $($id => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// ggml's name, upper-case: `"Q4_0"`, `"Q6_K"`, `"BF16"`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// Elements that share one block; 1 for plain numbers.
            pub fn block_elements(self) -> usize {
                match self {
                    $(Self::$variant => $elements,)+
                }
            }

            /// Bytes of one block, its scales included.
            pub fn block_bytes(self) -> usize {
                match self {
                    $(Self::$variant => $bytes,)+
                }
            }
        }
    };
}

// Sizes follow the structs of ggml-common.h (QK_K = 256).
tensor_types! {
    /// IEEE 754 single precision.
    F32 = 0, "F32", 1, 4;
    /// IEEE 754 half precision.
    F16 = 1, "F16", 1, 2;
    /// 4 bits, one scale per 32.
    Q4_0 = 2, "Q4_0", 32, 18;
    /// 4 bits, scale and minimum per 32.
    Q4_1 = 3, "Q4_1", 32, 20;
    /// 5 bits, one scale per 32.
    Q5_0 = 6, "Q5_0", 32, 22;
    /// 5 bits, scale and minimum per 32.
    Q5_1 = 7, "Q5_1", 32, 24;
    /// 8 bits, one scale per 32.
    Q8_0 = 8, "Q8_0", 32, 34;
    /// 8 bits, scale and sum per 32; an activation format.
    Q8_1 = 9, "Q8_1", 32, 36;
    /// 2 bits, super-blocks of 256.
    Q2K = 10, "Q2_K", 256, 84;
    /// 3 bits, super-blocks of 256.
    Q3K = 11, "Q3_K", 256, 110;
    /// 4 bits, super-blocks of 256.
    Q4K = 12, "Q4_K", 256, 144;
    /// 5 bits, super-blocks of 256.
    Q5K = 13, "Q5_K", 256, 176;
    /// 6 bits, super-blocks of 256.
    Q6K = 14, "Q6_K", 256, 210;
    /// 8 bits, super-blocks of 256; an activation format.
    Q8K = 15, "Q8_K", 256, 292;
    /// 2.06 bits, codebook.
    Iq2Xxs = 16, "IQ2_XXS", 256, 66;
    /// 2.31 bits, codebook.
    Iq2Xs = 17, "IQ2_XS", 256, 74;
    /// 3.06 bits, codebook.
    Iq3Xxs = 18, "IQ3_XXS", 256, 98;
    /// 1.56 bits, codebook.
    Iq1S = 19, "IQ1_S", 256, 50;
    /// 4 bits, non-linear levels, one scale per 32.
    Iq4Nl = 20, "IQ4_NL", 32, 18;
    /// 3.44 bits, codebook.
    Iq3S = 21, "IQ3_S", 256, 110;
    /// 2.56 bits, codebook.
    Iq2S = 22, "IQ2_S", 256, 82;
    /// 4.25 bits, non-linear levels, super-blocks of 256.
    Iq4Xs = 23, "IQ4_XS", 256, 136;
    /// Signed 8-bit integers.
    I8 = 24, "I8", 1, 1;
    /// Signed 16-bit integers.
    I16 = 25, "I16", 1, 2;
    /// Signed 32-bit integers.
    I32 = 26, "I32", 1, 4;
    /// Signed 64-bit integers.
    I64 = 27, "I64", 1, 8;
    /// IEEE 754 double precision.
    F64 = 28, "F64", 1, 8;
    /// 1.75 bits, codebook.
    Iq1M = 29, "IQ1_M", 256, 56;
    /// The upper half of an `f32`.
    BF16 = 30, "BF16", 1, 2;
    /// Ternary, five per byte.
    Tq1_0 = 34, "TQ1_0", 256, 54;
    /// Ternary, four per byte.
    Tq2_0 = 35, "TQ2_0", 256, 66;
    /// OCP microscaling FP4: E2M1 values, one E8M0 scale per 32.
    MXFP4 = 39, "MXFP4", 32, 17;
    /// NVIDIA FP4: E2M1 values, one UE4M3 scale per 16, four of them a block.
    NVFP4 = 40, "NVFP4", 64, 36;
    /// 1 bit, one scale per 128.
    Q1_0 = 41, "Q1_0", 128, 18;
}

impl TensorType {
    /// The number that stands for this type in a file.
    pub fn id(self) -> u32 {
        self as u32
    }

    /// The type of this name, in any case: `"q4_0"`, `"Q6_K"`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.name().eq_ignore_ascii_case(name))
    }

    /// Bytes of a row of `columns` elements; `None` when that is not a whole number of blocks or
    /// does not fit in memory.
    pub fn row_bytes(self, columns: usize) -> Option<usize> {
        if !columns.is_multiple_of(self.block_elements()) {
            return None;
        }
        (columns / self.block_elements()).checked_mul(self.block_bytes())
    }
}

impl std::fmt::Display for TensorType {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_lead_back_to_the_type() {
        for &kind in TensorType::ALL {
            assert_eq!(TensorType::from_id(kind.id()), Some(kind));
            assert_eq!(TensorType::from_name(kind.name()), Some(kind));
            let lower = kind.name().to_lowercase();
            assert_eq!(TensorType::from_name(&lower), Some(kind));
        }
    }

    #[test]
    fn removed_and_unknown_numbers_have_no_type() {
        for id in [4, 5, 31, 32, 33, 36, 37, 38, 1000, u32::MAX] {
            assert_eq!(TensorType::from_id(id), None, "{id}");
        }
        assert_eq!(TensorType::from_name("Q4_2"), None);
    }

    #[test]
    fn rows_are_whole_blocks() {
        let cases = [
            (TensorType::F32, 3, Some(12)),
            (TensorType::Q4_0, 4096, Some(2304)),
            (TensorType::Q4_0, 33, None),
            (TensorType::Q6K, 4096, Some(3360)),
            (TensorType::Q6K, 13696, None),
            (TensorType::F64, usize::MAX, None),
            (TensorType::Q8_0, 0, Some(0)),
        ];
        for (kind, columns, bytes) in cases {
            assert_eq!(kind.row_bytes(columns), bytes, "{kind} {columns}");
        }
    }
}
