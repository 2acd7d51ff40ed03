//! From the times of some decode steps to the rate of a whole run.
//!
//! The time of a step grows smoothly with the context, so it is taken to lie on straight lines between
//! the contexts where it was measured. A whole run to a length is then what was decoded all the way,
//! to the longest such length below, and the sum of these lines from there on.

use std::collections::BTreeMap;

use sysinfer_probe::Point;
use sysinfer_random::SplitMix64;
use sysinfer_stats::robust::hodges_lehmann;
use sysinfer_stats::{Estimate, median};

use crate::data::{Sampled, Stops, TableData};

/// Draws behind an interval.
const RESAMPLES: usize = 1000;
/// The first of the 25 draws on either side that a 95 % interval leaves out.
const OUTSIDE: usize = RESAMPLES / 40;

/// A value at a context: something of one step, by the length that the step ends at.
type Knot = (f64, f64);

/// The decoded beginning of runs: its length, and each run's time and bytes up to it.
struct Beginning<'d> {
    total_tokens: usize,
    runs: &'d [Point],
    /// Time of a step in its last stretch, for a pass that has no stop within it.
    last: Option<Knot>,
}

/// Rates of these lengths from all that was decoded and sampled. A length that no pass reached has none.
pub fn sampled(
    data: &TableData,
    prompt_tokens: usize,
    lengths: &[usize],
) -> BTreeMap<usize, Sampled> {
    let beginning = |length: usize| Beginning::of(data, prompt_tokens, length);
    let mut found = BTreeMap::new();
    for &length in lengths {
        let begun = beginning(length);
        let reached = |pass: &&Stops| pass.contains_key(&length);
        let passes: Vec<&Stops> = data.passes.iter().filter(reached).collect();
        if passes.is_empty() {
            continue;
        }
        let runs = passes.iter().enumerate();
        let points: Vec<Point> = runs
            .map(|(index, stops)| begun.run(index, stops, length, prompt_tokens))
            .collect();
        let rates: Vec<f64> = points.iter().map(Point::tokens_per_second).collect();
        let (low, high) = interval(&begun, &passes, length, prompt_tokens);
        let below = |stops: &Stops| {
            stops
                .range(..=length)
                .map(|(_, at)| at.len())
                .sum::<usize>()
        };
        let rate = Estimate {
            median: median(&rates),
            low: rates.iter().copied().fold(low, f64::min),
            high: rates.iter().copied().fold(high, f64::max),
            count: passes.iter().map(|stops| below(stops)).sum(),
        };
        let passes = points;
        found.insert(length, Sampled { passes, rate });
    }
    found
}

impl<'d> Beginning<'d> {
    /// The longest that was decoded below `length`.
    fn of(data: &'d TableData, prompt_tokens: usize, length: usize) -> Self {
        let mut decoded = data.decode.range(..length).rev();
        let Some((&total_tokens, runs)) = decoded.next().filter(|(_, runs)| !runs.is_empty())
        else {
            return Self {
                total_tokens: prompt_tokens,
                runs: &[],
                last: None,
            };
        };
        let (before, earlier) = match decoded.next() {
            Some((length, runs)) if !runs.is_empty() => (*length, middle(runs, seconds)),
            _ => (prompt_tokens, 0.0),
        };
        let steps = (total_tokens - before) as f64;
        let each = (middle(runs, seconds) - earlier) / steps;
        Self {
            total_tokens,
            runs,
            last: Some(((before + total_tokens + 1) as f64 / 2.0, each)),
        }
    }

    /// Time and bytes of the beginning in the run beside a pass.
    fn at(&self, run: usize) -> (f64, f64) {
        let run = self.runs.get(run).or(self.runs.last());
        run.map_or((0.0, 0.0), |point| (point.seconds, point.bytes))
    }

    /// The whole run to `length` that a pass tells of.
    fn run(&self, index: usize, stops: &Stops, length: usize, prompt_tokens: usize) -> Point {
        let (begun_seconds, begun_bytes) = self.at(index);
        let times = self.line(stops, |groups| hodges_lehmann(&step_seconds(groups)));
        let bytes: Vec<Knot> = stops
            .values()
            .filter_map(|groups| {
                let each = groups.iter().map(|group| group.bytes / group.tokens as f64);
                Some((position(groups)?, each.sum::<f64>() / groups.len() as f64))
            })
            .collect();
        Point {
            total_tokens: length,
            tokens: length - prompt_tokens,
            seconds: begun_seconds + self.rest(&times, length),
            bytes: begun_bytes + self.rest(&bytes, length),
        }
    }

    /// Times of a step by context, ascending.
    fn line(&self, stops: &Stops, mut of: impl FnMut(&[Point]) -> f64) -> Vec<Knot> {
        let measured = stops.values();
        let mut line: Vec<Knot> = measured
            .filter_map(|groups| Some((position(groups)?, of(groups))))
            .collect();
        let has_start = line
            .first()
            .is_some_and(|(place, _)| *place <= self.total_tokens as f64);
        if !has_start && let Some(last) = self.last {
            line.insert(0, last);
        }
        line
    }

    /// The sum over the steps behind the beginning that end at up to `length`: for straight lines, the
    /// area from half a step before the first to half a step behind the last.
    fn rest(&self, line: &[Knot], length: usize) -> f64 {
        area(line, self.total_tokens as f64 + 0.5, length as f64 + 0.5)
    }
}

fn seconds(point: &Point) -> f64 {
    point.seconds
}

fn middle(points: &[Point], of: fn(&Point) -> f64) -> f64 {
    let values: Vec<f64> = points.iter().map(of).collect();
    median(&values)
}

fn step_seconds(groups: &[Point]) -> Vec<f64> {
    let each = |group: &Point| group.seconds / group.tokens.max(1) as f64;
    groups.iter().map(each).collect()
}

/// The mean length at which the steps of these groups end.
fn position(groups: &[Point]) -> Option<f64> {
    let ends = |group: &Point| group.total_tokens as f64 - (group.tokens as f64 - 1.0) / 2.0;
    let sum: f64 = groups.iter().map(ends).sum();
    (!groups.is_empty()).then(|| sum / groups.len() as f64)
}

/// The area below straight lines between knots, which stays level beyond the first and the last.
fn area(line: &[Knot], from: f64, to: f64) -> f64 {
    let inner = line.iter().map(|(place, _)| *place);
    let inner = inner.filter(|place| from < *place && *place < to);
    let places: Vec<f64> = std::iter::once(from).chain(inner).chain([to]).collect();
    let pairs = places.windows(2);
    pairs
        .map(|pair| (pair[1] - pair[0]) * (height(line, pair[0]) + height(line, pair[1])) / 2.0)
        .sum()
}

/// The value at a place.
fn height(line: &[Knot], place: f64) -> f64 {
    let behind = line.partition_point(|(knot, _)| *knot <= place);
    let before = behind.checked_sub(1).and_then(|index| line.get(index));
    match (before, line.get(behind)) {
        (Some((a, low)), Some((b, high))) => low + (high - low) * (place - a) / (b - a),
        (Some((_, level)), None) | (None, Some((_, level))) => *level,
        (None, None) => 0.0,
    }
}

/// 95 % limits of the rate, drawing the beginning among runs and groups among those of each stop, of
/// all passes together.
fn interval(
    begun: &Beginning<'_>,
    passes: &[&Stops],
    length: usize,
    prompt_tokens: usize,
) -> (f64, f64) {
    let mut pooled = Stops::new();
    for (context, groups) in passes.iter().flat_map(|stops| stops.range(..=length)) {
        pooled.entry(*context).or_default().extend(groups);
    }
    let mut random = SplitMix64(0x5EED);
    let mut rates: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let (seconds, _) = begun.at(random.below(begun.runs.len()));
            let times = begun.line(&pooled, |groups| {
                let each = step_seconds(groups);
                let drawn = each.iter().map(|_| each[random.below(each.len())]);
                hodges_lehmann(&drawn.collect::<Vec<f64>>())
            });
            let seconds = seconds + begun.rest(&times, length);
            (length - prompt_tokens) as f64 / seconds.max(f64::MIN_POSITIVE)
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    (rates[OUTSIDE], rates[RESAMPLES - 1 - OUTSIDE])
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROMPT: usize = 16;

    /// Time of the step that ends at a length.
    type Truth = fn(f64) -> f64;

    fn steps(truth: Truth, from: usize, to: usize) -> Point {
        let times = (from + 1..=to).map(|end| truth(end as f64));
        Point {
            total_tokens: to,
            tokens: to - from,
            seconds: times.sum(),
            bytes: (from + 1..=to).map(|end| 1e6 + end as f64).sum(),
        }
    }

    fn data(truth: Truth, decoded: &[usize], stops: &[usize], noise: f64) -> TableData {
        let mut random = SplitMix64(9);
        let mut data = TableData::default();
        for length in decoded {
            let run = steps(truth, PROMPT, *length);
            data.decode.insert(*length, vec![run]);
        }
        let mut pass = Stops::new();
        for &stop in stops {
            let groups = (0..12).rev().map(|group| {
                let end = stop - 4 * group;
                let mut group = steps(truth, end - 4, end);
                group.seconds *= 1.0 + noise * random.below(1001) as f64 / 1000.0;
                group
            });
            pass.insert(stop, groups.collect());
        }
        data.passes.push(pass);
        data
    }

    /// The shapes of a step: level, linear, with attention that falls out of a cache, and curved.
    const TRUTHS: [(&str, Truth); 4] = [
        ("level", |_| 0.15),
        ("linear", |context| 0.005 + 1e-6 * context),
        ("a knee", |context| {
            0.005 + 1e-6 * context + 5e-7 * (context - 1500.0).max(0.0)
        }),
        ("curved", |context| {
            0.005 * (1.0 + (context / 4096.0).powf(1.5))
        }),
    ];

    #[test]
    fn sampled_rates_are_those_of_whole_runs_within_a_percent() {
        let lengths = [256, 512, 1024, 2048, 4096];
        let begun: [(&[usize], &[usize]); 3] = [
            (&[32, 64, 128], &[128, 256, 512, 1024, 2048, 4096]),
            (&[32], &[256, 512, 1024, 2048, 4096]),
            (&[], &[128, 256, 512, 1024, 2048, 4096]),
        ];
        for (name, truth) in TRUTHS {
            for (decoded, stops) in begun {
                let data = data(truth, decoded, stops, 0.0);
                let found = sampled(&data, PROMPT, &lengths);
                assert_eq!(found.len(), lengths.len());
                for (length, found) in found {
                    let whole = steps(truth, PROMPT, length);
                    let error = found.rate.median / whole.tokens_per_second() - 1.0;
                    assert!(error.abs() < 0.01, "{name} {length}: {error}");
                    // Without a beginning, the first stop stands for all before it.
                    let straight = name == "level" || name == "linear";
                    let exact = straight && !decoded.is_empty();
                    assert!(!exact || error.abs() < 0.001, "{name} {length}: {error}");
                    let read = found.passes[0].bytes / whole.bytes - 1.0;
                    assert!(read.abs() < 0.001, "{name} {length}: {read} of the bytes");
                }
            }
        }
    }

    #[test]
    fn the_interval_is_of_the_steps_and_of_the_passes() {
        let linear = TRUTHS[1].1;
        let mut noisy = data(linear, &[32, 64], &[64, 128, 256], 0.2);
        let one = &sampled(&noisy, PROMPT, &[256])[&256];
        assert!(one.rate.low < one.rate.median && one.rate.median < one.rate.high);
        assert!(one.rate.high / one.rate.low < 1.2, "{one:?}");
        assert_eq!((one.passes.len(), one.rate.count), (1, 36));
        // A second pass on a host that is slower by half.
        let slow = noisy.passes[0].clone();
        let slow = slow.into_iter().map(|(context, mut groups)| {
            groups.iter_mut().for_each(|group| group.seconds *= 1.5);
            (context, groups)
        });
        noisy.passes.push(slow.collect());
        let two = &sampled(&noisy, PROMPT, &[256])[&256];
        let rates: Vec<f64> = two.passes.iter().map(Point::tokens_per_second).collect();
        assert!(
            two.rate.low <= rates[1] && rates[0] <= two.rate.high,
            "{two:?}"
        );
        assert_eq!(
            sampled(&noisy, PROMPT, &[512]).len(),
            0,
            "no pass got there"
        );
    }

    #[test]
    fn one_slow_group_moves_little() {
        let linear = TRUTHS[1].1;
        let quiet = data(linear, &[32], &[64, 128, 256], 0.0);
        let mut hit = quiet.clone();
        for groups in hit.passes[0].values_mut() {
            groups[5].seconds *= 10.0;
        }
        let rate = |data: &TableData| sampled(data, PROMPT, &[256])[&256].rate.median;
        assert!((rate(&hit) / rate(&quiet) - 1.0).abs() < 0.01);
    }
}
