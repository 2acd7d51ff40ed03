//! Packing, by block type, in bytes of weights per second: what a load waits for beside the disk.
//!
//! Rows are as wide as those of Llama 3 8B; they and the packed groups are in cache, so that only the
//! arithmetic of moving bits is measured, on one thread.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sysinfer_kernels::ROWS;
use sysinfer_kernels::layout::LAYOUTS;

const COLUMNS: usize = 4096;

fn packing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("packing");
    group.sample_size(20);
    for layout in &LAYOUTS {
        let bytes = layout.group_bytes(COLUMNS);
        let plain: Vec<u8> = (0..bytes).map(|index| (index * 89 + 7) as u8).collect();
        let rows: Vec<&[u8]> = plain.chunks_exact(bytes / ROWS).collect();
        let mut packed = vec![0; bytes];
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(BenchmarkId::from_parameter(layout.name), |bench| {
            bench.iter(|| layout.pack_group(COLUMNS, black_box(&rows), black_box(&mut packed)));
        });
    }
}

criterion_group!(benches, packing);
criterion_main!(benches);
