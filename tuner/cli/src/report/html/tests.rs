//! The page as a browser gets it: whole, closed, and asking for nothing.

use super::render;
use crate::report::markup::tests::open_elements;
use crate::report::tests::{HOSTILE, Planted};

fn page() -> String {
    render(&Planted::new().report())
}

#[test]
fn the_page_is_well_formed_and_nothing_from_outside_is_markup() {
    let page = page();
    assert_eq!(open_elements(&page), Vec::<String>::new());
    assert!(!page.contains("<script") && !page.contains(HOSTILE));
    let times = page.matches("alert(").count();
    assert!(times >= 8, "hostile texts are shown as text: {times}");
}

#[test]
fn the_page_asks_for_nothing() {
    let page = page();
    for reference in [
        "http:", "https:", "//", "src=", "href=", "url(", "@import", "<link", "<iframe", "<object",
        "<script", "<img",
    ] {
        assert!(!page.contains(reference), "{reference} is in the page");
    }
}

#[test]
fn the_page_has_every_part_and_its_numbers_have_limits() {
    let page = page();
    for part in [
        "Why it is this fast",
        "Throughput",
        "Many users at once",
        "Where a step&#39;s time goes",
        "What was chosen",
        "The search, stage by stage",
        "Void samples",
        "Host check",
        "Left out",
        "Host, model and run",
        "To repeat this",
        "prefers-color-scheme:dark",
        "@media print",
        "8.000 - 16.00",
        "40\u{a0}-\u{2060}\u{a0}80\u{a0}%",
        "time to first token",
        "+10.0 % (+7.8 to +12.2)",
        "times the reference",
        "3 of 60 samples were disturbed",
        "18 % slower than the best after round 3",
        "+10.0\u{a0}%",
        "+7.8 to +12.2\u{a0}%, 6 fresh rounds",
        "2026-11-22 12:00:00 UTC",
    ] {
        assert!(page.contains(part), "{part} is not in the page");
    }
    for wrong in ["NaN", ">inf", " inf", "\"inf", "-inf"] {
        assert!(!page.contains(wrong), "{wrong} is in the page");
    }
}

#[test]
fn an_interrupted_run_says_so() {
    let mut planted = Planted::new();
    planted.confirmation = None;
    planted.log.outcomes.clear();
    let mut report = planted.report();
    report.rows.clear();
    report.splits.clear();
    report.bandwidth.clear();
    report.samples.rivals.clear();
    let page = render(&report);
    assert!(open_elements(&page).is_empty());
    assert!(page.contains("interrupted before a decision"));
    assert!(page.contains(crate::report::explain::NOTHING));
}
