//! Limits for many users: command line over profile over default, as a pure function; and what steps took
//! where the profile was made.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use sysinfer_engine::lookup::Rows;
use sysinfer_engine::{Engine, Plan};
use sysinfer_profiles::{LengthEvidence, Profile, StepEvidence};

use crate::rate::differences::differences;
use crate::rate::{Tuned, TunedSteps};

/// Who set a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The command line.
    Command,
    /// The profile.
    Profile,
    /// Nobody.
    Default,
}

impl Display for Source {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Source::Command => "as asked",
            Source::Profile => "from the profile",
            Source::Default => "the default",
        })
    }
}

/// A limit, and who set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit<T> {
    /// The limit.
    pub value: T,
    /// Who set it.
    pub source: Source,
}

impl<T> Limit<T> {
    /// The highest source that says anything decides.
    pub fn choose(command: Option<T>, profile: Option<T>, default: T) -> Self {
        let (value, source) = match (command, profile) {
            (Some(value), _) => (value, Source::Command),
            (None, Some(value)) => (value, Source::Profile),
            (None, None) => (default, Source::Default),
        };
        Self { value, source }
    }
}

/// What steps took when a profile was made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MeasuredSteps {
    /// Fingerprint of the model that took them.
    model: String,
    steps: Vec<StepEvidence>,
    lengths: Vec<LengthEvidence>,
    /// Tokens that runs of `lengths` begin behind.
    prompt_tokens: usize,
    /// Bytes of keys and values of a token, by which their types are told apart.
    token_bytes: u64,
    /// What was run; `None`: nothing was measured.
    plan: Option<Plan>,
}

impl From<&Profile> for MeasuredSteps {
    fn from(profile: &Profile) -> Self {
        Self {
            model: profile.model.fingerprint.clone(),
            steps: profile.evidence.steps.clone(),
            lengths: profile.evidence.lengths.clone(),
            prompt_tokens: profile.evidence.prompt_tokens,
            token_bytes: profile.model.kv_bytes_per_position,
            plan: Some(profile.plan.clone()),
        }
    }
}

impl MeasuredSteps {
    /// The steps, if they are of this model.
    pub fn of(&self, fingerprint: &str) -> &[StepEvidence] {
        match self.model == fingerprint {
            true => &self.steps,
            false => &[],
        }
    }

    /// What decode steps of an engine take when tuned, and how what it runs differs from what was measured.
    pub fn tuned(&self, engine: &Engine) -> Tuned {
        let (info, running) = (engine.info(), engine.plan());
        let tuned = Tuned {
            cpus: running.decode.cpus.clone(),
            threads: running.decode.threads,
            ..Tuned::default()
        };
        let Some(measured) = self
            .plan
            .as_ref()
            .filter(|_| self.model == info.fingerprint)
        else {
            return tuned;
        };
        let cache = engine.precision().cache.name();
        let differs = info.kv_bytes_per_position != self.token_bytes;
        let cache = differs.then(|| format!("keys and values in {cache}, not as measured"));
        Tuned {
            steps: TunedSteps::new(&self.steps, &self.lengths, self.prompt_tokens),
            difference: differences(running, measured, engine.refused_pins(), cache),
            ..tuned
        }
    }
}

/// Rows and time of a step.
pub fn rows_and_time(step: &StepEvidence) -> (Rows, Duration) {
    let rows = Rows {
        decode: step.sequences,
        prompt: step.prompt_rows,
    };
    (rows, Duration::from_secs_f64(step.milliseconds / 1000.0))
}

/// What a log says of the steps that a server begins with.
pub fn steps_line(steps: &[StepEvidence]) -> String {
    let plain = || steps.iter().filter(|step| step.prompt_rows == 0);
    let (Some(few), Some(many)) = (
        plain().min_by_key(|step| step.sequences),
        plain().max_by_key(|step| step.sequences),
    ) else {
        return "steps: none measured before; parts of prompts begin small".into();
    };
    let largest = steps.iter().max_by_key(|step| step.prompt_rows);
    let prompt = largest.filter(|step| step.prompt_rows > 0).map(|step| {
        format!(
            ", and {:.1} ms with {} tokens of a prompt",
            step.milliseconds, step.prompt_rows
        )
    });
    format!(
        "steps: begin with {} of the profile: {:.1} ms for {}, {:.1} ms for {} answers{}",
        steps.len(),
        few.milliseconds,
        few.sequences,
        many.milliseconds,
        many.sequences,
        prompt.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(sequences: usize, prompt_rows: usize, milliseconds: f64) -> StepEvidence {
        StepEvidence {
            sequences,
            prompt_rows,
            milliseconds,
            ..StepEvidence::default()
        }
    }

    #[test]
    fn the_command_line_goes_over_the_profile_and_that_over_the_default() {
        let cases = [
            (Some(1), Some(2), 1, Source::Command),
            (None, Some(2), 2, Source::Profile),
            (None, None, 3, Source::Default),
        ];
        for (command, profile, value, source) in cases {
            let limit = Limit::choose(command, profile, 3);
            assert_eq!(limit, Limit { value, source });
        }
    }

    #[test]
    fn steps_of_another_model_are_not_begun_with() {
        let measured = MeasuredSteps {
            model: "a".into(),
            steps: vec![step(1, 0, 2.5)],
            ..MeasuredSteps::default()
        };
        assert_eq!(measured.of("a").len(), 1);
        assert!(measured.of("b").is_empty());
    }

    #[test]
    fn the_log_says_what_steps_took() {
        let steps = [step(1, 0, 2.5), step(16, 0, 9.25), step(16, 256, 80.0)];
        assert_eq!(
            steps_line(&steps),
            "steps: begin with 3 of the profile: 2.5 ms for 1, 9.2 ms for 16 answers, \
             and 80.0 ms with 256 tokens of a prompt"
        );
        assert!(steps_line(&[]).contains("none measured before"));
    }
}
