//! What is said of one rate.

use serde::Serialize;

/// Does the recorded rate of a length hold?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Judgement {
    /// Not slower beyond noise.
    Holds,
    /// Slower by no more than memory is in the same minutes: the host, not the profile.
    HoldsAsMemory,
    /// Slower by no more than the cores are in the same minutes.
    HoldsAsCores,
    /// Slower by no more than cores are in handing each other data, in the same minutes.
    HoldsAsExchange,
    /// Faster beyond noise.
    Faster,
    /// Slower beyond noise and tolerance, and neither because of memory nor of the cores.
    Slower,
    /// Runs differ too much, or are too few: even a loss of half the rate would hardly have been found.
    NotToldApart,
}

impl Judgement {
    /// In words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Judgement::Holds => "holds",
            Judgement::HoldsAsMemory => "holds: memory is slower",
            Judgement::HoldsAsCores => "holds: cores are slower",
            Judgement::HoldsAsExchange => "holds: cores exchange data more slowly",
            Judgement::Faster => "faster",
            Judgement::Slower => "slower",
            Judgement::NotToldApart => "not told apart",
        }
    }
}
