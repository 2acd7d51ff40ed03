//! Whole verifications of a host whose truth is known: how often they cry wolf where nothing changed,
//! and how often they find what is missing.

use std::cell::Cell;

use rayon::prelude::*;
use sysinfer_engine::{PhasePlan, Plan};
use sysinfer_probe::{CoreReading, Interrupt, Point, Probe, ProbeError, Reading, Silent, Work};
use sysinfer_profiles::{Evidence, LengthEvidence};
use sysinfer_random::SplitMix64;
use sysinfer_stats::samples::evenly;
use sysinfer_stats::{between_runs, median, median_of};
use sysinfer_table::Task;
use sysinfer_table::between_runs::BetweenRuns;

use sysinfer_table::Speed;

use super::*;
use crate::commands::compare::rate::Rate;
use crate::commands::compare::tests::{journal, run_of};

const LENGTHS: [usize; 8] = [32, 64, 128, 256, 512, 1024, 2048, 4096];
/// Time of a decode run, and of a prompt: with them, a table's runs begin 30 seconds after one another.
const DECODE_SECONDS: f64 = 14.0;
const PROMPT_SECONDS: f64 = 2.0;
/// Verifications of each kind of host.
const TIMES: u64 = 1000;

/// A host and what it has lost since its profile was made.
#[derive(Clone, Copy)]
struct Host {
    /// Standard deviation of the logarithm of one run's rate, and of a bandwidth reading.
    noise: f64,
    /// All lengths of one decode run are hit by the same noise.
    together: bool,
    /// Memory is up to so many times as slow, anew for each round of the table, and rates follow it.
    swing: f64,
    /// How fast memory is in this whole measurement.
    memory: f64,
    /// How fast cores are in this whole measurement; prompts follow them.
    cores: f64,
    /// Cores are up to so many times as slow, anew in the middle of about one prompt of three.
    cores_swing: f64,
    /// Cores are slow in exchanging data, and not in arithmetic.
    exchanging: bool,
    /// What the profile is worth now: decode, prefill.
    rates: (f64, f64),
    /// Runs behind the recorded table.
    recorded_runs: usize,
    /// Rates of decoding and of prompts drift, each for itself: standard deviation of the logarithm, and
    /// the time after which most of it is forgotten, seconds.
    drift: (f64, f64),
}

const QUIET: Host = Host {
    noise: 0.03,
    together: false,
    swing: 1.0,
    memory: 1.0,
    cores: 1.0,
    cores_swing: 1.0,
    exchanging: false,
    rates: (1.0, 1.0),
    recorded_runs: 3,
    drift: (0.0, 1.0),
};

struct Scripted<'t> {
    host: Host,
    random: SplitMix64,
    memory: f64,
    cores: f64,
    /// Seconds since it began.
    time: &'t Cell<f64>,
    /// What decoding and prompts have drifted to.
    drifts: [f64; 2],
}

impl<'t> Scripted<'t> {
    fn new(host: Host, seed: u64, time: &'t Cell<f64>) -> Self {
        let mut scripted = Self {
            host,
            random: SplitMix64(seed),
            memory: 1.0,
            cores: host.cores,
            time,
            drifts: [0.0; 2],
        };
        if host.drift.0 > 0.0 {
            scripted.drifts = [(); 2].map(|()| host.drift.0 * scripted.normal());
        }
        scripted
    }

    /// Lets time pass, and rates drift; returns the factors on rates.
    fn pass(&mut self, seconds: f64) -> [f64; 2] {
        self.time.set(self.time.get() + seconds);
        let (sigma, forgotten) = self.host.drift;
        if sigma > 0.0 {
            let kept = (-seconds / forgotten).exp();
            let fresh = sigma * (1.0 - kept * kept).sqrt();
            for phase in 0..2 {
                self.drifts[phase] = kept * self.drifts[phase] + fresh * self.normal();
            }
        }
        self.drifts.map(f64::exp)
    }

    /// How fast cores are while something runs in whose middle they may change.
    fn of_cores(&mut self) -> f64 {
        let before = self.cores;
        if self.random.below(3) == 0 {
            let part = self.random.below(1001) as f64 / 1000.0;
            self.cores = self.host.cores * self.host.cores_swing.powf(-part);
        }
        (before + self.cores) / 2.0
    }

    /// The sum of twelve uniform numbers is close enough to a normal one.
    fn normal(&mut self) -> f64 {
        let sum: f64 = (0..12)
            .map(|_| self.random.below(1 << 20) as f64 / f64::from(1 << 20))
            .sum();
        sum - 6.0
    }

    fn factor(&mut self) -> f64 {
        (self.host.noise * self.normal()).exp()
    }
}

impl Probe for Scripted<'_> {
    fn measure(&mut self, _: &Plan, work: &Work) -> Result<Reading, ProbeError> {
        let point = |total_tokens: usize, rate: f64| Point {
            total_tokens,
            tokens: 100,
            seconds: 100.0 / rate,
            bytes: 1e9,
        };
        let points = match work {
            Work::Batch { .. } => Vec::new(),
            Work::Bandwidth | Work::Stream { .. } => {
                let part = self.random.below(1001) as f64 / 1000.0;
                self.memory = self.host.memory * self.host.swing.powf(-part);
                vec![Point {
                    bytes: 1e11,
                    ..point(0, 30.0 * self.memory * self.factor())
                }]
            }
            Work::Decode { lengths, .. } => {
                let drift = self.pass(DECODE_SECONDS)[0];
                let of_all = self.factor();
                let mut own = || {
                    if self.host.together {
                        of_all
                    } else {
                        self.factor()
                    }
                };
                let factors: Vec<f64> = lengths.iter().map(|_| own()).collect();
                let rate = |length: usize| 50.0 - length as f64 / 200.0;
                let decode = self.host.rates.0 * self.memory * drift;
                let both = lengths.iter().zip(factors);
                both.map(|(length, factor)| point(*length, rate(*length) * decode * factor))
                    .collect()
            }
            Work::Visit {
                total_tokens,
                groups,
                ..
            } => {
                let host = self.memory * self.of_cores();
                let prompt = 300.0 * self.host.rates.1 * host * self.factor();
                let mut points = vec![point(*total_tokens, prompt)];
                let rate = 50.0 - *total_tokens as f64 / 200.0;
                let decode = self.host.rates.0 * self.memory;
                let group = |_| point(*total_tokens, rate * decode * self.factor());
                points.extend((0..*groups).map(group));
                points
            }
            Work::Prefill { tokens } => {
                let drift = self.pass(PROMPT_SECONDS)[1];
                let host = self.memory * self.of_cores();
                let rate = 300.0 * self.host.rates.1 * host * drift * self.factor();
                vec![point(*tokens, rate)]
            }
        };
        Ok(Reading {
            points,
            disturbed: None,
        })
    }

    fn cores(&mut self, _: &Plan, _: Phase) -> Result<CoreReading, ProbeError> {
        // A reading is of many short passes.
        let exchanging = self.host.exchanging;
        let mut rate = |slower: bool| {
            let cores = if slower { self.cores } else { 1.0 };
            Some(40.0 * cores * self.factor().powf(0.3))
        };
        Ok(CoreReading {
            arithmetic: rate(!exchanging),
            core_to_core: rate(exchanging),
        })
    }
}

fn with_session<T>(host: Host, seed: u64, run: impl FnOnce(&mut Session<'_>) -> T) -> T {
    let (progress, interrupt, time) = (Silent, Interrupt::default(), Cell::new(0.0));
    let clock = || time.get();
    let mut probe = Scripted::new(host, seed, &time);
    let mut sink = Nowhere;
    let mut session = Session::new(&mut probe, &mut sink, &progress, &interrupt, &clock);
    session.stage = Stage::Table;
    run(&mut session)
}

fn plan() -> Plan {
    Plan::with_threads(PhasePlan::unpinned(2))
}

fn task<'a>(plan: &'a Plan, table: &'a TablePlan) -> Task<'a> {
    Task {
        plan,
        table,
        speed: &SPEED,
        until: None,
    }
}

fn table(repeat: usize) -> TablePlan {
    TablePlan {
        prompt_tokens: 16,
        decode_lengths: LENGTHS.to_vec(),
        prefill_lengths: LENGTHS.to_vec(),
        repeat,
        sampling: None,
    }
}

const SPEED: Speed = Speed {
    step_seconds: 0.02,
    prompt_token_seconds: 0.003,
    decode_bytes: 1.0,
    kv_bytes_per_position: 0.0,
    prompt_growth: 0.0,
};

/// What samples of a phase tell of the between-run variance, taken every five seconds of a quarter of an hour;
/// none where they are alike.
fn recorded_drift(host: Host, seed: u64, phase: usize) -> Option<f64> {
    let time = Cell::new(0.0);
    let mut scripted = Scripted::new(host, seed + (1 << 40), &time);
    let mut sample = |_| {
        let drift = scripted.pass(5.0)[phase];
        (time.get(), drift * scripted.factor())
    };
    let series: Vec<(f64, f64)> = (0..180).map(&mut sample).collect();
    between_runs::deviation([&series[..]]).filter(|_| host.drift.0 > 0.0)
}

/// What a profile of the host would say.
fn recorded(host: Host, seed: u64) -> Evidence {
    let mut data = TableData::default();
    with_session(host, seed, |session| {
        let table = table(host.recorded_runs);
        measured_table::measure(session, task(&plan(), &table), &mut data)
    })
    .expect("the script does not fail");
    let rates = |points: &[Point]| points.iter().map(Point::tokens_per_second).collect();
    let middle = |readings: Vec<CoreReading>, part: fn(&CoreReading) -> Option<f64>| {
        median_of(readings.iter().filter_map(part))
    };
    let length = |length: &usize| LengthEvidence {
        total_tokens: *length,
        decode_runs: rates(&data.decode[length]),
        decode_arithmetic_gmac_per_second: middle(data.decode_cores(*length), |c| c.arithmetic),
        decode_exchange_gb_per_second: middle(data.decode_cores(*length), |c| c.core_to_core),
        prefill_arithmetic_gmac_per_second: middle(data.prefill_cores(*length), |c| c.arithmetic),
        prefill_exchange_gb_per_second: middle(data.prefill_cores(*length), |c| c.core_to_core),
        prefill_runs: rates(&data.prefill[length]),
        ..LengthEvidence::default()
    };
    Evidence {
        read_gb_per_second: Some(median(&data.bandwidth())),
        gain_decode: 1.0,
        gain_prefill: 1.0,
        prompt_tokens: 16,
        decode_between_runs: recorded_drift(host, seed, 0),
        prefill_between_runs: recorded_drift(host, seed, 1),
        independent_runs: between_runs::count(data.starts().iter().copied()),
        lengths: LENGTHS.iter().map(length).collect(),
        ..Evidence::default()
    }
}

/// The side that a profile with this evidence is.
fn recorded_side(evidence: &Evidence) -> Side {
    let lengths = evidence.lengths.iter().flat_map(|length| {
        let key = |phase| (phase, length.total_tokens);
        [
            (key(Phase::Decode), length.decode_rates()),
            (key(Phase::Prefill), length.prefill_rates()),
        ]
    });
    let rate = |rates: Vec<f64>| {
        let runs = evenly(rates.len(), evidence.independent_runs);
        Rate::new(&rates, &runs, false).expect("rates")
    };
    Side {
        rates: lengths.map(|(key, rates)| (key, rate(rates))).collect(),
        between_runs: BetweenRuns::from(evidence),
        ..Side::default()
    }
}

/// What is found of a profile of `before` on `now`.
fn found(before: Host, now: Host, seed: u64) -> Findings {
    let evidence = recorded(before, 2 * seed);
    let side = recorded_side(&evidence);
    let mut data = TableData::default();
    with_session(now, 2 * seed + 1, |session| {
        measure_twice(session, task(&plan(), &table(3)), &side, &mut data)
    })
    .expect("the script does not fail");
    let measured = Side::of_table(&data).expect("rates");
    Findings::of(&side, &measured, &evidence, &data)
}

/// Whether a profile of `before` holds on `now`, and the words.
fn verified(before: Host, now: Host, seed: u64) -> (bool, String) {
    found(before, now, seed).conclusion()
}

/// Share of verifications in which the profile does not hold because it is slower.
fn share_slower(before: Host, now: Host) -> f64 {
    let slower = |seed: &u64| {
        let found = found(before, now, 1000 + seed);
        found.rates.iter().any(|rate| rate.is_loss())
    };
    let times = (0..TIMES).into_par_iter();
    times.filter(slower).count() as f64 / TIMES as f64
}

#[test]
fn noise_alone_is_hardly_ever_called_a_loss() {
    for noise in [0.01, 0.03, 0.06, 0.1, 0.2] {
        for together in [false, true] {
            for recorded_runs in [1, 2, 3, 9] {
                let host = Host {
                    noise,
                    together,
                    recorded_runs,
                    ..QUIET
                };
                let share = share_slower(host, host);
                assert!(
                    share < 0.05,
                    "noise {noise}, together {together}, {recorded_runs} runs: {share}"
                );
            }
        }
    }
}

#[test]
fn slower_memory_is_the_host_and_not_the_profile() {
    let slow = Host {
        memory: 0.6,
        ..QUIET
    };
    let swings = Host {
        swing: 2.0,
        ..QUIET
    };
    let hardly_slower = Host {
        memory: 0.93,
        ..QUIET
    };
    let slow_and_swings = Host {
        memory: 0.6,
        ..swings
    };
    for (name, before, now) in [
        ("slower", QUIET, slow),
        ("swings", swings, swings),
        ("swings since", QUIET, swings),
        ("slower, and swings", swings, slow_and_swings),
    ] {
        let share = share_slower(before, now);
        assert!(share < 0.05, "memory is {name}: {share}");
    }
    // What memory lost here is close to what its readings scatter by, so that about a tenth of it goes
    // to the profile's account.
    let share = share_slower(QUIET, hardly_slower);
    assert!(share < 0.15, "memory is hardly slower: {share}");
    let (holds, why) = verified(QUIET, slow, 5);
    assert!(holds && why.contains("no more than memory is"), "{why}");
}

#[test]
fn slower_cores_are_the_host_and_not_the_profile() {
    let slow = Host {
        cores: 0.7,
        ..QUIET
    };
    let swings = Host {
        cores_swing: 1.4,
        ..QUIET
    };
    for (name, before, now) in [
        ("slower", QUIET, slow),
        ("swing", swings, swings),
        ("swing since", QUIET, swings),
    ] {
        let share = share_slower(before, now);
        assert!(share < 0.05, "cores are {name}: {share}");
    }
    let (holds, why) = verified(QUIET, slow, 5);
    assert!(holds && why.contains("no more than cores are"), "{why}");
    let exchanging = Host {
        exchanging: true,
        ..slow
    };
    let (holds, why) = verified(QUIET, exchanging, 5);
    assert!(
        holds && why.contains("no more than core-to-core bandwidth is"),
        "{why}"
    );
    // What prompts lost beyond that is found, and where cores swing too.
    for (name, before, now, rate) in [
        ("slower", QUIET, slow, 0.8),
        ("swing since", QUIET, swings, 0.75),
        ("swing", swings, swings, 0.75),
    ] {
        let lost = Host {
            rates: (1.0, rate),
            ..now
        };
        let share = share_slower(before, lost);
        assert!(share > 0.95, "lost {rate} where cores {name}: {share}");
    }
}

#[test]
fn what_runs_differ_by_is_no_loss() {
    let drifts = |sigma: f64, forgotten: f64, recorded_runs: usize| Host {
        noise: 0.02,
        together: true,
        recorded_runs,
        drift: (sigma, forgotten),
        ..QUIET
    };
    for sigma in [0.02, 0.07, 0.15] {
        for forgotten in [10.0, 60.0, 120.0] {
            for recorded_runs in [1, 3, 9] {
                let host = drifts(sigma, forgotten, recorded_runs);
                let share = share_slower(host, host);
                assert!(
                    share < 0.05,
                    "drift {sigma} for {forgotten} s, {recorded_runs} runs: {share}"
                );
            }
        }
    }
    // A loss beyond what runs differ by is found, a smaller one where there were more of them.
    for (sigma, recorded_runs, rate) in [(0.02, 3, 0.8), (0.07, 3, 0.5), (0.07, 9, 0.6)] {
        let before = drifts(sigma, 30.0, recorded_runs);
        let rates = (rate, rate);
        let share = share_slower(before, Host { rates, ..before });
        assert!(
            share > 0.95,
            "lost {rate} at drift {sigma}, {recorded_runs} runs: {share}"
        );
    }
}

#[test]
fn a_tenth_that_is_lost_is_found_at_three_percent_of_noise() {
    // Where only decoding lost it and one noise hits all lengths of a run, three recorded runs are three
    // numbers, whose own scatter nothing else tells.
    let cases = [
        ("both", (0.9, 0.9), false, 3, 0.95),
        ("both", (0.9, 0.9), true, 3, 0.95),
        ("decode", (0.9, 1.0), false, 3, 0.95),
        ("prefill", (1.0, 0.9), true, 3, 0.95),
        ("decode", (0.9, 1.0), true, 3, 0.85),
        ("decode", (0.9, 1.0), true, 5, 0.93),
    ];
    for (name, rates, together, recorded_runs, least) in cases {
        let before = Host {
            together,
            recorded_runs,
            ..QUIET
        };
        let share = share_slower(before, Host { rates, ..before });
        assert!(
            share > least,
            "{name} lost a tenth, together {together}, {recorded_runs} runs: {share}"
        );
    }
}

#[test]
fn a_loss_is_found_although_memory_is_slower_too() {
    let now = Host {
        memory: 0.8,
        rates: (0.75, 0.75),
        ..QUIET
    };
    let share = share_slower(QUIET, now);
    assert!(share > 0.95, "a quarter beyond memory: {share}");
}

#[test]
fn a_faster_host_holds() {
    let now = Host {
        rates: (1.2, 1.2),
        ..QUIET
    };
    let (holds, why) = verified(QUIET, now, 3);
    assert!(holds && why.contains("Faster at"), "{why}");
}

/// A side that `compare` has read from the journal of a table with these rates, in the seconds at which its runs
/// began.
fn loaded(rates: &[(Phase, usize, Vec<f64>)], starts: &[f64]) -> Side {
    let mut samples = Vec::new();
    for (phase, length, runs) in rates {
        for (rate, start) in runs.iter().zip(starts) {
            let point = Point {
                total_tokens: *length,
                tokens: *length,
                seconds: *length as f64 / rate,
                bytes: 1e9,
            };
            samples.push(run_of(*phase, *start as i64, point));
        }
    }
    Side::of_recorded(&journal(&plan(), samples)).expect("rates")
}

#[test]
fn compare_judges_as_verify_does() {
    let judge_both = |seed: u64| {
        let rate = [0.7, 0.9, 0.97, 1.0, 1.2][seed as usize % 5];
        let noise = [0.003, 0.03, 0.1][seed as usize % 3];
        let before = Host { noise, ..QUIET };
        let now = Host {
            rates: (rate, 1.0),
            ..before
        };
        let evidence = recorded(before, 2 * seed);
        let mut data = TableData::default();
        with_session(now, 2 * seed + 1, |session| {
            measured_table::measure(session, task(&plan(), &table(3)), &mut data)
        })
        .expect("the script does not fail");
        let measured = Side::of_table(&data).expect("rates");
        let verified = Findings::of(&recorded_side(&evidence), &measured, &evidence, &data);
        let verified: Vec<Verdict> = verified.rates.iter().map(|rate| rate.verdict).collect();

        let of_length = |length: &LengthEvidence| {
            let tokens = length.total_tokens;
            let prefill = (Phase::Prefill, tokens, length.prefill_rates());
            [(Phase::Decode, tokens, length.decode_rates()), prefill]
        };
        let before: Vec<_> = evidence.lengths.iter().flat_map(of_length).collect();
        let rates = |points: &Vec<Point>| points.iter().map(Point::tokens_per_second).collect();
        let decode = data
            .decode
            .iter()
            .map(|(length, runs)| (Phase::Decode, *length, rates(runs)));
        let prefill = data
            .prefill
            .iter()
            .map(|(length, runs)| (Phase::Prefill, *length, rates(runs)));
        let after: Vec<_> = decode.chain(prefill).collect();
        let compared = judge(&loaded(&before, &[0.0; 3]), &loaded(&after, data.starts()));
        let rows = compared.rows.iter();
        let compared: Vec<Verdict> = rows.map(|row| compared.verdict(row)).collect();
        assert_eq!(verified, compared, "seed {seed}");
        verified
    };
    let all: Vec<Vec<Verdict>> = (0..TIMES).into_par_iter().map(judge_both).collect();
    let seen: std::collections::HashSet<Verdict> = all.concat().into_iter().collect();
    assert_eq!(seen.len(), 4, "each verdict was there: {seen:?}");
}
