//! CPUs that may be used, the quota on them, hardware threads, clock rates.

use std::collections::BTreeMap;

use sysinfer_machine::{Topology, whole_cpus};

use super::found::{Check, list_text};
use super::root::Root;

/// Clock limits below this share of the hardware's are worth a line.
const CLOCK_SHARE: f64 = 0.97;

pub(super) fn check(root: &Root, topology: &Topology, check: &mut Check) {
    let allowed = topology.cpus.len();
    let online = root.list("sys/devices/system/cpu/online");
    allowed_cpus(root, topology, online.as_deref(), check);
    quota(root, allowed, check);
    hardware_threads(root, topology, check);
    governor(root, topology, check);
    clock_limit(root, topology, check);
}

fn allowed_cpus(root: &Root, topology: &Topology, online: Option<&[usize]>, check: &mut Check) {
    let mut ids: Vec<usize> = topology.cpus.iter().map(|cpu| cpu.id).collect();
    ids.sort_unstable();
    let allowed = ids.len();
    let Some(online) = online else {
        check.fact(
            "CPUs",
            format!("{} allowed, online: unknown", list_text(&ids)),
        );
        return;
    };
    let of = online.len();
    check.fact("CPUs", format!("{} allowed, {of} online", list_text(&ids)));
    if allowed < of {
        let limit = if allowed == 1 {
            ": only one thread can run at once, whatever is tried".to_owned()
        } else {
            String::new()
        };
        let (why, remedy) = if are_isolated(root, &ids, online) {
            let all = list_text(online);
            (
                "the others are isolated at boot, isolcpus",
                format!("start with `taskset -c {all}`, or boot without isolcpus"),
            )
        } else {
            (
                "taskset or a cpuset",
                "start without taskset, or widen the cpuset (cpuset.cpus, docker --cpuset-cpus)"
                    .into(),
            )
        };
        check.finding(
            format!("only {allowed} of {of} CPUs may be used ({why}){limit}"),
            remedy,
        );
    }
}

/// Whether the kernel keeps all CPUs that are not allowed from every process that does not ask for them.
fn are_isolated(root: &Root, allowed: &[usize], online: &[usize]) -> bool {
    let isolated = root
        .list("sys/devices/system/cpu/isolated")
        .unwrap_or_default();
    let mut missing = online.iter().filter(|id| !allowed.contains(id));
    missing.all(|id| isolated.contains(id))
}

fn quota(root: &Root, allowed: usize, check: &mut Check) {
    let quota = root.quota();
    check.fact_or_unknown(
        "CPU quota",
        quota.map(|quota| quota.map_or("none".into(), |cpus| format!("{cpus:.2} CPUs"))),
    );
    let Some(cpus) = quota.flatten().filter(|cpus| *cpus < allowed as f64) else {
        return;
    };
    let threads = match whole_cpus(allowed, Some(cpus)) {
        1 => "one thread".to_owned(),
        more => format!("{more} threads"),
    };
    check.finding(
        format!(
            "the control group gives {cpus:.2} CPUs' time on {allowed} CPUs: more than {threads} \
             would be stopped in every period"
        ),
        "raise the quota (cpu.max, docker --cpus, limits.cpu) or bind whole CPUs with a cpuset instead",
    );
}

fn hardware_threads(root: &Root, topology: &Topology, check: &mut Check) {
    let control = root.text("sys/devices/system/cpu/smt/control");
    let words = control.map(|control| match control.as_str() {
        "notsupported" | "notimplemented" => "not supported".to_owned(),
        "on" => format!("on, {} allowed per core", topology.smt()),
        other => other.to_owned(),
    });
    check.fact_or_unknown("hardware threads (SMT)", words);
}

/// How many CPUs have which word in a file of their `cpufreq`.
fn words(root: &Root, topology: &Topology, file: &str) -> BTreeMap<String, usize> {
    let mut words = BTreeMap::new();
    for cpu in &topology.cpus {
        let path = format!("sys/devices/system/cpu/cpu{}/cpufreq/{file}", cpu.id);
        if let Some(word) = root.text(&path) {
            *words.entry(word).or_default() += 1;
        }
    }
    words
}

fn governor(root: &Root, topology: &Topology, check: &mut Check) {
    let governors = words(root, topology, "scaling_governor");
    let listed: Vec<String> = governors
        .iter()
        .map(|(name, cpus)| format!("{name} ({cpus} CPUs)"))
        .collect();
    check.fact_or_unknown(
        "frequency governor",
        (!listed.is_empty()).then(|| listed.join(", ")),
    );
    let slow: usize = governors
        .iter()
        .filter(|(name, _)| name.as_str() != "performance")
        .map(|(_, cpus)| cpus)
        .sum();
    // Drivers that choose clock rates in hardware call their usual mode "powersave".
    let hardware = ["intel_pstate", "amd-pstate-epp"];
    let drivers = words(root, topology, "scaling_driver");
    let in_hardware = drivers.keys().any(|name| hardware.contains(&name.as_str()));
    let preference = words(root, topology, "energy_performance_preference");
    let eager = preference.keys().any(|word| word == "performance");
    if slow > 0 && !(in_hardware && eager) {
        check.finding(
            format!(
                "{slow} CPUs do not run at full clock rate at once: governor {}",
                listed.join(", ")
            ),
            "cpupower frequency-set -g performance",
        );
    }
}

fn clock_limit(root: &Root, topology: &Topology, check: &mut Check) {
    let lowest = |file: &str| -> Option<u64> {
        let rates = words(root, topology, file);
        rates.keys().filter_map(|rate| rate.parse().ok()).min()
    };
    let (limit, hardware) = (lowest("scaling_max_freq"), lowest("cpuinfo_max_freq"));
    let gigahertz = |kilohertz: u64| kilohertz as f64 / 1e6;
    let both = limit.zip(hardware);
    check.fact_or_unknown(
        "highest clock rate",
        both.map(|(limit, hardware)| {
            format!("{:.2} of {:.2} GHz", gigahertz(limit), gigahertz(hardware))
        }),
    );
    let boost = root.number("sys/devices/system/cpu/cpufreq/boost");
    if let Some((limit, hardware)) = both
        && (limit as f64) < CLOCK_SHARE * hardware as f64
    {
        let (limit, hardware) = (gigahertz(limit), gigahertz(hardware));
        check.finding(
            format!("clock rates are limited to {limit:.2} of {hardware:.2} GHz"),
            format!("cpupower frequency-set -u {hardware:.2}GHz"),
        );
    } else if boost == Some(0) {
        check.finding(
            "clock boost is switched off",
            "echo 1 > /sys/devices/system/cpu/cpufreq/boost, unless steady rates matter more",
        );
    }
}
