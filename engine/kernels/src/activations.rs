//! Activations: the operand that changes with every token.
//!
//! Rows of f32 are laid out for the kernels in *panels*: 1, 2 or 4 rows interleaved block by block,
//! so that a kernel walks weights and activations with one index and no bounds to check. How a row
//! is stored is [`ActivationKind`]'s to say.

use crate::panel::{ActivationKind, BLOCK, PANEL_ROWS, Q8Panel};

/// Rows of activations in the form that one kernel reads. Allocated once, refilled every step.
#[derive(Clone, Debug)]
pub struct Activations {
    kind: ActivationKind,
    columns: usize,
    panel_rows: usize,
    rows: usize,
    /// Panels one after another; f32 so that every panel type is aligned in it.
    words: Vec<f32>,
}

/// How many rows a panel should have for a product of `rows` rows.
pub fn panel_rows_for(rows: usize) -> usize {
    match rows {
        0 | 1 => 1,
        2 => 2,
        _ => PANEL_ROWS,
    }
}

impl Activations {
    /// Nothing yet; [`Activations::reshape`] gives it a shape.
    pub fn new(kind: ActivationKind) -> Self {
        Self {
            kind,
            columns: 0,
            panel_rows: 1,
            rows: 0,
            words: Vec::new(),
        }
    }

    /// Makes room for `rows` x `columns`; contents are then unspecified but initialised.
    ///
    /// # Panics
    /// If `columns` is not a whole number of blocks for [`ActivationKind::Q8`].
    pub fn reshape(&mut self, rows: usize, columns: usize) {
        if self.kind == ActivationKind::Q8 {
            assert!(
                columns.is_multiple_of(BLOCK),
                "{columns} columns are not whole blocks of {BLOCK}"
            );
        }
        self.columns = columns;
        self.rows = rows;
        self.panel_rows = panel_rows_for(rows);
        // Padding rows of the last panel keep whatever they held: their results are never used. Memory is kept: what is
        // given up and taken again would be zeroed again, by one thread, for every product.
        let words = self.panels() * self.panel_words();
        if words > self.words.len() {
            self.words.resize(words, 0.0);
        }
    }

    /// Rows held.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Values per row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Rows interleaved in a panel: 1, 2 or 4.
    pub fn panel_rows(&self) -> usize {
        self.panel_rows
    }

    /// Number of panels; the last one may be partly padding.
    pub fn panels(&self) -> usize {
        self.rows.div_ceil(self.panel_rows)
    }

    /// What the rows are stored as.
    pub fn kind(&self) -> ActivationKind {
        self.kind
    }

    /// f32 words of one panel.
    fn panel_words(&self) -> usize {
        match self.kind {
            ActivationKind::Q8 => {
                self.columns / BLOCK * size_of::<Q8Panel<1>>() / 4 * self.panel_rows
            }
            ActivationKind::F32 => self.columns * self.panel_rows,
        }
    }

    /// Words of panel `panel`, as kernels see them.
    pub fn panel(&self, panel: usize) -> &[f32] {
        self.panels_of(panel..panel + 1)
    }

    /// Words of some panels.
    pub fn panels_of(&self, panels: std::ops::Range<usize>) -> &[f32] {
        let words = self.panel_words();
        &self.words[panels.start * words..panels.end * words]
    }

    /// All panels as separate mutable pieces, for filling them from several threads.
    pub fn panels_mut(&mut self) -> Vec<PanelMut<'_>> {
        let (kind, panel_rows, words, rows) =
            (self.kind, self.panel_rows, self.panel_words(), self.rows);
        let all = self.panels() * words;
        self.words[..all]
            .chunks_exact_mut(words.max(1))
            .enumerate()
            .map(|(index, words)| PanelMut {
                kind,
                panel_rows,
                first_row: index * panel_rows,
                rows: panel_rows.min(rows - index * panel_rows),
                words,
            })
            .collect()
    }

    /// Fills row `row` from `values`.
    ///
    /// # Panics
    /// If the row does not exist or `values` has another length than the row.
    pub fn set_row(&mut self, row: usize, values: &[f32]) {
        assert!(row < self.rows && values.len() == self.columns);
        let (panel, lane) = (row / self.panel_rows, row % self.panel_rows);
        let words = self.panel_words();
        let panel = PanelMut {
            kind: self.kind,
            panel_rows: self.panel_rows,
            first_row: panel * self.panel_rows,
            rows: self.panel_rows,
            words: &mut self.words[panel * words..][..words],
        };
        panel.fill(lane, values);
    }

    /// Row `row` as the kernels see it, back in f32: what oracles and tests compare with.
    pub fn row(&self, row: usize) -> Vec<f32> {
        let (panel, lane) = (row / self.panel_rows, row % self.panel_rows);
        let words = self.panel(panel);
        match self.kind {
            ActivationKind::F32 => words
                .iter()
                .skip(lane)
                .step_by(self.panel_rows)
                .copied()
                .collect(),
            ActivationKind::Q8 => match self.panel_rows {
                1 => dequantize::<1>(words, lane),
                2 => dequantize::<2>(words, lane),
                _ => dequantize::<4>(words, lane),
            },
        }
    }
}

fn dequantize<const P: usize>(words: &[f32], lane: usize) -> Vec<f32> {
    let blocks: &[Q8Panel<P>] = bytemuck::cast_slice(words);
    blocks
        .iter()
        .flat_map(|block| {
            block
                .row(lane)
                .map(|quant| f32::from(quant) * block.scale(lane))
        })
        .collect()
}

/// One panel to be filled.
#[derive(Debug)]
pub struct PanelMut<'a> {
    kind: ActivationKind,
    panel_rows: usize,
    first_row: usize,
    rows: usize,
    words: &'a mut [f32],
}

impl PanelMut<'_> {
    /// The matrix row that lane 0 of this panel holds.
    pub fn first_row(&self) -> usize {
        self.first_row
    }

    /// Rows in use; the rest is padding.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Fills lane `lane` from the values of its row.
    pub fn set_row(&mut self, lane: usize, values: &[f32]) {
        assert!(lane < self.panel_rows);
        PanelMut {
            words: &mut *self.words,
            ..*self
        }
        .fill(lane, values);
    }

    fn fill(self, lane: usize, values: &[f32]) {
        match (self.kind, self.panel_rows) {
            (ActivationKind::F32, step) => {
                for (word, value) in self.words[lane..].iter_mut().step_by(step).zip(values) {
                    *word = *value;
                }
            }
            (ActivationKind::Q8, 1) => quantize_lane::<1>(self.words, lane, values),
            (ActivationKind::Q8, 2) => quantize_lane::<2>(self.words, lane, values),
            (ActivationKind::Q8, _) => quantize_lane::<4>(self.words, lane, values),
        }
    }
}

fn quantize_lane<const P: usize>(words: &mut [f32], lane: usize, values: &[f32]) {
    let blocks: &mut [Q8Panel<P>] = bytemuck::cast_slice_mut(words);
    crate::arch::quantize_blocks(values, |index, scale, sums, quants| {
        let block = &mut blocks[index];
        block.set_scale(lane, scale);
        block.totals[lane] = scale * f32::from(sums[0] + sums[1]);
        block.sums[lane] = sums;
        block.set_row(lane, &quants);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_from_every_panel_width() {
        for rows in [1, 2, 3, 4, 7] {
            let mut acts = Activations::new(ActivationKind::Q8);
            acts.reshape(rows, 96);
            for row in 0..rows {
                let values: Vec<f32> = (0..96)
                    .map(|i| ((i * 37 + row * 11) % 61) as f32 - 30.0)
                    .collect();
                acts.set_row(row, &values);
                for (block, (got, want)) in acts
                    .row(row)
                    .chunks(BLOCK)
                    .zip(values.chunks(BLOCK))
                    .enumerate()
                {
                    let step = want.iter().fold(0f32, |m, v| m.max(v.abs())) / 127.0;
                    for (g, w) in got.iter().zip(want) {
                        // Half a step, and what fitting the step moves the largest by.
                        assert!(
                            (g - w).abs() <= step * 0.6,
                            "row {row} block {block}: {g} for {w}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn zeros_and_the_largest_numbers_stay_within_range() {
        let mut acts = Activations::new(ActivationKind::Q8);
        acts.reshape(1, 64);
        let mut values = [0.0f32; 64];
        values[40] = 3e38;
        values[41] = -3e38;
        acts.set_row(0, &values);
        let back = acts.row(0);
        assert!(back[..32].iter().all(|v| *v == 0.0));
        assert!(back[32..].iter().all(|v| v.is_finite()), "{back:?}");
    }
}
