//! Every kernel that runs here on the shapes of Llama 3 8B, with weights that are not in cache.
//!
//! Decode kernels are reported in bytes of weights per second (the roof is `stream`), for 1, 4 and 8
//! rows of activations; prefill kernels in multiply-adds per second.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sysinfer_formats::TensorType;
use sysinfer_kernels::matmul::{Loops, multiply};
use sysinfer_kernels::{Activations, Kernel, Layout, Phase, ROWS, Runnable, stream, table};

/// More than a last-level cache holds, so that every pass reads memory.
const COLD_BYTES: usize = 256 << 20;
const COLUMNS: usize = 4096;
/// Rows of activations in a prefill product.
const PREFILL_ROWS: usize = 128;
/// Row groups of a prefill product.
const PREFILL_GROUPS: usize = 64;

/// Packed weights without meaning: bytes whose scales are small finite numbers.
fn weights(block: TensorType, bytes: usize) -> Vec<u8> {
    let layout = Layout::of(block).expect("kernels have layouts");
    let group = layout.group_bytes(COLUMNS);
    vec![0x15; bytes / group * group]
}

fn activations(kernel: Runnable, rows: usize) -> Activations {
    let mut activations = Activations::new(kernel.kernel().activations);
    activations.reshape(rows, COLUMNS);
    let values: Vec<f32> = (0..COLUMNS).map(|i| (i % 17) as f32 - 8.0).collect();
    (0..rows).for_each(|row| activations.set_row(row, &values));
    activations
}

fn runnable(phase: Phase) -> impl Iterator<Item = Runnable> {
    table::all()
        .filter(move |kernel| kernel.phase == phase)
        .filter_map(Kernel::runnable)
}

/// Rows of activations of a decode step: of one sequence, of four, and of a checked draft.
const DECODE_ROWS: [usize; 3] = [1, 4, 8];

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    group.sample_size(10);
    let plain = vec![0x15u8; COLD_BYTES];
    group.throughput(Throughput::Bytes(plain.len() as u64));
    group.bench_function("stream", |bench| {
        bench.iter(|| stream::read(black_box(&plain)))
    });
    drop(plain);
    for kernel in runnable(Phase::Decode) {
        let weights = weights(kernel.kernel().block, COLD_BYTES);
        let loops = Loops {
            prefetch_bytes: 1536,
            cached_rows: 8,
        };
        group.throughput(Throughput::Bytes(weights.len() as u64));
        for rows in DECODE_ROWS {
            let activations = activations(kernel, rows);
            group.bench_function(BenchmarkId::new(kernel.kernel().name, rows), |bench| {
                bench.iter(|| {
                    let mut sum = 0.0;
                    multiply(kernel, black_box(&weights), &activations, loops, |t| {
                        sum += t.row(0)[0]
                    });
                    sum
                });
            });
        }
    }
}

fn prefill(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("prefill");
    group.sample_size(10);
    for kernel in runnable(Phase::Prefill) {
        let layout = Layout::of(kernel.kernel().block).expect("kernels have layouts");
        let weights = weights(
            kernel.kernel().block,
            layout.group_bytes(COLUMNS) * PREFILL_GROUPS,
        );
        let activations = activations(kernel, PREFILL_ROWS);
        let loops = Loops {
            prefetch_bytes: 0,
            cached_rows: 64,
        };
        let products = PREFILL_GROUPS * ROWS * COLUMNS * PREFILL_ROWS;
        group.throughput(Throughput::Elements(products as u64));
        group.bench_function(BenchmarkId::from_parameter(kernel.kernel().name), |bench| {
            bench.iter(|| {
                let mut sum = 0.0;
                multiply(kernel, black_box(&weights), &activations, loops, |t| {
                    sum += t.row(0)[0]
                });
                sum
            });
        });
    }
}

criterion_group!(benches, decode, prefill);
criterion_main!(benches);
