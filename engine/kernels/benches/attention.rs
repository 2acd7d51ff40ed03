//! Attention of one key/value head over a context that is not in cache (decode) and of a tile of a
//! prompt, in bytes of keys and values and in multiply-adds per second.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sysinfer_kernels::attention::{Attention, CacheType, QueryRow, Span};

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

criterion_group!(benches, attention);
criterion_main!(benches);
