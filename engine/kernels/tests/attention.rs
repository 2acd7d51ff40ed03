//! Attention against the definition, in f64.

use half::f16;
use sysinfer_kernels::attention::{Attention, QueryRow, Span, merge};

fn value(seed: usize) -> f32 {
    ((seed * 7919 + 13) % 201) as f32 / 100.0 - 1.0
}

struct Case {
    head: usize,
    rows: usize,
    keys: usize,
    first_query: usize,
    slope: f32,
}

const CASES: [Case; 9] = [
    Case {
        head: 64,
        rows: 1,
        keys: 1,
        first_query: 0,
        slope: 0.0,
    },
    Case {
        head: 64,
        rows: 3,
        keys: 33,
        first_query: 32,
        slope: 0.0,
    },
    Case {
        head: 128,
        rows: 4,
        keys: 100,
        first_query: 99,
        slope: 0.0,
    },
    Case {
        head: 128,
        rows: 7,
        keys: 64,
        first_query: 60,
        slope: 0.25,
    },
    Case {
        head: 8,
        rows: 5,
        keys: 70,
        first_query: 20,
        slope: 0.0,
    },
    Case {
        head: 64,
        rows: 8,
        keys: 31,
        first_query: 20,
        slope: 0.0,
    },
    Case {
        head: 128,
        rows: 33,
        keys: 97,
        first_query: 64,
        slope: 0.0,
    },
    Case {
        head: 40,
        rows: 17,
        keys: 65,
        first_query: 3,
        slope: 1.5,
    },
    Case {
        head: 96,
        rows: 40,
        keys: 40,
        first_query: 0,
        slope: 0.0625,
    },
];

fn cache(count: usize, seed: usize) -> Vec<u16> {
    (0..count)
        .map(|i| f16::from_f32(value(i * 3 + seed)).to_bits())
        .collect()
}

/// Softmax of scores times values, by the definition.
fn exact(case: &Case, row: usize, query: &[f32], keys: &[u16], values: &[u16]) -> Vec<f64> {
    let wide = |bits: u16| f64::from(f16::from_bits(bits).to_f32());
    let position = case.first_query + row;
    let seen = (position + 1).min(case.keys);
    let scores: Vec<f64> = (0..seen)
        .map(|key| {
            let dot: f64 = (0..case.head)
                .map(|i| f64::from(query[i]) * wide(keys[key * case.head + i]))
                .sum();
            dot - f64::from(case.slope) * (position - key) as f64
        })
        .collect();
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
    let sum: f64 = weights.iter().sum();
    (0..case.head)
        .map(|i| {
            (0..seen)
                .map(|key| weights[key] * wide(values[key * case.head + i]))
                .sum::<f64>()
                / sum
        })
        .collect()
}

fn check(case: &Case, row: usize, got: &[f32], want: &[f64]) {
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert!(
            (f64::from(*got) - want).abs() < 2e-5,
            "head {} rows {} keys {}: row {row} value {i}: {got} for {want}",
            case.head,
            case.rows,
            case.keys
        );
    }
}

#[test]
fn whole_spans_and_merged_ones_are_the_definition() {
    for case in &CASES {
        let (keys, values) = (
            cache(case.keys * case.head, 1),
            cache(case.keys * case.head, 2),
        );
        let queries: Vec<Vec<f32>> = (0..case.rows)
            .map(|row| (0..case.head).map(|i| value(row * 31 + i * 5)).collect())
            .collect();
        let run = |positions: std::ops::Range<usize>| {
            let mut state = Attention::default();
            state.start(case.head);
            for (row, query) in queries.iter().enumerate() {
                state.push_query(
                    QueryRow {
                        position: case.first_query + row,
                        slope: case.slope,
                    },
                    query,
                );
            }
            let part = positions.start * case.head..positions.end * case.head;
            let span = Span {
                keys: &keys[part.clone()],
                values: &values[part],
                first_position: positions.start,
            };
            state.attend(span);
            state
        };
        let whole = run(0..case.keys);
        let cut = case.keys / 3;
        let parts = [run(0..cut), run(cut..case.keys)];
        for (row, query) in queries.iter().enumerate() {
            let want = exact(case, row, query, &keys, &values);
            let mut out = vec![0.0; case.head];
            whole.finish(row, &mut out);
            check(case, row, &out, &want);
            let partials: Vec<Vec<f32>> = parts
                .iter()
                .map(|part| {
                    let (largest, sum, values) = part.partial(row);
                    [&[largest, sum], values].concat()
                })
                .collect();
            merge(partials.iter().map(Vec::as_slice), &mut out);
            check(case, row, &out, &want);
        }
    }
}
