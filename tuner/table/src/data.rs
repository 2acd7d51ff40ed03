//! The rates of a table, and what the host gave while they were measured: read bandwidth before each round, and
//! how fast cores were before and after each run.
//!
//! A reading of cores takes milliseconds and a run up to minutes, in whose middle cores may change; the mean
//! of the two readings around it is taken for it. Of the first run of a resumed table, one of these is from
//! before the interruption.

use std::collections::BTreeMap;

use sysinfer_probe::{CoreReading, Phase, Point};
use sysinfer_stats::Estimate;

/// Points by length, one for each run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableData {
    /// Decoding, by total length.
    pub decode: BTreeMap<usize, Vec<Point>>,
    /// Lengths that were not decoded all the way.
    pub sampled: BTreeMap<usize, Sampled>,
    /// The steps behind them, by pass.
    pub passes: Vec<Stops>,
    /// Prompts, by length.
    pub prefill: BTreeMap<usize, Vec<Point>>,
    /// What the host gave beside each run.
    pub baseline: HostBaseline,
}

impl TableData {
    /// Runs to a total length: decoded all the way, else as sampled passes have them; none if neither.
    pub fn decode_runs(&self, total_tokens: usize) -> &[Point] {
        let whole = self.decode.get(&total_tokens);
        let sampled = || self.sampled.get(&total_tokens).map(|found| &found.passes);
        whole.or_else(sampled).map_or(&[], Vec::as_slice)
    }

    /// All total lengths that have a rate, ascending.
    pub fn decode_lengths(&self) -> Vec<usize> {
        let mut lengths: Vec<usize> = self
            .decode
            .keys()
            .chain(self.sampled.keys())
            .copied()
            .collect();
        lengths.sort_unstable();
        lengths.dedup();
        lengths
    }

    /// Whether a length has no rate but a sampled one.
    pub fn is_sampled(&self, total_tokens: usize) -> bool {
        !self.decode.contains_key(&total_tokens) && self.sampled.contains_key(&total_tokens)
    }
}

/// Groups of decode steps by the context that they end at.
pub type Stops = BTreeMap<usize, Vec<Point>>;

/// What sampling tells of one length.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampled {
    /// A whole run to the length, as each pass has it.
    pub passes: Vec<Point>,
    /// The median of their rates, tokens/s, with a bootstrap interval over groups of steps that
    /// covers what single passes say. `count` is the number of groups.
    pub rate: Estimate,
}

/// Readings beside the runs of a [`TableData`], in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostBaseline {
    decode: BTreeMap<usize, Vec<CoreReading>>,
    prefill: BTreeMap<usize, Vec<CoreReading>>,
    /// When each run of the table began, seconds of the session's clock.
    starts: Vec<f64>,
    /// Read bandwidth before each run of the table, GB/s; `None` where it could not be read.
    memory: Vec<Option<f64>>,
    /// Of decode steps at each stop of each sampled pass.
    stops: Vec<BTreeMap<usize, CoreReading>>,
}

impl HostBaseline {
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
            return first(self.baseline.decode.get(&total_tokens), runs);
        }
        let passes = self.passes.iter().zip(&self.baseline.stops);
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
        first(self.baseline.prefill.get(&total_tokens), prompts)
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
        &self.baseline.starts
    }

    /// Read bandwidth before each run of the table, GB/s; a length's runs are the first of these where no
    /// run was cut for time.
    pub fn bandwidth_by_run(&self) -> &[Option<f64>] {
        &self.baseline.memory
    }

    /// What the chosen decode team read before each run, GB/s, as far as it could: the roof of these very
    /// points.
    pub fn bandwidth(&self) -> Vec<f64> {
        self.baseline.memory.iter().flatten().copied().collect()
    }
}

/// The readings beside the first `runs`.
fn first(readings: Option<&Vec<CoreReading>>, runs: usize) -> Vec<CoreReading> {
    let readings = readings.into_iter().flatten();
    readings.copied().take(runs).collect()
}

#[cfg(test)]
mod tests {
    use sysinfer_probe::Point;
    use sysinfer_stats::Estimate;

    use super::*;
    use crate::data::Sampled;

    const POINT: Point = Point {
        total_tokens: 512,
        tokens: 1,
        seconds: 1.0,
        bytes: 1.0,
    };

    fn reading(rate: f64) -> CoreReading {
        CoreReading {
            arithmetic: Some(rate),
            core_to_core: Some(2.0 * rate),
        }
    }

    #[test]
    fn readings_stay_beside_their_runs() {
        let mut data = TableData::default();
        data.prefill.insert(512, vec![POINT; 2]);
        data.decode.insert(32, vec![POINT; 2]);
        let unknown = CoreReading::default();
        for (phase, length) in [(Phase::Prefill, 512), (Phase::Decode, 32)] {
            data.baseline.push(phase, length, reading(40.0));
            data.baseline.push(phase, length, unknown);
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
            data.baseline.push_pass();
            for (place, stop) in stops.iter().enumerate() {
                let found = reading(base + 2.0 * place as f64);
                data.baseline.push_stop(*stop, found);
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
