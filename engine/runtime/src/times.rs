//! Where the time of a step goes, by what its workers did: products with weights, attention, waiting
//! for each other, and all else.

use std::time::Duration;

use sysinfer_machine::TeamTimes;

use crate::model::step::Kind;

/// The time of one step. The four means add up to [`StepTimes::step_seconds`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StepTimes {
    /// From the call to the logits.
    pub step_seconds: f64,
    /// Products with weights.
    pub products: WorkerSeconds,
    /// Queries against the cache, and merging of their results.
    pub attention: WorkerSeconds,
    /// Waiting at barriers: for work to begin, and for others to end theirs.
    pub waiting: WorkerSeconds,
    /// Embeddings, norms, rotation, quantising of inputs, appending to the cache, choice of experts;
    /// and what the leader does alone between regions.
    pub rest: WorkerSeconds,
}

/// What workers spent on one thing, seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WorkerSeconds {
    /// Mean over the workers.
    pub mean: f64,
    /// The worker with the most; of a step that was run in several passes, in each of them.
    pub worst: f64,
}

impl StepTimes {
    /// The parts by name, in the order in which they are shown.
    pub fn parts(&self) -> [(&'static str, WorkerSeconds); 4] {
        [
            ("matrix products", self.products),
            ("attention", self.attention),
            ("waiting at barriers", self.waiting),
            ("rest", self.rest),
        ]
    }

    /// Adds what a team spent on one pass.
    pub(crate) fn add(&mut self, times: &TeamTimes) {
        let of = |kind: Kind| times.own.iter().map(move |own| own[kind as usize]);
        self.products.add(of(Kind::Products));
        self.attention.add(of(Kind::Attention));
        self.rest.add(of(Kind::Rest));
        let own = times.own.iter().map(|own| own.iter().sum::<Duration>());
        self.waiting
            .add(own.map(|own| times.regions.saturating_sub(own)));
    }

    /// Ends a step of that length: what was in no region, the leader did alone.
    pub(crate) fn end(&mut self, step: Duration) {
        self.step_seconds = step.as_secs_f64();
        let known: f64 = self.parts().iter().map(|(_, part)| part.mean).sum();
        let alone = (self.step_seconds - known).max(0.0);
        self.rest.mean += alone;
        self.rest.worst += alone;
    }
}

impl WorkerSeconds {
    fn add(&mut self, workers: impl Iterator<Item = Duration>) {
        let (mut sum, mut worst, mut count) = (Duration::ZERO, Duration::ZERO, 0);
        for worker in workers {
            sum += worker;
            worst = worst.max(worker);
            count += 1;
        }
        self.mean += sum.as_secs_f64() / f64::from(count.max(1));
        self.worst += worst.as_secs_f64();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_add_up_to_the_step() {
        let own = |milliseconds: [u64; 3]| milliseconds.map(Duration::from_millis);
        let mut times = StepTimes::default();
        times.add(&TeamTimes {
            regions: Duration::from_millis(100),
            own: vec![own([60, 20, 10]), own([80, 10, 0])],
        });
        times.end(Duration::from_millis(105));
        let expected = [
            ("matrix products", 0.070, 0.080),
            ("attention", 0.015, 0.020),
            ("waiting at barriers", 0.010, 0.010),
            ("rest", 0.010, 0.015),
        ];
        for ((name, part), wanted) in times.parts().into_iter().zip(expected) {
            assert_eq!(name, wanted.0);
            assert!((part.mean - wanted.1).abs() < 1e-9, "{name}: {part:?}");
            assert!((part.worst - wanted.2).abs() < 1e-9, "{name}: {part:?}");
        }
        assert_eq!(times.step_seconds, 0.105);
    }
}
