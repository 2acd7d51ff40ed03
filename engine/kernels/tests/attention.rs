//! Attention against the definition, in f64, for every type of cache.

use half::f16;
use sysinfer_kernels::attention::{Attention, BLOCK, CacheType, QueryRow, Span, longest, merge};

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

/// One head of `size` values per position.
fn heads(count: usize, size: usize, seed: usize) -> Vec<Vec<f32>> {
    (0..count)
        .map(|position| {
            // Some positions are much larger than others: they need scales of their own.
            let extent = [1.0, 0.01, 3.0][position % 3];
            let value = |i| extent * value((position * size + i) * 3 + seed);
            (0..size).map(value).collect()
        })
        .collect()
}

/// What is left of a head's values in a cache of that type, by the type's definition.
fn kept(cache: CacheType, head: &[f32]) -> Vec<f64> {
    let half = |value: f32| f16::from_f32(value).to_f64();
    match cache {
        CacheType::F32 => head.iter().copied().map(f64::from).collect(),
        CacheType::F16 => head.iter().copied().map(half).collect(),
        CacheType::Q8_0 => head
            .chunks(32)
            .flat_map(|block| {
                let largest = block.iter().fold(0.0f32, |a, b| a.max(b.abs()));
                // In f32, as a rounding to f16 may go the other way in f64.
                let bounded = || block.iter().map(|x| x * (127.0 / largest));
                let cross: f32 = bounded().map(|x| x * x.round_ties_even()).sum();
                let square: f32 = bounded().map(|x| x.round_ties_even().powi(2)).sum();
                let step = half(largest / 127.0 * (cross / square));
                let multiples: Vec<f32> = bounded().map(f32::round_ties_even).collect();
                multiples.into_iter().map(move |q| f64::from(q) * step)
            })
            .collect(),
    }
}

/// Softmax of scores times values, by the definition.
fn exact(
    case: &Case,
    row: usize,
    query: &[f32],
    keys: &[Vec<f64>],
    values: &[Vec<f64>],
) -> Vec<f64> {
    let position = case.position(row);
    let seen = (position + 1).min(case.keys);
    let scores: Vec<f64> = keys[..seen]
        .iter()
        .enumerate()
        .map(|(at, key)| {
            let dot: f64 = query.iter().zip(key).map(|(q, k)| f64::from(*q) * k).sum();
            dot - f64::from(case.slope) * (position - at) as f64
        })
        .collect();
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
    let sum: f64 = weights.iter().sum();
    (0..case.head)
        .map(|i| {
            let weighted = weights.iter().zip(values).map(|(w, value)| w * value[i]);
            weighted.sum::<f64>() / sum
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

/// Keys and values of a case as they lie in a cache, padded to whole blocks with numbers that
/// nobody may see. Words of f32, so that every type is aligned.
struct Cached {
    cache: CacheType,
    keys: Vec<f32>,
    values: Vec<f32>,
    /// Bound of the lengths of all keys that somebody sees.
    longest: f32,
}

impl Cached {
    fn new(case: &Case, cache: CacheType, keys: &[Vec<f32>], values: &[Vec<f32>]) -> Self {
        let position_bytes = cache.position_bytes(case.head);
        let padded = case.keys.next_multiple_of(BLOCK);
        let words = (padded * position_bytes).div_ceil(4);
        let mut cached = Self {
            cache,
            keys: vec![0.0; words],
            values: vec![0.0; words],
            longest: keys.iter().map(|key| longest(key)).fold(0.0, f32::max),
        };
        let unseen = vec![1e4; case.head];
        for place in 0..padded {
            let (key, value) = (keys.get(place), values.get(place));
            let bytes = bytemuck::cast_slice_mut(&mut cached.keys);
            cache.store_key(key.unwrap_or(&unseen), place, bytes);
            let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut cached.values);
            let slot = &mut bytes[place * position_bytes..][..position_bytes];
            cache.store_value(value.unwrap_or(&unseen), slot);
        }
        cached
    }
}

/// Attention of rows `rows` of a case, with a chunk closed every `chunk` positions; one partial
/// result per row.
fn run(
    case: &Case,
    queries: &[Vec<f32>],
    rows: std::ops::Range<usize>,
    cached: &Cached,
    positions: std::ops::Range<usize>,
    chunk: usize,
) -> Vec<Vec<f32>> {
    let mut state = Attention::default();
    state.start(case.head, cached.cache);
    for row in rows {
        let query = QueryRow {
            position: case.position(row),
            slope: case.slope,
        };
        state.push_query(query, &queries[row]);
    }
    let position_bytes = cached.cache.position_bytes(case.head);
    for start in positions.clone().step_by(chunk).rev() {
        let end = (start + chunk).min(positions.end).next_multiple_of(BLOCK);
        let part = start * position_bytes..end * position_bytes;
        state.attend(Span {
            keys: &bytemuck::cast_slice(&cached.keys)[part.clone()],
            values: &bytemuck::cast_slice(&cached.values)[part],
            first_position: start,
            next: [&[]; 2],
        });
        state.close_chunk();
    }
    (0..state.rows())
        .map(|row| state.partial(row).to_vec())
        .collect()
}

fn finish(case: &Case, partials: &[&[f32]]) -> Vec<f32> {
    let mut out = vec![0.0; case.head];
    merge(partials.iter().copied(), &mut Vec::new(), &mut out);
    out
}

#[test]
fn attention_is_the_definition_and_a_row_does_not_depend_on_its_company() {
    for (case, cache) in CASES
        .iter()
        .flat_map(|case| CacheType::ALL.map(|cache| (case, cache)))
    {
        let (keys, values) = (
            heads(case.keys, case.head, 1),
            heads(case.keys, case.head, 2),
        );
        let queries: Vec<Vec<f32>> = (0..case.rows)
            .map(|row| (0..case.head).map(|i| value(row * 31 + i * 5)).collect())
            .collect();
        let cached = Cached::new(case, cache, &keys, &values);
        let kept = |heads: &[Vec<f32>]| -> Vec<Vec<f64>> {
            heads.iter().map(|head| kept(cache, head)).collect()
        };
        let (keys, values) = (kept(&keys), kept(&values));
        let whole = run(case, &queries, 0..case.rows, &cached, 0..case.keys, BLOCK);
        for (row, query) in queries.iter().enumerate() {
            let want = exact(case, row, query, &keys, &values);
            let got = finish(case, &[&whole[row]]);
            check(case, row, &got, &want);
            // The same row alone, and its chunks as separate partial results.
            let alone = run(case, &queries, row..row + 1, &cached, 0..case.keys, BLOCK);
            assert_eq!(
                finish(case, &[&alone[0]]),
                got,
                "row {row} alone, {cache:?}"
            );
            let parts: Vec<Vec<f32>> = (0..case.keys)
                .step_by(BLOCK)
                .rev()
                .map(|start| {
                    let end = (start + BLOCK).min(case.keys);
                    run(case, &queries, row..row + 1, &cached, start..end, BLOCK).remove(0)
                })
                .collect();
            let parts: Vec<&[f32]> = parts.iter().map(Vec::as_slice).collect();
            assert_eq!(finish(case, &parts), got, "row {row} in parts, {cache:?}");
        }
    }
}

/// Attention of rows with different positions over chunks of 64, the last one first, leaving out those
/// that weigh nothing if `skip`; bits of all rows' partial results, and how many chunks were left out.
fn in_chunks(case: &Case, queries: &[Vec<f32>], cached: &Cached, skip: bool) -> (Vec<u32>, usize) {
    const CHUNK: usize = 64;
    let mut state = Attention::default();
    state.start(case.head, cached.cache);
    for (row, query) in queries.iter().enumerate() {
        let (position, slope) = (case.position(row), case.slope);
        state.push_query(QueryRow { position, slope }, query);
    }
    let bytes = cached.cache.position_bytes(case.head);
    let mut left_out = 0;
    for start in (0..case.keys).step_by(CHUNK).rev() {
        let last = (start + CHUNK).min(case.keys) - 1;
        if skip && state.weighs_nothing(last, cached.longest) {
            left_out += 1;
            continue;
        }
        let part = start * bytes..(last + 1).next_multiple_of(BLOCK) * bytes;
        state.attend(Span {
            keys: &bytemuck::cast_slice(&cached.keys)[part.clone()],
            values: &bytemuck::cast_slice(&cached.values)[part],
            first_position: start,
            next: [&[]; 2],
        });
        state.close_chunk();
    }
    let bits = (0..state.rows())
        .flat_map(|row| state.partial(row).to_vec())
        .map(f32::to_bits);
    (bits.collect(), left_out)
}

#[test]
fn chunks_beyond_the_reach_of_a_slope_are_left_out_and_no_bit_changes() {
    // Slopes of a model of 40 heads, from steep to flat, and lengths of queries that move the bound.
    let mut left_out = Vec::new();
    for slope in [0.917, 0.84, 0.5, 0.25, 0.0625, 0.0039, 0.0] {
        let mut of_slope = 0;
        for (cache, extent, rows) in CacheType::ALL
            .into_iter()
            .flat_map(|cache| [(cache, 0.02, 1), (cache, 0.2, 3), (cache, 2.0, 20)])
        {
            let case = Case {
                head: 64,
                rows,
                keys: 1000,
                first_query: 1000 - rows,
                slope,
            };
            let keys = heads(case.keys, case.head, 1);
            let values = heads(case.keys, case.head, 2);
            let query = |row| (0..case.head).map(move |i| extent * value(row * 31 + i * 5));
            let queries: Vec<Vec<f32>> = (0..rows).map(|row| query(row).collect()).collect();
            let cached = Cached::new(&case, cache, &keys, &values);
            let (all, none) = in_chunks(&case, &queries, &cached, false);
            let (some, count) = in_chunks(&case, &queries, &cached, true);
            assert_eq!(none, 0);
            assert!(
                all == some,
                "slope {slope}, {cache:?}, {rows} rows: other bits"
            );
            of_slope += count;
        }
        left_out.push(of_slope);
    }
    assert!(left_out.is_sorted_by(|a, b| a >= b), "{left_out:?}");
    assert!(left_out[0] > 60 && left_out[5] == 0, "{left_out:?}");
}

#[test]
fn a_cache_takes_any_numbers() {
    let mut head = [0.0f32; 40];
    (head[0], head[1], head[33]) = (f32::MAX, f32::NEG_INFINITY, f32::NAN);
    for cache in CacheType::ALL {
        let mut bytes = vec![0u32; cache.position_bytes(40) * 8 / 4];
        cache.store_key(&head, 7, bytemuck::cast_slice_mut(&mut bytes));
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut bytes);
        cache.store_value(&head, &mut bytes[..cache.position_bytes(40)]);
    }
}

#[test]
fn what_is_no_number_stays_none_in_every_cache() {
    for (cache, wrong) in CacheType::ALL
        .into_iter()
        .flat_map(|cache| [f32::NAN, f32::INFINITY].map(|wrong| (cache, wrong)))
    {
        let case = Case {
            head: 32,
            rows: 1,
            keys: 1,
            first_query: 0,
            slope: 0.0,
        };
        let (keys, mut values) = (heads(1, 32, 1), heads(1, 32, 2));
        values[0][5] = wrong;
        let cached = Cached::new(&case, cache, &keys, &values);
        let partials = run(&case, &keys, 0..1, &cached, 0..1, BLOCK);
        let out = finish(&case, &[&partials[0]]);
        assert!(!out[5].is_finite(), "{cache:?} made {} of {wrong}", out[5]);
    }
}

/// Attention of one row over 96 keys of 32 values, after `spoil` has changed query, keys and values; a chunk
/// is closed every 32 positions.
fn spoilt(
    cache: CacheType,
    rows: usize,
    spoil: impl Fn(&mut [f32], &mut [Vec<f32>], &mut [Vec<f32>]),
) -> Vec<f32> {
    let case = Case {
        head: 32,
        rows,
        keys: 96,
        first_query: 95,
        slope: 0.0,
    };
    let (mut keys, mut values) = (heads(96, 32, 1), heads(96, 32, 2));
    let mut query: Vec<f32> = (0..32).map(value).collect();
    spoil(&mut query, &mut keys, &mut values);
    let cached = Cached::new(&case, cache, &keys, &values);
    let queries = vec![query; rows];
    let partials = run(&case, &queries, 0..rows, &cached, 0..96, BLOCK);
    finish(&case, &[&partials[rows - 1]])
}

#[test]
fn no_key_that_a_cache_cannot_hold_goes_unseen() {
    // Both signs: the score of one of them would be minus infinity, which weighs nothing.
    let most = |cache| match cache {
        CacheType::F32 => f32::INFINITY,
        CacheType::F16 => 65_520.0,
        CacheType::Q8_0 => 65_520.0 * 127.0,
    };
    for (cache, rows) in CacheType::ALL
        .into_iter()
        .flat_map(|cache| [(cache, 1), (cache, 20)])
    {
        assert!(
            spoilt(cache, rows, |_, _, _| {})
                .iter()
                .all(|v| v.is_finite())
        );
        for (at, sign) in [0, 33, 95]
            .into_iter()
            .flat_map(|at| [(at, 1.0), (at, -1.0)])
        {
            for wrong in [sign * most(cache), sign * f32::INFINITY, f32::NAN] {
                let key = spoilt(cache, rows, |_, keys, _| keys[at][3] = wrong);
                assert!(
                    key.iter().all(|v| v.is_nan()),
                    "{cache:?}: key {at}: {wrong}"
                );
                let value = spoilt(cache, rows, |_, _, values| values[at][3] = wrong);
                assert!(!value[3].is_finite(), "{cache:?}: value {at}: {wrong}");
                let query = spoilt(cache, rows, |query, _, _| query[at % 32] = wrong);
                if !wrong.is_finite() {
                    assert!(query.iter().all(|v| v.is_nan()), "{cache:?}: {wrong}");
                }
            }
        }
    }
}

#[test]
fn a_chunk_of_keys_that_are_no_numbers_weighs_more_than_nothing() {
    // Not one score of the chunk is a number, so it has no largest one, and the other chunks have.
    for cache in CacheType::ALL {
        for chunk in 0..3 {
            let out = spoilt(cache, 1, |_, keys, _| {
                let chunk = &mut keys[chunk * BLOCK..][..BLOCK];
                chunk.iter_mut().for_each(|key| key[0] = f32::NAN);
            });
            assert!(out.iter().all(|v| v.is_nan()), "{cache:?}: chunk {chunk}");
        }
    }
}

#[test]
fn a_score_beyond_f32_is_seen() {
    // No value is infinite, but one product is: minus infinity would hide the key.
    for sign in [1.0, -1.0] {
        let out = spoilt(CacheType::F32, 1, |query, keys, _| {
            query[3] = 1e30;
            keys.iter_mut().for_each(|key| key[3] = 0.0);
            keys[40][3] = sign * 1e30;
        });
        assert!(out.iter().all(|v| v.is_nan()), "{sign}");
    }
}

#[test]
fn a_row_does_not_depend_on_what_later_rows_store() {
    let case = Case {
        head: 32,
        rows: 20,
        keys: 20,
        first_query: 0,
        slope: 0.0,
    };
    for cache in CacheType::ALL {
        let (keys, values) = (heads(20, 32, 1), heads(20, 32, 2));
        let mut spoilt = values.clone();
        spoilt[19] = vec![f32::INFINITY; 32];
        let run = |values: &[Vec<f32>]| {
            let cached = Cached::new(&case, cache, &keys, values);
            run(&case, &keys, 0..20, &cached, 0..20, BLOCK)
        };
        let (clean, spoilt) = (run(&values), run(&spoilt));
        assert_eq!(clean[..19], spoilt[..19], "{cache:?}");
        assert!(
            spoilt[19].iter().any(|value| !value.is_finite()),
            "{cache:?}"
        );
    }
}
