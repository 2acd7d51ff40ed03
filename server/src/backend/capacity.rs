//! How many requests run at once, and how much of the KV cache there is for all of them.

use bytesize::ByteSize;
use sysinfer_engine::EngineInfo;
use sysinfer_engine::kv::BLOCK_POSITIONS;

use super::load_error::LoadError;
use crate::serving::Limit;

/// Context unless asked for otherwise: caches grow with it.
const DEFAULT_CONTEXT_TOKENS: usize = 8192;

/// Requests at once unless asked for otherwise. More of them add little: with sixteen rows kernels are bound
/// by arithmetic.
pub const DEFAULT_PARALLEL: usize = 16;

/// Part of the memory beside the weights that the cache may take unless asked for otherwise.
const CACHE_PART: u64 = 2;

/// Part of all memory that it may take at least, where weights are larger than memory.
const LEAST_PART: u64 = 8;

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wishes {
    /// `--context`.
    pub context: Option<usize>,
    /// `--parallel`.
    pub parallel: Limit<usize>,
    /// `--kv-memory`.
    pub kv_memory: Option<ByteSize>,
}

/// What a model needs memory for.
#[derive(Clone, Copy, Debug)]
pub struct Needs {
    /// Positions that it was made for.
    pub context_length: usize,
    /// Bytes of its weights.
    pub weight_bytes: u64,
    /// Bytes of keys and values of a token.
    pub token_bytes: u64,
}

impl From<&EngineInfo> for Needs {
    fn from(info: &EngineInfo) -> Self {
        Self {
            context_length: info.context_length,
            weight_bytes: info.weight_bytes,
            token_bytes: info.kv_bytes_per_position,
        }
    }
}

/// What holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Tokens that prompt and answer of one request may have together.
    pub context_tokens: usize,
    /// Requests that run at once.
    pub parallel: usize,
    /// Tokens of all of them, and of those that are kept.
    pub cache_tokens: usize,
}

impl Capacity {
    /// Decides for a model on a host with so much memory, if that is known.
    ///
    /// # Errors
    /// A context that is longer than the model's, or than the cache.
    pub fn of(wishes: Wishes, needs: Needs, usable_bytes: Option<u64>) -> Result<Self, LoadError> {
        let context = context_tokens(wishes.context, needs.context_length)?;
        let parallel = wishes.parallel.value;
        let wanted = parallel.saturating_mul(context.div_ceil(BLOCK_POSITIONS));
        let block_bytes = needs.token_bytes * BLOCK_POSITIONS as u64;
        let blocks = match (wishes.kv_memory, usable_bytes) {
            (Some(asked), _) => asked.as_u64() / block_bytes,
            (None, Some(usable)) => {
                let left = usable.saturating_sub(needs.weight_bytes) / CACHE_PART;
                (left.max(usable / LEAST_PART) / block_bytes).min(wanted as u64)
            }
            (None, None) => wanted as u64,
        };
        let cache_tokens = usize::try_from(blocks)
            .unwrap_or(usize::MAX)
            .saturating_mul(BLOCK_POSITIONS);
        if cache_tokens < context && (wishes.context.is_some() || cache_tokens == 0) {
            return Err(LoadError::Cache {
                context,
                needed: ByteSize::b(context.div_ceil(BLOCK_POSITIONS) as u64 * block_bytes),
                tokens: cache_tokens,
            });
        }
        Ok(Self {
            context_tokens: context.min(cache_tokens),
            parallel,
            cache_tokens,
        })
    }

    /// What a log says of it.
    pub fn lines(&self, wishes: Wishes, needs: Needs) -> [String; 2] {
        let bytes = ByteSize::b((self.cache_tokens as u64).saturating_mul(needs.token_bytes));
        let source = match wishes.kv_memory {
            Some(_) => "as asked",
            None => "by requests and memory",
        };
        [
            format!(
                "requests: {} at once ({}), {} tokens each at most",
                self.parallel, wishes.parallel.source, self.context_tokens
            ),
            format!(
                "KV cache: room for {} tokens of all requests, {} ({}); what is over stays for prompts \
                 that begin alike, while there is room",
                self.cache_tokens,
                bytes.display().si(),
                source
            ),
        ]
    }
}

/// The context of each request.
///
/// # Errors
/// More than the model was made for.
pub fn context_tokens(asked: Option<usize>, model: usize) -> Result<usize, LoadError> {
    match asked {
        Some(asked) if asked > model => Err(LoadError::Context { asked, model }),
        Some(asked) => Ok(asked),
        None => Ok(model.min(DEFAULT_CONTEXT_TOKENS)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A model of 1 GB with 1 kB a token.
    const NEEDS: Needs = Needs {
        context_length: 32_768,
        weight_bytes: 1_000_000_000,
        token_bytes: 1000,
    };

    fn wishes(context: usize, parallel: usize, kv_memory: u64) -> Wishes {
        Wishes {
            context: (context > 0).then_some(context),
            parallel: Limit::choose((parallel > 0).then_some(parallel), None, DEFAULT_PARALLEL),
            kv_memory: (kv_memory > 0).then(|| ByteSize::b(kv_memory)),
        }
    }

    #[test]
    fn every_request_has_its_context_while_memory_lasts() {
        const GB: u64 = 1_000_000_000;
        let cases = [
            ((0, 0, 0), Some(64 * GB), (8192, 16, 16 * 8192)),
            ((0, 0, 0), None, (8192, 16, 16 * 8192)),
            ((100, 3, 0), Some(64 * GB), (100, 3, 3 * 128)),
            // Half of what the weights leave.
            ((0, 64, 0), Some(GB + GB / 2), (8192, 64, 1953 * 128)),
            // Weights are in the file's map.
            ((0, 0, 0), Some(GB), (8192, 16, 976 * 128)),
            // One request is cut where nobody asked for its context.
            ((0, 0, 0), Some(4_096_000), (512, 16, 512)),
            ((0, 2, 1_280_000), Some(GB), (1280, 2, 1280)),
            ((1280, 2, 1_280_000), Some(GB), (1280, 2, 1280)),
        ];
        for ((context, parallel, memory), usable, wanted) in cases {
            let wishes = wishes(context, parallel, memory);
            let found = Capacity::of(wishes, NEEDS, usable).expect("it fits");
            let found = (found.context_tokens, found.parallel, found.cache_tokens);
            assert_eq!(found, wanted, "{wishes:?} {usable:?}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_remedy() {
        let cases = [
            (
                wishes(40_000, 0, 0),
                "--context 40000 is more than the 32768",
            ),
            (wishes(2000, 0, 1_280_000), "--kv-memory"),
            (wishes(0, 0, 1000), "--kv-memory"),
        ];
        for (wishes, wanted) in cases {
            let error = Capacity::of(wishes, NEEDS, None).expect_err("refused");
            assert!(error.to_string().contains(wanted), "{error}");
        }
    }
}
