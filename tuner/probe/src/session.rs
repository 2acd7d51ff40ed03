//! Every sample passes here: Ctrl-C before it, the journal after it, a second try if the host was
//! disturbed, and the bandwidth of the moment beside it.

use sysinfer_engine::Plan;

use crate::interrupt::Interrupt;
use crate::probe::{Probe, ProbeError};
use crate::progress::Progress;
use crate::reading::{Point, Reading};
use crate::sample::{Record, Sink, Validity};
use crate::stage::Stage;
use crate::voids::Voids;
use crate::work::Work;

/// How often a disturbed sample is taken before it is accepted as it is.
const TRIES: usize = 3;
/// A disturbed run longer than this is accepted: another would cost more than it is worth.
const LONGEST_RETRY_SECONDS: f64 = 5.0;
/// After so many discarded samples, a host on which at least half are disturbed is not going to be
/// quiet, and is measured as it is.
const PATIENCE: usize = 12;

/// Why measuring stops.
#[derive(Debug, thiserror::Error)]
pub enum Halt {
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// This plan cannot run here.
    #[error("{0}")]
    Refused(String),
    /// A replay has no further sample of this.
    #[error("{0}")]
    Unrecorded(String),
    /// The engine or the journal failed.
    #[error("{0}")]
    Failed(String),
}

impl From<ProbeError> for Halt {
    fn from(error: ProbeError) -> Self {
        match error {
            ProbeError::Refused(why) => Halt::Refused(why),
            ProbeError::Unrecorded(why) => Halt::Unrecorded(why),
            ProbeError::Failed(why) => Halt::Failed(why),
        }
    }
}

/// Seconds since the run began; a scripted one in tests.
pub type Clock<'a> = &'a dyn Fn() -> f64;

/// What surrounds a run of measurements.
pub struct Session<'a> {
    /// What is measured.
    pub probe: &'a mut dyn Probe,
    /// Where samples are kept.
    pub sink: &'a mut dyn Sink,
    /// What the user sees.
    pub progress: &'a dyn Progress,
    /// Whether to stop.
    pub interrupt: &'a Interrupt,
    /// The time.
    pub clock: Clock<'a>,
    /// The stage that samples belong to.
    pub stage: Stage,
    /// Read bandwidth as measured so far, GB/s, best pass of each reading.
    pub bandwidth: Vec<f64>,
    /// Samples that were thrown away because the host was disturbed.
    pub discarded: usize,
    /// Samples that were kept.
    pub kept: usize,
    /// Void samples by reason, thrown away or kept all the same.
    pub voids: Voids,
}

impl<'a> Session<'a> {
    /// A session in which nothing was measured yet, at its first stage.
    pub fn new(
        probe: &'a mut dyn Probe,
        sink: &'a mut dyn Sink,
        progress: &'a dyn Progress,
        interrupt: &'a Interrupt,
        clock: Clock<'a>,
    ) -> Self {
        Self {
            probe,
            sink,
            progress,
            interrupt,
            clock,
            stage: Stage::Calibration,
            bandwidth: Vec::new(),
            discarded: 0,
            kept: 0,
            voids: Voids::default(),
        }
    }

    /// Runs `work` under `plan`. A disturbed run is journalled, thrown away and repeated.
    ///
    /// # Errors
    /// Ctrl-C before or during the run, a plan that is refused, or a failure.
    pub fn take(&mut self, candidate: &str, plan: &Plan, work: &Work) -> Result<Reading, Halt> {
        for attempt in 1..=TRIES {
            if self.interrupt.is_set() {
                return Err(Halt::Interrupted);
            }
            self.probe.announce(self.stage, candidate);
            let reading = self.probe.measure(plan, work)?;
            if let Some(disturbance) = &reading.disturbed {
                self.voids.count(disturbance.kind);
            }
            let accepted = self.accepts(&reading, attempt);
            self.keep(candidate, plan, work, &reading, accepted)?;
            if accepted {
                self.kept += 1;
                if let (Work::Decode { .. }, Some(point)) = (work, reading.points.last()) {
                    let roof = self.bandwidth.last().copied();
                    self.progress.reads(point.gb_per_second(), roof);
                }
                return Ok(reading);
            }
            self.discarded += 1;
        }
        Err(Halt::Failed("no attempt was made".into()))
    }

    /// The rate of the longest length of a run; what races compare.
    ///
    /// # Errors
    /// As [`Self::take`]; a run that was cut short counts as interrupted.
    pub fn rate(&mut self, candidate: &str, plan: &Plan, work: &Work) -> Result<f64, Halt> {
        self.take(candidate, plan, work)?
            .tokens_per_second()
            .ok_or(Halt::Interrupted)
    }

    /// Measures the read bandwidth of the plan's decode team, GB/s; `None`, with a note, where that is
    /// refused, as where too little memory is free: only the roof of rates is missing then.
    ///
    /// # Errors
    /// Ctrl-C or a failure.
    pub fn read_bandwidth(&mut self, plan: &Plan) -> Result<Option<f64>, Halt> {
        let reading = match self.take("read bandwidth", plan, &Work::Bandwidth) {
            Ok(reading) => reading,
            Err(Halt::Refused(why)) => {
                let line = format!("read bandwidth: not measured: {why}");
                self.progress.note(&line);
                return Ok(None);
            }
            Err(other) => return Err(other),
        };
        // Other load can only slow a pass down, so the best pass is nearest to the hardware.
        let best = reading
            .points
            .iter()
            .map(Point::gb_per_second)
            .fold(0.0, f64::max);
        self.bandwidth.push(best);
        Ok(Some(best))
    }

    /// Samples taken so far, void ones included.
    pub fn taken(&self) -> usize {
        self.kept + self.discarded
    }

    fn accepts(&self, reading: &Reading, attempt: usize) -> bool {
        let seconds: f64 = reading
            .points
            .iter()
            .map(|point| point.seconds)
            .fold(0.0, f64::max);
        reading.disturbed.is_none()
            || attempt == TRIES
            || seconds > LONGEST_RETRY_SECONDS
            || (self.discarded >= PATIENCE && self.discarded >= self.kept)
    }

    fn keep(
        &mut self,
        candidate: &str,
        plan: &Plan,
        work: &Work,
        reading: &Reading,
        accepted: bool,
    ) -> Result<(), Halt> {
        let validity = match reading.disturbed.clone() {
            Some(why) if accepted => Validity::Kept(why),
            Some(why) => Validity::Discarded(why),
            None => Validity::Valid,
        };
        for (index, point) in reading.points.iter().enumerate() {
            let record = Record {
                stage: self.stage,
                candidate,
                plan,
                phase: work.phase_of(index),
                stream_cpus: match work {
                    Work::Stream { cpus, .. } => Some(cpus),
                    _ => None,
                },
                point,
                read_gb_per_second: self.bandwidth.last().copied(),
                validity: &validity,
            };
            self.sink
                .record(&record)
                .map_err(|error| Halt::Failed(format!("journal: {error}")))?;
        }
        Ok(())
    }
}
