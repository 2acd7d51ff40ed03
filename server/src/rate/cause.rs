//! What most likely keeps decode below the tuned rate, a pure function of what was measured.

use super::readings::Evidence;

/// From this share on decode is as fast as tuned: rates of one plan differ by as much from minute to minute.
pub const AS_TUNED: f64 = 0.9;
/// A cause explains what is missing if it took at least this part of it, ...
const EXPLAINS: f64 = 1.0 / 3.0;
/// ... and this part of the time, which is noise below.
const LEAST_LOSS: f64 = 0.03;

/// What keeps decode below the tuned rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Nothing: it is as fast as tuned, or there is nothing to judge.
    #[default]
    None,
    /// There is no tuned rate.
    Untuned,
    /// Threads, CPUs, kernels or the like are not those that were measured.
    OtherMap,
    /// The CPU quota stops the team.
    CpuQuota,
    /// The hypervisor gives the CPUs to others.
    Stolen,
    /// The CPUs' clock is slower than it was.
    Throttled,
    /// Something else runs on the team's CPUs.
    BusyCpus,
    /// Nothing that is measured explains it.
    Unknown,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::None,
        Self::Untuned,
        Self::OtherMap,
        Self::CpuQuota,
        Self::Stolen,
        Self::Throttled,
        Self::BusyCpus,
        Self::Unknown,
    ];

    /// Its name in labels.
    pub fn name(self) -> &'static str {
        match self {
            Cause::None => "none",
            Cause::Untuned => "untuned",
            Cause::OtherMap => "other_map",
            Cause::CpuQuota => "cpu_quota",
            Cause::Stolen => "stolen",
            Cause::Throttled => "throttled",
            Cause::BusyCpus => "busy_cpus",
            Cause::Unknown => "unknown",
        }
    }
}

/// Decides. `is_tuned`: there is a tuned rate; `share`: the part of it that is reached, if that is known.
///
/// Of what was measured, that counts which took most of the time, if it took enough of it to explain what is
/// missing. Where none did, a plan that differs from the measured one does, and then heat.
pub fn cause(is_tuned: bool, share: Option<f64>, evidence: &Evidence) -> Cause {
    if !is_tuned {
        return Cause::Untuned;
    }
    let Some(missing) = share
        .filter(|share| *share < AS_TUNED)
        .map(|share| 1.0 - share)
    else {
        return Cause::None;
    };
    let losses = [
        (Cause::CpuQuota, evidence.quota),
        (Cause::Stolen, evidence.stolen),
        (Cause::BusyCpus, evidence.delayed),
        (Cause::Throttled, evidence.clock),
    ];
    let enough = LEAST_LOSS.max(EXPLAINS * missing);
    let explains = losses.into_iter().filter(|(_, loss)| *loss >= enough);
    match explains.max_by(|one, other| one.1.total_cmp(&other.1)) {
        Some((cause, _)) => cause,
        None if evidence.difference.is_some() => Cause::OtherMap,
        None if evidence.hot => Cause::Throttled,
        None => Cause::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_what_explains_most_of_what_is_missing() {
        let evidence = |change: fn(&mut Evidence)| {
            let mut evidence = Evidence::default();
            change(&mut evidence);
            evidence
        };
        type Change = fn(&mut Evidence);
        let cases: [(Option<f64>, Change, Cause); 16] = [
            (None, |e| e.quota = 1.0, Cause::None),
            (Some(0.95), |e| e.quota = 1.0, Cause::None),
            (Some(0.9), |e| e.hot = true, Cause::None),
            (Some(0.5), |_| {}, Cause::Unknown),
            (Some(0.5), |e| e.quota = 0.4, Cause::CpuQuota),
            (Some(0.5), |e| e.stolen = 0.4, Cause::Stolen),
            (Some(0.5), |e| e.delayed = 0.4, Cause::BusyCpus),
            (Some(0.5), |e| e.clock = 0.4, Cause::Throttled),
            (Some(0.5), |e| e.hot = true, Cause::Throttled),
            (
                Some(0.5),
                |e| e.difference = Some("x".into()),
                Cause::OtherMap,
            ),
            // The larger one of two.
            (
                Some(0.5),
                |e| (e.quota, e.delayed) = (0.3, 0.4),
                Cause::BusyCpus,
            ),
            // Too little to explain half of the rate.
            (Some(0.5), |e| e.delayed = 0.1, Cause::Unknown),
            (Some(0.8), |e| e.delayed = 0.1, Cause::BusyCpus),
            // Noise explains nothing.
            (Some(0.89), |e| e.delayed = 0.029, Cause::Unknown),
            // Another map beside a little load, and beside much.
            (
                Some(0.5),
                |e| (e.difference, e.delayed) = (Some("x".into()), 0.1),
                Cause::OtherMap,
            ),
            (
                Some(0.5),
                |e| (e.difference, e.delayed) = (Some("x".into()), 0.3),
                Cause::BusyCpus,
            ),
        ];
        for (share, change, wanted) in cases {
            let evidence = evidence(change);
            assert_eq!(
                cause(true, share, &evidence),
                wanted,
                "{share:?} {evidence:?}"
            );
            assert_eq!(cause(false, share, &evidence), Cause::Untuned);
        }
    }
}
