//! What a host's cores are called, on recorded files.

use std::collections::BTreeMap;

use super::*;

/// A host's files by path.
#[derive(Default)]
struct Files(BTreeMap<String, String>);

impl Files {
    fn cpuinfo(text: &str) -> Files {
        Files([("/proc/cpuinfo".to_owned(), text.to_owned())].into())
    }

    fn register(mut self, cpu: usize, text: &str) -> Files {
        let path = format!("/sys/devices/system/cpu/cpu{cpu}/regs/identification/midr_el1");
        self.0.insert(path, text.to_owned());
        self
    }

    fn kinds(&self, cpus: &[usize]) -> Vec<CoreKind> {
        core_kinds(cpus, &|path| self.0.get(path).cloned())
    }

    fn model(&self, cpus: &[usize]) -> String {
        cpu_model(&self.kinds(cpus))
    }
}

fn arm(cpu: usize, part: &str, variant: &str) -> String {
    format!(
        "processor\t: {cpu}\nBogoMIPS\t: 200.00\nFeatures\t: fp asimd asimddp\nCPU implementer\t: 0x41\n\
         CPU architecture: 8\nCPU variant\t: {variant}\nCPU part\t: {part}\nCPU revision\t: 1\n\n"
    )
}

#[test]
fn names_processors() {
    let kunpeng = "processor\t: 0\nCPU implementer\t: 0x48\nCPU part\t: 0xd01\n";
    let cases = [
        (
            "processor\t: 0\nmodel name\t: AMD EPYC 9654 96-Core Processor\n",
            "AMD EPYC 9654 96-Core Processor",
        ),
        (kunpeng, "HiSilicon Kunpeng 920 (TSV110, 0x48/0xd01)"),
        (
            "CPU implementer\t: 0x48\nCPU part\t: 0xfff\n",
            "HiSilicon CPU (0x48/0xfff)",
        ),
        // The name of a board, or of the instruction set, is none of a core.
        (
            "processor\t: 0\nmodel name\t: Phytium,D2000/8\nCPU implementer\t: 0x70\nCPU part\t: 0x663\n",
            "Phytium FTC663 (0x70/0x663)",
        ),
        ("", "unknown CPU"),
        ("model name\t:\n", "unknown CPU"),
        ("model name\t: \u{7}\n", "unknown CPU"),
        ("CPU implementer\t: 0x48\n", "unknown CPU"),
        ("CPU implementer\t: 72\nCPU part\t: lots\n", "unknown CPU"),
    ];
    for (text, expected) in cases {
        assert_eq!(Files::cpuinfo(text).model(&[0]), expected, "{text}");
    }
    assert_eq!(Files::default().model(&[0, 1]), "unknown CPU");
    assert_eq!(cpu_model(&[]), "unknown CPU");
}

#[test]
fn the_register_goes_before_the_list() {
    let files = Files::cpuinfo(&arm(0, "0xd0c", "0x3")).register(0, "0x00000000481fd010\n");
    assert_eq!(
        files.model(&[0]),
        "HiSilicon Kunpeng 920 (TSV110, 0x48/0xd01)"
    );
    for garbage in ["", "0xzz", "\u{0}\u{0}", "0xffffffffffffffffffff"] {
        let files = Files::cpuinfo(&arm(0, "0xd0c", "0x3")).register(0, garbage);
        assert_eq!(
            files.model(&[0]),
            "Arm Neoverse-N1 (0x41/0xd0c)",
            "{garbage}"
        );
    }
}

#[test]
fn every_kind_is_named_with_its_cpus() {
    let text: String = (0..8)
        .map(|cpu| match cpu {
            0..4 => arm(cpu, "0xd05", "0x1"),
            _ => arm(cpu, "0xd0b", "0x3"),
        })
        .collect();
    let files = Files::cpuinfo(&text);
    assert_eq!(
        files.model(&[7, 0, 1, 2, 3, 4, 5, 6]),
        "Arm Cortex-A55 (0x41/0xd05) on 0-3, Arm Cortex-A76 (0x41/0xd0b) on 4-7"
    );
    // Those that may be used are what counts.
    assert_eq!(files.model(&[4, 5]), "Arm Cortex-A76 (0x41/0xd0b)");
    let kinds = files.kinds(&[0, 9]);
    assert_eq!(
        (kinds.len(), &kinds[1].core),
        (2, &Core::Unknown),
        "not listed"
    );
}

#[test]
fn releases_of_a_core_are_shown_but_make_no_other_processor() {
    let files = Files::cpuinfo(&(arm(0, "0xd0c", "0x3") + &arm(1, "0xd0c", "0x4")));
    let kinds = files.kinds(&[0, 1]);
    let shown: Vec<String> = kinds.iter().map(|kind| kind.core.in_full()).collect();
    let expected = [
        "Arm Neoverse-N1 (MIDR 0x413fd0c1)",
        "Arm Neoverse-N1 (MIDR 0x414fd0c1)",
    ];
    assert_eq!(shown, expected);
    assert_eq!(files.model(&[0, 1]), "Arm Neoverse-N1 (0x41/0xd0c)");
    let merged = without_releases(&kinds);
    assert_eq!((merged.len(), &merged[0].cpus[..]), (1, &[0, 1][..]));
}

#[test]
fn where_all_that_are_listed_are_alike_so_are_others() {
    // A container that sees its CPUs numbered anew; a system that lists only one.
    let text = arm(0, "0xd0c", "0x3") + &arm(1, "0xd0c", "0x3");
    assert_eq!(Files::cpuinfo(&text).kinds(&[40, 41]).len(), 1);
    let name = "model name\t: ".to_owned() + &"x".repeat(1 << 20);
    assert_eq!(Files::cpuinfo(&name).model(&[3]).len(), MAX_NAME);
}
