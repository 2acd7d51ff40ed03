//! The host check on recorded trees: what is found, what its remedy names, and that nothing readable
//! is no failure.

use std::path::Path;
use std::time::Duration;

use sysinfer_machine::Topology;
use sysinfer_probe::Finding;

use super::found::UNKNOWN;
use super::{Check, InstructionSets, Root};
use crate::host::Host;

const KUNPENG: &str = "pack:2 numa:2 l3:1 core:24 pu:1";
const V2_MOUNT: &str = "30 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw";

/// A tree of files, in the form of (path, text).
fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a temporary folder");
    for (path, text) in files {
        write(directory.path(), path, text);
    }
    directory
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().expect("below the root")).expect("a folder");
    std::fs::write(path, text).expect("a small file");
}

/// What a bare 96-CPU server in good order says.
const SERVER: [(&str, &str); 17] = [
    ("sys/devices/system/cpu/online", "0-95\n"),
    ("sys/devices/system/cpu/smt/control", "notsupported\n"),
    ("sys/devices/system/node/has_memory", "0-3\n"),
    (
        "proc/self/status",
        "Name:\tx\nMems_allowed:\t0000000f\nMems_allowed_list:\t0-3\n",
    ),
    ("proc/self/cgroup", "0::/a\n"),
    ("proc/self/mountinfo", V2_MOUNT),
    ("sys/fs/cgroup/a/cpu.max", "max 100000\n"),
    (
        "sys/kernel/mm/transparent_hugepage/enabled",
        "always [madvise] never\n",
    ),
    (
        "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
        "0\n",
    ),
    (
        "sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages",
        "0\n",
    ),
    (
        "proc/meminfo",
        "MemTotal:       268435456 kB\nMemFree: 1 kB\n",
    ),
    ("proc/sys/kernel/numa_balancing", "0\n"),
    ("proc/loadavg", "0.10 0.20 0.30 1/900 4242\n"),
    (
        "proc/cpuinfo",
        "processor\t: 0\nCPU implementer\t: 0x48\nCPU part\t: 0xd01\n",
    ),
    ("sys/class/dmi/id/sys_vendor", "Huawei\n"),
    ("proc/stat", "cpu  100 0 100 9000 0 0 0 0 0 0\n"),
    (
        "sys/devices/system/clocksource/clocksource0/current_clocksource",
        "arch_sys_counter\n",
    ),
];

fn server() -> tempfile::TempDir {
    let directory = tree(&SERVER);
    for cpu in 0..96 {
        let file = |name: &str| format!("sys/devices/system/cpu/cpu{cpu}/cpufreq/{name}");
        write(directory.path(), &file("scaling_governor"), "performance\n");
        write(directory.path(), &file("scaling_max_freq"), "2600000\n");
        write(directory.path(), &file("cpuinfo_max_freq"), "2600000\n");
    }
    // All processes are seen.
    write(directory.path(), "proc/1/status", "Name:\tinit\n");
    write(directory.path(), "proc/self/ns/user", "");
    let link = directory.path().join("proc/self/ns/pid");
    std::os::unix::fs::symlink("pid:[4026531836]", link).expect("a link");
    directory
}

fn check(tree: &tempfile::TempDir, topology: &Topology) -> Check {
    Check::of(
        &Root::at(tree.path()),
        topology,
        &kunpeng_sets(),
        Some(Duration::from_nanos(10)),
    )
}

/// As on a Kunpeng 920 that has kernels for more than it can run.
fn kunpeng_sets() -> InstructionSets {
    InstructionSets {
        here: vec!["neon", "dotprod"],
        absent: vec!["i8mm"],
        sve_bits: Some(0),
    }
}

fn kunpeng() -> Topology {
    Topology::from_synthetic(KUNPENG).expect("valid")
}

#[test]
fn a_server_in_order_has_no_findings_and_every_fact() {
    let check = check(&server(), &kunpeng());
    assert_eq!(check.findings, []);
    assert!(
        check.facts.iter().all(|fact| !fact.value.contains(UNKNOWN)),
        "{check:?}"
    );
}

/// A file to change, and words that the finding and its remedy must have.
type Case = (&'static str, &'static str, &'static str, &'static str);

#[test]
fn each_thing_that_costs_speed_is_found_alone_with_its_remedy() {
    let cases: [Case; 12] = [
        (
            "proc/sys/kernel/numa_balancing",
            "1",
            "moves pages",
            "numa_balancing=0",
        ),
        (
            "sys/devices/system/cpu/cpu5/cpufreq/scaling_governor",
            "powersave",
            "1 CPUs do not run at full",
            "-g performance",
        ),
        (
            "sys/devices/system/cpu/cpu5/cpufreq/scaling_max_freq",
            "1300000",
            "limited to 1.30 of 2.60 GHz",
            "-u 2.60GHz",
        ),
        (
            "sys/devices/system/cpu/cpufreq/boost",
            "0",
            "boost is switched off",
            "cpufreq/boost",
        ),
        (
            "sys/fs/cgroup/a/cpu.max",
            "100000 100000",
            "1.00 CPUs' time on 96 CPUs: more than one thread",
            "docker --cpus",
        ),
        (
            "proc/self/status",
            "Mems_allowed_list:\t0\n",
            "only 1 of 4 memory nodes",
            "cpuset.mems",
        ),
        (
            "sys/kernel/mm/transparent_hugepage/enabled",
            "always madvise [never]",
            "are off",
            "echo madvise",
        ),
        (
            "sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages",
            "65536",
            "137.4 GB of free memory",
            "echo 0 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages, unless",
        ),
        (
            "proc/loadavg",
            "40.00 1 1 1/1 1",
            "40.00 at a time",
            "stop them",
        ),
        (
            "sys/class/dmi/id/product_name",
            "KVM Virtual Machine",
            "virtual machine",
            "pin virtual CPUs",
        ),
        (
            "proc/stat",
            "cpu  100 0 100 9000 0 0 0 800 0 0",
            "took 8.0 % of the CPU time",
            "dedicated CPUs",
        ),
        (
            "sys/devices/system/clocksource/clocksource0/current_clocksource",
            "acpi_pm",
            "slow or coarse",
            "clocksource=tsc",
        ),
    ];
    for (path, text, what, remedy) in cases {
        let tree = server();
        write(tree.path(), path, text);
        let found = check(&tree, &kunpeng()).findings;
        let [
            Finding {
                what: said,
                remedy: advice,
            },
        ] = &found[..]
        else {
            panic!("{path}: {found:?}");
        };
        assert!(said.contains(what), "{path}: {said}");
        assert!(advice.contains(remedy), "{path}: {advice}");
    }
}

#[test]
fn every_pool_with_free_pages_is_to_be_emptied() {
    let tree = server();
    let pool = |kib: u64, file: &str| {
        format!("sys/kernel/mm/hugepages/hugepages-{kib}kB/{file}_hugepages")
    };
    write(tree.path(), &pool(1_048_576, "nr"), "64");
    write(tree.path(), &pool(1_048_576, "free"), "64");
    write(tree.path(), &pool(2048, "nr"), "16");
    let found = check(&tree, &kunpeng()).findings;
    let [finding] = &found[..] else {
        panic!("{found:?}");
    };
    let remedy = format!("echo 0 > /{}, unless", pool(1_048_576, "nr"));
    assert!(finding.remedy.starts_with(&remedy), "{finding}");
    write(tree.path(), &pool(2048, "free"), "3");
    let found = check(&tree, &kunpeng()).findings;
    let both = format!(" and echo 0 > /{}, unless", pool(2048, "nr"));
    assert!(found[0].remedy.contains(&both), "{found:?}");
}

#[test]
fn one_allowed_cpu_is_the_reason_for_one_thread() {
    let tree = tree(&[("sys/devices/system/cpu/online", "0-1\n")]);
    let mut topology = Topology::flat(&[0]);
    topology.source = "hwloc".into();
    let found = check(&tree, &topology).findings;
    assert!(
        found[0].what.contains("only 1 of 2 CPUs may be used"),
        "{found:?}"
    );
    assert!(found[0].what.contains("only one thread"), "{found:?}");
}

#[test]
fn isolated_cpus_are_not_blamed_on_taskset() {
    let tree = tree(&[("sys/devices/system/cpu/online", "0-7\n")]);
    let mut topology = Topology::flat(&[0, 1]);
    topology.source = "hwloc".into();
    for (isolated, is_reason) in [("2-7\n", true), ("2-6\n", false), ("\n", false)] {
        write(tree.path(), "sys/devices/system/cpu/isolated", isolated);
        let found = check(&tree, &topology).findings;
        let Finding { what, remedy } = &found[0];
        assert_eq!(what.contains("isolcpus"), is_reason, "{isolated}: {what}");
        assert_eq!(what.contains("taskset"), !is_reason, "{isolated}: {what}");
        assert_eq!(remedy.contains("`taskset -c 0-7`"), is_reason, "{remedy}");
    }
}

#[test]
fn load_is_that_of_all_cpus_of_the_host() {
    let mut topology = Topology::flat(&[0, 1]);
    topology.source = "hwloc".into();
    let is_loud = |tree: &tempfile::TempDir| {
        let found = check(tree, &topology).findings;
        found.iter().any(|one| one.what.contains("other programs"))
    };
    let load = ("proc/loadavg", "10.00 1 1 1/1 1\n");
    let online = "sys/devices/system/cpu/online";
    assert!(!is_loud(&tree(&[load, (online, "0-95\n")])));
    assert!(is_loud(&tree(&[load, (online, "0-15\n")])));
    assert!(is_loud(&tree(&[load])), "as many as are allowed");
}

fn fact(check: &Check, name: &str) -> String {
    let mut facts = check.facts.iter();
    let fact = facts.find(|fact| fact.name == name);
    fact.expect("a fact of every host").value.clone()
}

/// An arm64 CPU's register, as /sys has it.
fn register(root: &Path, cpu: usize, text: &str) {
    let path = format!("sys/devices/system/cpu/cpu{cpu}/regs/identification/midr_el1");
    write(root, &path, text);
}

#[test]
fn the_cores_are_named_with_what_they_can_do() {
    let tree = server();
    let found = check(&tree, &kunpeng());
    assert_eq!(
        fact(&found, "cores"),
        "96 x HiSilicon Kunpeng 920 (TSV110, 0x48/0xd01)"
    );
    (0..96).for_each(|cpu| register(tree.path(), cpu, "0x00000000481fd010\n"));
    let found = check(&tree, &kunpeng());
    assert_eq!(
        fact(&found, "cores"),
        "96 x HiSilicon Kunpeng 920 (TSV110, MIDR 0x481fd010)"
    );
    assert_eq!(
        fact(&found, "instruction sets"),
        "neon, dotprod; no i8mm, no SVE"
    );
    // Hardware threads of a core are one core.
    let threads = Topology::from_synthetic("pack:2 numa:2 l3:1 core:12 pu:2").expect("valid");
    assert!(fact(&check(&tree, &threads), "cores").starts_with("48 x "));
}

#[test]
fn sets_are_said_as_far_as_they_mean_something() {
    let words = |sets| {
        let found = Check::of(
            &Root::at(Path::new("/nonexistent")),
            &kunpeng(),
            &sets,
            None,
        );
        fact(&found, "instruction sets")
    };
    let x86 = InstructionSets {
        here: vec!["avx2"],
        absent: vec!["avxvnni"],
        sve_bits: None,
    };
    assert_eq!(words(x86), "avx2; no avxvnni");
    let long = InstructionSets {
        here: vec!["neon", "dotprod", "i8mm"],
        absent: Vec::new(),
        sve_bits: Some(256),
    };
    assert_eq!(
        words(long),
        "neon, dotprod, i8mm; SVE of 256 bits, which no kernel uses"
    );
    let nothing = InstructionSets::default();
    assert_eq!(words(nothing), "none that kernels use");
}

#[test]
fn several_kinds_of_cores_are_listed_and_found() {
    let tree = server();
    let part = |cpu| if cpu < 64 { "0x410fd050" } else { "0x413fd0b1" };
    (0..96).for_each(|cpu| register(tree.path(), cpu, part(cpu)));
    let found = check(&tree, &kunpeng());
    assert_eq!(
        fact(&found, "cores"),
        "64 x Arm Cortex-A55 (MIDR 0x410fd050) on CPUs 0-63; \
         32 x Arm Cortex-A76 (MIDR 0x413fd0b1) on CPUs 64-95"
    );
    let [finding] = &found.findings[..] else {
        panic!("{:?}", found.findings);
    };
    assert!(finding.what.contains("several kinds"), "{finding}");
    assert!(finding.remedy.contains("`taskset -c 0-63`"), "{finding}");
    // Another release of the same core is as fast.
    (0..64).for_each(|cpu| register(tree.path(), cpu, "0x413fd0b0"));
    let found = check(&tree, &kunpeng());
    assert!(fact(&found, "cores").contains("0x413fd0b0"));
    assert_eq!(found.findings, []);
}

#[test]
fn cores_that_cannot_be_told_are_unknown() {
    let large = "CPU part\t: 0xd01\n".repeat(1 << 19);
    for cpuinfo in ["", "\u{0}\u{1}", "CPU implementer: H\nCPU part: 9", &large] {
        let tree = tree(&[("proc/cpuinfo", cpuinfo)]);
        register(tree.path(), 0, "garbage");
        let found = check(&tree, &kunpeng());
        assert_eq!(fact(&found, "cores"), "96 x unknown CPU");
    }
    let tree = tree(&[]);
    register(tree.path(), 0, "0x00000000990fffff");
    let named = "1 x arm64 CPU (MIDR 0x990fffff) on CPUs 0; 95 x unknown CPU on CPUs 1-95";
    assert_eq!(fact(&check(&tree, &kunpeng()), "cores"), named);
}

fn virtualisation(files: &[(&str, &str)]) -> String {
    fact(&check(&tree(files), &kunpeng()), "virtualisation")
}

#[test]
fn virtual_machines_are_told_by_their_maker_where_processors_do_not_say() {
    const ARM: &str = "processor\t: 0\nFeatures\t: fp asimd\n";
    let cases = [
        ("Amazon EC2", "c7g.4xlarge", "virtual machine (Amazon EC2"),
        ("Amazon EC2", "c7g.metal", "none seen"),
        ("Google", "Google Compute Engine", "virtual machine (Google"),
        ("Alibaba Cloud", "Alibaba Cloud ECS", "virtual machine (Ali"),
        ("Foxconn", "Cloudline CL2200", "none seen"),
    ];
    for (vendor, product, expected) in cases {
        let said = virtualisation(&[
            ("proc/cpuinfo", ARM),
            ("sys/class/dmi/id/sys_vendor", vendor),
            ("sys/class/dmi/id/product_name", product),
        ]);
        assert!(said.starts_with(expected), "{product}: {said}");
    }
    assert_eq!(virtualisation(&[("proc/cpuinfo", ARM)]), UNKNOWN);
    let bare = "flags\t\t: fpu sse2\n";
    assert_eq!(virtualisation(&[("proc/cpuinfo", bare)]), "none seen");
    let guest = "flags\t\t: fpu hypervisor sse2\n";
    let large = guest.repeat((2 << 20) / guest.len());
    let said = virtualisation(&[("proc/cpuinfo", large.as_str())]);
    assert_eq!(said, "virtual machine", "of some thousand CPUs");
}

#[test]
fn a_clock_driver_in_hardware_may_say_powersave() {
    let tree = server();
    for cpu in 0..96 {
        let file = |name: &str| format!("sys/devices/system/cpu/cpu{cpu}/cpufreq/{name}");
        write(tree.path(), &file("scaling_governor"), "powersave");
        write(tree.path(), &file("scaling_driver"), "amd-pstate-epp");
        write(
            tree.path(),
            &file("energy_performance_preference"),
            "performance",
        );
    }
    assert_eq!(check(&tree, &kunpeng()).findings, []);
}

#[test]
fn nothing_readable_is_unknown_and_never_a_failure() {
    let empty = tree(&[]);
    let found = Check::of(&Root::at(empty.path()), &kunpeng(), &kunpeng_sets(), None);
    assert_eq!(found.findings, []);
    let unknown = found
        .facts
        .iter()
        .filter(|fact| fact.value.contains(UNKNOWN))
        .count();
    assert_eq!(
        unknown,
        found.facts.len() - 2,
        "all but topology and instruction sets, which no file tells: {found:?}"
    );
    let paths = SERVER.map(|(path, _)| (path, "\0\u{1F980} 99999999999999999999999 -1 [x"));
    let hostile = tree(&paths);
    let found = check(&hostile, &kunpeng());
    assert!(
        found.findings.len() <= 1,
        "a clock of that name is not known: {found:?}"
    );
}

#[test]
fn this_host_can_be_checked() {
    let host = Host::discover(None, &mut |_| {}).expect("a host");
    let check = Check::of_this_host(&host);
    assert_eq!(check.facts.len(), 17, "{check:?}");
    let is_arm64 = std::env::consts::ARCH == "aarch64";
    assert_eq!(fact(&check, "instruction sets").contains("SVE"), is_arm64);
    let json = serde_json::to_string(&check).expect("renders");
    assert!(json.contains("\"findings\":["), "{json}");
}

/// A process with one thread, pinned, busy half of its time.
fn pinned(root: &Path, id: usize, cpus: &str) {
    let status = format!(
        "Name:\tllama-server\nPPid:\t1\nVmSize:\t9 kB\nThreads:\t1\nCpus_allowed_list:\t{cpus}\n"
    );
    write(root, &format!("proc/{id}/status"), &status);
    let stat = format!(
        "{id} (llama-server) S 1 {} 5000 0 0 0 20 0 1 0 0 0",
        "0 ".repeat(9)
    );
    write(root, &format!("proc/{id}/stat"), &stat);
}

#[test]
fn pinned_neighbours_are_named() {
    let server = server();
    write(server.path(), "proc/uptime", "100.00 9.00\n");
    pinned(server.path(), 70, "0-3");
    let found = check(&server, &kunpeng());
    let [finding] = &found.findings[..] else {
        panic!("{:?}", found.findings);
    };
    assert!(
        finding.what.contains("llama-server (process 70) on 0-3")
            && finding.remedy.contains("taskset"),
        "{finding}"
    );
    (71..80).for_each(|id| pinned(server.path(), id, "5"));
    let found = check(&server, &kunpeng());
    assert!(
        found.findings[0].what.ends_with("5 more"),
        "{:?}",
        found.findings
    );
    // Everywhere is not pinned.
    let elsewhere = self::server();
    pinned(elsewhere.path(), 70, "0-95");
    assert_eq!(check(&elsewhere, &kunpeng()).findings, []);
    std::fs::remove_file(elsewhere.path().join("proc/1/status")).expect("was there");
    let facts = check(&elsewhere, &kunpeng()).facts;
    let hidden = |fact: &super::Fact| fact.value.starts_with("unknown: /proc hides");
    assert!(facts.iter().any(hidden), "{facts:?}");
}
