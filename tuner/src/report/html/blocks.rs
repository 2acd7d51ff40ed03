//! The few forms that the page is made of: sections, tables, figures, lists.

use crate::report::markup::{Element, element};
use crate::report::svg::Figure;

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

/// A table in a box that scrolls where the page is narrower. Columns of numbers stand to the right; row
/// `won` is marked.
pub(super) fn table<H: AsRef<str>>(
    header: &[H],
    rows: &[Vec<String>],
    won: impl Fn(&[String]) -> bool,
) -> Element {
    let classes: Vec<&str> = (0..header.len())
        .map(|column| class(rows, column))
        .collect();
    let heads = header.iter().zip(&classes);
    let head = element("tr")
        .with_all(heads.map(|(text, class)| element("th").class(class).text(text.as_ref())));
    let row = |cells: &Vec<String>| {
        let line = element("tr").class(if won(cells) { "won" } else { "" });
        let cells = cells.iter().zip(&classes);
        line.with_all(cells.map(|(text, class)| element("td").class(class).text(text)))
    };
    let table = element("table")
        .with(element("thead").with(head))
        .with(element("tbody").with_all(rows.iter().map(row)));
    element("div").class("box").at("tabindex", 0).with(table)
}

/// Numbers, long text, or short text.
fn class(rows: &[Vec<String>], column: usize) -> &'static str {
    let cells = || rows.iter().filter_map(|row| row.get(column));
    let number = |cell: &String| {
        cell == crate::report::figures::ONE_SAMPLE
            || cell.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+')
    };
    let named = |cell: &String| cell.contains(|c: char| c.is_ascii_alphabetic()) && cell.len() > 24;
    if cells().any(named) {
        "wide"
    } else if cells().all(number) {
        "number"
    } else {
        ""
    }
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
