//! One SVG per host: how many runs lost how much against the true best.

use anyhow::anyhow;
use plotters::prelude::*;

use super::{Subject, Trial};

const SIZE: (u32, u32) = (960, 440);
const FONT: &str = "sans-serif";
const COLOURS: [RGBColor; 2] = [RGBColor(0x1f, 0x5f, 0xa8), RGBColor(0xc4, 0x5a, 0x11)];
/// Width of a class, percent.
const CLASS: f64 = 0.25;
/// Losses beyond this are counted in the last class, percent.
const MAX_GAP: f64 = 5.0;

/// The plot as SVG text.
///
/// # Errors
/// The plotting library's own.
pub fn render(subject: &Subject, trials: &[Trial]) -> anyhow::Result<String> {
    let mut text = String::new();
    draw(subject, trials, &mut text)
        .map_err(|error| anyhow!("cannot draw the histogram: {error}"))?;
    Ok(text)
}

fn draw(
    subject: &Subject,
    trials: &[Trial],
    text: &mut String,
) -> Result<(), Box<dyn std::error::Error>> {
    let counts = [counts(subject, trials, 0), counts(subject, trials, 1)];
    let top = counts.iter().flatten().copied().max().unwrap_or(1).max(1) as f64 * 1.1;
    let area = SVGBackend::with_string(text, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let caption = format!(
        "SIMULATED {}: loss against the true best, {} runs",
        subject.name(),
        trials.len()
    );
    let mut chart = ChartBuilder::on(&area)
        .caption(caption, (FONT, 20))
        .margin(16)
        .x_label_area_size(48)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..MAX_GAP, 0.0..top)?;
    chart
        .configure_mesh()
        .x_desc("loss, percent of the best rate (the last class: all above)")
        .y_desc("runs")
        .label_style((FONT, 15))
        .axis_desc_style((FONT, 16))
        .light_line_style(WHITE)
        .draw()?;
    for (phase, label) in ["decode", "prefill"].into_iter().enumerate() {
        let colour = COLOURS[phase];
        let half = CLASS / 2.0;
        let bar = |(class, count): (usize, &usize)| {
            let left = class as f64 * CLASS + phase as f64 * half;
            Rectangle::new(
                [(left, 0.0), (left + 0.9 * half, *count as f64)],
                colour.filled(),
            )
        };
        chart
            .draw_series(counts[phase].iter().enumerate().map(bar))?
            .label(label)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 14, y + 5)], colour.filled()));
    }
    chart.draw_series([PathElement::new(
        [(2.0, 0.0), (2.0, top)],
        BLACK.stroke_width(1),
    )])?;
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.9))
        .border_style(RGBColor(0xb0, 0xb0, 0xb0))
        .label_font((FONT, 15))
        .draw()?;
    area.present()?;
    Ok(())
}

fn counts(subject: &Subject, trials: &[Trial], phase: usize) -> Vec<usize> {
    let classes = (MAX_GAP / CLASS) as usize;
    let mut counts = vec![0; classes];
    for trial in trials {
        let loss = 100.0 * (1.0 - trial.rates[phase] / subject.best_rates[phase]);
        counts[((loss / CLASS) as usize).min(classes - 1)] += 1;
    }
    counts
}
