//! The thread that looks at the rate once a second, while steps are taken.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::http_threads::keep_on;

use super::now::Rate;
use super::readings::Readings;

/// Time between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// What the thread does beside looking, each time.
pub type Upkeep = Box<dyn Fn() + Send>;

/// Starts the thread, on `spare` CPUs if there are any. It ends with the process. `upkeep` is called once a second
/// too, while steps are taken.
///
/// # Errors
/// The system gives no thread.
pub fn start(rate: Arc<Rate>, upkeep: Upkeep, spare: Vec<usize>) -> io::Result<()> {
    let watch = move || {
        keep_on(&spare);
        let mut watch = Watch::default();
        loop {
            std::thread::sleep(PAUSE);
            watch.turn(&rate, &upkeep, &Readings::of_this_host);
        }
    };
    let thread = std::thread::Builder::new().name("sysinfer-watch".into());
    thread.spawn(watch).map(drop)
}

/// Turns without a step before what was known is not true any more.
const IDLE_TURNS: u32 = 10;

#[derive(Default)]
struct Watch {
    steps: u64,
    idle: u32,
    is_resting: bool,
}

impl Watch {
    /// Looks, unless there was no step for a while.
    fn turn(&mut self, rate: &Rate, upkeep: &Upkeep, read: &dyn Fn(&[usize]) -> Readings) {
        let steps = rate.steps();
        self.idle = if steps == self.steps {
            self.idle + 1
        } else {
            0
        };
        self.steps = steps;
        if self.idle >= IDLE_TURNS {
            if !self.is_resting {
                upkeep();
                rate.rest();
            }
            self.is_resting = true;
            return;
        }
        self.is_resting = false;
        upkeep();
        if let Some(warning) = rate.look(Instant::now(), read(rate.cpus())) {
            tracing::warn!("{warning}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::scheduler::report::StepReport;

    #[test]
    fn nothing_is_read_while_no_step_is_taken() {
        let (rate, reads) = (Rate::default(), Cell::new(0));
        let read = |_: &[usize]| {
            reads.set(reads.get() + 1);
            Readings::default()
        };
        let upkeep: Upkeep = Box::new(|| ());
        let mut watch = Watch::default();
        let mut turns = |count| (0..count).for_each(|_| watch.turn(&rate, &upkeep, &read));
        turns(100);
        assert_eq!(
            reads.get(),
            9,
            "the first turns look for what was before them"
        );
        rate.tally().note(&StepReport::default());
        turns(100);
        assert_eq!(reads.get(), 19);
    }
}
