//! What else runs on the hardware: other load, a hypervisor and its other guests; and the clock that
//! all measurements rest on.

use std::time::Duration;

use sysinfer_machine::Topology;

use super::found::Check;
use super::root::Root;

/// Processes per CPU that ran in the last minute, above which the host is not quiet.
const LOAD_SHARE: f64 = 0.25;
/// Stolen time since boot worth a line.
const STOLEN_SHARE: f64 = 0.01;
/// A clock coarser than this blurs single steps of small models.
const COARSE_TIMER: Duration = Duration::from_micros(1);
/// Clock sources that are read without a system call, or nearly so.
const FAST_CLOCKS: [&str; 6] = [
    "tsc",
    "kvm-clock",
    "arch_sys_counter",
    "hyperv_clocksource_tsc_page",
    "xen",
    "riscv_clocksource",
];

pub(super) fn check(root: &Root, topology: &Topology, timer: Option<Duration>, check: &mut Check) {
    load(root, topology, check);
    virtualisation(root, check);
    stolen(root, check);
    clock(root, timer, check);
}

fn load(root: &Root, topology: &Topology, check: &mut Check) {
    let text = root.text("proc/loadavg");
    let processes: Option<f64> = text.and_then(|text| text.split_whitespace().next()?.parse().ok());
    check.fact_or_unknown(
        "other load",
        processes.map(|count| format!("{count:.2} processes on average in the last minute")),
    );
    // The average is that of the whole host, however few of its CPUs are allowed.
    let online = root.list("sys/devices/system/cpu/online");
    let cpus = online.map_or(topology.cpus.len(), |cpus| cpus.len()).max(1) as f64;
    if let Some(count) = processes.filter(|count| *count > LOAD_SHARE * cpus) {
        check.finding(
            format!("other programs ran in the last minute ({count:.2} at a time on average)"),
            "stop them while tuning; samples during which they run on our CPUs are void",
        );
    }
}

fn virtualisation(root: &Root, check: &mut Check) {
    let cpuinfo = root.text("proc/cpuinfo");
    // Processors other than x86 have no such line, guest or not.
    let flagged = cpuinfo.as_deref().and_then(|text| {
        let lines = text.lines().filter(|line| line.starts_with("flags"));
        lines
            .map(|line| line.split_whitespace().any(|flag| flag == "hypervisor"))
            .reduce(|one, other| one || other)
    });
    let dmi = |name: &str| root.text(&format!("sys/class/dmi/id/{name}"));
    let names = [
        dmi("sys_vendor"),
        dmi("product_name"),
        root.text("sys/hypervisor/type"),
    ];
    let maker = names.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let named = is_virtual_maker(&maker);
    let is_virtual = flagged == Some(true) || named;
    let container = if root.has(".dockerenv") || root.has("run/.containerenv") {
        ", in a container"
    } else {
        ""
    };
    let words = if is_virtual {
        let maker = if named {
            format!(" ({maker})")
        } else {
            String::new()
        };
        Some(format!("virtual machine{maker}{container}"))
    } else {
        let is_known = flagged.is_some() || !maker.trim().is_empty();
        is_known.then(|| format!("none seen{container}"))
    };
    check.fact_or_unknown("virtualisation", words);
    if is_virtual {
        check.finding(
            "this is a virtual machine: its topology may not be the hardware's, and other guests \
             share memory bandwidth",
            "pin virtual CPUs to cores and pass NUMA nodes and caches through, or use the bare host",
        );
    }
}

/// Whether maker and product, as the firmware names them, are of a virtual machine.
fn is_virtual_maker(maker: &str) -> bool {
    let names = [
        "qemu",
        "kvm",
        "vmware",
        "virtualbox",
        "virtual machine",
        "xen",
        "bhyve",
        "openstack",
        "google compute engine",
        "alibaba cloud ecs",
        "tencent cloud",
    ];
    let maker = maker.to_lowercase();
    // Amazon rents out whole machines under its name as well, as products such as "c7g.metal".
    let is_amazons = maker.contains("amazon ec2") && !maker.contains("metal");
    is_amazons || names.iter().any(|name| maker.contains(name))
}

/// Steal ticks of all CPUs over all ticks since boot.
fn stolen(root: &Root, check: &mut Check) {
    let stat = root.text("proc/stat");
    let share = stat.as_deref().and_then(|stat| {
        let fields: Option<Vec<u64>> = stat
            .lines()
            .next()?
            .strip_prefix("cpu ")?
            .split_whitespace()
            .take(8)
            .map(|field| field.parse().ok())
            .collect();
        let fields = fields.filter(|fields| fields.len() == 8)?;
        let all = fields.iter().copied().fold(0, u64::saturating_add);
        (all > 0).then(|| fields[7] as f64 / all as f64)
    });
    check.fact_or_unknown(
        "time taken by the hypervisor",
        share.map(|share| format!("{:.2} % since boot", 100.0 * share)),
    );
    if let Some(share) = share.filter(|share| *share > STOLEN_SHARE) {
        check.finding(
            format!(
                "the hypervisor took {:.1} % of the CPU time since boot",
                100.0 * share
            ),
            "use dedicated CPUs (no overcommit), or fewer threads than virtual CPUs",
        );
    }
}

fn clock(root: &Root, timer: Option<Duration>, check: &mut Check) {
    let source = root.text("sys/devices/system/clocksource/clocksource0/current_clocksource");
    let step = timer.map_or_else(
        || "step unknown".to_owned(),
        |step| format!("step {} ns", step.as_nanos()),
    );
    let name = source.as_deref().unwrap_or(super::found::UNKNOWN);
    check.fact("timer", format!("{name}, {step}"));
    let slow = source
        .as_deref()
        .is_some_and(|source| !FAST_CLOCKS.contains(&source));
    if slow || timer.is_some_and(|step| step > COARSE_TIMER) {
        check.finding(
            format!("the clock is slow or coarse ({name}, {step}): single steps are measured less exactly"),
            "boot with clocksource=tsc (x86) or the architecture's own counter",
        );
    }
}
