//! A run that is not to be trusted: what is said of it before anything else, in every format, and what of
//! its decision stands.

use sysinfer_engine::Plan;
use sysinfer_journal::cpu_list;
use sysinfer_probe::Phase;
use sysinfer_profiles::trust::NOT_TO_BE_TRUSTED;
use sysinfer_search::confirm::{Confirmation, Fresh};
use sysinfer_terminal::wrapped;

/// Widest line of the banner on a terminal, in characters.
const WIDTH: usize = 78;

/// In place of an explanation.
pub const NOTHING_FOLLOWS: &str =
    "This run is not to be trusted, so nothing follows from its figures.";

/// Why nothing may be done by a run, and what became of the plan that it found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distrust {
    /// The reason, with figures.
    pub why: String,
    /// What the profile has.
    pub kept: Kept,
}

/// What a run that is not to be trusted leaves in its profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// No profile: it ended before a decision.
    Nothing,
    /// The default; the plan that was found, under which the table was measured, if it is another.
    Default(Option<String>),
    /// What was found, because that was asked for.
    Found,
}

impl Distrust {
    /// Takes back what a run for which there is a reason `why` had decided: the plan is the default's, or
    /// with `force` still the one that was found, and no gain of it is known.
    pub fn settle(
        why: String,
        found: Option<&Confirmation>,
        default: &Plan,
        force: bool,
    ) -> (Self, Option<Confirmation>) {
        let Some(found) = found else {
            let kept = Kept::Nothing;
            return (Self { why, kept }, None);
        };
        let (plan, kept, reason) = match force {
            true => (
                &found.plan,
                Kept::Found,
                "the plan that was found, by --force-untrusted: nothing of it is proven",
            ),
            false => {
                let other = (found.plan != *default).then(|| words(&found.plan));
                let reason = "the default, since the run is not to be trusted";
                (default, Kept::Default(other), reason)
            }
        };
        let phases = Phase::ALL;
        let settled = Confirmation {
            plan: plan.clone(),
            gain_decode: None,
            gain_prefill: None,
            reasons: phases
                .map(|phase| format!("{}: {reason}", phase.name()))
                .into(),
            decode: Fresh::default(),
            prefill: Fresh::default(),
        };
        (Self { why, kept }, Some(settled))
    }

    /// What to know and what to do, a sentence each.
    pub fn sentences(&self) -> Vec<String> {
        let mut said = vec![
            format!("{}.", self.why),
            "These results say more about the other load than about the plans.".into(),
        ];
        match &self.kept {
            Kept::Nothing => said.push("No profile was written.".into()),
            Kept::Default(found) => {
                said.push(
                    "The profile keeps the default plan and says trusted = false, so sysinfer-server \
                     runs its default with it."
                        .into(),
                );
                if let Some(found) = found {
                    said.push(format!(
                        "The rates shown are those of the plan that the search had found ({found}); they \
                         are not in the profile."
                    ));
                }
            }
            Kept::Found => said.push(
                "The profile has the plan that was found, by --force-untrusted, and says trusted = \
                 false: sysinfer-server runs it with --force-untrusted only."
                    .into(),
            ),
        }
        said.push("Stop the other load (or raise the quota) and tune again.".into());
        if matches!(self.kept, Kept::Default(Some(_))) {
            said.push(
                "To keep the plan that was found all the same: the same command with \
                 --force-untrusted; with --resume beside it, no sample is taken again."
                    .into(),
            );
        }
        said
    }

    /// What matters of it in lines between rules, for a terminal: the rest is in the report.
    pub fn banner(&self) -> String {
        let title = format!(" {NOT_TO_BE_TRUSTED} ");
        let mut text = format!("{title:!^WIDTH$}\n");
        let paragraphs = [format!("{}.", self.why), self.in_short()];
        for paragraph in paragraphs {
            for line in wrapped(&paragraph, WIDTH - 4) {
                text += &format!("!!  {line}\n");
            }
        }
        text + &"!".repeat(WIDTH)
    }

    /// What became of the plan, and the remedy.
    fn in_short(&self) -> String {
        let (kept, remedy) = match &self.kept {
            Kept::Nothing => ("No profile was written.", ""),
            Kept::Default(None) => ("The profile keeps the default plan.", ""),
            Kept::Default(Some(_)) => (
                "The profile keeps the default plan; the rates shown are those of the plan that was found.",
                " To keep that one all the same, without new samples: --resume --force-untrusted.",
            ),
            Kept::Found => (
                "The profile has the plan that was found, by --force-untrusted; servers need that option too.",
                "",
            ),
        };
        format!("{kept} Stop the other load (or raise the quota) and tune again.{remedy}")
    }

    /// One line above a table.
    pub fn caption(&self) -> String {
        format!("{NOT_TO_BE_TRUSTED}: {}", self.why)
    }
}

/// Teams of a plan, in a few words.
fn words(plan: &Plan) -> String {
    let phases = Phase::ALL.map(|phase| {
        let team = plan.team(phase);
        let threads = match team.threads {
            1 => "1 thread".to_owned(),
            more => format!("{more} threads"),
        };
        let on = match team.cpus.is_empty() {
            true => "not pinned".into(),
            false => format!("CPUs {}", cpu_list(&team.cpus)),
        };
        format!("{}: {threads}, {on}", phase.name())
    });
    phases.join("; ")
}

#[cfg(test)]
mod tests {
    use sysinfer_engine::PhasePlan;
    use sysinfer_stats::Estimate;

    use super::*;

    fn found() -> Confirmation {
        let gain = Estimate {
            median: 3.2,
            low: 3.0,
            high: 3.4,
            count: 8,
        };
        Confirmation {
            plan: Plan::with_threads(PhasePlan::unpinned(1)),
            gain_decode: Some(gain),
            gain_prefill: Some(gain),
            reasons: vec!["decode: faster than the default (+220.0 %)".into()],
            decode: Fresh {
                margin: Some(gain),
                ..Fresh::default()
            },
            prefill: Fresh::default(),
        }
    }

    #[test]
    fn a_spoilt_run_keeps_the_default_unless_forced_and_no_gain_at_all() {
        let default = Plan::with_threads(PhasePlan::unpinned(2));
        for (force, threads) in [(false, 2), (true, 1)] {
            let (distrust, settled) =
                Distrust::settle("it rained".into(), Some(&found()), &default, force);
            let settled = settled.expect("a plan");
            assert_eq!(settled.plan.decode.threads, threads);
            for phase in Phase::ALL {
                assert_eq!(settled.gain(phase), None);
            }
            assert_eq!(settled.decode.margin, None);
            let all = format!("{settled:?}{}", distrust.banner());
            assert!(!all.contains("220"), "{all}");
            assert!(
                all.contains("it rained") && all.contains("--force-untrusted"),
                "{all}"
            );
            let remedy = distrust.sentences().concat().contains("--resume beside it");
            assert_eq!(remedy, !force);
        }
        let (distrust, settled) = Distrust::settle("it rained".into(), None, &default, true);
        assert_eq!((distrust.kept, settled), (Kept::Nothing, None));
    }

    #[test]
    fn the_banner_has_lines_that_fit() {
        let distrust = Distrust {
            why: "280 of 281 samples (100 %) were disturbed: 280 busy".into(),
            kept: Kept::Default(Some("decode: 1 thread, not pinned".into())),
        };
        let banner = distrust.banner();
        let lines: Vec<&str> = banner.lines().collect();
        assert!(lines[0].contains("! NOT TO BE TRUSTED !"), "{banner}");
        assert!(lines[1].contains("280 of 281"), "{banner}");
        assert!(
            lines.iter().all(|line| line.chars().count() <= WIDTH),
            "{banner}"
        );
    }
}
