//! What a check finds.

use serde::Serialize;
use sysinfer_machine::CpuList;
use sysinfer_probe::Finding;

/// What stands for a fact that cannot be read.
pub(super) const UNKNOWN: &str = "unknown";

/// Something about the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// What it is about.
    pub name: &'static str,
    /// What was read, or "unknown".
    pub value: String,
}

/// All that was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Check {
    /// In a fixed order.
    pub facts: Vec<Fact>,
    /// What costs speed; empty on a host in order.
    pub findings: Vec<Finding>,
}

impl Check {
    /// Something that was read.
    pub(super) fn fact(&mut self, name: &'static str, value: impl Into<String>) {
        let value = value.into();
        self.facts.push(Fact { name, value });
    }

    /// A fact, or that it is unknown.
    pub(super) fn fact_or_unknown(&mut self, name: &'static str, value: Option<String>) {
        self.fact(name, value.unwrap_or_else(|| UNKNOWN.into()));
    }

    /// Something that costs speed.
    pub(super) fn finding(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        let (what, remedy) = (what.into(), remedy.into());
        self.findings.push(Finding { what, remedy });
    }
}

/// `0-3,8`
pub(super) fn list_text(numbers: &[usize]) -> String {
    CpuList::new(numbers.to_vec()).map_or_else(|_| format!("{numbers:?}"), |list| list.to_string())
}
