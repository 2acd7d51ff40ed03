//! Memory nodes, huge pages, and the kernel's habit of moving pages.

use sysinfer_machine::{Topology, chosen_word, kib_field};

use super::found::{Check, list_text};
use super::root::Root;

/// Reserved huge pages above this share of the memory are worth a line.
const POOL_SHARE: f64 = 0.1;

pub(super) fn check(root: &Root, topology: &Topology, check: &mut Check) {
    nodes(root, check);
    transparent_huge_pages(root, check);
    pools(root, check);
    balancing(root, topology, check);
}

fn nodes(root: &Root, check: &mut Check) {
    let present = root.list("sys/devices/system/node/has_memory");
    let allowed = root.own_list("Mems_allowed_list");
    let (Some(present), Some(allowed)) = (present, allowed) else {
        check.fact_or_unknown("memory nodes", None);
        return;
    };
    // The list may go on beyond the nodes that exist.
    let usable: Vec<usize> = present
        .iter()
        .copied()
        .filter(|node| allowed.contains(node))
        .collect();
    check.fact(
        "memory nodes",
        format!("{} allowed, {} present", list_text(&usable), present.len()),
    );
    if usable.len() < present.len() {
        check.finding(
            format!(
                "only {} of {} memory nodes may be used: other nodes' bandwidth is lost",
                usable.len(),
                present.len()
            ),
            "widen the cpuset (cpuset.mems, docker --cpuset-mems)",
        );
    }
}

fn transparent_huge_pages(root: &Root, check: &mut Check) {
    const ENABLED: &str = "sys/kernel/mm/transparent_hugepage/enabled";
    let modes = root.text(ENABLED);
    let mode = modes.as_deref().and_then(chosen_word);
    check.fact_or_unknown("transparent huge pages", mode.map(str::to_owned));
    if mode == Some("never") {
        check.finding(
            "transparent huge pages are off: every small page of weights needs an address translation",
            format!("echo madvise > /{ENABLED}"),
        );
    }
}

/// Pages of fixed size that were set aside at boot or by hand; the engine uses none of them.
fn pools(root: &Root, check: &mut Check) {
    const POOLS: &str = "sys/kernel/mm/hugepages";
    let mut reserved_kib: u64 = 0;
    let (mut listed, mut remedies) = (Vec::new(), Vec::new());
    for name in root.names(POOLS) {
        let kib = name
            .strip_prefix("hugepages-")
            .and_then(|rest| rest.strip_suffix("kB"));
        let Some(kib) = kib.and_then(|kib| kib.parse::<u64>().ok()) else {
            continue;
        };
        let pages = root
            .number(&format!("{POOLS}/{name}/nr_hugepages"))
            .unwrap_or(0);
        let free = root
            .number(&format!("{POOLS}/{name}/free_hugepages"))
            .unwrap_or(0);
        reserved_kib = reserved_kib.saturating_add(free.saturating_mul(kib));
        if free > 0 {
            remedies.push(format!("echo 0 > /{POOLS}/{name}/nr_hugepages"));
        }
        if pages > 0 {
            listed.push(format!("{pages} of {kib} KiB ({free} free)"));
        }
    }
    let known = root.has(POOLS);
    let none = if known { Some("none".to_owned()) } else { None };
    check.fact_or_unknown(
        "huge page pools",
        (!listed.is_empty()).then(|| listed.join(", ")).or(none),
    );
    let meminfo = root.text("proc/meminfo").unwrap_or_default();
    let total = kib_field(&meminfo, "MemTotal");
    if total.is_some_and(|total| reserved_kib as f64 * 1024.0 > POOL_SHARE * total as f64) {
        check.finding(
            format!(
                "{:.1} GB of free memory are set aside in huge page pools, which the engine does not use",
                reserved_kib as f64 * 1024.0 / 1e9
            ),
            format!(
                "{}, unless another program needs them; transparent huge pages are used instead",
                remedies.join(" and ")
            ),
        );
    }
}

fn balancing(root: &Root, topology: &Topology, check: &mut Check) {
    let balancing = root.number("proc/sys/kernel/numa_balancing");
    let words = balancing.map(|mode| {
        if mode == 0 {
            "off".to_owned()
        } else {
            format!("on ({mode})")
        }
    });
    check.fact_or_unknown("NUMA balancing", words);
    if balancing.is_some_and(|mode| mode != 0) && topology.nodes.len() > 1 {
        check.finding(
            "the kernel moves pages between nodes while it runs (numa_balancing), which takes time \
             and undoes the placement of weights",
            "sysctl kernel.numa_balancing=0",
        );
    }
}
