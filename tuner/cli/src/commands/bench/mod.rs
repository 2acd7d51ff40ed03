//! `bench`: measures one plan, without a search, in the terms that other engines are measured in.

pub mod arguments;
pub mod first_token;
pub mod lookup;

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Serialize;
use sysinfer_engine::engine::pass_rows;
use sysinfer_engine::{EngineInfo, Plan, Precision};
use sysinfer_measure::engine_probe::EngineProbe;
use sysinfer_measure::host::peak_bytes;
use sysinfer_probe::{Halt, Nowhere, Progress, Session, Stage, Work};
use sysinfer_report::Length;
use sysinfer_stats::median_of;
use sysinfer_table::sampled::DEFINITION;
use sysinfer_table::{
    Sampling, SamplingLimits, Speed, TableData, TablePlan, Task, table as measured_table,
};

use self::arguments::BenchArgs;
use crate::commands::chosen_plan;
use crate::progress::Terminal;
use crate::tune::lengths::check_prompt;
use crate::tune::report_of_run::{reference, rows};
use crate::{Ending, interrupt, table, this_host};

/// What the host gave, medians.
struct HostRates {
    /// Read bandwidth of the decode team, GB/s.
    roof: Option<f64>,
    /// Plain multiply-adds of the prompts' team, GMAC/s.
    arithmetic: Option<f64>,
    /// What its cores read of what another has just written, GB/s.
    core_to_core: Option<f64>,
}

/// The JSON object: the keys of the peers' benchmark, and what the host gave.
#[derive(Serialize)]
struct Json {
    engine: &'static str,
    model: String,
    threads: usize,
    kv: &'static str,
    prompt: usize,
    repeat: usize,
    /// Sequences of a decode step.
    sequences: usize,
    /// Median tokens/s by total length, of all sequences together.
    decode: BTreeMap<usize, f64>,
    /// Which of them are sampled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    decode_sampled: Vec<usize>,
    /// Median of weights and cache read while decoding, by total length.
    decode_gb_per_second: BTreeMap<usize, f64>,
    /// Median tokens/s by prompt length.
    prefill: BTreeMap<usize, f64>,
    read_gb_per_second: Option<f64>,
    /// Plain multiply-adds of the prompts' team beside the prompts, median.
    prefill_arithmetic_gmac_per_second: Option<f64>,
    /// What its cores read of what another has just written, median.
    prefill_exchange_gb_per_second: Option<f64>,
    /// From the call to the engine until it could run.
    load_seconds: f64,
    /// The most memory resident until loading was done: afterwards, the buffer of the read bandwidth
    /// counts too.
    load_peak_bytes: Option<u64>,
}

/// What loading took.
struct Loading {
    seconds: f64,
    peak_bytes: Option<u64>,
}

/// Measures and prints, all that was asked for or only the way to the first token.
///
/// # Errors
/// Arguments that cannot be followed, a model that cannot be loaded, a failure while measuring.
pub fn run(arguments: &BenchArgs) -> anyhow::Result<Ending> {
    if !arguments.lookup.is_empty() {
        return lookup::run(arguments);
    }
    if arguments.first_token {
        return first_token::run(arguments);
    }
    let host = this_host::discover()?;
    host.require_real()?;
    let source = arguments.model.required()?;
    let plan = chosen_plan::plan(&arguments.plan, &host)?;
    let interrupt = interrupt::install()?;
    let progress = Terminal::to_stderr();
    let loading = Instant::now();
    let engine = source.open(plan, Precision::default(), &host.topology, &progress)?;
    let loading = Loading {
        seconds: loading.elapsed().as_secs_f64(),
        peak_bytes: peak_bytes(),
    };
    chosen_plan::check_kernels(&arguments.plan, &engine)?;
    let (plan, info, pins) = (engine.plan().clone(), engine.info().clone(), engine.pins());
    let mut table_plan = TablePlan {
        prompt_tokens: arguments.prompt,
        decode_lengths: arguments.lengths.values().to_vec(),
        prefill_lengths: arguments.prefill.values().to_vec(),
        repeat: arguments.repeat.into(),
        sampling: None,
    };
    check_prompt(arguments.prompt, info.context_length)?;
    table_plan
        .cut_to_context(info.context_length)
        .iter()
        .for_each(|line| eprintln!("{line}"));
    let mut probe = EngineProbe::new(
        engine,
        &host.topology,
        &interrupt,
        table_plan.longest_tokens(),
    )
    .with_sequences(arguments.sequences.into());
    let started = Instant::now();
    let clock = || started.elapsed().as_secs_f64();
    let mut sink = Nowhere;
    let mut session = Session::new(&mut probe, &mut sink, &progress, &interrupt, &clock);
    session.stage = Stage::Table;
    let mut data = TableData::default();
    let halted = sampled_from(arguments, &mut session, &plan, &mut table_plan).and_then(|speed| {
        let task = Task {
            plan: &plan,
            table: &table_plan,
            speed: &speed,
            until: None,
        };
        measured_table::measure(&mut session, task, &mut data)
    });
    progress.finish();
    let roof = rows::roof(&session.bandwidth);
    let rows = rows::rows(&data, roof, reference::for_model(&info));
    let cores = data.cores_beside_prompts();
    let host = HostRates {
        roof,
        arithmetic: median_of(cores.iter().filter_map(|cores| cores.arithmetic)),
        core_to_core: median_of(cores.iter().filter_map(|cores| cores.core_to_core)),
    };
    if arguments.json {
        println!(
            "{}",
            json(
                arguments,
                &source.name(),
                plan.decode.threads,
                &rows,
                &host,
                &loading
            )?
        );
    } else {
        print_table(&info, &pins, &rows, &host);
    }
    match halted {
        Ok(_) => Ok(Ending::Complete),
        Err(Halt::Interrupted) => Ok(Ending::Interrupted),
        Err(other) => Err(other.into()),
    }
}

fn print_table(info: &EngineInfo, pins: &str, rows: &[Length], host: &HostRates) {
    println!("{}, {}: {pins}", info.name, info.quantisation);
    println!("{}", table::whole(rows));
    if rows.iter().any(Length::is_sampled) {
        println!("{DEFINITION}");
    }
    if let Some(roof) = host.roof {
        println!("Read bandwidth of the decode team: {roof:.1} GB/s");
    }
    if let Some(rate) = host.arithmetic {
        println!("Plain multiply-adds of the prompts' team: {rate:.1} GMAC/s");
    }
    if let Some(rate) = host.core_to_core {
        println!("Read by its cores of what another has just written: {rate:.1} GB/s");
    }
}

/// Leaves decode lengths from the one that is asked for to a sampled pass, whose steps are sized by the
/// time of a first few.
fn sampled_from(
    arguments: &BenchArgs,
    session: &mut Session<'_>,
    plan: &Plan,
    table: &mut TablePlan,
) -> Result<Speed, Halt> {
    let Some(from) = arguments.sampled_from else {
        return Ok(UNKNOWN_SPEED);
    };
    let lengths = table.decode_lengths.iter().copied();
    let (sampled, decoded): (Vec<usize>, Vec<usize>) = lengths.partition(|length| *length >= from);
    if sampled.is_empty() {
        return Ok(UNKNOWN_SPEED);
    }
    let first = Work::Decode {
        prompt_tokens: table.prompt_tokens,
        lengths: vec![table.prompt_tokens + SIZING_STEPS],
    };
    let speed = Speed {
        step_seconds: 1.0 / session.rate("first steps", plan, &first)?.max(1e-9),
        ..UNKNOWN_SPEED
    };
    let limits = SamplingLimits {
        prompt_chunk: pass_rows(plan),
        visit_seconds: VISIT_SECONDS,
    };
    table.sampling = Some(Sampling::new(sampled, limits, &speed));
    table.decode_lengths = decoded;
    Ok(speed)
}

/// Steps that size those of a sampled pass; every prompt leaves room for them.
const SIZING_STEPS: usize = 4;
/// Time of decode steps at a context of a sampled pass, seconds.
const VISIT_SECONDS: f64 = 2.0;

/// Nothing is known before the first run; every step of the bar counts alike.
const UNKNOWN_SPEED: Speed = Speed {
    step_seconds: 0.001,
    prompt_token_seconds: 0.0001,
    decode_bytes: 1.0,
    kv_bytes_per_position: 0.0,
    prompt_growth: 0.0,
};

fn json(
    arguments: &BenchArgs,
    model: &str,
    threads: usize,
    rows: &[Length],
    host: &HostRates,
    loading: &Loading,
) -> anyhow::Result<String> {
    let rounded = |value: f64| (value * 1000.0).round() / 1000.0;
    let by_length = |value: fn(&Length) -> Option<f64>| {
        let values = rows
            .iter()
            .filter_map(|row| Some((row.total_tokens, rounded(value(row)?))));
        values.collect()
    };
    let sampled = rows.iter().filter(|row| row.is_sampled());
    let object = Json {
        engine: "sysinfer",
        model: model.into(),
        threads,
        kv: "f16",
        prompt: arguments.prompt,
        repeat: arguments.repeat.into(),
        sequences: arguments.sequences.into(),
        decode: by_length(|row| row.decode_tokens_per_second.map(|rate| rate.median)),
        decode_sampled: sampled.map(|row| row.total_tokens).collect(),
        decode_gb_per_second: by_length(|row| row.decode_gb_per_second.map(|rate| rate.median)),
        prefill: by_length(|row| row.prefill_tokens_per_second.map(|rate| rate.median)),
        read_gb_per_second: host.roof.map(rounded),
        prefill_arithmetic_gmac_per_second: host.arithmetic.map(rounded),
        prefill_exchange_gb_per_second: host.core_to_core.map(rounded),
        load_seconds: rounded(loading.seconds),
        load_peak_bytes: loading.peak_bytes,
    };
    Ok(serde_json::to_string(&object)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::{Cli, Command};
    use crate::tune::report_of_run::tests::data;
    use clap::Parser;

    #[test]
    fn the_json_has_the_keys_of_the_peers() {
        let line = [
            "sysinfer-tune",
            "bench",
            "m.gguf",
            "--repeat",
            "2",
            "--json",
        ];
        let Some(Command::Bench(arguments)) = Cli::parse_from(line).command else {
            panic!("bench was not parsed");
        };
        let rows = rows::rows(&data(), Some(20.0), None);
        let loading = Loading {
            seconds: 1.5,
            peak_bytes: Some(7),
        };
        let host = HostRates {
            roof: Some(20.0),
            arithmetic: Some(50.25),
            core_to_core: None,
        };
        let text = json(&arguments, "m.gguf", 2, &rows, &host, &loading).expect("renders");
        assert_eq!(
            text,
            r#"{"engine":"sysinfer","model":"m.gguf","threads":2,"kv":"f16","prompt":16,"repeat":2,"#.to_string()
                + r#""sequences":1,"decode":{"32":12.0,"64":10.0},"#
                + r#""decode_gb_per_second":{"32":12.0,"64":10.0},"prefill":{"128":256.0},"#
                + r#""read_gb_per_second":20.0,"prefill_arithmetic_gmac_per_second":50.25,"#
                + r#""prefill_exchange_gb_per_second":null,"#
                + r#""load_seconds":1.5,"load_peak_bytes":7}"#
        );
    }
}
