//! Whole tables with a sampled pass: on a scripted host whose time is known, and on the real engine.

use std::cell::Cell;

use sysinfer_engine::{Engine, PhasePlan, Plan, Precision, Preset};
use sysinfer_machine::Topology;
use sysinfer_measure::engine_probe::EngineProbe;
use sysinfer_probe::scripted::Scripted;
use sysinfer_probe::{
    Halt, Interrupt, Nowhere, Probe, Reading, Record, Session, Silent, Sink, Stage, Work,
};
use sysinfer_random::SplitMix64;

use crate::data::TableData;
use crate::sampling::Sampling;
use crate::speed::Speed;
use crate::table::measure;
use crate::table_plan::TablePlan;
use crate::task::Task;

/// Prompts at 100 tokens/s, steps at 10.
fn truth(_: &Plan, work: &Work) -> Option<f64> {
    Some(match work {
        Work::Decode { .. } => 10.0,
        _ => 100.0,
    })
}

const SPEED: Speed = Speed {
    step_seconds: 0.1,
    prompt_token_seconds: 0.01,
    decode_bytes: 1.0,
    kv_bytes_per_position: 0.0,
    prompt_growth: 0.0,
};

fn table(repeat: usize) -> TablePlan {
    TablePlan {
        prompt_tokens: 16,
        decode_lengths: vec![32],
        prefill_lengths: vec![32, 512, 1024, 2048],
        repeat,
        sampling: Some(Sampling {
            lengths: vec![512, 1024, 2048],
            prompt_chunk: 512,
            group_steps: 1,
        }),
    }
}

/// Sets the interrupt with the sample of this number.
struct StopAt(usize, Interrupt);

impl Sink for StopAt {
    fn record(&mut self, record: &Record<'_>) -> std::io::Result<()> {
        if matches!(record.work, Work::Visit { .. }) {
            self.0 = self.0.saturating_sub(1);
            if self.0 == 0 {
                self.1.set();
            }
        }
        Ok(())
    }
}

fn measured(
    repeat: usize,
    deadline: Option<f64>,
    sink: &mut dyn Sink,
    interrupt: &Interrupt,
) -> (TableData, Result<Vec<String>, Halt>, f64) {
    let (time, progress) = (Cell::new(0.0), Silent);
    let mut probe = Scripted {
        random: SplitMix64(1),
        ..Scripted::new(truth, 0.0, 1, &time)
    };
    let clock = || time.get();
    let mut session = Session::new(&mut probe, sink, &progress, interrupt, &clock);
    session.stage = Stage::Table;
    let plan = Plan::with_threads(PhasePlan::unpinned(2));
    let mut data = TableData::default();
    let task = Task {
        plan: &plan,
        table: &table(repeat),
        speed: &SPEED,
        until: deadline,
    };
    let outcome = measure(&mut session, task, &mut data);
    (data, outcome, time.get())
}

#[test]
fn a_pass_goes_as_far_as_fits_and_more_of_them_follow_where_there_is_time() {
    // A run without a pass takes 2 s. Stops take .3, 5, 5 and 10 s, and .1 for steps at each.
    let cases: [(Option<f64>, &[usize], usize); 4] = [
        (None, &[512, 1024, 2048], 3),
        (Some(60.0), &[512, 1024, 2048], 2),
        (Some(30.0), &[512, 1024, 2048], 1),
        (Some(18.0), &[512, 1024], 1),
    ];
    for (deadline, lengths, passes) in cases {
        let interrupt = Interrupt::default();
        let (data, outcome, seconds) = measured(3, deadline, &mut Nowhere, &interrupt);
        let lines = outcome.expect("measured");
        let found: Vec<usize> = data.sampled.keys().copied().collect();
        assert_eq!(found, lengths, "{deadline:?}: {lines:?}");
        let most = data.sampled[&512].passes.len();
        assert_eq!(most, passes, "{deadline:?}: {lines:?}");
        assert!(deadline.is_none_or(|end| seconds <= end), "{seconds}");
        let cut = lines
            .iter()
            .any(|line| line.contains("lengths 2048 are left out"));
        assert_eq!(cut, lengths.len() < 3, "{lines:?}");
        // Prompts of these lengths come with the pass; a run decodes at 10 tokens/s, steps at 100.
        assert!((data.prefill[&1024][0].tokens_per_second() - 100.0).abs() < 1e-9);
        let whole = (512.0 - 16.0) / (1.6 + 480.0 / 100.0);
        let rate = data.sampled[&512].rate.median;
        assert!((rate / whole - 1.0).abs() < 1e-6, "{rate} of {whole}");
    }
}

#[test]
fn an_interrupted_pass_keeps_the_stops_it_made() {
    let interrupt = Interrupt::default();
    let mut sink = StopAt(3, interrupt.clone());
    let (data, outcome, _) = measured(3, None, &mut sink, &interrupt);
    assert!(matches!(outcome, Err(Halt::Interrupted)));
    assert!(data.sampled.keys().eq(&[512, 1024]), "{:?}", data.sampled);
}

#[test]
fn the_engine_visits_up_to_the_end_of_its_context() {
    let topology = Topology::flat(&[0]);
    let mut plan = Plan::with_threads(PhasePlan::unpinned(1));
    plan.blocking.prefill_chunk = 32;
    let engine = Engine::synthetic(
        Preset::Tiny,
        plan.clone(),
        Precision::default(),
        &topology,
        &mut |_| {},
    )
    .expect("an engine");
    let context = engine.info().context_length;
    assert!(context >= 128, "{context}");
    let interrupt = Interrupt::default();
    let mut probe = EngineProbe::new(engine, &topology, &interrupt, context);
    let visit = |from_tokens, total_tokens| Work::Visit {
        from_tokens,
        total_tokens,
        groups: 3,
        group_steps: 4,
    };
    let plan = {
        let mut take = |work: &Work| probe.measure(&plan, work).expect("measured");
        // In order, again after another work, and with a beginning that was never read.
        for (from, total) in [(0, 64), (64, 96), (64, 96), (96, context)] {
            let Reading { points, .. } = take(&visit(from, total));
            let lengths: Vec<usize> = points.iter().map(|point| point.total_tokens).collect();
            assert_eq!(lengths, [total, total - 8, total - 4, total]);
            let tokens: Vec<usize> = points.iter().map(|point| point.tokens).collect();
            assert_eq!(tokens, [total - from, 4, 4, 4]);
            assert!(
                points
                    .iter()
                    .all(|point| point.seconds > 0.0 && point.bytes > 0.0)
            );
            let bytes = |index: usize| points[index].bytes;
            assert!(bytes(3) > bytes(2), "a longer context is read");
            take(&Work::Prefill { tokens: 20 });
        }
        plan
    };
    let crowded = probe.measure(&plan, &visit(0, 14));
    assert!(crowded.is_err(), "no room for 12 steps and two before");
    interrupt.set();
    let cut = probe
        .measure(&plan, &visit(0, 64))
        .expect("an empty reading");
    assert!(!visit(0, 64).is_complete(cut.points.len()));
}
