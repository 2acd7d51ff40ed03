//! Horizontal bars: one value each with its interval, or the shares of a whole. Plotters has no bars with their names
//! above them, which is what a phone has room for, so they are placed by hand.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use sysinfer_stats::Estimate;

use super::canvas::{self, Area, Drawn, INK, MARK, PAPER, SOFT};
use super::size::Size;
use crate::figures::{number, share};

const EDGE: i32 = 8;
const BAR: i32 = 18;
/// A label above its bar, and space to the next.
const ROW: i32 = 46;
/// The narrowest part that has room for its percentage.
const ROOM_FOR_TEXT: i32 = 44;

/// A bar of one value.
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) value: Estimate,
    /// It won its race.
    pub(super) won: bool,
}

/// A bar of parts.
pub(super) struct Whole {
    pub(super) name: String,
    /// Shares of 1, as many as there are parts.
    pub(super) shares: Vec<f64>,
    /// The whole as text.
    pub(super) total: String,
}

/// Bars of shares; each is as long as the chart, since it is shares that are compared.
pub(super) struct Shares {
    pub(super) parts: Vec<String>,
    pub(super) wholes: Vec<Whole>,
}

/// Height of so many bars.
pub(super) fn height(bars: usize) -> u32 {
    ROW as u32 * bars as u32 + 6
}

/// One value each, tokens/s.
pub(super) fn draw(bars: &[Bar], area: &Area<'_>, size: Size) -> Drawn {
    let right = size.width() as i32 - EDGE;
    let top = bars
        .iter()
        .map(|bar| bar.value.high)
        .fold(f64::MIN_POSITIVE, f64::max);
    let at = |value: f64| EDGE + (value / top * f64::from(right - EDGE)) as i32;
    for (index, bar) in bars.iter().enumerate() {
        let y = 6 + ROW * index as i32;
        let won = if bar.won { ", won" } else { "" };
        let value = format!("{} tokens/s", number(bar.value.median));
        heading(area, (y + 8, right), &format!("{}{won}", bar.name), &value)?;
        let fill = if bar.won {
            canvas::series(0).filled()
        } else {
            SOFT.mix(0.65).filled()
        };
        let (above, below) = (y + 18, y + 18 + BAR);
        area.draw(&Rectangle::new(
            [(EDGE, above), (at(bar.value.median), below)],
            fill,
        ))?;
        if bar.value.low < bar.value.high {
            let (low, high, middle) = (at(bar.value.low), at(bar.value.high), above + BAR / 2);
            // The wider line in the colour of the paper keeps it apart from any bar.
            for style in [PAPER.stroke_width(4), INK.stroke_width(1)] {
                area.draw(&PathElement::new([(low, middle), (high, middle)], style))?;
                for end in [low, high] {
                    area.draw(&PathElement::new(
                        [(end, middle - 4), (end, middle + 4)],
                        style,
                    ))?;
                }
            }
        }
    }
    Ok(())
}

impl Shares {
    pub(super) fn height(&self, size: Size) -> u32 {
        height(self.wholes.len()) + self.legend(size).1 as u32
    }

    fn legend(&self, size: Size) -> (Vec<(i32, i32)>, i32) {
        let names: Vec<&str> = self.parts.iter().map(String::as_str).collect();
        canvas::legend(&names, size.width() as i32)
    }

    pub(super) fn draw(&self, area: &Area<'_>, size: Size) -> Drawn {
        let right = size.width() as i32 - EDGE;
        let (places, legend_height) = self.legend(size);
        let style = canvas::text(&INK, HPos::Left);
        for (index, (name, (x, y))) in self.parts.iter().zip(places).enumerate() {
            let corners = [(x, y - 6), (x + 14, y + 6)];
            area.draw(&Rectangle::new(corners, fill(index)))?;
            canvas::write(area, (x + MARK, y), name, &style)?;
        }
        let inside = canvas::text(&PAPER, HPos::Center);
        for (index, whole) in self.wholes.iter().enumerate() {
            let y = legend_height + 6 + ROW * index as i32;
            heading(area, (y + 8, right), &whole.name, &whole.total)?;
            let (mut before, all) = (0.0, f64::from(right - EDGE));
            for (part, of_whole) in whole.shares.iter().enumerate() {
                let from = EDGE + (before * all) as i32;
                before += of_whole;
                let to = EDGE + (before.min(1.0) * all) as i32;
                let corners = [(from, y + 18), (to, y + 18 + BAR)];
                area.draw(&Rectangle::new(corners, fill(part)))?;
                if to - from >= ROOM_FOR_TEXT {
                    let middle = ((from + to) / 2, y + 18 + BAR / 2);
                    canvas::write(area, middle, &share(*of_whole), &inside)?;
                }
            }
        }
        Ok(())
    }
}

/// Products, attention, waiting, and the rest, which matters least.
fn fill(part: usize) -> ShapeStyle {
    match part {
        3 => SOFT.filled(),
        part => canvas::series([0, 2, 1][part % 3]).filled(),
    }
}

/// Name to the left and value to the right above a bar; where both have no room, the name is cut.
fn heading(area: &Area<'_>, (y, right): (i32, i32), name: &str, value: &str) -> Drawn {
    let name = canvas::fitted(name, right - EDGE - canvas::width(value) - 10);
    canvas::write(area, (EDGE, y), &name, &canvas::text(&INK, HPos::Left))?;
    canvas::write(area, (right, y), value, &canvas::text(&INK, HPos::Right))
}
