//! `throughput.svg`: rates by total length, ours and the reference's, on a base-2 logarithmic axis.

use anyhow::anyhow;
use plotters::coord::combinators::IntoLogRange;
use plotters::prelude::*;

use super::Report;

const SIZE: (u32, u32) = (960, 540);
const OURS: RGBColor = RGBColor(0x1f, 0x5f, 0xa8);
const THEIRS: RGBColor = RGBColor(0xc4, 0x5a, 0x11);
const FONT: &str = "sans-serif";

/// The plot as SVG text.
///
/// # Errors
/// The plotting library's own.
pub fn render(report: &Report<'_>) -> anyhow::Result<String> {
    let mut text = String::new();
    draw(report, &mut text).map_err(|error| anyhow!("cannot draw the plot: {error}"))?;
    Ok(text)
}

/// A length, a median rate, and the slowest and fastest run.
type Bar = (f64, f64, f64, f64);

fn draw(report: &Report<'_>, text: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let (ours, theirs) = series(report);
    let rates = ours
        .iter()
        .map(|bar| bar.3)
        .chain(theirs.iter().map(|point| point.1));
    let top = (rates.fold(0.0, f64::max) * 1.15).max(1e-3);
    let lengths = || {
        ours.iter()
            .map(|bar| bar.0)
            .chain(theirs.iter().map(|point| point.0))
    };
    let left = lengths().fold(f64::INFINITY, f64::min) / 1.2;
    let right = lengths().fold(0.0, f64::max) * 1.2;

    let area = SVGBackend::with_string(text, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(
            format!("{}: decode rate by total length", report.info.name),
            (FONT, 22),
        )
        .margin(16)
        .x_label_area_size(48)
        .y_label_area_size(64)
        .build_cartesian_2d((left..right).log_scale().base(2.0), 0.0..top)?;
    chart
        .configure_mesh()
        .x_desc("total tokens (prompt + output)")
        .y_desc("tokens/s")
        .x_label_formatter(&|length| format!("{length:.0}"))
        .y_label_formatter(&|rate| {
            if top < 10.0 {
                format!("{rate:.1}")
            } else {
                format!("{rate:.0}")
            }
        })
        .label_style((FONT, 15))
        .axis_desc_style((FONT, 16))
        .light_line_style(WHITE)
        .draw()?;
    let bar = |bar: &Bar| PathElement::new([(bar.0, bar.2), (bar.0, bar.3)], OURS.stroke_width(1));
    chart.draw_series(ours.iter().map(bar))?;
    let ours: Vec<(f64, f64)> = ours.iter().map(|bar| (bar.0, bar.1)).collect();
    let label = format!("this host ({} threads)", threads(report));
    for (points, colour, label) in [
        (ours, OURS, label.as_str()),
        (theirs, THEIRS, "reference (Kunpeng, 48 cores)"),
    ] {
        if points.is_empty() {
            continue;
        }
        chart
            .draw_series(LineSeries::new(
                points.iter().copied(),
                colour.stroke_width(2),
            ))?
            .label(label)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 24, y)], colour.stroke_width(2)));
        chart.draw_series(
            points
                .iter()
                .map(|point| Circle::new(*point, 4, colour.filled())),
        )?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerLeft)
        .background_style(WHITE.mix(0.9))
        .border_style(RGBColor(0xb0, 0xb0, 0xb0))
        .label_font((FONT, 15))
        .draw()?;
    area.present()?;
    Ok(())
}

fn series(report: &Report<'_>) -> (Vec<Bar>, Vec<(f64, f64)>) {
    let rows = report.rows.iter();
    let ours = rows.clone().filter_map(|row| {
        row.decode.map(|decode| {
            (
                row.total_tokens as f64,
                decode.median,
                decode.low,
                decode.high,
            )
        })
    });
    let theirs = rows.filter_map(|row| row.reference.map(|rate| (row.total_tokens as f64, rate)));
    (ours.collect(), theirs.collect())
}

fn threads(report: &Report<'_>) -> String {
    report
        .confirmation
        .map_or_else(|| "?".into(), |found| found.plan.decode.threads.to_string())
}
