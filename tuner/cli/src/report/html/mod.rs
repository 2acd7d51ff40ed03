//! `report.html`: the whole run on one page that asks for nothing else: style and plots are in it, no
//! script, no link to another file.

mod blocks;
mod first_screen;
mod search;
mod style;
mod summary;

use sysinfer_profiles::trust::NOT_TO_BE_TRUSTED;

use super::markup::{Element, element};
use super::{Report, svg};

/// The page.
pub fn render(report: &Report<'_>) -> String {
    let title = format!("{} on {}", report.info.name, report.host.cpu_model);
    let mark = match &report.distrust {
        Some(_) => format!("{NOT_TO_BE_TRUSTED}: "),
        None => String::new(),
    };
    let head = element("head")
        .with(element("meta").at("charset", "utf-8"))
        .with(
            element("meta")
                .at("name", "viewport")
                .at("content", "width=device-width, initial-scale=1"),
        )
        .with(element("title").text(format!("{mark}sysInfer: {title}")))
        .with(
            element("style")
                .style_rules(svg::style::COLOURS)
                .style_rules(svg::style::RULES)
                .style_rules(style::PAGE),
        );
    let figures = svg::all(report);
    let parts = [
        first_screen::headline(report),
        first_screen::cards(report),
        summary::explanation(report),
        summary::throughput(report, &figures),
        summary::many_users(report, &figures),
        summary::step_time(report, &figures),
        summary::choice(report),
        search::stages(report, &figures),
        search::voids(report),
        search::sections(report),
        search::remarks(report),
        summary::host(report),
        summary::repeat(report),
    ];
    let body = element("body").with(
        element("main")
            .with_all(first_screen::warning(report))
            .with(first_screen::header(report, &title))
            .with_all(parts.into_iter().flatten()),
    );
    let page: Element = element("html").at("lang", "en").with(head).with(body);
    format!("<!DOCTYPE html>\n{page}\n")
}

#[cfg(test)]
mod tests;
