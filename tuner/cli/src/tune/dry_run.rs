//! `--dry-run`: the host and every candidate with its reason. Needs no model, measures nothing,
//! and works on described hosts.

use sysinfer_journal::cpu_list;
use sysinfer_measure::host::Host;
use sysinfer_probe::{Phase, Stage};
use sysinfer_search::space::blocking::{Limits, Sizes};
use sysinfer_search::space::placement::TeamSpace;
use sysinfer_search::space::{Skipped, blocking, kernels, placement};
use sysinfer_table::join;
use sysinfer_terminal as table;

use super::arguments::TuneArgs;
use super::setting::request;

/// What the listing assumes where only a model would tell: a usual width, a prompt that fills
/// every block size.
const USUAL_COLUMNS: usize = 4096;
const USUAL_PROMPT: usize = 512;

/// The listing.
pub fn render(host: &Host, teams: &TeamSpace, arguments: &TuneArgs) -> String {
    let effort = arguments.effort();
    let asked = arguments.asked_blocks();
    let base = placement::baseline(&request(arguments, host));
    let default = &base.decode;
    let mut out = Listing::default();
    out.line(&format!(
        "host: {} ({})",
        host.info.cpu_model, host.info.topology
    ));
    out.line(&format!("topology from: {}", host.topology.source));
    out.line(&format!(
        "{} CPUs can run at once; default plan: {} threads, {}, {}",
        host.effective_cpus,
        default.threads,
        default.map,
        cpus_text(&default.cpus)
    ));
    out.teams(host, teams);
    out.kernels(host);
    let limits = Limits {
        l2_bytes: host.topology.caches.l2_bytes,
        columns: USUAL_COLUMNS,
        prompt_tokens: USUAL_PROMPT,
    };
    out.sizes(Stage::Prefetch, &blocking::prefetch(&base, &asked));
    out.sizes(
        Stage::PrefillRows,
        &blocking::prefill_rows(&base, limits, &asked),
    );
    out.sizes(
        Stage::PrefillChunk,
        &blocking::prefill_chunk(&base, limits, &asked),
    );
    out.sizes(
        Stage::AttentionChunk,
        &blocking::attention_chunk(&base, &asked),
    );
    out.sizes(Stage::DecodeRows, &blocking::decode_rows(&base, &asked));
    out.line(&format!(
        "\n{}\n  {} of them, and parts of prompts beside the most",
        Stage::Concurrency.title(),
        join(arguments.sequences.values())
    ));
    let races = out.candidates * effort.rounds;
    out.line(&format!(
        "\nabout {races} samples at most in the races ({} candidates x {} rounds; losers leave early), \
         {} in the confirmation (two phases x two plans x {} rounds), then the table",
        out.candidates,
        effort.rounds,
        4 * effort.confirm_rounds,
        effort.confirm_rounds
    ));
    out.text
}

#[derive(Default)]
struct Listing {
    text: String,
    candidates: usize,
}

impl Listing {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Teams are tried for both phases.
    fn teams(&mut self, host: &Host, teams: &TeamSpace) {
        self.line(&format!(
            "\n{}, and {}",
            Stage::DecodeTeam.title(),
            Stage::PrefillTeam.title()
        ));
        let cells = teams.options.iter().map(|option| {
            let same = option.same_as.join(", ");
            vec![
                option.team.threads.to_string(),
                if same.is_empty() {
                    option.team.map.clone()
                } else {
                    format!("{} (= {same})", option.team.map)
                },
                placement::per_node(&host.topology, &option.team.cpus),
                cpus_text(&option.team.cpus),
                option.reason.clone(),
            ]
        });
        let listing = table::render(&["threads", "map", "per node", "CPUs", "reason"], cells);
        self.line(&listing);
        self.skipped(&teams.skipped);
        self.candidates += 2 * teams.options.len();
    }

    /// Kernels depend on the CPU that runs this, so they are listed on real hosts only.
    fn kernels(&mut self, host: &Host) {
        if !host.topology.is_this_host {
            self.line("\nkernels: known on the host itself only");
            return;
        }
        let mut block_types: Vec<String> = sysinfer_kernels::table::all()
            .map(|kernel| kernel.block.name().to_string())
            .collect();
        block_types.sort();
        block_types.dedup();
        for (stage, phase) in [
            (Stage::DecodeKernel, Phase::Decode),
            (Stage::PrefillKernel, Phase::Prefill),
        ] {
            self.line(&format!(
                "\n{} (for the block types that the model has; portable ones are for CPUs with nothing better)",
                stage.title()
            ));
            for option in kernels::options(&block_types, phase) {
                self.line(&format!(
                    "  {}: {}",
                    option.block_type,
                    option.names.join(", ")
                ));
                self.candidates += option.names.len();
            }
        }
    }

    fn sizes(&mut self, stage: Stage, sizes: &Sizes) {
        self.line(&format!("\n{}", stage.title()));
        for candidate in &sizes.candidates {
            self.line(&format!("  {}: {}", candidate.name, candidate.reason));
        }
        self.skipped(&sizes.skipped);
        self.candidates += sizes.candidates.len();
    }

    fn skipped(&mut self, skipped: &[Skipped]) {
        for skipped in skipped {
            self.line(&format!(
                "  not tried: {}: {}",
                skipped.name, skipped.reason
            ));
        }
    }
}

fn cpus_text(cpus: &[usize]) -> String {
    if cpus.is_empty() {
        "any".into()
    } else {
        cpu_list(cpus)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use sysinfer_machine::{Topology, host_info};

    use super::*;
    use crate::tune::arguments::Line;
    use crate::tune::setting::teams;

    #[test]
    fn the_default_plan_is_the_one_that_a_run_starts_from() {
        let topology = Topology::from_synthetic("pack:1 numa:1 l3:1 core:8 pu:1").expect("valid");
        let host = Host {
            effective_cpus: 8,
            info: host_info(&topology),
            topology,
        };
        let cases = [
            ("", "default plan: 8 threads, compact, 0-7"),
            ("--threads 2,8", "default plan: 8 threads, compact, 0-7"),
            ("--threads 2,4", "default plan: 4 threads, compact, 0-3"),
            ("--threads 4,16", "default plan: 4 threads, compact, 0-3"),
        ];
        for (given, expected) in cases {
            let line = format!("sysinfer-tune --dry-run {given}");
            let arguments = Line::parse_from(line.split_whitespace()).tune;
            let teams = teams(&arguments, &host).expect("teams");
            let text = render(&host, &teams, &arguments);
            let found = text.lines().find(|line| line.contains("default plan"));
            assert!(
                found.is_some_and(|line| line.ends_with(expected)),
                "{given}: {found:?}"
            );
        }
    }
}
