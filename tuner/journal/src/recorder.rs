//! The probe between search and host: answers from the journal what is recorded there, measures and
//! records the rest.
//!
//! A search that decides as the first one did asks for exactly the recorded samples first; one that decides
//! otherwise, as another version may, still gets each that it asks for, once.

use std::rc::Rc;
use std::time::Instant;

use sysinfer_engine::Plan;
use sysinfer_probe::{CoreReading, Phase, Probe, ProbeError, Reading, Stage, Steps, Work};

use super::clock::SampleClock;
use super::format::Sample;
use super::read::Recorded;
use super::recall::Recall;
use super::write::Writer;

/// Where samples come from once no recorded one is left.
pub struct Live<'a> {
    /// Measures.
    pub probe: &'a mut dyn Probe,
    /// Keeps what it measured.
    pub writer: Writer,
}

/// See the module.
pub struct Recorder<'a> {
    recall: Recall,
    /// `None`: a replay.
    live: Option<Live<'a>>,
    clock: Rc<SampleClock>,
    /// When measuring began, and what the clock said then.
    since: Option<(Instant, f64)>,
    /// Whether Ctrl-C cut the last sample short: then neither it nor what is read after it is recorded.
    cut_short: bool,
    stage: &'static str,
    candidate: String,
}

impl<'a> Recorder<'a> {
    /// Records what `live` measures; `started` is when the run began.
    pub fn new(live: Live<'a>, clock: Rc<SampleClock>, started: Instant) -> Self {
        Self {
            recall: Recall::default(),
            live: Some(live),
            clock,
            since: Some((started, 0.0)),
            cut_short: false,
            stage: "",
            candidate: String::new(),
        }
    }

    /// Answers from `recorded` first, then as [`Self::new`]; the clock goes on from the last answer.
    pub fn resumed(live: Live<'a>, clock: Rc<SampleClock>, recorded: Recorded) -> Self {
        let mut recorder = Self::replayed(clock, recorded);
        recorder.live = Some(live);
        recorder
    }

    /// Answers from `recorded` alone.
    pub fn replayed(clock: Rc<SampleClock>, recorded: Recorded) -> Self {
        Self {
            recall: Recall::new(recorded),
            live: None,
            clock,
            since: None,
            cut_short: false,
            stage: "",
            candidate: String::new(),
        }
    }

    /// Samples that came from the journal.
    pub fn served(&self) -> usize {
        self.recall.found()
    }

    /// A line for the report on what came from the journal; `None` if nothing did.
    pub fn remark(&self) -> Option<String> {
        let (served, left) = (self.recall.found(), self.recall.left());
        if served + left == 0 {
            return None;
        }
        let left = match left {
            0 => String::new(),
            left => format!("; {left} more are in it that the search did not ask for"),
        };
        let live = if self.live.is_some() {
            "the run was resumed"
        } else {
            "a replay: nothing was measured"
        };
        Some(format!(
            "{live}: {served} samples come from the journal{left}"
        ))
    }

    fn recorded(&mut self, plan: &Plan, work: &Work) -> Option<Sample> {
        let sample = self.recall.sample(plan, work)?;
        self.clock.set(sample.clock_seconds, sample.time);
        // What is measured next takes its time from here on, not from before this sample's.
        self.since = None;
        Some(sample)
    }

    fn record(&mut self, plan: &Plan, work: &Work, outcome: &Outcome) -> Result<(), ProbeError> {
        let (from, base) = self.since.unwrap_or((Instant::now(), 0.0));
        let time = jiff::Timestamp::now();
        self.clock.set(base + from.elapsed().as_secs_f64(), time);
        let (reading, refused) = match outcome {
            Ok(reading) => (reading.clone(), None),
            Err(ProbeError::Refused(why)) => (Reading::default(), Some(why.clone())),
            Err(ProbeError::Unrecorded(_) | ProbeError::Failed(_)) => return Ok(()),
        };
        self.cut_short = refused.is_none() && !work.is_complete(reading.points.len());
        if self.cut_short {
            return Ok(());
        }
        let sample = Sample {
            stage: self.stage.into(),
            candidate: self.candidate.clone(),
            plan: 0,
            work: work.clone(),
            points: reading.points,
            void: reading.disturbed,
            refused,
            clock_seconds: self.clock.seconds(),
            time,
        };
        let Some(live) = &mut self.live else {
            return Ok(());
        };
        live.writer.sample(plan, sample).map_err(unwritten)
    }
}

type Outcome = Result<Reading, ProbeError>;

impl Probe for Recorder<'_> {
    fn measure(&mut self, plan: &Plan, work: &Work) -> Outcome {
        if let Some(sample) = self.recorded(plan, work) {
            return match sample.refused {
                Some(why) => Err(ProbeError::Refused(why)),
                None => Ok(Reading {
                    points: sample.points,
                    disturbed: sample.void,
                }),
            };
        }
        let Some(live) = &mut self.live else {
            return Err(ProbeError::Unrecorded(format!(
                "the journal has no further sample of {} in stage {} ({}): the search asks for more than was measured",
                self.candidate,
                self.stage,
                work.phase()
            )));
        };
        let clock = &self.clock;
        self.since
            .get_or_insert_with(|| (Instant::now(), clock.seconds()));
        let outcome = live.probe.measure(plan, work);
        self.record(plan, work, &outcome)?;
        outcome
    }

    /// What a step's time is made of is not recorded: a replay cannot tell.
    fn split(&mut self, plan: &Plan, total_tokens: usize) -> Result<Steps, ProbeError> {
        match &mut self.live {
            Some(live) => live.probe.split(plan, total_tokens),
            None => Ok(Steps::default()),
        }
    }

    /// What cores do now says nothing about recorded runs: a journal that does not have their readings, as
    /// older ones do not, gets none as long as there are runs that the search may still ask for.
    fn cores(&mut self, plan: &Plan, phase: Phase) -> Result<CoreReading, ProbeError> {
        if let Some(reading) = self.recall.cores(plan, phase) {
            return Ok(reading);
        }
        let Some(live) = self
            .live
            .as_mut()
            .filter(|_| self.recall.left() == 0 && !self.cut_short)
        else {
            return Ok(CoreReading::default());
        };
        let reading = live.probe.cores(plan, phase)?;
        let written = live.writer.cores(plan, phase, reading);
        written.map_err(unwritten)?;
        Ok(reading)
    }

    fn announce(&mut self, stage: Stage, candidate: &str) {
        self.stage = stage.name();
        self.candidate.clear();
        self.candidate.push_str(candidate);
    }
}

fn unwritten(error: std::io::Error) -> ProbeError {
    ProbeError::Failed(format!("cannot append to the journal: {error}"))
}
