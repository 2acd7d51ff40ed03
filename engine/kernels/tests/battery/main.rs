//! The battery: every kernel of the table against an oracle that shares no arithmetic with any of them.
//!
//! The oracle decodes the plain GGUF bytes with `sysinfer-formats` and multiplies in f64, column by
//! column; kernels see the packed form. Tolerances are derived from the number of roundings and
//! the size of the terms, so a single wrong code is found (and a test shows that it is).
//!
//! A kernel that this CPU cannot run is named on standard error; with
//! `SYSINFER_EXPECT_ISA=avx2,avx512vnni` a missing instruction set fails the run instead.

mod cases;
mod fields;
mod not_finite;
mod oracle;
mod random;
mod spoilt;
mod weights;

use cases::{Problem, problems};
use oracle::Expected;
use sysinfer_formats::TensorType;
use sysinfer_kernels::isa::Isa;
use sysinfer_kernels::layout::{Layout, ROWS};
use sysinfer_kernels::matmul::{Loops, multiply};
use sysinfer_kernels::{ActivationKind, Activations, Phase, Runnable, table};

/// Runs one kernel over a whole problem: `[activation row][weight row]`, padding rows cut off.
fn run(kernel: Runnable, problem: &Problem, loops: Loops) -> Vec<Vec<f32>> {
    let layout = Layout::of(problem.block).expect("kernels have layouts");
    let mut packed = Vec::new();
    for rows in problem.weights.chunks(ROWS) {
        let rows: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
        let start = packed.len();
        packed.resize(start + layout.group_bytes(problem.columns), 0xEE);
        layout.pack_group(problem.columns, &rows, &mut packed[start..]);
    }
    let activations = activations(kernel, problem);
    let mut out = vec![
        vec![f32::NAN; packed.len() / layout.group_bytes(problem.columns) * ROWS];
        problem.activations.len()
    ];
    multiply(kernel, &packed, &activations, loops, |tile| {
        for row in 0..tile.rows {
            out[tile.first_row + row][tile.group * ROWS..][..ROWS].copy_from_slice(tile.row(row));
        }
    });
    for row in &mut out {
        row.truncate(problem.weights.len());
    }
    out
}

fn activations(kernel: Runnable, problem: &Problem) -> Activations {
    let mut activations = Activations::new(kernel.kernel().activations);
    activations.reshape(problem.activations.len(), problem.columns);
    for (index, row) in problem.activations.iter().enumerate() {
        activations.set_row(index, row);
    }
    activations
}

const LOOPS: Loops = Loops {
    prefetch_bytes: 1024,
    cached_rows: 8,
};

/// Every kernel that can run here; the others are named.
fn runnable() -> Vec<Runnable> {
    let mut kernels = Vec::new();
    for kernel in table::all() {
        match kernel.runnable() {
            Some(runnable) => kernels.push(runnable),
            None => eprintln!(
                "SKIPPED {}: this CPU has no {}",
                kernel.name,
                kernel.isa.name()
            ),
        }
    }
    kernels
}

/// The block types of these kernels, each with its kernels.
fn by_block(kernels: &[Runnable]) -> Vec<(TensorType, Vec<Runnable>)> {
    let mut blocks: Vec<(TensorType, Vec<Runnable>)> = Vec::new();
    for kernel in kernels {
        let block = kernel.kernel().block;
        match blocks.iter_mut().find(|(known, _)| *known == block) {
            Some((_, kernels)) => kernels.push(*kernel),
            None => blocks.push((block, vec![*kernel])),
        }
    }
    blocks
}

/// The products of every row of activations, as kernels see these, with every row of weights.
fn wanted(problem: &Problem, activations: &Activations) -> Vec<Vec<Expected>> {
    let rows = 0..problem.activations.len();
    rows.map(|row| oracle::products(problem, &activations.row(row)))
        .collect()
}

#[test]
fn every_kernel_agrees_with_the_oracle() {
    let mut failures = Vec::new();
    let mut checked = 0;
    for (block, kernels) in by_block(&runnable()) {
        for problem in problems(block) {
            // The oracle takes longer than a kernel: what it says is kept for the next one.
            let mut known: Vec<(ActivationKind, Vec<Vec<Expected>>)> = Vec::new();
            for kernel in &kernels {
                let kind = kernel.kernel().activations;
                if known.iter().all(|(other, _)| *other != kind) {
                    known.push((kind, wanted(&problem, &activations(*kernel, &problem))));
                }
                let said = known.iter().find(|(other, _)| *other == kind);
                let (_, wanted) = said.expect("it was just put there");
                let got = run(*kernel, &problem, LOOPS);
                for (row, (got, wanted)) in got.iter().zip(wanted).enumerate() {
                    for (column, (got, wanted)) in got.iter().zip(wanted).enumerate() {
                        checked += 1;
                        let error = (f64::from(*got) - wanted.value).abs();
                        if error > wanted.budget || got.is_nan() {
                            failures.push(format!(
                                "{} {problem}: activation row {row}, weight row {column}: {got} for {} (budget {:e})",
                                kernel.kernel().name, wanted.value, wanted.budget
                            ));
                        }
                    }
                }
            }
        }
    }
    assert!(checked > 10_000, "only {checked} results were compared");
    assert!(
        failures.is_empty(),
        "{} of {checked} wrong:\n{}",
        failures.len(),
        failures[..failures.len().min(5)].join("\n")
    );
}

#[test]
fn kernels_of_one_class_agree_to_the_last_bit() {
    for (block, kernels) in by_block(&runnable()) {
        for problem in problems(block) {
            for kernel in &kernels {
                let same = |other: &&Runnable| other.kernel().numerics == kernel.kernel().numerics;
                let twin = kernels.iter().find(same).expect("itself at least");
                let loops = Loops {
                    prefetch_bytes: 0,
                    cached_rows: 4096,
                };
                let (ours, theirs) = (run(*kernel, &problem, LOOPS), run(*twin, &problem, loops));
                assert_eq!(
                    bits(&ours),
                    bits(&theirs),
                    "{kernel:?} and {twin:?} on {problem}"
                );
                // One row alone goes through a narrower panel and must not change.
                let mut single = problem.clone();
                single.activations.truncate(1);
                let alone = run(*kernel, &single, LOOPS);
                assert_eq!(
                    bits(&alone)[0],
                    bits(&ours)[0],
                    "{kernel:?}: a row alone on {problem}"
                );
            }
        }
    }
}

fn bits(rows: &[Vec<f32>]) -> Vec<Vec<u32>> {
    rows.iter()
        .map(|row| row.iter().map(|value| value.to_bits()).collect())
        .collect()
}

#[test]
fn every_block_type_has_a_portable_kernel_for_both_roles_and_names_are_unique() {
    let mut names: Vec<_> = table::all().map(|kernel| kernel.name).collect();
    for layout in &sysinfer_kernels::layout::LAYOUTS {
        for phase in [Phase::Decode, Phase::Prefill] {
            let found = table::all()
                .any(|k| k.block == layout.block && k.phase == phase && k.isa == Isa::Portable);
            assert!(
                found,
                "{} has no portable {} kernel",
                layout.name,
                phase.name()
            );
        }
    }
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count, "two kernels share a name");
}

#[test]
fn expected_instruction_sets_are_here() {
    let Ok(expected) = std::env::var("SYSINFER_EXPECT_ISA") else {
        eprintln!("SKIPPED: SYSINFER_EXPECT_ISA is not set, no instruction set is demanded");
        return;
    };
    for name in expected.split(',') {
        let isa = Isa::ALL.into_iter().find(|isa| isa.name() == name.trim());
        assert!(
            isa.is_some_and(Isa::detected),
            "{name} was expected on this CPU"
        );
    }
}
