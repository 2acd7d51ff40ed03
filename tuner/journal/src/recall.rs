//! What a journal has, found by what is asked for.
//!
//! Samples are found by what was run (plan and work), in the order they were taken. Readings of cores belong
//! to the moment between two samples: they are found where the last sample that was found is the one that
//! they were taken behind, and nowhere else.

use std::collections::{HashMap, VecDeque};

use sysinfer_engine::Plan;
use sysinfer_probe::{CoreReading, Phase, Work};

use super::format::Sample;
use super::read::Recorded;

/// See the module.
#[derive(Default)]
pub struct Recall {
    /// Plans by what they are; equal ones have one number.
    plans: HashMap<String, usize>,
    /// Each with its place in the journal, from 1.
    samples: HashMap<(usize, Work), VecDeque<(usize, Sample)>>,
    /// By the number of samples above them, plan and phase.
    cores: HashMap<(usize, usize, Phase), VecDeque<CoreReading>>,
    /// The place of the last sample that was found, 0 before the first; `None` if the last one that was
    /// asked for is not in the journal.
    place: Option<usize>,
    left: usize,
    found: usize,
}

impl Recall {
    /// Of a whole journal.
    pub fn new(recorded: Recorded) -> Self {
        let mut recall = Self {
            place: Some(0),
            left: recorded.samples.len(),
            ..Self::default()
        };
        let numbers: Vec<usize> = recorded
            .plans
            .iter()
            .enumerate()
            .map(|(id, plan)| *recall.plans.entry(text(plan)).or_insert(id))
            .collect();
        for (index, sample) in recorded.samples.into_iter().enumerate() {
            let key = (numbers[sample.plan], sample.work.clone());
            let queue = recall.samples.entry(key).or_default();
            queue.push_back((index + 1, sample));
        }
        for (place, cores) in recorded.cores {
            let key = (place, numbers[cores.plan], cores.phase);
            let queue = recall.cores.entry(key).or_default();
            queue.push_back(cores.reading);
        }
        recall
    }

    /// The next sample of this work under this plan, once.
    pub fn sample(&mut self, plan: &Plan, work: &Work) -> Option<Sample> {
        // A run that has all, or had none, need not look for its plans.
        if self.left == 0 {
            self.place = None;
            return None;
        }
        let found = self.next(plan, work);
        self.place = found.as_ref().map(|(place, _)| *place);
        let (_, sample) = found?;
        self.left -= 1;
        self.found += 1;
        Some(sample)
    }

    fn next(&mut self, plan: &Plan, work: &Work) -> Option<(usize, Sample)> {
        let plan = *self.plans.get(&text(plan))?;
        self.samples.get_mut(&(plan, work.clone()))?.pop_front()
    }

    /// The next reading of the cores of this team that was taken behind the last sample, once.
    pub fn cores(&mut self, plan: &Plan, phase: Phase) -> Option<CoreReading> {
        let place = self.place?;
        let plan = *self.plans.get(&text(plan))?;
        self.cores.get_mut(&(place, plan, phase))?.pop_front()
    }

    /// Samples that nobody has asked for yet.
    pub fn left(&self) -> usize {
        self.left
    }

    /// Samples that were found.
    pub fn found(&self) -> usize {
        self.found
    }
}

/// Equal for equal plans, which hold nothing that JSON cannot say.
fn text(plan: &Plan) -> String {
    serde_json::to_string(plan).unwrap_or_default()
}
