//! How fast the cores of a team are at the moment, as far as a probe can tell.

use serde::{Deserialize, Serialize};

/// What a reading found; `None` where that is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoreReading {
    /// Plain multiply-adds of all workers together, 10^9 a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arithmetic: Option<f64>,
    /// What all workers together read of what another has just written, GB/s; a team of one has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<f64>,
}

impl CoreReading {
    /// What sums begin with.
    pub const ZERO: Self = Self {
        arithmetic: Some(0.0),
        exchange: Some(0.0),
    };

    /// Both parts by `with`, where both sides know them.
    #[must_use]
    pub fn zip(self, other: Self, with: impl Fn(f64, f64) -> f64) -> Self {
        let both = |one: Option<f64>, other: Option<f64>| {
            let known = one.zip(other).map(|(one, other)| with(one, other));
            known.filter(|value| value.is_finite())
        };
        Self {
            arithmetic: both(self.arithmetic, other.arithmetic),
            exchange: both(self.exchange, other.exchange),
        }
    }

    /// `self` and `share` of `other`.
    #[must_use]
    pub fn plus(self, share: f64, other: Self) -> Self {
        self.zip(other, |sum, value| sum + share * value)
    }

    /// Both parts over `whole`.
    #[must_use]
    pub fn over(self, whole: f64) -> Self {
        self.zip(Self::ZERO, |sum, _| sum / whole)
    }
}
