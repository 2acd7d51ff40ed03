//! Void samples: why a sample says nothing about the plan it was taken under, and how many did.

use std::fmt;

use serde::{Deserialize, Serialize};
use sysinfer_profiles::trust::{counted, spoil};

/// What spoilt a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VoidKind {
    /// The control group's CPU quota stopped the process.
    Throttled,
    /// The hypervisor gave the CPUs to others.
    Stolen,
    /// Other processes ran on the CPUs.
    Busy,
    /// A pinned worker was found on another CPU.
    Migrated,
}

/// Why one sample is void.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disturbance {
    /// What kind it was.
    pub kind: VoidKind,
    /// The same with figures, for people.
    pub why: String,
}

impl Disturbance {
    /// A disturbance with its figures.
    pub fn new(kind: VoidKind, why: impl Into<String>) -> Self {
        let why = why.into();
        Self { kind, why }
    }
}

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

/// Void samples of a run by reason, thrown away or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Voids {
    /// [`VoidKind::Throttled`].
    pub throttled: usize,
    /// [`VoidKind::Stolen`].
    pub stolen: usize,
    /// [`VoidKind::Busy`].
    pub busy: usize,
    /// [`VoidKind::Migrated`].
    pub migrated: usize,
}

impl Voids {
    /// Counts one.
    pub fn count(&mut self, kind: VoidKind) {
        let field = match kind {
            VoidKind::Throttled => &mut self.throttled,
            VoidKind::Stolen => &mut self.stolen,
            VoidKind::Busy => &mut self.busy,
            VoidKind::Migrated => &mut self.migrated,
        };
        *field += 1;
    }

    /// All of them.
    pub fn total(&self) -> usize {
        self.throttled + self.stolen + self.busy + self.migrated
    }

    /// Why a run of `taken` samples is not to be trusted; `None` if it is.
    pub fn distrust(&self, taken: usize) -> Option<String> {
        spoil(self.total(), taken).then(|| self.counted(taken))
    }

    /// One line on the void samples among `taken`; `None` without any.
    pub fn remark(&self, taken: usize) -> Option<String> {
        (self.total() > 0).then(|| {
            format!(
                "{}; they were taken again where another could be had (see samples.csv)",
                self.counted(taken)
            )
        })
    }

    /// `30 of 100 samples (30 %) were disturbed: 30 busy`
    fn counted(&self, taken: usize) -> String {
        format!("{}: {self}", counted(self.total(), taken))
    }
}

impl fmt::Display for Voids {
    /// `3 throttled, 1 busy`; empty without any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            (self.throttled, "throttled"),
            (self.stolen, "stolen"),
            (self.busy, "busy"),
            (self.migrated, "migrated"),
        ];
        let seen = kinds.iter().filter(|(count, _)| *count > 0);
        let words: Vec<String> = seen
            .map(|(count, name)| format!("{count} {name}"))
            .collect();
        f.write_str(&words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voids(busy: usize, stolen: usize) -> Voids {
        let mut voids = Voids::default();
        (0..busy).for_each(|_| voids.count(VoidKind::Busy));
        (0..stolen).for_each(|_| voids.count(VoidKind::Stolen));
        voids
    }

    #[test]
    fn voids_are_counted_by_reason_and_a_large_share_is_a_reason_for_distrust() {
        let cases = [
            (voids(0, 0), 100, None, false),
            (
                voids(2, 1),
                100,
                Some("3 of 100 samples (3 %) were disturbed: 1 stolen, 2 busy"),
                false,
            ),
            (voids(2, 0), 4, Some("2 of 4 samples (50 %)"), false),
            (voids(30, 0), 100, Some("30 of 100 samples (30 %)"), true),
            (voids(3, 0), 0, Some("3 of 0 samples (100 %)"), true),
        ];
        for (voids, taken, words, spoilt) in cases {
            let distrust = voids.distrust(taken);
            assert_eq!(distrust.is_some(), spoilt, "{voids:?} of {taken}");
            let remark = voids.remark(taken);
            assert_eq!(remark.is_some(), words.is_some(), "{remark:?}");
            let remark = remark.unwrap_or_default();
            assert!(remark.contains(words.unwrap_or("")), "{remark}");
        }
    }
}
