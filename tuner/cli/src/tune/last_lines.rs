//! What a run prints when it has ended: results in the form that was asked for, and where they are.

use sysinfer_report::Report;
use sysinfer_report::value::Team;

use super::arguments::Format;
use super::report_of_run::Ended;
use crate::table;

/// Remarks that the screen has room for.
const SHOWN_REMARKS: usize = 2;

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
    println!("report: {}", page(report));
    let Some(profile) = &report.profile else {
        return;
    };
    println!("profile: {profile}");
    match (&report.serve, &ended.distrust) {
        (Some(command), _) => println!("serve: {command}"),
        // No server takes the profile of a host that is only described.
        (None, Some(distrust)) if ended.serve.is_some() => {
            println!("\n{}", distrust.banner().trim_end());
        }
        (None, _) => {}
    }
}

/// The file to open first.
fn page(report: &Report) -> &str {
    let page = report.files.iter().find(|file| file.ends_with(".html"));
    page.or(report.files.first()).map_or("none", String::as_str)
}

/// One screen of 24 lines: the verdict, the table, what was chosen. Everything else is in the report.
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
    }
    match &report.chosen {
        Some(chosen) => println!(
            "chosen: decode {}; prefill {}",
            team(&chosen.decode),
            team(&chosen.prefill)
        ),
        None => println!("{}", report.not_served_because),
    }
    let (shown, hidden) = report
        .remarks
        .split_at(report.remarks.len().min(SHOWN_REMARKS));
    shown.iter().for_each(|remark| println!("note: {remark}"));
    match hidden.len() {
        0 => {}
        1 => println!("note: another remark is in the report"),
        more => println!("note: {more} more remarks are in the report"),
    }
}

/// `2 threads, compact, on CPUs 0-1`
fn team(team: &Team) -> String {
    let on = match team.cpus.is_empty() {
        true => "not pinned".into(),
        false => format!("on CPUs {}", team.cpus),
    };
    format!("{} threads, {}, {on}", team.threads, team.map)
}
