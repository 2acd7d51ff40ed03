//! What is found of all rates says of the whole profile, in one line.

use sysinfer_probe::Phase;
use sysinfer_profiles::Evidence;
use sysinfer_stats::Verdict;
use sysinfer_stats::comparison::MARGIN;
use sysinfer_table::{TableData, join};

use super::excuse::{Baseline, Excuse};
use crate::commands::compare::judge::{Judged, judge};
use crate::commands::compare::side::Side;

/// Where even a loss of this would hardly have shown, nothing is said of a rate.
const MAX_UNSEEN: f64 = 0.5;
/// Where a loss of this would hardly have shown, that is said.
const NOTABLE_LOSS: f64 = 0.10;

/// What a verification found.
pub(super) struct Findings {
    /// The profile against now, as `compare` would judge two profiles.
    pub(super) judged: Judged,
    /// Each of these rates, in their order.
    pub(super) rates: Vec<Finding>,
    /// Whether the profile says what runs of its host differ by.
    knows_between_runs: bool,
}

/// One rate.
pub(super) struct Finding {
    phase: Phase,
    total_tokens: usize,
    pub(super) verdict: Verdict,
    /// Why it holds although it is slower.
    pub(super) excuse: Option<Excuse>,
    /// What the host gave beside its runs.
    pub(super) baseline: Baseline,
    /// The smallest loss that would show.
    smallest_loss_found: f64,
}

impl Finding {
    pub(super) fn is_loss(&self) -> bool {
        self.verdict == Verdict::Slower && self.excuse.is_none()
    }

    fn is_excused_by_host(&self) -> bool {
        self.excuse.is_some_and(|excuse| excuse != Excuse::Margin)
    }

    fn is_unknown(&self) -> bool {
        self.verdict == Verdict::CannotTell && self.smallest_loss_found >= MAX_UNSEEN
    }

    /// What is said of it.
    pub(super) fn words(&self) -> String {
        let words = self.verdict.words();
        match self.excuse {
            Some(Excuse::Margin) => format!("{words}, by less than {:.0} %", 100.0 * MARGIN),
            Some(Excuse::Memory) => format!("{words}, as memory is"),
            Some(Excuse::Cores) => format!("{words}, as cores are"),
            Some(Excuse::CoreToCore) => format!("{words}, as core-to-core bandwidth is"),
            None if self.verdict == Verdict::CannotTell => format!(
                "{words}; a loss of {:.0} % would show",
                100.0 * self.smallest_loss_found
            ),
            None => words.to_owned(),
        }
    }
}

impl Findings {
    /// Compares what was measured with the profile, and looks for what excuses what is slower.
    pub(super) fn of(recorded: &Side, now: &Side, evidence: &Evidence, data: &TableData) -> Self {
        let judged = judge(recorded, now);
        let rates = judged.rows.iter().map(|row| {
            let baseline = Baseline::of(row, evidence, data);
            Finding {
                phase: row.key.0,
                total_tokens: row.key.1,
                verdict: judged.verdict(row),
                excuse: baseline.excuse(row, &judged),
                baseline,
                smallest_loss_found: row.comparison.smallest_loss_found(judged.alpha),
            }
        });
        Self {
            rates: rates.collect(),
            judged,
            knows_between_runs: recorded.between_runs.words().is_some(),
        }
    }

    /// Whether the profile holds, and why or why not.
    pub(super) fn conclusion(&self) -> (bool, String) {
        let unknown = match self.knows_between_runs {
            true => "",
            false => {
                ". The profile does not say what runs of its host differ by (its run was too short to \
                 tell), so nothing is allowed for that"
            }
        };
        if let Some(lost) = self.named(Finding::is_loss) {
            let why = format!(
                "the profile does not hold: slower than recorded at {lost}, and the host is not. Tune again, \
                 if nothing else runs on it{unknown}"
            );
            return (false, why);
        }
        let told = self.rates.iter().filter(|rate| !rate.is_unknown()).count();
        if told == 0 {
            let why = "the profile could not be verified: even half the speed would hardly show. Try \
                       --repeat 9 on an idle host";
            return (false, why.into());
        }
        let excused = |excuse, host: &str| {
            let list = self.named(|rate| rate.excuse == Some(excuse))?;
            Some(format!(". Slower at {list}, by no more than {host} now"))
        };
        let faster = self.named(|rate| rate.verdict == Verdict::Faster);
        let open = self.named(Finding::is_unknown);
        let parts = [
            self.unseen(),
            excused(Excuse::Memory, "memory is"),
            excused(Excuse::Cores, "cores are"),
            excused(Excuse::CoreToCore, "core-to-core bandwidth is"),
            self.named(Finding::is_excused_by_host)
                .map(|_| ". Verify again when the host is as fast as recorded".into()),
            faster.map(|list| format!(". Faster at {list}")),
            open.map(|list| format!(". Too noisy to tell at {list}")),
        ];
        let parts: String = parts.into_iter().flatten().collect();
        let all = self.rates.len();
        (
            true,
            format!("the profile holds: {told} of {all} rates{parts}{unknown}"),
        )
    }

    /// Rates of a kind, by phase; `None` of none.
    fn named(&self, of_kind: impl Fn(&Finding) -> bool) -> Option<String> {
        self.by_phase(of_kind, |phase, rates| {
            let lengths: Vec<usize> = rates.iter().map(|rate| rate.total_tokens).collect();
            Some(format!("{} {}", phase.name(), join(&lengths)))
        })
    }

    /// What would hardly have shown where no loss was found; `None` where that is little.
    fn unseen(&self) -> Option<String> {
        let is_open = |rate: &Finding| rate.verdict == Verdict::CannotTell && !rate.is_unknown();
        let most = self.by_phase(is_open, |phase, rates| {
            let losses = rates.iter().map(|rate| rate.smallest_loss_found);
            let most = losses.fold(0.0, f64::max);
            (most > NOTABLE_LOSS).then(|| format!("{:.0} % ({})", 100.0 * most, phase.name()))
        })?;
        Some(format!(
            ". A loss of less than {most} would hardly show: more runs (--repeat 9) or a quieter host may show \
             smaller ones"
        ))
    }

    /// What is said of the rates of a kind in each phase; `None` of nothing.
    fn by_phase(
        &self,
        of_kind: impl Fn(&Finding) -> bool,
        words: impl Fn(Phase, &[&Finding]) -> Option<String>,
    ) -> Option<String> {
        let of_phase = |phase: Phase| {
            let is_it = |rate: &&Finding| rate.phase == phase && of_kind(rate);
            let rates: Vec<&Finding> = self.rates.iter().filter(is_it).collect();
            (!rates.is_empty()).then(|| words(phase, &rates)).flatten()
        };
        let said = Phase::ALL.into_iter();
        let said: Vec<String> = said.filter_map(of_phase).collect();
        (!said.is_empty()).then(|| said.join("; "))
    }
}

#[cfg(test)]
mod tests;
