//! Which CPUs are watched for disturbances while a piece of work runs.

use sysinfer_engine::Plan;
use sysinfer_engine::engine::{pass_rows, phase};
use sysinfer_probe::Work;

/// CPUs of the teams that run the work, ascending; none if one of them is not pinned. A step of `width`
/// sequences or a prompt is cut into passes, and each pass has its team by its rows, as in the engine.
pub(super) fn watched(plan: &Plan, work: &Work, width: usize) -> Vec<usize> {
    let most = pass_rows(plan);
    let passes = |rows: usize| [rows.min(most), rows % most];
    let rows = match work {
        Work::Decode { .. } => passes(width).to_vec(),
        Work::Prefill { tokens } => passes(*tokens).to_vec(),
        Work::Visit {
            from_tokens,
            total_tokens,
            ..
        } => {
            let timed = total_tokens.saturating_sub(*from_tokens);
            [passes(*from_tokens), passes(timed), passes(1)].concat()
        }
        Work::Batch {
            sequences,
            prompt_rows,
            ..
        } => {
            let rows = sequences.iter().map(|sequences| sequences + prompt_rows);
            rows.flat_map(passes).collect()
        }
        Work::Bandwidth => return plan.decode.cpus.clone(),
        Work::Stream { cpus, .. } => return cpus.clone(),
    };
    let team = |rows: usize| &plan.team(phase(plan, rows)).cpus;
    let real = rows.into_iter().filter(|rows| *rows > 0);
    let teams: Vec<&Vec<usize>> = real.map(team).collect();
    // A team that is not pinned may be anywhere.
    if teams.iter().any(|cpus| cpus.is_empty()) {
        return Vec::new();
    }
    let mut cpus: Vec<usize> = teams.into_iter().flatten().copied().collect();
    cpus.sort_unstable();
    cpus.dedup();
    cpus
}

#[cfg(test)]
mod tests {
    use sysinfer_engine::PhasePlan;

    use super::*;

    #[test]
    fn the_team_is_watched_that_the_rows_choose() {
        let mut plan = Plan::with_threads(PhasePlan::unpinned(2));
        plan.decode.cpus = vec![1, 0];
        plan.prefill.cpus = vec![2, 3];
        let decode = Work::Decode {
            prompt_tokens: 16,
            lengths: vec![20],
        };
        let prompt = |tokens| Work::Prefill { tokens };
        let visit = Work::Visit {
            from_tokens: 0,
            total_tokens: 64,
            groups: 2,
            group_steps: 4,
        };
        let batch = |sequences: &[usize], prompt_rows| Work::Batch {
            prompt_tokens: 16,
            sequences: sequences.into(),
            prompt_rows,
            steps: 4,
        };
        let most = pass_rows(&plan);
        let cases: [(&Work, usize, &[usize]); 11] = [
            (&decode, 1, &[0, 1]),
            (&decode, 8, &[0, 1]),
            (&decode, 9, &[2, 3]),
            (&prompt(8), 1, &[0, 1]),
            (&prompt(9), 9, &[2, 3]),
            (&prompt(most), 1, &[2, 3]),
            (&prompt(most + 1), 1, &[0, 1, 2, 3]),
            (&visit, 1, &[0, 1, 2, 3]),
            (&batch(&[1, 8], 0), 1, &[0, 1]),
            (&batch(&[8, 9], 0), 1, &[0, 1, 2, 3]),
            (&batch(&[4], 5), 1, &[2, 3]),
        ];
        for (work, width, cpus) in cases {
            assert_eq!(watched(&plan, work, width), cpus, "{work:?}, {width}");
        }
        assert_eq!(watched(&plan, &Work::Bandwidth, 9), [1, 0]);
        plan.prefill.cpus.clear();
        assert_eq!(watched(&plan, &decode, 8), [0, 1]);
        assert_eq!(watched(&plan, &visit, 8), [0usize; 0], "not pinned");
    }
}
