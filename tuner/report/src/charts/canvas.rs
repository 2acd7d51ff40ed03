//! What all charts are drawn on: plotters writes the shapes, in stand-ins for the page's colours that become its CSS
//! variables, so that one drawing serves light, dark and paper.

use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::error::Error;

/// The colours of both schemes, by their roles: screens choose by what the reader asked the system for, paper is
/// always light. Text and lines have a contrast of at least 4.5 to 1 with what is behind them.
pub const COLOURS: &str = "\
:root{color-scheme:light dark;--paper:#fff;--panel:#f4f6f9;--ink:#1b2430;--soft:#566273;--line:#d3dae3;
--s0:#1f5fa8;--s1:#b04a0c;--s2:#22703a;--s3:#8434a0;--s4:#a01e4a;--s5:#5a6200}
@media screen and (prefers-color-scheme:dark){
:root{--paper:#11151b;--panel:#1a2029;--ink:#e7ecf2;--soft:#a9b4c2;--line:#39434f;
--s0:#6db1f7;--s1:#f2a45f;--s2:#70d18a;--s3:#d198e8;--s4:#f78fae;--s5:#c8d25e}}
";

pub(super) const INK: RGBColor = RGBColor(0, 0, 1);
pub(super) const SOFT: RGBColor = RGBColor(0, 0, 2);
pub(super) const LINE: RGBColor = RGBColor(0, 0, 3);
pub(super) const PAPER: RGBColor = RGBColor(0, 0, 4);
const SERIES: [RGBColor; 6] = [
    RGBColor(0, 0, 16),
    RGBColor(0, 0, 17),
    RGBColor(0, 0, 18),
    RGBColor(0, 0, 19),
    RGBColor(0, 0, 20),
    RGBColor(0, 0, 21),
];
/// What each stands for.
const VARIABLES: [(RGBColor, &str); 10] = [
    (INK, "ink"),
    (SOFT, "soft"),
    (LINE, "line"),
    (PAPER, "paper"),
    (SERIES[0], "s0"),
    (SERIES[1], "s1"),
    (SERIES[2], "s2"),
    (SERIES[3], "s3"),
    (SERIES[4], "s4"),
    (SERIES[5], "s5"),
];

/// Size of all text in pixels, of which a chart for a phone is as wide as a phone.
pub(super) const TEXT: u32 = 12;
/// Mean width of a character, pixels: plotters measures none without a font library.
const CHARACTER: f64 = 6.6;
/// What plotters calls text of that size, and what it then writes.
const POINTS: f64 = 1.24 * TEXT as f64;
const FAMILY: &str = "sans-serif";

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// One of six colours that can be told apart.
pub(super) fn series(index: usize) -> RGBColor {
    SERIES[index % SERIES.len()]
}

/// The shapes that `paint` draws, without the element around them.
pub(super) fn shapes(
    size: (u32, u32),
    paint: impl FnOnce(&Area<'_>) -> Drawn,
) -> Result<String, Error> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        paint(&area)
            .and_then(|()| area.present())
            .map_err(|error| Error::Chart(error.to_string()))?;
    }
    let content = text.split_once('\n').map_or("", |(_, rest)| rest);
    let content = content.trim_end().trim_end_matches("</svg>");
    // What is alike in all of them stands once, in the element around them.
    let font = format!(" font-family=\"{FAMILY}\" font-size=\"{}\"", POINTS / 1.24);
    let mut content = content.replace(&font, "").replace(" opacity=\"1\"", "");
    for (RGBColor(red, green, blue), name) in VARIABLES {
        let stand_in = format!("\"#{red:02X}{green:02X}{blue:02X}\"");
        content = content.replace(&stand_in, &format!("\"var(--{name})\""));
    }
    Ok(content.replace(">\n", ">"))
}

/// How text looks; `anchor` is where of it the point lies to which it is drawn.
pub(super) fn text(colour: &RGBColor, anchor: HPos) -> TextStyle<'static> {
    let style = (FAMILY, POINTS).into_font().color(colour);
    style.pos(Pos::new(anchor, VPos::Center))
}

/// Writes at a point, with its middle at that height. Control characters, which XML does not allow, are replaced.
pub(super) fn write(area: &Area<'_>, at: (i32, i32), text: &str, style: &TextStyle<'_>) -> Drawn {
    area.draw(&Text::new(printable(text), at, style.clone()))
}

/// Likewise of any text that plotters is given.
pub(super) fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(shown).collect()
}

/// As much of a text as has room in so many pixels.
pub(super) fn fitted(text: &str, pixels: i32) -> String {
    let room = (f64::from(pixels.max(0)) / CHARACTER) as usize;
    if text.chars().count() <= room {
        return text.into();
    }
    text.chars()
        .take(room.saturating_sub(1))
        .chain(['…'])
        .collect()
}

/// Width of a text, pixels.
pub(super) fn width(text: &str) -> i32 {
    (CHARACTER * text.chars().count() as f64) as i32
}

/// Height of a line of a legend.
const LEGEND_LINE: i32 = 18;
/// Room for the mark of an entry.
pub(super) const MARK: i32 = 20;

/// Places of entries side by side, as many to a line as fit, and the height of them all. Plotters would put its
/// legend over the curves, which leave no room on a phone.
pub(super) fn legend(names: &[&str], right: i32) -> (Vec<(i32, i32)>, i32) {
    let (mut x, mut y, mut places) = (8, LEGEND_LINE / 2, Vec::new());
    for name in names {
        let needed = MARK + width(name) + 14;
        if x > 8 && x + needed > right {
            (x, y) = (8, y + LEGEND_LINE);
        }
        places.push((x, y));
        x += needed;
    }
    (places, y + LEGEND_LINE / 2 + 4)
}
