//! What may be rounded: the choices that change results, apart from the plan, which changes speed.

use sysinfer_kernels::attention::CacheType;

/// In what a model's weights are multiplied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WeightPrecision {
    /// In the block types of the file.
    #[default]
    AsStored,
    /// Every matrix is dequantised at load and multiplied in f32: several times the memory, and
    /// what the other forms are compared with.
    F32,
}

/// What may be rounded. The default is how models are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Precision {
    /// Keys and values between steps.
    pub cache: CacheType,
    /// Weights.
    pub weights: WeightPrecision,
}

impl Precision {
    /// Nothing is rounded below f32.
    pub const REFERENCE: Precision = Precision {
        cache: CacheType::F32,
        weights: WeightPrecision::F32,
    };

    /// Weights as they are stored, keys and values as `cache`.
    pub fn with_cache(cache: CacheType) -> Precision {
        Precision {
            cache,
            ..Precision::default()
        }
    }
}
