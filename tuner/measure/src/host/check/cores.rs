//! What the cores are, and what their instruction sets give kernels.

use std::collections::BTreeSet;

use sysinfer_kernels::{Isa, table};
use sysinfer_machine::{CoreKind, HostInfo, Topology, core_kinds, without_releases};

use super::found::{Check, list_text};
use super::root::Root;

/// Instruction sets as the process finds them, which no file tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstructionSets {
    /// Those that kernels use here, weakest first.
    pub here: Vec<&'static str>,
    /// Those that kernels of this architecture would use where a CPU has them.
    pub absent: Vec<&'static str>,
    /// [`HostInfo::sve_bits`].
    pub sve_bits: Option<usize>,
}

impl InstructionSets {
    /// Those of this host.
    pub fn of_this_host(info: &HostInfo) -> Self {
        let of_kernels: BTreeSet<Isa> = table::all().map(|kernel| kernel.isa).collect();
        let of_kernels = of_kernels.into_iter().filter(|isa| *isa != Isa::Portable);
        let (here, absent): (Vec<Isa>, Vec<Isa>) = of_kernels.partition(|isa| isa.detected());
        let names = |sets: Vec<Isa>| sets.into_iter().map(Isa::name).collect();
        Self {
            here: names(here),
            absent: names(absent),
            sve_bits: info.sve_bits,
        }
    }

    /// `neon, dotprod; no i8mm, no SVE`
    fn words(&self) -> String {
        let mut here = self.here.join(", ");
        if here.is_empty() {
            here = "none that kernels use".into();
        }
        let mut without: Vec<String> = self
            .absent
            .iter()
            .map(|name| format!("no {name}"))
            .collect();
        without.extend(self.sve_bits.map(sve_words));
        match without.is_empty() {
            true => here,
            false => format!("{here}; {}", without.join(", ")),
        }
    }
}

/// The length of an arm64 host's SVE vectors.
pub fn sve_words(bits: usize) -> String {
    match bits {
        0 => "no SVE".into(),
        bits => format!("SVE of {bits} bits, which no kernel uses"),
    }
}

pub(super) fn check(root: &Root, topology: &Topology, sets: &InstructionSets, check: &mut Check) {
    let ids: Vec<usize> = topology.cpus.iter().map(|cpu| cpu.id).collect();
    let kinds = core_kinds(&ids, &|path| root.text(path));
    let is_mixed = kinds.len() > 1;
    let words = kinds
        .iter()
        .map(|kind| kind_words(kind, topology, is_mixed));
    check.fact("cores", words.collect::<Vec<_>>().join("; "));
    check.fact("instruction sets", sets.words());
    let kinds = without_releases(&kinds);
    if let [_, _, ..] = &kinds[..] {
        let cores = |kind: &&CoreKind| count(kind, topology);
        let most = kinds.iter().max_by_key(cores);
        let cpus = most.map_or_else(String::new, |kind| list_text(&kind.cpus));
        check.finding(
            "cores are of several kinds: each gets an equal share of the work, and the faster wait for the slower",
            format!("keep to one kind: start with `taskset -c {cpus}`, or with those of another"),
        );
    }
}

/// `96 x HiSilicon Kunpeng 920 (TSV110, MIDR 0x481fd010)`
fn kind_words(kind: &CoreKind, topology: &Topology, is_mixed: bool) -> String {
    let words = format!("{} x {}", count(kind, topology), kind.core.in_full());
    match is_mixed {
        true => format!("{words} on CPUs {}", list_text(&kind.cpus)),
        false => words,
    }
}

/// Cores of a kind: hardware threads of one are one.
fn count(kind: &CoreKind, topology: &Topology) -> usize {
    let cores = kind
        .cpus
        .iter()
        .filter_map(|id| Some(topology.cpu(*id)?.core));
    cores.collect::<BTreeSet<_>>().len()
}
