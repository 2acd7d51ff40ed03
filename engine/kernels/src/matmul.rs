//! The loops around a kernel: row groups, activation panels, and which of them stay in cache.

use std::ops::Range;

use crate::activations::Activations;
use crate::arch::blocks::GROUPS;
use crate::contract::{Call, Runnable};
use crate::layout::ROWS;
use crate::panel::PANEL_ROWS;

/// Row groups handed to a kernel in one call while there is a single panel.
const GROUPS_PER_CALL: usize = 16;
/// Most panels of a call.
const MAX_PANELS: usize = 64;
/// Most results of a call with a single panel.
const FEW_RESULTS: usize = GROUPS_PER_CALL * PANEL_ROWS * ROWS;
/// Most results of a call with many.
const MANY_RESULTS: usize = GROUPS * MAX_PANELS * PANEL_ROWS * ROWS;

/// Block sizes of the loops; they change speed only.
#[derive(Clone, Copy, Debug)]
pub struct Loops {
    /// How far ahead weights are prefetched.
    pub prefetch_bytes: usize,
    /// Activation rows that stay in cache while all weights pass by; more than 256 count as 256.
    pub cached_rows: usize,
}

/// Result of one row group against one panel.
#[derive(Clone, Copy, Debug)]
pub struct Tile<'a> {
    /// Row group, counted from the first of the call.
    pub group: usize,
    /// Row of the activations that `values[0]` belongs to.
    pub first_row: usize,
    /// Rows in use (a panel may be padded beyond them).
    pub rows: usize,
    values: &'a [f32],
}

impl Tile<'_> {
    /// The eight results of row `first_row + row`.
    #[inline]
    pub fn row(&self, row: usize) -> &[f32; ROWS] {
        self.values[row * ROWS..]
            .first_chunk()
            .expect("a tile holds its rows")
    }
}

/// Multiplies packed row groups by all rows of `activations`; `sink` gets every tile once.
///
/// Weights are read once per `cached_rows` rows of activations: for decode, once.
///
/// # Panics
/// If `weights` is not whole row groups of `activations.columns()` columns, or the kernel wants
/// another kind of activations.
pub fn multiply(
    kernel: Runnable,
    weights: &[u8],
    activations: &Activations,
    loops: Loops,
    sink: impl FnMut(Tile<'_>),
) {
    let columns = activations.columns();
    let layout = crate::layout::Layout::of(kernel.kernel().block).expect("kernels have a layout");
    let group_bytes = layout.group_bytes(columns);
    assert_eq!(
        kernel.kernel().activations,
        activations.kind(),
        "{kernel:?}"
    );
    assert!(
        weights.len().is_multiple_of(group_bytes),
        "weights are not whole row groups"
    );
    let (panels, panel_rows) = (activations.panels(), activations.panel_rows());
    let mut passes = Passes {
        kernel,
        activations,
        group_bytes,
        prefetch_bytes: loops.prefetch_bytes,
        sink,
    };
    // Two buffers, because a decode step would feel the clearing of the large one.
    if panels == 1 {
        let mut buffer = [0.0f32; FEW_RESULTS];
        for (index, part) in weights.chunks(GROUPS_PER_CALL * group_bytes).enumerate() {
            passes.run(index * GROUPS_PER_CALL, part, 0..1, &mut buffer);
        }
        return;
    }
    let mut buffer = [0.0f32; MANY_RESULTS];
    let cached = (loops.cached_rows / panel_rows).clamp(1, MAX_PANELS);
    for first in (0..panels).step_by(cached) {
        let cached = first..(first + cached).min(panels);
        for (index, part) in weights.chunks(GROUPS * group_bytes).enumerate() {
            passes.run(index * GROUPS, part, cached.clone(), &mut buffer);
        }
    }
}

/// What all calls of a product have in common.
struct Passes<'a, S> {
    kernel: Runnable,
    activations: &'a Activations,
    group_bytes: usize,
    prefetch_bytes: usize,
    sink: S,
}

impl<S: FnMut(Tile<'_>)> Passes<'_, S> {
    /// Some row groups, the first of which is `first_group`, against some panels.
    fn run(
        &mut self,
        first_group: usize,
        weights: &[u8],
        panels: Range<usize>,
        buffer: &mut [f32],
    ) {
        let (count, panel_rows) = (panels.len(), self.activations.panel_rows());
        let call = Call {
            weights,
            columns: self.activations.columns(),
            panels: self.activations.panels_of(panels.clone()),
            panel_count: count,
            prefetch_bytes: self.prefetch_bytes,
        };
        let (groups, tile) = (weights.len() / self.group_bytes, panel_rows * ROWS);
        let out = &mut buffer[..groups * count * tile];
        self.kernel.run(&call, panel_rows, out);
        // Groups innermost: results of neighbouring groups are neighbours where they go.
        for panel in 0..count {
            let first_row = (panels.start + panel) * panel_rows;
            for group in 0..groups {
                (self.sink)(Tile {
                    group: first_group + group,
                    first_row,
                    rows: panel_rows.min(self.activations.rows() - first_row),
                    values: &out[(group * count + panel) * tile..][..tile],
                });
            }
        }
    }
}
