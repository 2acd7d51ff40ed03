//! Which instruction sets this CPU has.

#[cfg(test)]
use super::limit;
use super::{Isa, native};

impl Isa {
    /// Whether this CPU (and its operating system) has it. The standard library caches the answer.
    pub fn detected(self) -> bool {
        #[cfg(test)]
        if limit::hides(self) {
            return false;
        }
        self == Isa::Portable || native::detected(self)
    }
}

/// Names of the instruction sets this CPU has, for reports.
pub fn detected_names() -> Vec<&'static str> {
    Isa::ALL
        .into_iter()
        .filter(|isa| isa.detected())
        .map(Isa::name)
        .collect()
}
