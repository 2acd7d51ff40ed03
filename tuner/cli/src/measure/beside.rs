//! What the host gave while a table was measured: read bandwidth before each round, and how fast cores were
//! before and after each run.
//!
//! A reading of cores takes milliseconds and a run up to minutes, in whose middle cores may change; the mean
//! of the two readings around it is taken for it. Of the first run of a resumed table, one of these is from
//! before the interruption.

use std::collections::BTreeMap;

use sysinfer_engine::Plan;

use super::cores::CoreReading;
use super::session::{Halt, Session};
use super::table::TableData;
use crate::space::Phase;

/// Readings beside the runs of a [`TableData`], in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Beside {
    decode: BTreeMap<usize, Vec<CoreReading>>,
    prefill: BTreeMap<usize, Vec<CoreReading>>,
    /// When each run of the table began, seconds of the session's clock.
    starts: Vec<f64>,
    /// Read bandwidth before each run of the table, GB/s; `None` where it could not be read.
    memory: Vec<Option<f64>>,
    /// Of decode steps at each stop of each sampled pass.
    stops: Vec<BTreeMap<usize, CoreReading>>,
}

impl Beside {
    /// Of one more run of this phase up to this length.
    pub fn push(&mut self, phase: Phase, total_tokens: usize, reading: CoreReading) {
        let lengths = match phase {
            Phase::Decode => &mut self.decode,
            Phase::Prefill => &mut self.prefill,
        };
        lengths.entry(total_tokens).or_default().push(reading);
    }

    /// Begins one more run of the table, `seconds` after the session did, with the read bandwidth before it.
    pub fn push_run(&mut self, seconds: f64, memory: Option<f64>) {
        self.starts.push(seconds);
        self.memory.push(memory);
    }

    /// Begins one more sampled pass.
    pub fn push_pass(&mut self) {
        self.stops.push(BTreeMap::new());
    }

    /// Of the decode steps at a stop of the last pass.
    pub fn push_stop(&mut self, total_tokens: usize, reading: CoreReading) {
        if let Some(pass) = self.stops.last_mut() {
            pass.insert(total_tokens, reading);
        }
    }
}

impl TableData {
    /// The decode team's cores beside each of [`TableData::decode_runs`]: of a sampled one, the mean over
    /// the stops up to its length, each by the tokens since the one before.
    pub fn decode_cores(&self, total_tokens: usize) -> Vec<CoreReading> {
        let runs = self.decode_runs(total_tokens).len();
        if !self.is_sampled(total_tokens) {
            return first(self.beside.decode.get(&total_tokens), runs);
        }
        let passes = self.passes.iter().zip(&self.beside.stops);
        let reached = passes.filter(|(stops, _)| stops.contains_key(&total_tokens));
        let readings = reached.map(|(_, readings)| {
            let (mut tokens, mut sum) = (0, CoreReading::ZERO);
            for (stop, reading) in readings.range(..=total_tokens) {
                sum = sum.plus((stop - tokens) as f64, *reading);
                tokens = *stop;
            }
            sum.over(tokens as f64)
        });
        // A later pass may have stopped here on its way to lengths that it was made for.
        readings.take(runs).collect()
    }

    /// The cores of the prompts' team beside each prompt of this length.
    pub fn prefill_cores(&self, total_tokens: usize) -> Vec<CoreReading> {
        let prompts = self.prefill.get(&total_tokens).map_or(0, Vec::len);
        first(self.beside.prefill.get(&total_tokens), prompts)
    }

    /// The same beside all prompts, by length.
    pub fn cores_beside_prompts(&self) -> Vec<CoreReading> {
        let lengths = self.prefill.keys();
        lengths
            .flat_map(|length| self.prefill_cores(*length))
            .collect()
    }

    /// When each run of the table began, seconds of the session's clock; a length's runs are the first of
    /// these where none was cut for time.
    pub fn starts(&self) -> &[f64] {
        &self.beside.starts
    }

    /// Read bandwidth before each run of the table, GB/s; a length's runs are the first of these where no
    /// run was cut for time.
    pub fn memory_beside(&self) -> &[Option<f64>] {
        &self.beside.memory
    }

    /// What the chosen decode team read before each run, GB/s, as far as it could: the roof of these very
    /// points.
    pub fn bandwidth(&self) -> Vec<f64> {
        self.beside.memory.iter().flatten().copied().collect()
    }
}

/// The readings beside the first `runs`.
fn first(readings: Option<&Vec<CoreReading>>, runs: usize) -> Vec<CoreReading> {
    let readings = readings.into_iter().flatten();
    readings.copied().take(runs).collect()
}

/// Readings of one team's cores, one after the other.
pub struct CoreReadings<'p> {
    plan: &'p Plan,
    phase: Phase,
    last: CoreReading,
}

impl<'p> CoreReadings<'p> {
    /// Takes the first.
    ///
    /// # Errors
    /// The journal failed.
    pub fn start(session: &mut Session<'_>, plan: &'p Plan, phase: Phase) -> Result<Self, Halt> {
        let last = session.probe.cores(plan, phase)?;
        Ok(Self { plan, phase, last })
    }

    /// Takes one more; returns the mean of the last two, for what ran between them.
    ///
    /// # Errors
    /// The journal failed.
    pub fn next(&mut self, session: &mut Session<'_>) -> Result<CoreReading, Halt> {
        let before = self.last;
        self.last = session.probe.cores(self.plan, self.phase)?;
        Ok(before.zip(self.last, |one, other| (one + other) / 2.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Point;
    use crate::measure::sampled::rates::Sampled;
    use sysinfer_stats::Estimate;

    const POINT: Point = Point {
        total_tokens: 512,
        tokens: 1,
        seconds: 1.0,
        bytes: 1.0,
    };

    fn reading(rate: f64) -> CoreReading {
        CoreReading {
            arithmetic: Some(rate),
            exchange: Some(2.0 * rate),
        }
    }

    #[test]
    fn readings_stay_beside_their_runs() {
        let mut data = TableData::default();
        data.prefill.insert(512, vec![POINT; 2]);
        data.decode.insert(32, vec![POINT; 2]);
        let unknown = CoreReading::default();
        for (phase, length) in [(Phase::Prefill, 512), (Phase::Decode, 32)] {
            data.beside.push(phase, length, reading(40.0));
            data.beside.push(phase, length, unknown);
        }
        assert_eq!(data.prefill_cores(512), [reading(40.0), unknown]);
        assert_eq!(data.decode_cores(32), [reading(40.0), unknown]);
        assert_eq!(data.cores_beside_prompts(), [reading(40.0), unknown]);
        assert!(data.prefill_cores(64).is_empty() && data.decode_cores(64).is_empty());
    }

    #[test]
    fn sampled_runs_have_the_stops_of_the_passes_that_reached_them() {
        let rate = Estimate::of(&[1.0]).expect("a rate");
        let mut data = TableData::default();
        // Two passes to 1024, then one that stops at 512 on its way elsewhere.
        for (stops, base) in [
            (&[512, 1024][..], 30.0),
            (&[512, 1024], 20.0),
            (&[512], 10.0),
        ] {
            let points = stops.iter().map(|stop| (*stop, vec![POINT]));
            data.passes.push(points.collect());
            data.beside.push_pass();
            for (place, stop) in stops.iter().enumerate() {
                let found = reading(base + 2.0 * place as f64);
                data.beside.push_stop(*stop, found);
            }
        }
        for length in [512, 1024] {
            let passes = vec![POINT; 2];
            data.sampled.insert(length, Sampled { passes, rate });
        }
        assert_eq!(data.decode_cores(512), [reading(30.0), reading(20.0)]);
        assert_eq!(data.decode_cores(1024), [reading(31.0), reading(21.0)]);
    }
}
