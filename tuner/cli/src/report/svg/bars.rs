//! Horizontal bars: one value each with its interval, or parts of a whole side by side.

use sysinfer_stats::Estimate;

use super::axis::Scale;
use super::{Figure, WIDTH, label, legend, line, rect, telling};
use crate::report::figures::{number, share};
use crate::report::markup::Element;

const LEFT: f64 = 8.0;
const RIGHT: f64 = 8.0;
const BAR: f64 = 18.0;
/// A label above its bar, and space to the next.
const ROW: f64 = 46.0;
/// The narrowest part that has room for its percentage.
const ROOM_FOR_TEXT: f64 = 44.0;

/// A bar of one value.
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) value: Estimate,
    /// It won its race.
    pub(super) won: bool,
}

/// A bar of parts.
pub(super) struct Stack {
    pub(super) name: String,
    /// Length of each part, in the unit of the whole figure.
    pub(super) parts: Vec<f64>,
    /// The whole as text.
    pub(super) total: String,
}

/// Bars of one value each; `None` of none.
pub(super) fn bars(
    name: &'static str,
    title: String,
    note: String,
    bars: &[Bar],
) -> Option<Figure> {
    let top = bars.iter().map(|bar| bar.value.high).fold(0.0, f64::max);
    if bars.is_empty() || top <= 0.0 {
        return None;
    }
    let x = Scale::linear((0.0, top), LEFT, WIDTH - RIGHT);
    let mut body = Vec::new();
    for (place, bar) in bars.iter().enumerate() {
        let y = 6.0 + ROW * place as f64;
        let won = if bar.won { ", won" } else { "" };
        let value = bar.value;
        body.push(label(
            (LEFT, y + 12.0),
            "start",
            format!("{}{won}", bar.name),
        ));
        let text = format!("{} tokens/s", number(value.median));
        body.push(label((WIDTH - RIGHT, y + 12.0), "end", text));
        let fill = if bar.won { "f0" } else { "faint" };
        let (bar_y, middle) = (y + 18.0, y + 18.0 + BAR / 2.0);
        let width = x.at(value.median) - LEFT;
        let mut shapes = vec![rect((LEFT, bar_y), (width, BAR), fill)];
        if value.high > value.low {
            let (low, high) = (x.at(value.low), x.at(value.high));
            // The wider line in the colour of the paper keeps it apart from any bar.
            for class in ["halo", "whisker over"] {
                shapes.push(line((low, middle), (high, middle), class));
                for end in [low, high] {
                    let ends = ((end, middle - 4.0), (end, middle + 4.0));
                    shapes.push(line(ends.0, ends.1, class));
                }
            }
        }
        let limits = format!(
            "{}: {} to {}",
            bar.name,
            number(value.low),
            number(value.high)
        );
        body.push(telling(limits, shapes));
    }
    Some(Figure {
        name,
        title,
        note,
        height: 6.0 + ROW * bars.len() as f64,
        body,
    })
}

/// Stacked parts; each bar is as long as the page, since it is shares that are compared. `None` of
/// none. `parts` are names and fill classes.
pub(super) fn stacks(
    name: &'static str,
    title: String,
    note: String,
    (parts, stacks): (&[(&str, &str)], &[Stack]),
) -> Option<Figure> {
    if stacks.is_empty() {
        return None;
    }
    let marks: Vec<(String, Element)> = parts
        .iter()
        .map(|(name, class)| ((*name).to_owned(), rect((0.0, -6.0), (14.0, 12.0), class)))
        .collect();
    let (mut body, above) = legend(&marks);
    for (place, stack) in stacks.iter().enumerate() {
        let y = above + 6.0 + ROW * place as f64;
        body.push(label((LEFT, y + 12.0), "start", &stack.name));
        body.push(label((WIDTH - RIGHT, y + 12.0), "end", &stack.total));
        let whole: f64 = stack.parts.iter().sum();
        if whole <= 0.0 {
            continue;
        }
        let mut x = LEFT;
        for (value, (part, class)) in stack.parts.iter().zip(parts) {
            let of_whole = value / whole;
            let width = of_whole * (WIDTH - LEFT - RIGHT);
            let text = format!("{part}: {}", share(of_whole));
            let mut shapes = vec![rect((x, y + 18.0), (width, BAR), class)];
            if width >= ROOM_FOR_TEXT {
                let middle = (x + width / 2.0, y + 18.0 + BAR - 5.0);
                shapes.push(label(middle, "middle", share(of_whole)).class("on"));
            }
            body.push(telling(text, shapes));
            x += width;
        }
    }
    Some(Figure {
        name,
        title,
        note,
        height: above + 6.0 + ROW * stacks.len() as f64,
        body,
    })
}

#[cfg(test)]
mod tests {
    use super::super::px;
    use super::*;

    #[test]
    fn parts_fill_the_bar_and_nothing_draws_nothing() {
        assert!(bars("n", String::new(), String::new(), &[]).is_none());
        assert!(stacks("n", String::new(), String::new(), (&[], &[])).is_none());
        let parts = [("a", "f0"), ("b", "f1")];
        let stack = Stack {
            name: "one".into(),
            parts: vec![3.0, 1.0],
            total: "4 ms".into(),
        };
        let figure = stacks("n", "t".into(), String::new(), (&parts, &[stack])).expect("a bar");
        let text = figure.inline().to_string();
        assert!(text.contains("75 %") && text.contains("25 %"), "{text}");
        let width = px(0.75 * (WIDTH - LEFT - RIGHT));
        assert!(text.contains(&format!("width=\"{width}\"")), "{text}");
    }
}
