//! Kernel variants worth trying: those that this CPU runs, for block types that the model has.

use sysinfer_engine::Plan;
use sysinfer_formats::TensorType;
use sysinfer_kernels::{Isa, table};
use sysinfer_probe::Phase;

use super::Candidate;

/// The kernels to choose from for one block type and phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelOption {
    /// Block type as plans name it.
    pub block_type: String,
    /// Names in the kernel table, the table's own preference first; at least two.
    pub names: Vec<String>,
}

/// What there is to choose in both phases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelSpace {
    /// Kernels of decoding.
    pub decode: Vec<KernelOption>,
    /// Kernels of prefill.
    pub prefill: Vec<KernelOption>,
}

impl KernelSpace {
    /// What this CPU runs of the model's block types.
    pub fn of_this_host(block_types: &[String]) -> KernelSpace {
        KernelSpace {
            decode: options(block_types, Phase::Decode),
            prefill: options(block_types, Phase::Prefill),
        }
    }

    /// The options of one phase.
    pub fn of(&self, phase: Phase) -> &[KernelOption] {
        match phase {
            Phase::Decode => &self.decode,
            Phase::Prefill => &self.prefill,
        }
    }
}

/// Block types of which there is something to choose. Unknown types have nothing.
///
/// Portable kernels are there for CPUs without a better one. Where there is a better one they are
/// an order of magnitude behind, and one prompt with them would take the time of a whole race.
pub fn options(block_types: &[String], phase: Phase) -> Vec<KernelOption> {
    let of_type = |block_type: &String| {
        let block = TensorType::from_name(block_type)?;
        let kernels = table::candidates(block, phase).map(|runnable| runnable.kernel());
        let better = kernels.filter(|kernel| kernel.isa != Isa::Portable);
        let names = better.map(|kernel| kernel.name.to_owned()).collect();
        Some(KernelOption {
            block_type: block_type.clone(),
            names,
        })
    };
    block_types
        .iter()
        .filter_map(of_type)
        .filter(|option| option.names.len() > 1)
        .collect()
}

/// `base` with each of the kernels in turn; the one that `base` has comes first, as the anchor.
pub fn candidates(option: &KernelOption, base: &Plan, phase: Phase) -> Vec<Candidate> {
    let current = base
        .kernels
        .get(&option.block_type)
        .and_then(|choice| choice.of(phase));
    let first = option.names.first().map_or("", String::as_str);
    let current = current.unwrap_or(first);
    let mut names: Vec<&str> = option.names.iter().map(String::as_str).collect();
    names.sort_by_key(|name| *name != current);
    let with_kernel = |(place, name): (usize, &&str)| {
        let mut plan = base.clone();
        let choice = plan.kernels.entry(option.block_type.clone()).or_default();
        *choice.of_mut(phase) = Some((*name).into());
        let reason = if *name == current {
            "the present choice"
        } else {
            "runs on this CPU"
        };
        Candidate {
            name: (*name).into(),
            reason: reason.into(),
            rank: (0, place),
            plan,
        }
    };
    names.iter().enumerate().map(with_kernel).collect()
}

#[cfg(test)]
mod tests {
    use sysinfer_engine::{KernelChoice, PhasePlan};

    use super::*;

    #[test]
    fn the_present_kernel_is_the_anchor() {
        let option = KernelOption {
            block_type: "Q4_0".into(),
            names: ["a", "b", "c"].map(String::from).into(),
        };
        let mut base = Plan::with_threads(PhasePlan::unpinned(1));
        let names = |base: &Plan| -> Vec<String> {
            candidates(&option, base, Phase::Decode)
                .into_iter()
                .map(|c| c.name)
                .collect()
        };
        assert_eq!(names(&base), ["a", "b", "c"]);
        let choice = KernelChoice {
            decode: Some("c".into()),
            prefill: Some("p".into()),
        };
        base.kernels.insert("Q4_0".into(), choice);
        assert_eq!(names(&base), ["c", "a", "b"]);
        let second = &candidates(&option, &base, Phase::Decode)[1].plan.kernels["Q4_0"];
        assert_eq!(
            (second.decode.as_deref(), second.prefill.as_deref()),
            (Some("a"), Some("p"))
        );
    }

    #[test]
    fn portable_kernels_do_not_race() {
        let block_types: Vec<String> = ["Q4_0", "Q6_K", "F32"].map(String::from).into();
        for phase in Phase::ALL {
            for option in options(&block_types, phase) {
                assert!(option.names.len() > 1, "{option:?}");
                assert!(
                    option.names.iter().all(|name| !name.contains("portable")),
                    "{option:?}"
                );
            }
        }
    }

    #[test]
    fn a_type_that_does_not_exist_has_no_kernels() {
        assert!(options(&["Q9_9".into()], Phase::Decode).is_empty());
    }
}
