//! Attention against the definition, in f64.

use half::f16;
use sysinfer_kernels::attention::{Attention, BLOCK, QueryRow, Span, merge, store_key};

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

impl Case {
    /// Rows stand at consecutive positions, the last ones together at the last key.
    fn position(&self, row: usize) -> usize {
        (self.first_query + row).min(self.keys - 1)
    }
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
    let position = case.position(row);
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

/// Attention of rows `rows` of a case, with a chunk closed every `chunk` positions; one partial
/// result per row.
fn run(
    case: &Case,
    queries: &[Vec<f32>],
    rows: std::ops::Range<usize>,
    (keys, values): (&[u16], &[u16]),
    positions: std::ops::Range<usize>,
    chunk: usize,
) -> Vec<Vec<f32>> {
    let mut state = Attention::default();
    state.start(case.head);
    for row in rows {
        let query = QueryRow {
            position: case.position(row),
            slope: case.slope,
        };
        state.push_query(query, &queries[row]);
    }
    for start in positions.clone().step_by(chunk) {
        let end = (start + chunk).min(positions.end).next_multiple_of(BLOCK);
        let part = start * case.head..end * case.head;
        state.attend(Span {
            keys: &keys[part.clone()],
            values: &values[part],
            first_position: start,
        });
        state.close_chunk();
    }
    (0..state.rows())
        .map(|row| state.partial(row).to_vec())
        .collect()
}

/// Keys in tiles and values, padded to whole blocks with numbers that nobody may see.
fn tiled(case: &Case, keys: &[u16], values: &[u16]) -> (Vec<u16>, Vec<u16>) {
    let padded = case.keys.next_multiple_of(BLOCK) * case.head;
    let unseen = f16::from_f32(1e4).to_bits();
    let (mut tiles, mut all_values) = (vec![unseen; padded], vec![unseen; padded]);
    for (place, key) in keys.chunks_exact(case.head).enumerate() {
        store_key(key, place, &mut tiles);
    }
    all_values[..values.len()].copy_from_slice(values);
    (tiles, all_values)
}

fn finish(case: &Case, partials: &[&[f32]]) -> Vec<f32> {
    let mut out = vec![0.0; case.head];
    merge(partials.iter().copied(), &mut Vec::new(), &mut out);
    out
}

#[test]
fn attention_is_the_definition_and_a_row_does_not_depend_on_its_company() {
    for case in &CASES {
        let (keys, values) = (
            cache(case.keys * case.head, 1),
            cache(case.keys * case.head, 2),
        );
        let queries: Vec<Vec<f32>> = (0..case.rows)
            .map(|row| (0..case.head).map(|i| value(row * 31 + i * 5)).collect())
            .collect();
        let (tiles, padded) = tiled(case, &keys, &values);
        let cached = (tiles.as_slice(), padded.as_slice());
        let whole = run(case, &queries, 0..case.rows, cached, 0..case.keys, BLOCK);
        for (row, query) in queries.iter().enumerate() {
            let want = exact(case, row, query, &keys, &values);
            let got = finish(case, &[&whole[row]]);
            check(case, row, &got, &want);
            // The same row alone, and its chunks as separate partial results.
            let alone = run(case, &queries, row..row + 1, cached, 0..case.keys, BLOCK);
            assert_eq!(finish(case, &[&alone[0]]), got, "row {row} alone");
            let parts: Vec<Vec<f32>> = (0..case.keys)
                .step_by(BLOCK)
                .map(|start| {
                    let end = (start + BLOCK).min(case.keys);
                    run(case, &queries, row..row + 1, cached, start..end, BLOCK).remove(0)
                })
                .collect();
            let parts: Vec<&[f32]> = parts.iter().map(Vec::as_slice).collect();
            assert_eq!(finish(case, &parts), got, "row {row} in parts");
        }
    }
}
