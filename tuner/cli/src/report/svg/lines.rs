//! Curves with intervals over lengths or counts.

use super::axis::{Scale, labelled, tick_text, ticks};
use super::{Figure, WIDTH, label, legend, line, px, telling};
use crate::report::figures::number;
use crate::report::markup::{Element, element};

const LEFT: f64 = 50.0;
const RIGHT: f64 = 16.0;
const PLOT_HEIGHT: f64 = 190.0;
const BELOW: f64 = 42.0;
/// Least distance of two labels below the axis.
const LABEL_GAP: f64 = 32.0;
/// From the legend to the plot: the name of the axis stands there, clear of its highest label.
const ABOVE: f64 = 30.0;
/// Curves over counts stand beside each other by this, lest one hides another's whiskers.
const DODGE: f64 = 3.0;

/// One curve.
pub(super) struct Curve {
    pub(super) name: String,
    /// Which of the colours, from 0.
    pub(super) colour: usize,
    pub(super) dashed: bool,
    /// Ascending in `x`.
    pub(super) points: Vec<Spot>,
}

/// A value with its interval; all three are equal where there is none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    /// Drawn as an outline: not measured all the way.
    pub(super) sampled: bool,
}

/// What a plot of curves is about.
pub(super) struct Plot {
    pub(super) name: &'static str,
    pub(super) title: String,
    pub(super) note: String,
    pub(super) x_label: &'static str,
    pub(super) y_label: &'static str,
    /// Doublings are equally long.
    pub(super) log: bool,
    /// A line across, with what it means, which the legend says.
    pub(super) mark: Option<(f64, &'static str)>,
    pub(super) curves: Vec<Curve>,
}

impl Plot {
    /// The figure; `None` without a point.
    pub(super) fn draw(mut self) -> Option<Figure> {
        self.curves.retain(|curve| !curve.points.is_empty());
        let xs = self.places();
        let (first, last) = (*xs.first()?, *xs.last()?);
        let spots = || self.curves.iter().flat_map(|curve| &curve.points);
        let mark = self.mark.map(|(value, _)| value);
        let top = spots()
            .map(|spot| spot.high)
            .chain(mark)
            .fold(0.0, f64::max);
        let across = self.mark.map(|(_, meaning)| {
            let sample = line((0.0, 0.0), (16.0, 0.0), "axis dashed");
            (meaning.to_owned(), sample)
        });
        let named = self.curves.iter();
        let marks: Vec<(String, Element)> = named
            .map(|curve| (curve.name.clone(), curve.sample()))
            .chain(across)
            .collect();
        let (mut body, legend_height) = legend(&marks);
        let above = legend_height + ABOVE;
        let bottom = above + PLOT_HEIGHT;
        let x = if self.log {
            Scale::log((first, last), LEFT + 14.0, WIDTH - RIGHT)
        } else {
            Scale::linear((first, last), LEFT + 14.0, WIDTH - RIGHT)
        };
        let y_ticks = ticks(top);
        let y = Scale::linear((0.0, y_ticks[y_ticks.len() - 1]), bottom, above);
        body.push(label((4.0, above - 14.0), "start", self.y_label).class("soft"));
        body.extend(grid(&y_ticks, y));
        let labels: Vec<(f64, f64)> = xs.iter().map(|value| (*value, x.at(*value))).collect();
        for (value, place) in labelled(&labels, LABEL_GAP) {
            body.push(line((place, bottom), (place, bottom + 4.0), "axis"));
            body.push(label((place, bottom + 18.0), "middle", value));
        }
        let middle = (LEFT + WIDTH - RIGHT) / 2.0;
        body.push(label((middle, bottom + 36.0), "middle", self.x_label).class("soft"));
        if let Some((value, _)) = self.mark {
            let place = y.at(value);
            body.push(line((LEFT, place), (WIDTH - RIGHT, place), "axis dashed"));
        }
        let centre = (self.curves.len() as f64 - 1.0) / 2.0;
        let step = if self.log { 0.0 } else { DODGE };
        for (place, curve) in self.curves.iter().enumerate() {
            body.extend(curve.draw(x, y, step * (place as f64 - centre)));
        }
        Some(Figure {
            name: self.name,
            title: self.title,
            note: self.note,
            height: bottom + BELOW,
            body,
        })
    }

    /// All x, ascending and distinct.
    fn places(&self) -> Vec<f64> {
        let spots = self.curves.iter().flat_map(|curve| &curve.points);
        let mut xs: Vec<f64> = spots.map(|spot| spot.x).collect();
        xs.sort_by(f64::total_cmp);
        xs.dedup();
        xs
    }
}

fn grid(ticks: &[f64], y: Scale) -> Vec<Element> {
    let step = ticks.get(1).copied().unwrap_or(1.0);
    let mut drawn = Vec::new();
    for (index, tick) in ticks.iter().enumerate() {
        let place = y.at(*tick);
        let class = if index == 0 { "axis" } else { "grid" };
        drawn.push(line((LEFT, place), (WIDTH - RIGHT, place), class));
        drawn.push(label(
            (LEFT - 6.0, place + 4.0),
            "end",
            tick_text(*tick, step),
        ));
    }
    drawn
}

impl Curve {
    fn classes(&self) -> (String, String) {
        let colour = self.colour % 6;
        (format!("s{colour}"), format!("f{colour}"))
    }

    /// What stands for it in the legend.
    fn sample(&self) -> Element {
        let (stroke, _) = self.classes();
        let dashed = if self.dashed { " dashed" } else { "" };
        let stroke = format!("curve {stroke}{dashed}");
        element("g")
            .with(line((0.0, 0.0), (16.0, 0.0), &stroke))
            .with(self.dot(8.0, 0.0, false))
    }

    /// Curves differ in shape as well as in colour.
    fn dot(&self, x: f64, y: f64, outline: bool) -> Element {
        let (stroke, fill) = self.classes();
        let fill = match outline {
            true => format!("paper outline {stroke}"),
            false => fill,
        };
        match self.colour % 3 {
            0 => element("circle")
                .class(fill)
                .at("cx", px(x))
                .at("cy", px(y))
                .at("r", 3.5),
            1 => super::rect((x - 3.2, y - 3.2), (6.4, 6.4), &fill),
            _ => {
                let corners = format!("M{} {}l4.4 4.4l-4.4 4.4l-4.4 -4.4z", px(x), px(y - 4.4));
                element("path").class(fill).at("d", corners)
            }
        }
    }

    /// `aside`: how far to the right of its place.
    fn draw(&self, x: Scale, y: Scale, aside: f64) -> Vec<Element> {
        let (stroke, _) = self.classes();
        let dashed = if self.dashed { " dashed" } else { "" };
        let corners: Vec<String> = self
            .points
            .iter()
            .map(|spot| format!("{},{}", px(x.at(spot.x) + aside), px(y.at(spot.y))))
            .collect();
        let curve = element("polyline")
            .class(format!("curve {stroke}{dashed}"))
            .at("points", corners.join(" "));
        let whisker = format!("whisker {stroke}");
        let spot = |spot: &Spot| {
            let place = x.at(spot.x) + aside;
            let (low, high) = (y.at(spot.low), y.at(spot.high));
            let mut shapes = Vec::new();
            if low - high >= 1.0 {
                shapes.push(line((place, low), (place, high), &whisker));
                for end in [low, high] {
                    shapes.push(line((place - 4.0, end), (place + 4.0, end), &whisker));
                }
            }
            shapes.push(self.dot(place, y.at(spot.y), spot.sampled));
            let limits = if spot.low < spot.high {
                format!(" ({} to {})", number(spot.low), number(spot.high))
            } else {
                String::new()
            };
            let how = if spot.sampled { ", sampled" } else { "" };
            let text = format!("{}, {}: {}{limits}{how}", self.name, spot.x, number(spot.y));
            telling(text, shapes)
        };
        std::iter::once(curve)
            .chain(self.points.iter().map(spot))
            .collect()
    }
}
