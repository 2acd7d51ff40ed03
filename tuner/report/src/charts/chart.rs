//! A chart, as an element of a page or as a file of its own.

use super::bars;
use super::canvas::{self, COLOURS};
use super::lines;
use super::size::Size;
use crate::error::Error;
use crate::escape::in_html;

/// Height of a chart's title in a file of its own.
const TITLE_HEIGHT: u32 = 30;

/// A chart.
pub struct Chart {
    /// Name of its file, without the ending.
    pub name: &'static str,
    /// What it shows.
    pub title: String,
    /// What its marks mean, where the legend does not say it.
    pub key: String,
    pub(super) drawing: Drawing,
}

/// What is drawn.
pub(super) enum Drawing {
    Lines(lines::Plot),
    Bars(Vec<bars::Bar>),
    Shares(bars::Shares),
}

impl Chart {
    /// An element for a page that has [`COLOURS`].
    ///
    /// # Errors
    /// None that a user could cause.
    pub fn inline(&self, size: Size) -> Result<String, Error> {
        let (shapes, height) = self.shapes(size)?;
        Ok(self.element("", "", &shapes, (size.width(), height)))
    }

    /// A file of its own, with its title.
    ///
    /// # Errors
    /// None that a user could cause.
    pub fn document(&self) -> Result<String, Error> {
        let (shapes, height) = self.shapes(Size::Wide)?;
        let (width, height) = (Size::Wide.width(), height + TITLE_HEIGHT);
        let content = format!(
            "<style>{COLOURS}</style><rect width=\"100%\" height=\"100%\" fill=\"var(--paper)\"/>\n\
             <text x=\"8\" y=\"20\" fill=\"var(--ink)\" font-weight=\"bold\">{}</text>\n\
             <g transform=\"translate(0 {TITLE_HEIGHT})\">{shapes}</g>\n",
            escaped(&self.title)
        );
        let own =
            format!(" xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\"");
        Ok(self.element(&own, "\n", &content, (width, height)) + "\n")
    }

    /// What somebody hears who does not see it.
    fn description(&self) -> String {
        let shown = match &self.drawing {
            Drawing::Lines(plot) => plot.description(),
            Drawing::Bars(_) => "Bars of tokens/s with their intervals.".into(),
            Drawing::Shares(shares) => format!("Bars of shares: {}.", shares.parts.join(", ")),
        };
        format!("{shown} {}", self.key).trim_end().to_owned()
    }

    fn shapes(&self, size: Size) -> Result<(String, u32), Error> {
        let height = match &self.drawing {
            Drawing::Lines(plot) => plot.height(size),
            Drawing::Bars(bars) => bars::height(bars.len()),
            Drawing::Shares(shares) => shares.height(size),
        };
        let shapes = canvas::shapes((size.width(), height), |area| match &self.drawing {
            Drawing::Lines(plot) => plot.draw(area, size),
            Drawing::Bars(bars) => bars::draw(bars, area, size),
            Drawing::Shares(shares) => shares.draw(area, size),
        })?;
        Ok((shapes, height))
    }

    /// Title and description are what a screen reader says.
    fn element(&self, own: &str, end: &str, content: &str, (width, height): (u32, u32)) -> String {
        let (title, description) = (escaped(&self.title), escaped(&self.description()));
        format!(
            "<svg{own} viewBox=\"0 0 {width} {height}\" role=\"img\" font-family=\"system-ui,sans-serif\" \
             font-size=\"{}\"><title>{title}</title><desc>{description}</desc>{end}{content}</svg>",
            canvas::TEXT
        )
    }
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match in_html(character) {
            Some(instead) => safe.push_str(instead),
            None => safe.push(character),
        }
    }
    safe
}
