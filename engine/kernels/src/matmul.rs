//! The loops around a kernel: row groups, activation panels, and which of them stay in cache.

use crate::activations::Activations;
use crate::arch::blocks::GROUPS;
use crate::contract::{Call, Runnable};
use crate::layout::ROWS;

/// Row groups handed to a kernel in one call while there is a single panel.
const GROUPS_PER_CALL: usize = 16;
/// Most rows of a panel.
const PANEL_ROWS: usize = 4;

/// Block sizes of the loops; they change speed only.
#[derive(Clone, Copy, Debug)]
pub struct Loops {
    /// How far ahead weights are prefetched.
    pub prefetch_bytes: usize,
    /// Activation rows that stay in cache while all weights pass by.
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
    mut sink: impl FnMut(Tile<'_>),
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
    let tile = panel_rows * ROWS;
    let mut buffer = [0.0f32; GROUPS_PER_CALL * PANEL_ROWS * ROWS];
    let mut run = |first_group: usize, weights: &[u8], panel: usize| {
        let call = Call {
            weights,
            columns,
            panel: activations.panel(panel),
            prefetch_bytes: loops.prefetch_bytes,
        };
        let out = &mut buffer[..weights.len() / group_bytes * tile];
        kernel.run(&call, panel_rows, out);
        let first_row = panel * panel_rows;
        let rows = panel_rows.min(activations.rows() - first_row);
        for (index, values) in out.chunks_exact(tile).enumerate() {
            sink(Tile {
                group: first_group + index,
                first_row,
                rows,
                values,
            });
        }
    };
    if panels == 1 {
        for (index, part) in weights.chunks(GROUPS_PER_CALL * group_bytes).enumerate() {
            run(index * GROUPS_PER_CALL, part, 0);
        }
        return;
    }
    let cached_panels = (loops.cached_rows / panel_rows).max(1);
    for first in (0..panels).step_by(cached_panels) {
        for (index, part) in weights.chunks(GROUPS * group_bytes).enumerate() {
            for panel in first..(first + cached_panels).min(panels) {
                run(index * GROUPS, part, panel);
            }
        }
    }
}
