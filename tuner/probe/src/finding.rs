//! What about a host costs speed.

use serde::{Deserialize, Serialize};

/// Something about the host that costs speed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is and what it does.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "costs speed: {}; remedy: {}", self.what, self.remedy)
    }
}
