//! The few forms that the page is made of: sections, tables, figures, lists.

use crate::report::figures::ONE_SAMPLE;
use crate::report::markup::{Element, element};
use crate::report::svg::Figure;

/// The longest text that stands in a column without being broken, in characters.
const SHORT: usize = 24;

/// A table with more columns than this and texts in them does not fit a phone.
const MANY: usize = 4;

/// A heading and what is below it.
pub(super) fn section(title: &str) -> Element {
    element("section").with(element("h2").text(title))
}

pub(super) fn paragraph(text: impl std::fmt::Display) -> Element {
    element("p").text(text)
}

/// A smaller remark.
pub(super) fn remark(text: impl std::fmt::Display) -> Element {
    paragraph(text).class("soft small")
}

pub(super) fn list<'t>(items: impl IntoIterator<Item = &'t str>) -> Element {
    let items = items.into_iter();
    element("ul").with_all(items.map(|item| element("li").text(item)))
}

/// Names and what they are.
pub(super) fn facts(facts: impl IntoIterator<Item = (String, String)>) -> Element {
    let pairs = facts
        .into_iter()
        .flat_map(|(name, value)| [element("dt").text(name), element("dd").text(value)]);
    element("dl").with_all(pairs)
}

/// A table. Columns of numbers stand to the right; row `won` is marked. Where the page is narrower, a
/// table of numbers scrolls within its box while its first column stays; one with sentences becomes a
/// list of rows, each cell below the other with the name of its column.
pub(super) fn table<H: AsRef<str>>(
    header: &[H],
    rows: &[Vec<String>],
    won: impl Fn(&[String]) -> bool,
) -> Element {
    let classes: Vec<&str> = (0..header.len())
        .map(|column| class(rows, column))
        .collect();
    let texts = classes.iter().filter(|class| **class != "number").count();
    let stacks = classes.contains(&"wide") || (texts > 1 && classes.len() > MANY);
    let heads = header.iter().zip(&classes);
    let head = element("tr")
        .with_all(heads.map(|(text, class)| element("th").class(class).text(text.as_ref())));
    let row = |cells: &Vec<String>| {
        let line = element("tr").class(if won(cells) { "won" } else { "" });
        let cells = cells.iter().zip(&classes).zip(header);
        line.with_all(cells.map(|((text, class), name)| {
            let cell = element("td").class(class);
            let cell = if stacks {
                cell.at("data-name", name.as_ref())
            } else {
                cell
            };
            cell.text(text)
        }))
    };
    let table = element("table")
        .with(element("thead").with(head))
        .with(element("tbody").with_all(rows.iter().map(row)));
    let class = if stacks { "box stacks" } else { "box" };
    element("div").class(class).at("tabindex", 0).with(table)
}

/// Numbers, long text, or short text.
fn class(rows: &[Vec<String>], column: usize) -> &'static str {
    let cells = || rows.iter().filter_map(|row| row.get(column));
    let long = |cell: &String| cell.chars().count() > SHORT;
    if cells().all(|cell| is_number(cell)) {
        "number"
    } else if cells().any(long) {
        "wide"
    } else {
        "short"
    }
}

/// A number with its unit and its limits, or what stands in place of one; no list of CPUs, and no name
/// that begins with a count.
fn is_number(cell: &str) -> bool {
    const UNITS: [&str; 6] = ["%", "ms", "s", "to", "-", "GB/s"];
    let is_part = |part: &str| {
        let bare = part.trim_matches(['(', ')']);
        UNITS.contains(&bare) || bare.parse::<f64>().is_ok()
    };
    cell == ONE_SAMPLE || cell.split(' ').all(is_part)
}

/// The figures of these names, side by side where there is room; `None` of none.
pub(super) fn figures(all: &[Figure], names: &[&str]) -> Option<Element> {
    let chosen = names
        .iter()
        .filter_map(|name| all.iter().find(|figure| figure.name == *name));
    let drawn: Vec<Element> = chosen.map(figure).collect();
    (!drawn.is_empty()).then(|| element("div").class("figures").with_all(drawn))
}

fn figure(figure: &Figure) -> Element {
    element("figure")
        .with(element("figcaption").text(&figure.title))
        .with(figure.inline())
        .with(paragraph(&figure.note))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_by_what_they_hold() {
        let cases: [(&[&str], &str); 8] = [
            (&["32", "4096"], "number"),
            (&["396.35 (257.82 to 424.22)", "one sample", "-"], "number"),
            (&["102 % (66 % to 109 %)"], "number"),
            (&["114.4 ms", "19.9 s"], "number"),
            (&["2 compact", "1 unpinned"], "short"),
            (&["0-94:2"], "short"),
            (&["0-22:2,64-86:2,128-150:2,192-214:2"], "wide"),
            (&["short", "stayed to the end of the race"], "wide"),
        ];
        for (cells, expected) in cases {
            let rows: Vec<Vec<String>> = cells.iter().map(|cell| vec![(*cell).into()]).collect();
            assert_eq!(class(&rows, 0), expected, "{cells:?}");
        }
    }

    #[test]
    fn sentences_become_lists_on_a_phone_and_numbers_do_not() {
        let rows = |text: &str| vec![vec!["1".to_owned(), text.to_owned()]];
        let sentence = table(
            &["n", "why"],
            &rows("slower than the best after round 3"),
            |_| false,
        );
        let sentence = sentence.to_string();
        assert!(
            sentence.contains("stacks") && sentence.contains("data-name=\"why\""),
            "{sentence}"
        );
        let numbers = table(&["n", "why"], &rows("3"), |_| false).to_string();
        assert!(
            !numbers.contains("stacks") && !numbers.contains("data-name"),
            "{numbers}"
        );
    }
}
