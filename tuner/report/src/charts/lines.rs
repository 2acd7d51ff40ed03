//! Curves with intervals over lengths or counts.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::element::{ComposedElement, DashedPathElement, ErrorBar, Polygon};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use sysinfer_stats::Estimate;

use super::canvas::{self, Area, Drawn, INK, LINE, MARK, PAPER, SOFT};
use super::size::Size;
use crate::figures;

/// Least distance of two labels below the axis, pixels.
const LABEL_GAP: f64 = 34.0;
/// Room for the labels of the axes.
const LEFT: u32 = 52;
const BELOW: u32 = 42;
const RIGHT: u32 = 14;
/// Curves over counts stand beside each other by this share of the axis, lest one hides another's intervals.
const DODGE: f64 = 0.008;

/// One curve.
pub(super) struct Curve {
    pub(super) name: String,
    pub(super) colour: usize,
    pub(super) dashed: bool,
    /// Ascending in `x`.
    pub(super) points: Vec<Spot>,
}

/// A value with its interval.
#[derive(Clone, Copy)]
pub(super) struct Spot {
    pub(super) x: f64,
    pub(super) y: Estimate,
    /// Drawn as an outline: not measured all the way.
    pub(super) open: bool,
}

/// What a plot of curves is about.
pub(super) struct Plot {
    pub(super) x_label: &'static str,
    pub(super) y_label: &'static str,
    /// Doublings are equally long.
    pub(super) doublings: bool,
    /// A line across, with what it means.
    pub(super) mark: Option<(f64, &'static str)>,
    pub(super) curves: Vec<Curve>,
}

impl Plot {
    /// Only points that are numbers, and curves with points, if there are any.
    pub(super) fn drawable(mut self) -> Option<Self> {
        for curve in &mut self.curves {
            curve.points.retain(|spot| is_number(&spot.y));
        }
        self.curves.retain(|curve| !curve.points.is_empty());
        (!self.curves.is_empty()).then_some(self)
    }

    pub(super) fn height(&self, size: Size) -> u32 {
        let plot = match size {
            Size::Narrow => 240,
            Size::Wide => 320,
        };
        let (_, legend) = canvas::legend(&self.names(), size.width() as i32);
        plot + legend as u32
    }

    pub(super) fn description(&self) -> String {
        let (names, x, y) = (self.names().join(", "), self.x_label, self.y_label);
        format!(
            "{y} over {x}: {names}. Vertical lines: 95 % interval of the median, or the range of fewer than six samples."
        )
    }

    fn names(&self) -> Vec<&str> {
        let curves = self.curves.iter().map(|curve| curve.name.as_str());
        curves
            .chain(self.mark.map(|(_, meaning)| meaning))
            .collect()
    }

    pub(super) fn draw(&self, area: &Area<'_>, size: Size) -> Drawn {
        let (places, legend_height) = canvas::legend(&self.names(), size.width() as i32);
        let (legend, plot) = area.split_vertically(legend_height);
        self.draw_legend(&legend, &places)?;
        let axis = Axis::over(self.places(), self.doublings, size);
        let spots = self.curves.iter().flat_map(|curve| &curve.points);
        let highest = spots.map(|spot| spot.y.high.max(spot.y.median));
        let top = highest.fold(self.mark.map_or(0.0, |(mark, _)| mark), f64::max);
        let top = if top > 0.0 { 1.06 * top } else { 1.0 };
        let (from, to) = axis.ends;
        let aside =
            |index: usize| axis.aside(index as f64 - (self.curves.len() as f64 - 1.0) / 2.0);
        let mut chart = ChartBuilder::on(&plot)
            .margin_right(RIGHT)
            .margin_left(6)
            .margin_top(6)
            .set_label_area_size(LabelAreaPosition::Left, LEFT)
            .set_label_area_size(LabelAreaPosition::Bottom, BELOW)
            .build_cartesian_2d(axis.clone(), 0.0..top)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .y_labels(6)
            .y_max_light_lines(0)
            .bold_line_style(LINE)
            .axis_style(SOFT)
            .label_style(canvas::text(&INK, HPos::Left))
            .axis_desc_style(canvas::text(&SOFT, HPos::Left))
            .y_label_formatter(&|y| figures::tick(*y, top))
            .x_desc(self.x_label)
            .y_desc(self.y_label)
            .draw()?;
        if let Some((mark, _)) = self.mark {
            let across = [(from, mark), (to, mark)];
            chart.draw_series([PathElement::new(across, SOFT)])?;
        }
        for (index, curve) in self.curves.iter().enumerate() {
            let at = |spot: &Spot| (aside(index)(spot.x), spot.y.median);
            let style = curve.style().stroke_width(2);
            let points = curve.points.iter().map(at);
            match curve.dashed {
                true => chart.draw_series([DashedPathElement::new(points, 9, 6, style)])?,
                false => chart.draw_series(LineSeries::new(points, style))?,
            };
            let ranged = curve.points.iter().filter(|spot| spot.y.low < spot.y.high);
            chart.draw_series(ranged.map(|spot| {
                let (x, y) = at(spot);
                ErrorBar::new_vertical(x, spot.y.low, y, spot.y.high, curve.style(), 7)
            }))?;
            chart.draw_series(
                curve
                    .points
                    .iter()
                    .map(|spot| curve.dot(at(spot), spot.open)),
            )?;
        }
        Ok(())
    }

    fn draw_legend(&self, area: &Area<'_>, places: &[(i32, i32)]) -> Drawn {
        let style = canvas::text(&INK, HPos::Left);
        for (curve, (x, y)) in self.curves.iter().zip(places) {
            let ends = [(*x, *y), (x + 16, *y)];
            let stroke = curve.style().stroke_width(2);
            match curve.dashed {
                true => area.draw(&DashedPathElement::new(ends, 6, 4, stroke))?,
                false => area.draw(&PathElement::new(ends, stroke))?,
            }
            area.draw(&curve.dot((x + 8, *y), false))?;
            canvas::write(area, (x + MARK, *y), &curve.name, &style)?;
        }
        if let Some(((_, meaning), (x, y))) = self.mark.zip(places.last()) {
            area.draw(&PathElement::new([(*x, *y), (x + 16, *y)], SOFT))?;
            canvas::write(area, (x + MARK, *y), meaning, &style)?;
        }
        Ok(())
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

impl Curve {
    fn style(&self) -> ShapeStyle {
        canvas::series(self.colour).stroke_width(1)
    }

    /// Curves differ in shape as well as in colour; an outline has paper in it.
    fn dot<'b, C: Clone>(&self, at: C, open: bool) -> Dot<'b, C> {
        const ROUND: [(i32, i32); 8] = [
            (-2, -4),
            (2, -4),
            (4, -2),
            (4, 2),
            (2, 4),
            (-2, 4),
            (-4, 2),
            (-4, -2),
        ];
        const HOLE: [(i32, i32); 8] = [
            (-1, -2),
            (1, -2),
            (2, -1),
            (2, 1),
            (1, 2),
            (-1, 2),
            (-2, 1),
            (-2, -1),
        ];
        let shape = match self.colour % 3 {
            0 => ROUND.to_vec(),
            1 => vec![(-4, -4), (4, -4), (4, 4), (-4, 4)],
            _ => vec![(0, -5), (5, 0), (0, 5), (-5, 0)],
        };
        let colour = canvas::series(self.colour);
        let inside = if open { PAPER } else { colour };
        EmptyElement::at(at) + Polygon::new(shape, colour) + Polygon::new(HOLE, inside)
    }
}

type Dot<'b, C> = ComposedElement<C, SVGBackend<'b>, Polygon<(i32, i32)>, Polygon<(i32, i32)>>;

/// Whether all of it is finite: a clock that stands still makes rates that are not.
pub(super) fn is_number(estimate: &Estimate) -> bool {
    let Estimate {
        median, low, high, ..
    } = estimate;
    [median, low, high].iter().all(|value| value.is_finite())
}

/// The axis of lengths or counts, on which doublings may be equally long.
#[derive(Clone)]
struct Axis {
    doublings: bool,
    ends: (f64, f64),
    labelled: Vec<f64>,
}

impl Axis {
    /// Over these values, which ascend, with a little room at the ends.
    fn over(xs: Vec<f64>, doublings: bool, size: Size) -> Self {
        let mut axis = Self {
            doublings,
            ends: (0.0, 1.0),
            labelled: Vec::new(),
        };
        let (first, last) = (axis.place(xs[0]), axis.place(xs[xs.len() - 1]));
        let span = if first < last { last - first } else { 1.0 };
        axis.ends = (
            axis.value(first - 0.05 * span),
            axis.value(last + 0.05 * span),
        );
        let pixels = f64::from(size.width() - LEFT - RIGHT - 6) / (1.1 * span);
        axis.labelled = apart(&xs, |x| pixels * axis.place(x));
        axis
    }

    fn place(&self, x: f64) -> f64 {
        if self.doublings { x.log2() } else { x }
    }

    fn value(&self, place: f64) -> f64 {
        if self.doublings { place.exp2() } else { place }
    }

    /// Where a curve's points are that is so many curves from the middle one.
    fn aside(&self, curves: f64) -> impl Fn(f64) -> f64 {
        let step = if self.doublings {
            0.0
        } else {
            DODGE * (self.ends.1 - self.ends.0)
        };
        move |x| x + step * curves
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, x: &f64, (from, to): (i32, i32)) -> i32 {
        let (first, last) = (self.place(self.ends.0), self.place(self.ends.1));
        let part = (self.place(*x) - first) / (last - first);
        from + (part * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.labelled.clone()
    }

    fn range(&self) -> Range<f64> {
        self.ends.0..self.ends.1
    }
}

impl ValueFormatter<f64> for Axis {
    fn format(x: &f64) -> String {
        format!("{x:.0}")
    }
}

/// Of ascending values, those with enough room for a label; the last always has one.
fn apart(xs: &[f64], pixel: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut kept: Vec<f64> = Vec::new();
    for x in xs.iter().rev() {
        let near = kept
            .last()
            .is_some_and(|right| pixel(*right) - pixel(*x) < LABEL_GAP);
        if !near {
            kept.push(*x);
        }
    }
    kept.reverse();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_keep_their_distance_and_the_last_is_there() {
        let kept = apart(&[1.0, 2.0, 3.0, 30.0, 40.0, 80.0], |x| x);
        assert_eq!(kept, [3.0, 40.0, 80.0]);
    }
}
