//! A map of rates over two block sizes. What was not measured is an empty cell. Sizes are names here, not places on an
//! axis, so cells are placed by hand.

use std::collections::BTreeMap;

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::Size;
use super::canvas::{self, Area, Drawn, INK, LINE, SOFT};
use crate::figures::number;

const LEFT: i32 = 56;
const ABOVE: i32 = 28;
const CELL: i32 = 34;
const BELOW: i32 = 44;
/// The narrowest cell that has room for decimals.
const ROOM_FOR_DECIMALS: i32 = 46;
/// The weakest and the strongest tint; text stays legible on it.
const TINTS: (f64, f64) = (0.06, 0.5);

/// What the map is about.
pub(super) struct Grid {
    pub(super) x_label: &'static str,
    pub(super) y_label: &'static str,
    /// Rate by (x, y).
    pub(super) cells: BTreeMap<(usize, usize), f64>,
    pub(super) chosen: Option<(usize, usize)>,
}

impl Grid {
    /// The sizes along one side.
    fn sizes(&self, pick: fn(&(usize, usize)) -> usize) -> Vec<usize> {
        let mut sizes: Vec<usize> = self.cells.keys().map(pick).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// Whether both sizes vary.
    pub(super) fn is_map(&self) -> bool {
        self.sizes(|cell| cell.0).len() > 1 && self.sizes(|cell| cell.1).len() > 1
    }

    pub(super) fn height(&self) -> u32 {
        (ABOVE + CELL * self.sizes(|cell| cell.1).len() as i32 + BELOW) as u32
    }

    pub(super) fn draw(&self, area: &Area<'_>, size: Size) -> Drawn {
        let (xs, ys) = (self.sizes(|cell| cell.0), self.sizes(|cell| cell.1));
        let best = self.cells.values().copied().fold(0.0, f64::max);
        let least = self.cells.values().copied().fold(f64::INFINITY, f64::min);
        let width = (size.width() as i32 - LEFT - 8) / xs.len() as i32;
        let bottom = ABOVE + CELL * ys.len() as i32;
        let soft = canvas::text(&SOFT, HPos::Left);
        canvas::write(area, (4, 12), self.y_label, &soft)?;
        let (right, middle) = (
            canvas::text(&INK, HPos::Right),
            canvas::text(&INK, HPos::Center),
        );
        for (row, y_size) in ys.iter().enumerate() {
            let y = ABOVE + CELL * row as i32;
            canvas::write(area, (LEFT - 8, y + CELL / 2), &y_size.to_string(), &right)?;
            for (column, x_size) in xs.iter().enumerate() {
                let x = LEFT + width * column as i32;
                let corners = [(x + 1, y + 1), (x + width - 1, y + CELL - 1)];
                let key = (*x_size, *y_size);
                let Some(rate) = self.cells.get(&key) else {
                    area.draw(&Rectangle::new(corners, LINE))?;
                    continue;
                };
                let place = (rate - least) / (best - least).max(f64::MIN_POSITIVE);
                let tint = TINTS.0 + (TINTS.1 - TINTS.0) * place;
                area.draw(&Rectangle::new(
                    corners,
                    canvas::series(0).mix(tint).filled(),
                ))?;
                if self.chosen == Some(key) {
                    let [(left, above), (right, below)] = corners;
                    let frame = [
                        (left, above),
                        (right, above),
                        (right, below),
                        (left, below),
                        (left, above),
                    ];
                    area.draw(&PathElement::new(frame, INK.stroke_width(2)))?;
                }
                let text = match width < ROOM_FOR_DECIMALS {
                    true => format!("{rate:.0}"),
                    false => number(*rate),
                };
                canvas::write(area, (x + width / 2, y + CELL / 2), &text, &middle)?;
            }
        }
        for (column, x_size) in xs.iter().enumerate() {
            let x = LEFT + width * column as i32 + width / 2;
            canvas::write(area, (x, bottom + 12), &x_size.to_string(), &middle)?;
        }
        let below = ((LEFT + size.width() as i32) / 2, bottom + 32);
        canvas::write(
            area,
            below,
            self.x_label,
            &canvas::text(&SOFT, HPos::Center),
        )
    }
}
