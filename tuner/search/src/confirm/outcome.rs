//! What fresh rounds decide, and what they are allowed.

use sysinfer_engine::Plan;
use sysinfer_probe::Phase;
use sysinfer_stats::Estimate;

/// What became of the better of winner and runner-up in one phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// The profile has it.
    Chosen,
    /// It was not faster than the default by enough evidence, or could not run.
    #[default]
    Unproven,
    /// It was faster, but slowed the other phase down.
    Harmful,
}

/// What the fresh rounds say about one phase.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fresh {
    /// Name, among the samples, of the better of winner and runner-up.
    pub candidate: &'static str,
    /// Its rate over the default's, with its 95 % interval and the rounds that both were in; `None`
    /// where there was nothing to compare.
    pub margin: Option<Estimate>,
    /// What became of it.
    pub verdict: Verdict,
}

/// The outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Confirmation {
    /// What the profile says to run.
    pub plan: Plan,
    /// Its decode rate over the default's; `None` where it *is* the default's, or nothing is known.
    pub gain_decode: Option<Estimate>,
    /// The same for prefill.
    pub gain_prefill: Option<Estimate>,
    /// What was decided for each phase and why, one line each.
    pub reasons: Vec<String>,
    /// What the fresh rounds say about decoding.
    pub decode: Fresh,
    /// The same for prefill.
    pub prefill: Fresh,
}

impl Confirmation {
    /// Its rate in a phase over the default's, with the interval of the rounds.
    pub fn gain(&self, phase: Phase) -> Option<Estimate> {
        match phase {
            Phase::Decode => self.gain_decode,
            Phase::Prefill => self.gain_prefill,
        }
    }

    /// The same as a factor, 1 where nothing is known: what is likely, proven or not.
    pub fn factor(&self, phase: Phase) -> f64 {
        self.gain(phase).map_or(1.0, |gain| gain.median)
    }
}

/// Rounds and time of the confirmation.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most rounds for each phase.
    pub rounds: usize,
    /// When to stop, on the session's clock, once every plan has its least samples. Each phase
    /// has half of the time.
    pub until: Option<f64>,
}

/// What was decided about one phase.
pub(super) struct Judgement {
    pub(super) plan: Plan,
    pub(super) gain: Option<Estimate>,
    pub(super) reason: String,
    pub(super) fresh: Fresh,
    /// The plan that keeps this phase's default is slower than the default itself.
    pub(super) spoils: bool,
}
