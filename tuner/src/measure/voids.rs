//! Void samples: why a sample says nothing about the plan it was taken under, and how many did.

use std::fmt;

use serde::{Deserialize, Serialize};

/// From this share of void samples on, a run is not to be trusted.
const UNTRUSTED_SHARE: f64 = 0.2;
/// Fewer void samples than this are bad luck, whatever their share.
const UNTRUSTED_LEAST: usize = 3;

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

    /// Whether so many of `taken` samples were void that the rest is not to be trusted either.
    pub fn spoil(&self, taken: usize) -> bool {
        let total = self.total();
        total >= UNTRUSTED_LEAST && total as f64 > UNTRUSTED_SHARE * taken as f64
    }

    /// One line on the void samples among `taken`; `None` without any.
    pub fn remark(&self, taken: usize) -> Option<String> {
        let total = self.total();
        if total == 0 {
            return None;
        }
        let percent = 100.0 * total as f64 / taken.max(total) as f64;
        let counted = format!("{total} of {taken} samples ({percent:.0} %) were disturbed: {self}");
        Some(if self.spoil(taken) {
            format!(
                "NOT TO BE TRUSTED: {counted}; these results say more about the other load than \
                 about the plans: stop it (or raise the quota) and tune again"
            )
        } else {
            format!("{counted}; they were taken again where another could be had (see samples.csv)")
        })
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
    fn voids_are_counted_by_reason_and_a_large_share_is_said_loudly() {
        let cases = [
            (voids(0, 0), 100, None, false),
            (
                voids(2, 1),
                100,
                Some("3 of 100 samples (3 %) were disturbed: 1 stolen, 2 busy"),
                false,
            ),
            (voids(2, 0), 4, Some("2 of 4 samples (50 %)"), false),
            (
                voids(30, 0),
                100,
                Some("NOT TO BE TRUSTED: 30 of 100"),
                true,
            ),
            (voids(3, 0), 0, Some("NOT TO BE TRUSTED"), true),
        ];
        for (voids, taken, words, spoilt) in cases {
            assert_eq!(voids.spoil(taken), spoilt, "{voids:?} of {taken}");
            let remark = voids.remark(taken);
            assert_eq!(remark.is_some(), words.is_some(), "{remark:?}");
            let remark = remark.unwrap_or_default();
            assert!(remark.contains(words.unwrap_or("")), "{remark}");
        }
    }
}
