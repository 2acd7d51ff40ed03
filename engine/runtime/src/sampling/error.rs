//! What can be wrong with sampling options, said in terms of the request that carried them.

use thiserror::Error;

/// Why [`SamplingOptions`](super::SamplingOptions) were refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum SamplingError {
    /// A number is outside its range, or not a number.
    #[error("{field} is {value}; it must be {range}")]
    OutOfRange {
        /// The field of the options.
        field: &'static str,
        /// What was asked for.
        value: f32,
        /// What is allowed.
        range: &'static str,
    },
    /// A bias on the logit of one token is outside its range, or not a number.
    #[error("logit_bias of token {token} is {value}; it must be from -100 to 100")]
    BiasOutOfRange {
        /// The token.
        token: u32,
        /// What was asked for.
        value: f32,
    },
}
