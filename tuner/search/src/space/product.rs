//! Every combination of candidates of one phase: what `--exhaustive` measures, and what the study
//! takes the true best from.

use sysinfer_engine::Plan;
use sysinfer_probe::Phase;

use super::asked::Asked;
use super::blocking::{Limits, Sizes};
use super::kernels::{self, KernelSpace};
use super::placement::{self, TeamSpace};
use super::{Candidate, blocking};

/// What is combined.
pub struct Product<'a> {
    /// The plan in force: what the other phase and all fields beside these keep.
    pub base: &'a Plan,
    /// Teams, usually [`placement::all_teams`].
    pub teams: &'a TeamSpace,
    /// Kernels by block type.
    pub kernels: &'a KernelSpace,
    /// What block sizes depend on.
    pub limits: Limits,
    /// Block sizes that were asked for.
    pub asked: &'a Asked,
}

/// Sizes to try of one field under a plan.
type SizesOf<'a> = Box<dyn Fn(&Plan) -> Sizes + 'a>;

impl Product<'_> {
    /// Every combination of one phase, the plan in force first.
    pub fn candidates(&self, phase: Phase) -> Vec<Candidate> {
        let mut all = Vec::new();
        self.each(phase, &mut |candidate| all.push(candidate));
        let anchor = match all
            .iter()
            .position(|candidate| candidate.plan == *self.base)
        {
            Some(index) => all.remove(index),
            None => Candidate {
                name: "default".into(),
                reason: "the default".into(),
                rank: (self.base.team(phase).threads, 0),
                plan: self.base.clone(),
            },
        };
        all.insert(0, anchor);
        all
    }

    /// Hands out every combination of one phase, team by team.
    pub fn each(&self, phase: Phase, take: &mut dyn FnMut(Candidate)) {
        for team in placement::candidates(self.teams, self.base, phase) {
            let mut combined = vec![team];
            for option in self.kernels.of(phase) {
                combined = crossed(&combined, &|plan| kernels::candidates(option, plan, phase));
            }
            for sizes in self.size_stages(phase) {
                combined = crossed(&combined, &|plan| sizes(plan).candidates);
            }
            combined.into_iter().for_each(&mut *take);
        }
    }

    fn size_stages(&self, phase: Phase) -> [SizesOf<'_>; 2] {
        let (limits, asked) = (self.limits, self.asked);
        match phase {
            Phase::Decode => [
                Box::new(move |plan| blocking::prefetch(plan, asked)),
                Box::new(move |plan| blocking::attention_chunk(plan, asked)),
            ],
            Phase::Prefill => [
                Box::new(move |plan| blocking::prefill_rows(plan, limits, asked)),
                Box::new(move |plan| blocking::prefill_chunk(plan, limits, asked)),
            ],
        }
    }
}

fn crossed(base: &[Candidate], choices: &dyn Fn(&Plan) -> Vec<Candidate>) -> Vec<Candidate> {
    let with = |base: &Candidate| {
        let join = |choice: Candidate| Candidate {
            name: format!("{}, {}", base.name, choice.name),
            reason: "every combination".into(),
            rank: base.rank,
            plan: choice.plan,
        };
        choices(&base.plan)
            .into_iter()
            .map(join)
            .collect::<Vec<_>>()
    };
    base.iter().flat_map(with).collect()
}

#[cfg(test)]
mod tests {
    use sysinfer_machine::Topology;

    use super::super::placement::Request;
    use super::*;

    #[test]
    fn everything_is_combined_once_and_the_plan_in_force_comes_first() {
        let topology = Topology::from_synthetic("pack:1 numa:1 l3:1 core:2 pu:1").expect("valid");
        let request = Request {
            topology: &topology,
            effective_cpus: 2,
            threads: None,
            maps: None,
            given: None,
        };
        let teams = placement::all_teams(&request);
        let base = placement::default_plan(&topology, 2);
        let limits = Limits {
            l2_bytes: 1 << 20,
            columns: 4096,
            prompt_tokens: 512,
        };
        let (kernels, asked) = (KernelSpace::default(), Asked::default());
        let product = Product {
            base: &base,
            teams: &teams,
            kernels: &kernels,
            limits,
            asked: &asked,
        };
        let decode = product.candidates(Phase::Decode);
        assert_eq!(decode.len(), 4 * 6 * 5);
        assert_eq!(decode[0].plan, base);
        let same = |plan: &Plan| decode.iter().filter(|c| c.plan == *plan).count();
        assert!(decode.iter().all(|candidate| same(&candidate.plan) == 1));
        // Of chunks, only those below the prompt's length can be told apart.
        assert_eq!(product.candidates(Phase::Prefill).len(), 4 * 5 * 4);
    }
}
