//! The loops around a kernel: row groups, activation panels, and which of them stay in cache.

use std::ops::Range;

use crate::activations::Activations;
use crate::arch::blocks::GROUPS;
use crate::contract::{Call, Runnable};
use crate::layout::ROWS;

/// Row groups handed to a kernel in one call while there is a single panel.
const GROUPS_PER_CALL: usize = 16;
/// Most rows of a panel.
const PANEL_ROWS: usize = 4;
/// Most panels of a call.
const MOST_PANELS: usize = 64;
/// Most results of a call.
const RESULTS: usize = {
    let (few, many) = (GROUPS_PER_CALL, GROUPS * MOST_PANELS);
    (if few > many { few } else { many }) * PANEL_ROWS * ROWS
};

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
    let mut buffer = [0.0f32; RESULTS];
    let mut run = |first_group: usize, weights: &[u8], panels: Range<usize>| {
        let call = Call {
            weights,
            columns,
            panels: activations.panels_of(panels.clone()),
            panel_count: panels.len(),
            prefetch_bytes: loops.prefetch_bytes,
        };
        let out = &mut buffer[..weights.len() / group_bytes * panels.len() * tile];
        kernel.run(&call, panel_rows, out);
        for (index, values) in out.chunks_exact(tile).enumerate() {
            let first_row = (panels.start + index % panels.len()) * panel_rows;
            sink(Tile {
                group: first_group + index / panels.len(),
                first_row,
                rows: panel_rows.min(activations.rows() - first_row),
                values,
            });
        }
    };
    let (groups, cached) = if panels == 1 {
        (GROUPS_PER_CALL, 1)
    } else {
        (
            GROUPS,
            (loops.cached_rows / panel_rows).clamp(1, MOST_PANELS),
        )
    };
    for first in (0..panels).step_by(cached) {
        for (index, part) in weights.chunks(groups * group_bytes).enumerate() {
            run(index * groups, part, first..(first + cached).min(panels));
        }
    }
}
