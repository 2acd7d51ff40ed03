//! Labels of all figures: none touches another, none is cut off.

use super::{CHARACTER, Figure, WIDTH, all};
use crate::report::tests::Planted;

/// Height of a label above its line and below it.
const RISE: f64 = 9.0;
const FALL: f64 = 2.5;

/// A text with its edges: left, right, top, bottom.
type Placed = (String, [f64; 4]);

fn attribute(tag: &str, name: &str) -> f64 {
    let after = tag.split(&format!(" {name}=\"")).nth(1).expect(name);
    let value = after.split('"').next().expect("a quote");
    value.parse().expect("a number")
}

fn placed(figure: &Figure) -> Vec<Placed> {
    let drawn = figure.inline().to_string();
    // Marks of legends lie within moved groups; texts do not.
    let texts = drawn.split("<text").skip(1);
    texts
        .map(|text| {
            let (tag, rest) = text.split_once('>').expect("the tag ends");
            let words = rest.split("</text>").next().expect("an end").to_owned();
            let (x, y) = (attribute(tag, "x"), attribute(tag, "y"));
            let width = CHARACTER * words.chars().count() as f64;
            let left = match tag {
                tag if tag.contains("\"end\"") => x - width,
                tag if tag.contains("\"middle\"") => x - width / 2.0,
                _ => x,
            };
            (words, [left, left + width, y - RISE, y + FALL])
        })
        .collect()
}

#[test]
fn labels_are_whole_and_apart() {
    let planted = Planted::new();
    let figures = all(&planted.report());
    assert!(figures.len() >= 6, "{}", figures.len());
    for figure in &figures {
        let texts = placed(figure);
        for (index, (words, [left, right, top, bottom])) in texts.iter().enumerate() {
            let name = figure.name;
            assert!(
                *left >= 0.0 && *right <= WIDTH + 14.0,
                "{name}: {words} is cut"
            );
            assert!(
                *top >= 0.0 && *bottom <= figure.height,
                "{name}: {words} is cut"
            );
            for (other, [from, to, above, below]) in &texts[index + 1..] {
                let beside = right <= from || to <= left;
                let stacked = bottom <= above || below <= top;
                assert!(beside || stacked, "{name}: {words} touches {other}");
            }
        }
    }
}

#[test]
fn one_number_of_threads_is_bars_and_several_are_curves() {
    let mut planted = Planted::new();
    let drawn = |planted: &Planted| {
        let figures = all(&planted.report());
        let threads = figures
            .iter()
            .find(|figure| figure.name == "threads-decode");
        threads.expect("a race of teams").inline().to_string()
    };
    assert!(drawn(&planted).contains("<polyline"));
    let race = &mut planted.log.outcomes[0];
    for (lane, map) in race.lanes.iter_mut().zip(["spread", "compact", "unpinned"]) {
        lane.candidate.plan.decode.threads = 48;
        lane.candidate.plan.decode.map = map.into();
    }
    let bars = drawn(&planted);
    assert!(!bars.contains("<polyline"), "{bars}");
    assert!(
        bars.contains("rate by map, 48 threads") && bars.contains(", won"),
        "{bars}"
    );
}
