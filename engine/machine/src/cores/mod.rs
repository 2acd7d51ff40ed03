//! Which cores the CPUs of a host have.
//!
//! x86 has a name, in `/proc/cpuinfo`. An arm64 CPU has an identification register, which the system shows
//! below `/sys` and, field by field, in `/proc/cpuinfo`; `arm_table` has names for its numbers.

mod arm_core;
mod arm_table;

use std::collections::BTreeMap;
use std::fmt;

pub use arm_core::ArmCore;

use crate::CpuList;

/// Longer names are cut: x86 has room for 48 characters.
const MAX_NAME: usize = 100;

/// What a core is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Core {
    /// arm64.
    Arm(ArmCore),
    /// By the name that it gives itself: x86.
    Named(String),
    /// The system does not say.
    Unknown,
}

/// A kind of cores, with its CPUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoreKind {
    /// What its cores are.
    pub core: Core,
    /// OS indices of its CPUs, ascending.
    pub cpus: Vec<usize>,
}

impl Core {
    /// The name with all that is known: of an arm64 core, the release too.
    pub fn in_full(&self) -> String {
        match self {
            Core::Arm(core) => core.in_full(),
            other => other.to_string(),
        }
    }

    /// Whether programs run on both alike: releases of one core do.
    fn is_same_core(&self, other: &Core) -> bool {
        match (self, other) {
            (Core::Arm(one), Core::Arm(other)) => one.is_same_core(*other),
            (one, other) => one == other,
        }
    }
}

/// The name by which profiles tell cores apart.
impl fmt::Display for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Core::Arm(core) => core.fmt(f),
            Core::Named(name) => f.write_str(name),
            Core::Unknown => f.write_str("unknown CPU"),
        }
    }
}

/// The kinds of cores of these CPUs, the kind of the lowest CPU first; releases of one core are kinds of
/// their own. `read` gives the text of a file, as `/proc/cpuinfo`; `None` where it cannot be read.
pub fn core_kinds(cpus: &[usize], read: &dyn Fn(&str) -> Option<String>) -> Vec<CoreKind> {
    let listed = read("/proc/cpuinfo").map_or_else(Listed::default, |text| Listed::parse(&text));
    let mut cpus = cpus.to_vec();
    cpus.sort_unstable();
    cpus.dedup();
    let mut kinds: Vec<CoreKind> = Vec::new();
    for cpu in cpus {
        let register = format!("/sys/devices/system/cpu/cpu{cpu}/regs/identification/midr_el1");
        let core = read(&register).and_then(|text| ArmCore::from_register(&text));
        let core = core.map_or_else(|| listed.of(cpu), Core::Arm);
        match kinds.iter_mut().find(|kind| kind.core == core) {
            Some(kind) => kind.cpus.push(cpu),
            None => kinds.push(CoreKind {
                core,
                cpus: vec![cpu],
            }),
        }
    }
    kinds
}

/// The same cores as one kind, whatever their releases.
pub fn without_releases(kinds: &[CoreKind]) -> Vec<CoreKind> {
    let mut merged: Vec<CoreKind> = Vec::new();
    for kind in kinds {
        match merged
            .iter_mut()
            .find(|known| known.core.is_same_core(&kind.core))
        {
            Some(known) => known.cpus.extend(&kind.cpus),
            None => merged.push(kind.clone()),
        }
    }
    merged.iter_mut().for_each(|kind| kind.cpus.sort_unstable());
    merged
}

/// The name of a host's processor, by which profiles tell hosts apart: that of its cores; where there are
/// several kinds, that of each with its CPUs.
pub(crate) fn cpu_model(kinds: &[CoreKind]) -> String {
    let kinds = without_releases(kinds);
    match &kinds[..] {
        [] => Core::Unknown.to_string(),
        [one] => one.core.to_string(),
        several => {
            let names = several.iter().map(|kind| {
                let cpus = CpuList::new(kind.cpus.clone());
                let cpus = cpus.map_or_else(|_| String::new(), |list| list.to_string());
                format!("{} on {cpus}", kind.core)
            });
            names.collect::<Vec<_>>().join(", ")
        }
    }
}

/// What `/proc/cpuinfo` says.
#[derive(Default)]
struct Listed {
    by_cpu: BTreeMap<usize, Core>,
    /// What all that it lists are, where they are alike.
    all: Option<Core>,
}

impl Listed {
    fn parse(text: &str) -> Listed {
        let mut by_cpu = BTreeMap::new();
        let mut blocks = vec![(None, Fields::default())];
        for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
            let (key, value) = (key.trim(), value.trim());
            if key == "processor" {
                blocks.push((value.parse::<usize>().ok(), Fields::default()));
            } else if let Some((_, fields)) = blocks.last_mut() {
                fields.set(key, value);
            }
        }
        let mut seen: Vec<Core> = Vec::new();
        for (cpu, fields) in blocks {
            let core = fields.core();
            if core != Core::Unknown && seen.len() < 2 && !seen.contains(&core) {
                seen.push(core.clone());
            }
            if let Some(cpu) = cpu {
                by_cpu.insert(cpu, core);
            }
        }
        let all = (seen.len() == 1).then(|| seen.swap_remove(0));
        Listed { by_cpu, all }
    }

    /// A container may see CPUs numbered anew, and some systems list only one: where all are alike, so is
    /// this one.
    fn of(&self, cpu: usize) -> Core {
        let listed = self.all.as_ref().or(self.by_cpu.get(&cpu));
        listed.cloned().unwrap_or(Core::Unknown)
    }
}

/// The fields of one CPU.
#[derive(Default)]
struct Fields<'a> {
    model_name: Option<&'a str>,
    implementer: Option<&'a str>,
    part: Option<&'a str>,
    variant: Option<&'a str>,
    revision: Option<&'a str>,
}

impl<'a> Fields<'a> {
    fn set(&mut self, key: &str, value: &'a str) {
        let field = match key {
            "model name" => &mut self.model_name,
            "CPU implementer" => &mut self.implementer,
            "CPU part" => &mut self.part,
            "CPU variant" => &mut self.variant,
            "CPU revision" => &mut self.revision,
            _ => return,
        };
        field.get_or_insert(value);
    }

    /// Some systems give arm64 CPUs a name too, of the board or of the instruction set: numbers go first.
    fn core(&self) -> Core {
        let arm = self
            .implementer
            .zip(self.part)
            .and_then(|(implementer, part)| {
                ArmCore::from_fields(implementer, part, self.variant, self.revision)
            });
        let name = || {
            let name = self.model_name.unwrap_or_default();
            let printable = name.chars().filter(|c| !c.is_control());
            Core::Named(printable.take(MAX_NAME).collect())
        };
        match arm.map_or_else(name, Core::Arm) {
            Core::Named(name) if name.is_empty() => Core::Unknown,
            core => core,
        }
    }
}

#[cfg(test)]
mod tests;
