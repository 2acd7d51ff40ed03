//! The worst memory figures of a fuzzing process, printed as they rise: libFuzzer ends processes
//! without a chance to print them last.

use std::sync::Mutex;

use sysinfer_conformance::fuzz::Target;
use sysinfer_conformance::fuzz::allocation::Allocated;

/// The worst so far.
static WORST: Mutex<Worst> = Mutex::new(Worst {
    largest: Figure {
        bytes: 0,
        permille: 0,
    },
    peak: Figure {
        bytes: 0,
        permille: 0,
    },
});

struct Worst {
    largest: Figure,
    peak: Figure,
}

struct Figure {
    bytes: usize,
    /// Of what the input allows.
    permille: usize,
}

/// Prints a line when a run on `input_bytes` is worse by a tenth than all before.
pub fn note(target: &Target, input_bytes: usize, allocated: Allocated) {
    let Ok(mut worst) = WORST.lock() else { return };
    let bounds = target.bounds(input_bytes);
    let is_worse = worst
        .largest
        .raise(allocated.largest_bytes, bounds.largest_bytes)
        | worst.peak.raise(allocated.peak_bytes, bounds.peak_bytes);
    if is_worse {
        eprintln!(
            "MEMORY {}: largest allocation {} bytes, {:.1} % of its bound; peak {} bytes, {:.1} % of its bound",
            target.name,
            worst.largest.bytes,
            worst.largest.permille as f64 / 10.0,
            worst.peak.bytes,
            worst.peak.permille as f64 / 10.0
        );
    }
}

impl Figure {
    fn raise(&mut self, bytes: usize, bound: usize) -> bool {
        let permille = bytes * 1000 / bound.max(1);
        let is_worse =
            bytes > self.bytes + self.bytes / 10 || permille > self.permille + self.permille / 10;
        self.bytes = self.bytes.max(bytes);
        self.permille = self.permille.max(permille);
        is_worse
    }
}
