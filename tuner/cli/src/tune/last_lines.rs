//! What a run prints when it has ended: results in the form that was asked for, and where they are.

use sysinfer_report::Report;
use sysinfer_report::figures::{duration, number};

use super::arguments::Format;
use super::report_of_run::Ended;
use crate::table;

/// The results in the form that was asked for.
///
/// # Errors
/// None that a user could cause.
pub(super) fn results(format: Format, report: &Report, ended: &Ended<'_>) -> anyhow::Result<()> {
    match format {
        Format::Json => {
            println!("{}", sysinfer_report::json(report)?);
            if let Some(distrust) = &ended.distrust {
                eprintln!("{}", distrust.banner().trim_end());
            }
        }
        Format::Text => {
            print_results(report, ended);
            print_paths(report, ended);
        }
    }
    Ok(())
}

/// Where things are, and what comes next.
fn print_paths(report: &Report, ended: &Ended<'_>) {
    println!("\nreport: {}", report.files.join(", "));
    let Some(profile) = &report.profile else {
        return;
    };
    println!("profile: {profile}");
    match (&report.serve, &ended.distrust) {
        (Some(command), _) => println!("next: {command}"),
        // No server takes the profile of a host that is only described.
        (None, Some(distrust)) if ended.serve.is_some() => {
            println!("\n{}", distrust.banner().trim_end());
        }
        (None, _) => {}
    }
}

fn print_results(report: &Report, ended: &Ended<'_>) {
    match &ended.distrust {
        Some(distrust) => println!("{}", distrust.banner().trim_end()),
        None => println!("{}", report.verdict),
    }
    if !report.lengths.is_empty() {
        if !report.trusted {
            println!("\n{}", report.verdict);
        }
        println!("{}", table::throughput(&report.lengths));
        report.method.iter().for_each(|line| println!("{line}"));
    }
    if let Some(roof) = report.read_gb_per_second {
        println!(
            "Read bandwidth of the decode team: {:.1} GB/s, median of {} readings.",
            roof.median, roof.count
        );
    }
    if let Some(measured) = &report.concurrency {
        let row = |step: &sysinfer_report::value::Sequences| {
            vec![
                step.sequences.to_string(),
                number(step.tokens_per_second.median),
                number(step.tokens_per_second_each.median),
                duration(step.step_seconds.median),
            ]
        };
        let header = [
            "sequences at once",
            "tokens/s together",
            "tokens/s each",
            "step",
        ];
        println!(
            "\n{}",
            sysinfer_terminal::render(&header, measured.sequences.iter().map(row))
        );
        measured.findings.iter().for_each(|line| println!("{line}"));
    }
    print_choice(report);
    for remark in &report.remarks {
        println!("note: {remark}");
    }
    let remark = ended.conditions.voids.remark(ended.conditions.taken);
    if let Some(remark) = remark.filter(|_| report.trusted) {
        println!("note: {remark}");
    }
    println!("\nwhy it is this fast:");
    report
        .explanation
        .iter()
        .for_each(|line| println!("- {line}"));
}

fn print_choice(report: &Report) {
    println!("\nchosen:");
    let Some(chosen) = &report.chosen else {
        return println!("{}", report.not_served_because);
    };
    for (phase, team) in [("decode", &chosen.decode), ("prefill", &chosen.prefill)] {
        let on = match team.cpus.is_empty() {
            true => "not pinned".into(),
            false => format!("on CPUs {}", team.cpus),
        };
        println!(
            "- {phase}: {} threads, {}, {on}\n  kernels: {}",
            team.threads, team.map, team.kernels
        );
    }
    println!("- blocking: {}", chosen.blocking);
    chosen
        .reasons
        .iter()
        .for_each(|reason| println!("- {reason}"));
}
