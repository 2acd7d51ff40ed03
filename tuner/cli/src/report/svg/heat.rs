//! A map of rates over two block sizes. What was not measured is an empty cell.

use std::collections::BTreeMap;

use super::{Figure, WIDTH, label, rect, telling};
use crate::report::figures::number;
use crate::report::markup::element;

const LEFT: f64 = 56.0;
const ABOVE: f64 = 28.0;
const CELL_HEIGHT: f64 = 34.0;
const BELOW: f64 = 40.0;
/// The narrowest cell that has room for decimals.
const ROOM_FOR_DECIMALS: f64 = 46.0;
/// The strongest tint; text stays legible on it.
const STRONGEST: f64 = 0.5;

/// What the map is about.
pub(super) struct Heat {
    pub(super) name: &'static str,
    pub(super) title: String,
    pub(super) note: String,
    pub(super) x_label: &'static str,
    pub(super) y_label: &'static str,
    /// Rate by (x, y).
    pub(super) cells: BTreeMap<(usize, usize), f64>,
    pub(super) chosen: Option<(usize, usize)>,
}

impl Heat {
    /// The figure; `None` unless both sizes vary.
    pub(super) fn draw(self) -> Option<Figure> {
        let distinct = |pick: fn(&(usize, usize)) -> usize| {
            let mut sizes: Vec<usize> = self.cells.keys().map(pick).collect();
            sizes.sort_unstable();
            sizes.dedup();
            sizes
        };
        let (xs, ys) = (distinct(|cell| cell.0), distinct(|cell| cell.1));
        if xs.len() < 2 || ys.len() < 2 {
            return None;
        }
        let best = self.cells.values().copied().fold(0.0, f64::max);
        let least = self.cells.values().copied().fold(f64::INFINITY, f64::min);
        let width = (WIDTH - LEFT - 8.0) / xs.len() as f64;
        let mut body = vec![label((4.0, 14.0), "start", self.y_label).class("soft")];
        for (row, y_size) in ys.iter().enumerate() {
            let y = ABOVE + CELL_HEIGHT * row as f64;
            body.push(label((LEFT - 8.0, y + 21.0), "end", y_size));
            for (column, x_size) in xs.iter().enumerate() {
                let place = (LEFT + width * column as f64 + 1.0, y + 1.0);
                let size = (width - 2.0, CELL_HEIGHT - 2.0);
                let key = (*x_size, *y_size);
                let Some(rate) = self.cells.get(&key) else {
                    body.push(rect(place, size, "empty"));
                    continue;
                };
                let span = (best - least).max(1e-12);
                let tint = 0.06 + (STRONGEST - 0.06) * (rate - least) / span;
                let mut shapes =
                    vec![rect(place, size, "f0").at("fill-opacity", format!("{tint:.3}"))];
                if self.chosen == Some(key) {
                    shapes.push(rect(place, size, "chosen"));
                }
                let middle = (place.0 + size.0 / 2.0, y + 21.0);
                let text = if width < ROOM_FOR_DECIMALS {
                    format!("{rate:.0}")
                } else {
                    number(*rate)
                };
                shapes.push(label(middle, "middle", text));
                body.push(telling(
                    format!("{x_size} x {y_size}: {rate:.2} tokens/s"),
                    shapes,
                ));
            }
        }
        let bottom = ABOVE + CELL_HEIGHT * ys.len() as f64;
        for (column, x_size) in xs.iter().enumerate() {
            let middle = LEFT + width * (column as f64 + 0.5);
            body.push(label((middle, bottom + 16.0), "middle", x_size));
        }
        let middle = (LEFT + WIDTH) / 2.0;
        body.push(label((middle, bottom + 34.0), "middle", self.x_label).class("soft"));
        Some(Figure {
            name: self.name,
            title: self.title,
            note: self.note,
            height: bottom + BELOW,
            body: vec![element("g").with_all(body)],
        })
    }
}
