//! The plots: drawn by hand as elements with classes, so that one drawing serves light, dark and paper,
//! in the page as well as in a file of its own.
//!
//! `content` turns a report into figures; `lines`, `bars` and `heat` draw one kind of plot each
//! on the scales of `axis`; [`style`] says what classes look like.

mod axis;
mod bars;
mod content;
mod heat;
mod lines;
pub mod style;

use std::fmt::Display;

use super::markup::{Element, element};

pub use content::all;

/// Width of all figures, in their own units: about the pixels that a phone has, so that text of 12
/// units stays legible there, and three figures stand side by side on a desktop.
const WIDTH: f64 = 360.0;
/// Height of a figure's title in a file of its own.
const TITLE_HEIGHT: f64 = 30.0;
/// Mean width of a character of a label.
const CHARACTER: f64 = 6.6;

/// A plot.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Name of its file, without the ending.
    pub name: &'static str,
    /// What it shows.
    pub title: String,
    /// What needs to be known to read it.
    pub note: String,
    height: f64,
    body: Vec<Element>,
}

impl Figure {
    /// For a page that has the rules of [`style`].
    pub fn inline(&self) -> Element {
        self.canvas(0.0).with_all(self.body.iter().cloned())
    }

    /// A file of its own, with its title.
    pub fn document(&self) -> String {
        let style = element("style")
            .style_rules(style::COLOURS)
            .style_rules(style::RULES);
        let paper = element("rect")
            .class("paper")
            .at("width", "100%")
            .at("height", "100%");
        let title = label((8.0, 20.0), "start", &self.title).at("font-weight", "bold");
        let body = element("g")
            .at("transform", format!("translate(0 {TITLE_HEIGHT})"))
            .with_all(self.body.iter().cloned());
        let canvas = self
            .canvas(TITLE_HEIGHT)
            .at("xmlns", "http://www.w3.org/2000/svg")
            .at("width", 2.0 * WIDTH)
            .with(style)
            .with(paper)
            .with(title)
            .with(body);
        format!("{canvas}\n")
    }

    fn canvas(&self, above: f64) -> Element {
        let height = self.height + above;
        element("svg")
            .at("viewBox", format!("0 0 {WIDTH} {}", px(height)))
            .at("role", "img")
            .at("aria-label", &self.title)
    }
}

/// A coordinate with one decimal.
fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// Text at a point; `anchor` is `start`, `middle` or `end`.
fn label((x, y): (f64, f64), anchor: &'static str, text: impl Display) -> Element {
    element("text")
        .at("x", px(x))
        .at("y", px(y))
        .at("text-anchor", anchor)
        .text(text)
}

fn line((x1, y1): (f64, f64), (x2, y2): (f64, f64), class: &str) -> Element {
    element("line")
        .class(class)
        .at("x1", px(x1))
        .at("y1", px(y1))
        .at("x2", px(x2))
        .at("y2", px(y2))
}

fn rect((x, y): (f64, f64), (width, height): (f64, f64), class: &str) -> Element {
    element("rect")
        .class(class)
        .at("x", px(x))
        .at("y", px(y))
        .at("width", px(width.max(0.0)))
        .at("height", px(height.max(0.0)))
}

/// A group that says `text` where a pointer rests on it.
fn telling(text: impl Display, shapes: impl IntoIterator<Item = Element>) -> Element {
    element("g")
        .with(element("title").text(text))
        .with_all(shapes)
}

/// Entries side by side from the top, as many to a line as fit; returns them and their height.
fn legend(entries: &[(String, Element)]) -> (Vec<Element>, f64) {
    const MARK: f64 = 20.0;
    const LINE: f64 = 18.0;
    let (mut x, mut y, mut drawn) = (8.0, 12.0, Vec::new());
    for (text, mark) in entries {
        let width = MARK + CHARACTER * text.chars().count() as f64 + 14.0;
        if x > 8.0 && x + width > WIDTH {
            (x, y) = (8.0, y + LINE);
        }
        let place = format!("translate({} {})", px(x), px(y));
        drawn.push(element("g").at("transform", place).with(mark.clone()));
        drawn.push(label((x + MARK, y + 4.0), "start", text));
        x += width;
    }
    let height = if entries.is_empty() {
        4.0
    } else {
        y + LINE - 4.0
    };
    (drawn, height)
}

#[cfg(test)]
mod tests;
