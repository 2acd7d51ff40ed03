//! A step in progress: what the regions of a model's step share.

use sysinfer_kernels::attention::Attention;
use sysinfer_kernels::matmul::Loops;
use sysinfer_kernels::{ActivationKind, Activations, Phase};
use sysinfer_machine::{Lead, Part, Parts, Stopwatch};

/// What the time of a region, or of a part of it, is spent on: the kinds of the team's stopwatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Products with weights.
    Products,
    /// Queries against the cache, and merging of their results.
    Attention,
    /// All else: embeddings, norms, rotation, quantising of inputs, appending to the cache, choice
    /// of experts.
    Rest,
}

/// Counts what `worker` did so far in a region as work of `kind`, if the step is timed.
pub(super) fn lap(stopwatch: Option<&Stopwatch<'_>>, worker: usize, kind: Kind) {
    if let Some(stopwatch) = stopwatch {
        stopwatch.lap(worker, kind as usize);
    }
}

/// One region of a step, as work of `kind`: every part is done once, by its worker or by one that has time. See
/// [`Lead::run_as`].
pub(super) fn run_region<P: Parts>(
    lead: &mut Lead<'_>,
    kind: Kind,
    parts: P,
    work: impl Fn(usize, Part<'_, P>) + Sync,
) {
    lead.run_as(kind as usize, parts, |worker, part| {
        #[cfg(test)]
        crate::noted::begin_part_of(worker);
        work(worker, part);
    });
}

/// A step in progress: the team, what its workers own, and how they loop.
pub struct Step<'s, 't> {
    /// The team.
    pub lead: &'s mut Lead<'t>,
    /// Which kernels and shares apply.
    pub phase: Phase,
    /// Block sizes.
    pub loops: Loops,
    /// Token rows in the step.
    pub rows: usize,
    /// One for each worker.
    pub scratch: &'s mut [Scratch],
    /// Input prepared by all workers together.
    pub shared: &'s mut Inputs,
}

/// What one worker needs for itself; kept between steps.
#[derive(Debug, Default)]
pub struct Scratch {
    /// One input row.
    pub(crate) row: Vec<f32>,
    /// Input that it prepared for itself.
    pub(crate) own: Inputs,
    /// Running attention.
    pub attention: Attention,
    /// One normalised and rotated head.
    pub head: Vec<f32>,
    /// Partial results being merged.
    pub(crate) merged: Vec<f32>,
    /// Row groups that are packed as they are multiplied.
    pub(crate) packed: Vec<u8>,
}

/// Prepared input of a step's products.
#[derive(Debug, Default)]
pub struct Inputs {
    /// All rows of the step.
    pub(crate) prepared: Prepared,
    /// Rows by expert.
    pub(crate) sets: Vec<Prepared>,
}

impl Inputs {
    /// Makes sure of `count` sets; what they hold is overwritten before it is read.
    pub(crate) fn at_least(&mut self, count: usize) {
        if self.sets.len() < count {
            self.sets.resize_with(count, Prepared::default);
        }
    }
}

/// A product's input in the forms that kernels read.
#[derive(Debug)]
pub struct Prepared {
    quantised: Activations,
    plain: Activations,
}

impl Default for Prepared {
    fn default() -> Self {
        Self {
            quantised: Activations::new(ActivationKind::Q8),
            plain: Activations::new(ActivationKind::F32),
        }
    }
}

impl Prepared {
    pub(crate) fn of(&self, kind: ActivationKind) -> &Activations {
        match kind {
            ActivationKind::Q8 => &self.quantised,
            ActivationKind::F32 => &self.plain,
        }
    }

    pub(crate) fn of_mut(&mut self, kind: ActivationKind) -> &mut Activations {
        match kind {
            ActivationKind::Q8 => &mut self.quantised,
            ActivationKind::F32 => &mut self.plain,
        }
    }
}
