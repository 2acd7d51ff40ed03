//! What a run prints when it has ended: results in the form that was asked for, and where they are.

use sysinfer_report::value::Team;
use sysinfer_report::{Length, Report};
use sysinfer_terminal::{height, wrapped};

use super::arguments::Format;
use super::report_of_run::Ended;
use crate::table;

/// Columns of the smallest terminal that results are made for.
const WIDTH: usize = 80;
/// Lines of it, without one for the prompt below.
const HEIGHT: usize = 23;

/// The results in the form that was asked for.
///
/// # Errors
/// None that a user could cause.
pub(super) fn results(format: Format, report: &Report, ended: &Ended<'_>) -> anyhow::Result<()> {
    let banner = ended.distrust.as_ref().map(|distrust| distrust.banner());
    match format {
        Format::Json => {
            println!("{}", sysinfer_report::json(report)?);
            banner.iter().for_each(|banner| eprintln!("{banner}"));
        }
        Format::Text => println!("{}", screen(report, banner)),
    }
    Ok(())
}

/// One screen: the verdict, the table, what was chosen, remarks as far as there is room, where things are, and last
/// why nothing may be done by it, if so. Everything else is in the report.
fn screen(report: &Report, banner: Option<String>) -> String {
    let verdict = wrapped(&report.verdict, WIDTH);
    let chosen = chosen(report);
    let below: Vec<String> = places(report).into_iter().chain(banner).collect();
    let fixed = [&verdict[..], &chosen, &below].concat().join("\n");
    let room = HEIGHT.saturating_sub(height(&fixed, WIDTH));
    // A line for the first remark, and one that says how many there are.
    let table = table_within(
        &report.lengths,
        room.saturating_sub(report.remarks.len().min(2)),
    );
    let room = room.saturating_sub(height(&table, WIDTH));
    let mut lines = verdict;
    lines.extend(Some(table).filter(|table| !table.is_empty()));
    lines.extend(chosen);
    lines.extend(remarks(&report.remarks, room));
    lines.extend(below);
    lines.join("\n")
}

/// Remarks in so many lines, the first in any case: it says that nothing was measured, or what was left out.
fn remarks(remarks: &[String], mut room: usize) -> Vec<String> {
    let Some((first, others)) = remarks.split_first() else {
        return Vec::new();
    };
    room = room.saturating_sub(usize::from(!others.is_empty()));
    let mut lines = wrapped(&format!("note: {first}"), WIDTH);
    if lines.len() > room.max(1) {
        lines.truncate(room.max(1));
        let last: String = lines
            .pop()
            .unwrap_or_default()
            .chars()
            .take(WIDTH - 4)
            .collect();
        lines.push(last + " ...");
    }
    room = room.saturating_sub(lines.len());
    let mut hidden = others.len();
    for remark in others {
        let more = wrapped(&format!("note: {remark}"), WIDTH);
        if more.len() > room {
            break;
        }
        room -= more.len();
        hidden -= 1;
        lines.extend(more);
    }
    match hidden {
        0 => {}
        1 => lines.push("note: another remark is in the report".into()),
        more => lines.push(format!("note: {more} more remarks are in the report")),
    }
    lines
}

/// The table in so many lines; where there are more lengths, some of them, the first and the last among these.
fn table_within(lengths: &[Length], lines: usize) -> String {
    if lengths.is_empty() {
        return String::new();
    }
    let whole = table::summary(lengths);
    let too_many = height(&whole, WIDTH).saturating_sub(lines);
    if too_many == 0 {
        return whole;
    }
    // A line of its own says that some are left out.
    let count = lengths
        .len()
        .saturating_sub(too_many + 1)
        .max(2)
        .min(lengths.len());
    let place = |row: usize| row * (lengths.len() - 1) / (count - 1).max(1);
    let some: Vec<Length> = (0..count).map(|row| lengths[place(row)]).collect();
    format!(
        "{}\n{count} of {} lengths; all are in the report",
        table::summary(&some),
        lengths.len()
    )
}

/// The teams of the profile's plan; of a run that is not to be trusted, the banner says what became of its plan.
fn chosen(report: &Report) -> Vec<String> {
    match &report.chosen {
        _ if !report.trusted => Vec::new(),
        Some(chosen) => {
            let [decode, prefill] = [team(&chosen.decode), team(&chosen.prefill)];
            let said = match decode == prefill {
                true => vec![format!("decode and prefill: {decode}")],
                false => vec![format!("decode: {decode}"), format!("prefill: {prefill}")],
            };
            said.iter().flat_map(|line| wrapped(line, WIDTH)).collect()
        }
        None => wrapped(&report.not_served_because, WIDTH),
    }
}

/// Where things are, and what comes next.
fn places(report: &Report) -> Vec<String> {
    let mut lines = vec![format!("report: {}", page(report))];
    lines.extend(report.profile.iter().map(|path| format!("profile: {path}")));
    let serve = report.serve.iter().filter(|_| report.profile.is_some());
    lines.extend(serve.map(|command| format!("serve: {command}")));
    lines
}

/// The file to open first.
fn page(report: &Report) -> &str {
    let page = report.files.iter().find(|file| file.ends_with(".html"));
    page.or(report.files.first()).map_or("none", String::as_str)
}

/// `2 threads, compact, on CPUs 0-1`
fn team(team: &Team) -> String {
    let on = match team.cpus.is_empty() {
        true => "not pinned".into(),
        false => format!("on CPUs {}", team.cpus),
    };
    format!("{} threads, {}, {on}", team.threads, team.map)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use sysinfer_engine::{PhasePlan, Plan};

    use super::*;
    use crate::tune::report_of_run::distrust::Distrust;
    use crate::tune::report_of_run::tests::{Planted, eight_lengths};

    /// What a run with the default's eight lengths prints, with so many remarks.
    fn printed(untrusted: bool, remarks: usize) -> String {
        let mut planted = Planted::new();
        let default = Plan::with_threads(PhasePlan::unpinned(4));
        let why = "281 of 900 samples (31 %) were disturbed: 30 throttled, 51 stolen, 200 busy";
        let found = planted.confirmation.take();
        let (distrust, confirmation) = match untrusted {
            false => (None, found),
            true => {
                let settled = Distrust::settle(why.into(), found.as_ref(), &default, false);
                (Some(settled.0), settled.1)
            }
        };
        planted.confirmation = confirmation;
        let mut ended = planted.ended();
        ended.distrust = distrust;
        ended.rows = eight_lengths();
        ended.remarks = vec!["lengths 2048, 4096 are sampled: ".repeat(4); remarks];
        ended.serve = Some(
            "sysinfer-server ~/.cache/sysinfer/model.gguf -t 0.0 -n 4096 --profile p.toml".into(),
        );
        let files = ["demo/report/samples.csv", "demo/report/report.html"].map(PathBuf::from);
        let report = ended.report(&files, Some(Path::new("demo/profile.toml")));
        screen(&report, ended.distrust.as_ref().map(Distrust::banner))
    }

    #[test]
    fn the_last_screen_fits_a_terminal_of_24_lines_and_80_columns() {
        for (untrusted, remarks) in [(false, 0), (false, 1), (false, 5), (true, 0), (true, 5)] {
            let text = printed(untrusted, remarks);
            assert!(
                height(&text, WIDTH) <= HEIGHT,
                "{untrusted}, {remarks}:\n{text}"
            );
            // Commands and paths stay whole; a terminal breaks them where it likes.
            let words = text.lines().filter(|line| !line.starts_with("serve: "));
            let widest = words.map(|line| line.chars().count()).max();
            assert!(widest <= Some(WIDTH), "{untrusted}, {remarks}:\n{text}");
            for needed in [
                "│     32 ",
                "4096",
                "demo/report/report.html",
                "demo/profile.toml",
            ] {
                assert!(text.contains(needed), "{needed} is not in\n{text}");
            }
            let marks = text.matches("NOT TO BE TRUSTED").count();
            assert_eq!(marks, if untrusted { 2 } else { 0 }, "{text}");
        }
    }

    #[test]
    fn the_screens_of_a_run_read_well() {
        insta::assert_snapshot!("trusted", printed(false, 1));
        insta::assert_snapshot!("untrusted", printed(true, 1));
    }
}
