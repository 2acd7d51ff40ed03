//! How a plan in force differs from the one that a profile measured, as far as decoding depends on it.

use sysinfer_engine::{Plan, WeightStorage};

use crate::plan_choice::compressed;

/// In words; `None`: it does not. `refused`: why workers are not pinned, `cache`: how keys and values differ.
pub fn differences(
    running: &Plan,
    measured: &Plan,
    refused: Option<String>,
    cache: Option<String>,
) -> Option<String> {
    let mut found = Vec::new();
    let (now, then) = (&running.decode, &measured.decode);
    if now.threads != then.threads {
        found.push(format!("{} threads, not {}", now.threads, then.threads));
    }
    if now.cpus != then.cpus {
        let cpus = |cpus: &[usize]| match cpus {
            [] => "unpinned".to_owned(),
            cpus => format!("CPUs {}", compressed(cpus)),
        };
        found.push(format!("{}, not {}", cpus(&now.cpus), cpus(&then.cpus)));
    }
    found.extend(refused);
    for (block_type, choice) in &measured.kernels {
        let wanted = choice.decode.as_deref();
        let run = running.kernels.get(block_type);
        let run = run.and_then(|choice| choice.decode.as_deref());
        if wanted.is_some() && run != wanted {
            let name = |kernel: Option<&str>| kernel.unwrap_or("the default").to_owned();
            let (run, wanted) = (name(run), name(wanted));
            found.push(format!("kernel {run} for {block_type}, not {wanted}"));
        }
    }
    if running.blocking != measured.blocking {
        found.push("other block sizes".into());
    }
    let (now, then) = (running.memory.weights, measured.memory.weights);
    if now != then && then != WeightStorage::Auto {
        found.push(format!("weights {now}, not {then}"));
    }
    found.extend(cache);
    (!found.is_empty()).then(|| found.join("; "))
}

#[cfg(test)]
mod tests {
    use sysinfer_engine::{KernelChoice, PhasePlan};

    use super::*;

    fn plan(cpus: &[usize]) -> Plan {
        let phase = PhasePlan {
            threads: 2,
            map: "compact".into(),
            cpus: cpus.into(),
        };
        let kernel = KernelChoice {
            decode: Some("fast".into()),
            prefill: None,
        };
        let mut plan = Plan::with_threads(phase);
        plan.kernels.insert("Q4_0".into(), kernel);
        plan
    }

    #[test]
    fn what_decoding_depends_on_is_compared() {
        let measured = plan(&[0, 1]);
        let told = |change: fn(&mut Plan)| {
            let mut running = measured.clone();
            change(&mut running);
            differences(&running, &measured, None, None)
        };
        type Change = fn(&mut Plan);
        let cases: [(Change, Option<&str>); 8] = [
            (|_| {}, None),
            (|plan| plan.prefill.threads = 1, None),
            (|plan| plan.decode.map = "given".into(), None),
            (
                |plan| (plan.decode.threads, plan.decode.cpus) = (1, vec![0]),
                Some("1 threads, not 2; CPUs 0, not CPUs 0-1"),
            ),
            (
                |plan| plan.decode.cpus = Vec::new(),
                Some("unpinned, not CPUs 0-1"),
            ),
            (
                |plan| plan.kernels.clear(),
                Some("kernel the default for Q4_0, not fast"),
            ),
            (
                |plan| plan.blocking.prefetch_bytes += 64,
                Some("other block sizes"),
            ),
            (|plan| plan.memory.weights = WeightStorage::Mapped, None),
        ];
        for (change, wanted) in cases {
            assert_eq!(told(change).as_deref(), wanted);
        }
        let refused = differences(
            &measured,
            &measured,
            Some("2 threads could not be pinned".into()),
            Some("keys and values in q8_0".into()),
        );
        let wanted = "2 threads could not be pinned; keys and values in q8_0";
        assert_eq!(refused.as_deref(), Some(wanted));
        let mut packed = measured.clone();
        packed.memory.weights = WeightStorage::Packed;
        let mut mapped = measured.clone();
        mapped.memory.weights = WeightStorage::Mapped;
        let told = differences(&mapped, &packed, None, None);
        assert_eq!(told.as_deref(), Some("weights mapped, not packed"));
    }
}
