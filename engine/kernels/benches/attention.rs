//! Attention of one key/value head over a context that is not in cache (decode) and of a tile of a
//! prompt, in bytes of keys and values and in multiply-adds per second; and decode of a layer of
//! Baichuan-13B's shape with ALiBi, in bytes of all keys and values, whether they are read or not.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sysinfer_kernels::attention::{Attention, CacheType, QueryRow, Span, longest};

/// More than a last-level cache holds, so that every pass reads memory.
const COLD_BYTES: usize = 256 << 20;
/// Context of a prompt's tile: its keys and values stay in cache.
const PROMPT_POSITIONS: usize = 1024;
/// Query rows of a prompt's tile.
const PROMPT_ROWS: usize = 64;
/// Positions after which partial results are closed.
const CHUNK: usize = 256;

/// Keys (or values) without meaning: bytes whose scales are small finite numbers.
fn cached(bytes: usize) -> Vec<u32> {
    vec![0x2E15_2E15; bytes / 4]
}

fn attend(cache: CacheType, head_size: usize, rows: usize, words: &[u32]) -> f32 {
    let chunk = CHUNK * cache.position_bytes(head_size);
    let bytes: &[u8] = bytemuck::cast_slice(words);
    let mut state = Attention::default();
    state.start(head_size, cache);
    let position = bytes.len();
    for _ in 0..rows {
        state.push_query(
            QueryRow {
                position,
                slope: 0.0,
            },
            &vec![0.01; head_size],
        );
    }
    // Half of the chunks are keys, half are values.
    let pairs = bytes.chunks_exact(2 * chunk);
    for (index, pair) in pairs.clone().enumerate() {
        let (keys, values) = pair.split_at(chunk);
        let next = pairs
            .clone()
            .nth(index + 1)
            .map(|pair| pair.split_at(chunk));
        state.attend(Span {
            keys,
            values,
            first_position: index * CHUNK,
            next: next.map_or([&[]; 2], |(keys, values)| [keys, values]),
        });
        state.close_chunk();
    }
    state.partial(0)[0]
}

fn attention(criterion: &mut Criterion) {
    for head_size in [64, 128] {
        for cache in [CacheType::F16, CacheType::Q8_0] {
            let name = |what: &str| format!("{what}/{}/head {head_size}", cache.name());
            let mut group = criterion.benchmark_group(name("decode"));
            group.sample_size(10);
            let words = cached(COLD_BYTES);
            group.throughput(Throughput::Bytes(COLD_BYTES as u64));
            for rows in [1, 4, 8] {
                group.bench_function(BenchmarkId::from_parameter(rows), |bench| {
                    bench.iter(|| attend(cache, head_size, rows, black_box(&words)))
                });
            }
            group.finish();
            let mut group = criterion.benchmark_group(name("prefill"));
            let bytes = 2 * PROMPT_POSITIONS * cache.position_bytes(head_size);
            let products = 2 * PROMPT_POSITIONS * head_size * PROMPT_ROWS;
            group.throughput(Throughput::Elements(products as u64));
            let words = cached(bytes);
            group.bench_function(BenchmarkId::from_parameter(PROMPT_ROWS), |bench| {
                bench.iter(|| attend(cache, head_size, PROMPT_ROWS, black_box(&words)))
            });
        }
    }
}

/// Heads of Baichuan-13B, one key/value head each.
const HEADS: usize = 40;
/// Context of the decode step with ALiBi.
const CONTEXT: usize = 4096;
/// Query values whose products with [`cached`] keys are scores of about 20.
const QUERY: f32 = 1.6;

/// The slopes of 40 heads (arXiv:2108.12409): those of 32, and every other one of 64.
fn slopes() -> Vec<f32> {
    let first = (1..=32).map(|head| (-0.25 * head as f32).exp2());
    let rest = (0..8).map(|head| (-0.125 * (2 * head + 1) as f32).exp2());
    first.chain(rest).collect()
}

/// One token's attention of all heads; with `skip`, without chunks that weigh nothing. Returns how
/// many were read.
fn attend_alibi(cache: CacheType, words: &[u32], skip: bool) -> usize {
    const HEAD_SIZE: usize = 128;
    let chunk = CHUNK * cache.position_bytes(HEAD_SIZE);
    let (keys, values) = bytemuck::cast_slice::<u32, u8>(words).split_at(words.len() * 2);
    let mut state = Attention::default();
    let mut read = 0;
    let head_bytes = keys.len() / HEADS;
    let heads = keys.chunks(head_bytes).zip(values.chunks(head_bytes));
    for ((keys, values), slope) in heads.zip(slopes()) {
        state.start(HEAD_SIZE, cache);
        let position = CONTEXT - 1;
        state.push_query(QueryRow { position, slope }, &[QUERY; HEAD_SIZE]);
        let chunks = keys.chunks(chunk).zip(values.chunks(chunk)).enumerate();
        for (index, (keys, values)) in chunks.rev() {
            let length = longest(&[0.0951; HEAD_SIZE]);
            if skip && state.weighs_nothing((index + 1) * CHUNK - 1, length) {
                continue;
            }
            read += 1;
            state.attend(Span {
                keys,
                values,
                first_position: index * CHUNK,
                next: [&[]; 2],
            });
            state.close_chunk();
        }
    }
    read
}

fn alibi(criterion: &mut Criterion) {
    for cache in [CacheType::F16, CacheType::Q8_0] {
        let bytes = 2 * HEADS * CONTEXT * cache.position_bytes(128);
        let words = cached(bytes);
        let mut group = criterion.benchmark_group(format!("alibi/{}", cache.name()));
        group
            .sample_size(20)
            .throughput(Throughput::Bytes(bytes as u64));
        for (name, skip) in [("every chunk", false), ("within reach", true)] {
            let read = attend_alibi(cache, &words, skip);
            println!(
                "{name}: {read} of {} chunks are read",
                HEADS * CONTEXT / CHUNK
            );
            group.bench_function(BenchmarkId::from_parameter(name), |bench| {
                bench.iter(|| attend_alibi(cache, black_box(&words), skip))
            });
        }
    }
}

criterion_group!(benches, attention, alibi);
criterion_main!(benches);
