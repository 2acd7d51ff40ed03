//! Every sample passes here: Ctrl-C before it, the journal after it, a second try if the host was
//! disturbed, and the bandwidth of the moment beside it.

use sysinfer_engine::Plan;

use crate::interrupt::Interrupt;
use crate::probe::{Probe, ProbeError};
use crate::progress::Progress;
use crate::reading::{Point, Reading};
use crate::retries::Retries;
use crate::sample::{Record, Sink};
use crate::stage::Stage;
use crate::voids::Voids;
use crate::work::Work;

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
    /// Which samples count.
    pub retries: Retries,
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
            retries: Retries::default(),
            voids: Voids::default(),
        }
    }

    /// Runs `work` under `plan`. A disturbed run is journalled, thrown away and repeated.
    ///
    /// # Errors
    /// Ctrl-C before or during the run, a plan that is refused, or a failure.
    pub fn take(&mut self, candidate: &str, plan: &Plan, work: &Work) -> Result<Reading, Halt> {
        self.retries.begin();
        loop {
            if self.interrupt.is_set() {
                return Err(Halt::Interrupted);
            }
            self.probe.announce(self.stage, candidate);
            let reading = self.probe.measure(plan, work)?;
            if let Some(disturbance) = &reading.disturbed {
                self.voids.count(disturbance.kind);
            }
            let validity = self
                .retries
                .judge(&reading.points, reading.disturbed.as_ref());
            let record = Record {
                stage: self.stage,
                candidate,
                plan,
                work,
                points: &reading.points,
                read_gb_per_second: self.bandwidth.last().copied(),
                validity: &validity,
            };
            self.sink
                .record(&record)
                .map_err(|error| Halt::Failed(format!("journal: {error}")))?;
            if validity.counts() {
                if let (Work::Decode { .. }, Some(point)) = (work, reading.points.last()) {
                    let roof = self.bandwidth.last().copied();
                    self.progress.reads(point.gb_per_second(), roof);
                }
                return Ok(reading);
            }
        }
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
}
