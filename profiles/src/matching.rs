//! Does a profile apply here? The host decides it, the model is only compared.

use std::fmt;

use sysinfer_engine::EngineInfo;
use sysinfer_machine::{CpuList, HostInfo, Topology};

use crate::error::ProfileError;
use crate::schema::Profile;

/// Less memory than this share of the profile's host is another host.
const MEMORY_SHARE: f64 = 0.9;

/// Outcome of comparing a profile's host with the present one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostMatch {
    /// Every fact that the plan depends on is the same.
    Exact,
    /// At least one differs.
    Different(Vec<Difference>),
}

/// One fact on which the profile and the present host disagree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Key in the `[host]` section.
    pub field: &'static str,
    /// What the profile says.
    pub profile: String,
    /// What this host has.
    pub host: String,
}

/// A disagreement that is worth a line in the log and nothing more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice(Difference);

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: the profile says {}, this host has {}",
            self.field, self.profile, self.host
        )
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference {
            field,
            profile,
            host,
        } = &self.0;
        write!(
            f,
            "{field}: the profile was measured with {profile}, here it is {host}"
        )
    }
}

/// Compares the facts that a plan depends on.
pub fn check(profile: &Profile, host: &HostInfo) -> HostMatch {
    let recorded = &profile.host;
    let mut differences: Vec<Difference> = [
        (
            "cpu_model",
            recorded.cpu_model.clone(),
            host.cpu_model.clone(),
        ),
        (
            "architecture",
            recorded.architecture.clone(),
            host.architecture.clone(),
        ),
        (
            "packages",
            recorded.packages.to_string(),
            host.packages.to_string(),
        ),
        ("nodes", recorded.nodes.to_string(), host.nodes.to_string()),
        ("cores", recorded.cores.to_string(), host.cores.to_string()),
        ("cpus", recorded.cpus.to_string(), host.cpus.to_string()),
        (
            "page_bytes",
            recorded.page_bytes.to_string(),
            host.page_bytes.to_string(),
        ),
        (
            "cpu_quota",
            quota(recorded.cpu_quota),
            quota(host.cpu_quota),
        ),
    ]
    .into_iter()
    .filter(|(_, profile, host)| profile != host)
    .map(|(field, profile, host)| Difference {
        field,
        profile,
        host,
    })
    .collect();
    if (host.memory_bytes as f64) < MEMORY_SHARE * recorded.memory_bytes as f64 {
        differences.push(Difference {
            field: "memory_bytes",
            profile: recorded.memory_bytes.to_string(),
            host: host.memory_bytes.to_string(),
        });
    }
    if differences.is_empty() {
        HostMatch::Exact
    } else {
        HostMatch::Different(differences)
    }
}

/// Facts that may change from one boot to the next without making a plan wrong.
pub fn notices(profile: &Profile, host: &HostInfo) -> Vec<Notice> {
    let recorded = &profile.host;
    differing([
        ("kernel", recorded.kernel.clone(), host.kernel.clone()),
        (
            "huge_pages",
            recorded.huge_pages.clone(),
            host.huge_pages.clone(),
        ),
    ])
}

/// Compares the model's shape: the plan runs with any model, but was measured with one.
pub fn check_model(profile: &Profile, info: &EngineInfo) -> Vec<Notice> {
    let recorded = &profile.model;
    differing([
        (
            "model.architecture",
            recorded.architecture.clone(),
            info.architecture.clone(),
        ),
        (
            "model.quantisation",
            recorded.quantisation.clone(),
            info.quantisation.clone(),
        ),
        (
            "model.fingerprint",
            recorded.fingerprint.clone(),
            info.fingerprint.clone(),
        ),
    ])
}

/// Checks that every CPU of the plan is one that this process may use.
///
/// # Errors
/// The first CPU that is not, with the list of those that are.
pub fn check_cpus(profile: &Profile, topology: &Topology) -> Result<(), ProfileError> {
    let phases = [
        ("decode", &profile.plan.decode),
        ("prefill", &profile.plan.prefill),
    ];
    for (phase, plan) in phases {
        if let Some(&cpu) = plan.cpus.iter().find(|cpu| topology.cpu(**cpu).is_none()) {
            return Err(ProfileError::Cpu {
                phase,
                cpu,
                allowed: allowed_cpus(topology),
            });
        }
    }
    Ok(())
}

fn allowed_cpus(topology: &Topology) -> String {
    let mut ids: Vec<usize> = topology.cpus.iter().map(|cpu| cpu.id).collect();
    ids.sort_unstable();
    CpuList::new(ids).map_or_else(|_| "unknown".into(), |list| list.to_string())
}

fn differing<const N: usize>(facts: [(&'static str, String, String); N]) -> Vec<Notice> {
    facts
        .into_iter()
        .filter(|(_, profile, host)| profile != host)
        .map(|(field, profile, host)| {
            Notice(Difference {
                field,
                profile,
                host,
            })
        })
        .collect()
}

/// Two decimals: control groups count in hundredths of a CPU.
fn quota(cpus: Option<f64>) -> String {
    cpus.map_or_else(|| "no limit".into(), |cpus| format!("{cpus:.2}"))
}
