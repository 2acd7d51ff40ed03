//! What both readers do with a team: write memory, and stream it.

use std::time::Instant;

use sysinfer_machine::{NodeBuffer, Ranges, Team, parts};
use sysinfer_probe::Point;

/// Every worker writes its share of a buffer, which puts it on the worker's own node unless it is bound.
pub(super) fn write(team: &mut Team, buffer: &mut NodeBuffer, shares: &Ranges) {
    team.enter(|lead| {
        lead.run(parts::ranges(&mut buffer[..], shares), |worker, share| {
            // Any value but zero: pages that were never written are all the same zero page.
            share.fill(worker as u8 | 1);
        });
    });
}

/// Every worker reads its slice once, all at the same time.
pub(super) fn pass(team: &mut Team, slices: &[&[u8]]) -> Point {
    let mut checksums = vec![0u64; slices.len()];
    let started = Instant::now();
    team.enter(|lead| {
        lead.run(parts::each(&mut checksums), |worker, checksum| {
            *checksum = sysinfer_kernels::stream::read(slices[worker]);
        });
    });
    let seconds = started.elapsed().as_secs_f64();
    std::hint::black_box(checksums);
    let bytes: usize = slices.iter().map(|slice| slice.len()).sum();
    Point {
        total_tokens: 0,
        tokens: 0,
        seconds,
        bytes: bytes as f64,
    }
}
