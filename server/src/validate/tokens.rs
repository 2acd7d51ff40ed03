//! Token ids that clients send.

use crate::error::ApiError;
use crate::scheduler::TokenSet;

/// Most entries of `stop_token_ids`: each costs time per token.
const MOST_STOP_TOKENS: usize = 64;

/// Ids that the vocabulary has.
///
/// # Errors
/// A 400 that names `field` and the first id that there is not.
pub fn valid_ids(field: &str, ids: &[i64], vocabulary_size: usize) -> Result<Vec<u32>, ApiError> {
    let valid = |id: &i64| {
        let known = u32::try_from(*id).ok();
        let known = known.filter(|id| (*id as usize) < vocabulary_size);
        known.ok_or_else(|| {
            let last = vocabulary_size.saturating_sub(1);
            let message = format!("{field}: {id} is no token id; ids are from 0 to {last}");
            ApiError::invalid_param(field, message)
        })
    };
    ids.iter().map(valid).collect()
}

/// Tokens that end an answer.
pub(super) fn stop_tokens(ids: &[i64], vocabulary_size: usize) -> Result<Vec<u32>, ApiError> {
    const FIELD: &str = "stop_token_ids";
    if ids.len() > MOST_STOP_TOKENS {
        let message = format!(
            "{FIELD} has {} ids; at most {MOST_STOP_TOKENS} are allowed",
            ids.len()
        );
        return Err(ApiError::invalid_param(FIELD, message));
    }
    valid_ids(FIELD, ids, vocabulary_size)
}

/// Tokens that an answer is made of: at least one.
pub(super) fn token_set(
    field: &str,
    ids: &[i64],
    vocabulary_size: usize,
) -> Result<TokenSet, ApiError> {
    if ids.is_empty() {
        let message = format!("{field} is empty, so that nothing may follow; leave it out");
        return Err(ApiError::invalid_param(field, message));
    }
    let ids = valid_ids(field, ids, vocabulary_size)?;
    let mut set = TokenSet(vec![0; vocabulary_size.div_ceil(32)]);
    set.insert(&ids);
    Ok(set)
}
