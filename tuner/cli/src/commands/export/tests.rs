//! Printed settings, read back by the parsers that will read them.

use std::collections::BTreeMap;

use sysinfer_engine::{PhasePlan, Plan};
use sysinfer_machine::{CpuList, Topology};
use sysinfer_profiles::{Created, Evidence, HostInfo, ModelFacts, Profile, SCHEMA};

use super::placement::set_text;
use super::*;

fn team(cpus: &[usize]) -> PhasePlan {
    PhasePlan {
        threads: cpus.len(),
        map: "given".into(),
        cpus: cpus.to_vec(),
    }
}

fn profile(decode: PhasePlan, prefill: PhasePlan, (nodes, cpus): (usize, usize)) -> Profile {
    Profile {
        schema: SCHEMA,
        created: Created {
            date: "2026-01-02T03:04:05Z".into(),
            version: "0.1.0".into(),
            command: "sysinfer-tune m.gguf".into(),
        },
        host: HostInfo {
            cpu_model: "line\nbreak=1".into(),
            architecture: "aarch64".into(),
            sve_bits: None,
            topology: "2 packages".into(),
            packages: 2,
            nodes,
            cores: cpus,
            cpus,
            memory_bytes: 1,
            page_bytes: 4096,
            cpu_quota: None,
            kernel: "6.6".into(),
            huge_pages: "madvise".into(),
        },
        model: ModelFacts {
            name: "m".into(),
            architecture: "llama".into(),
            quantisation: "Q4_0".into(),
            fingerprint: "f".into(),
            parameters: 1,
            weight_bytes: 1,
            decode_bytes: 1,
            kv_bytes_per_position: 1,
            context_length: 1,
        },
        plan: Plan {
            prefill,
            ..Plan::with_threads(decode)
        },
        serving: None,
        evidence: Evidence {
            read_gb_per_second: Some(1.0),
            gain_decode: 1.0,
            gain_prefill: 1.0,
            prompt_tokens: 16,
            ..Evidence::default()
        },
    }
}

fn exported(profile: &Profile, topology: Option<&Topology>, format: Format) -> String {
    text(
        profile,
        &Placement::of(profile, topology),
        "p 1.toml",
        Some(format),
    )
}

/// Values of `KEY=VALUE` lines; every other line must be a comment, a section or empty.
fn values(text: &str) -> BTreeMap<String, String> {
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with(['#', '[']));
    lines
        .map(|line| {
            let (key, value) = line.split_once('=').expect(line);
            (key.to_owned(), value.to_owned())
        })
        .collect()
}

#[test]
fn variables_read_back_as_the_same_workers() {
    let reference: Vec<usize> = (0..22).chain(24..46).chain(48..70).chain(72..94).collect();
    let lists: [&[usize]; 6] = [
        &[0, 1],
        &[3, 1, 2],
        &[0, 2, 4, 6, 1],
        &[5, 5, 5],
        &[0, 96, 1, 97],
        &reference,
    ];
    for cpus in lists {
        let found = profile(team(cpus), team(cpus), (1, 128));
        let found = values(&exported(&found, None, Format::Env));
        let threads: usize = found["OMP_NUM_THREADS"].parse().expect("a number");
        let list: CpuList = found["GOMP_CPU_AFFINITY"].parse().expect("a list of CPUs");
        assert_eq!(list.assign(threads), cpus, "{found:?}");
        assert_eq!(found.len(), 2);
    }
    let free = profile(PhasePlan::unpinned(3), PhasePlan::unpinned(3), (1, 4));
    let found = values(&exported(&free, None, Format::Env));
    assert_eq!(
        (
            found["OMP_NUM_THREADS"].as_str(),
            found["OMP_PROC_BIND"].as_str()
        ),
        ("3", "false")
    );
    assert!(!found.contains_key("GOMP_CPU_AFFINITY"));
}

#[test]
fn sets_are_plain_ranges_of_both_teams() {
    for (numbers, expected) in [
        (vec![], ""),
        (vec![0], "0"),
        (vec![0, 1, 2, 4, 6, 7], "0-2,4,6-7"),
        (vec![usize::MAX], "18446744073709551615"),
    ] {
        assert_eq!(set_text(&numbers), expected);
    }
    let topology = Topology::from_synthetic("pack:2 numa:2 l3:1 core:24 pu:1").expect("96 CPUs");
    let found = profile(team(&[0, 24]), team(&[1, 0, 48]), (4, 96));
    let unit = exported(&found, Some(&topology), Format::Systemd);
    let unit_values = values(&unit);
    assert_eq!(unit_values["AllowedCPUs"], "0-1,24,48");
    assert_eq!(unit_values["CPUAffinity"], "0-1,24,48");
    assert_eq!(
        (
            unit_values["NUMAPolicy"].as_str(),
            unit_values["NUMAMask"].as_str()
        ),
        ("bind", "0-2")
    );
    assert!(!unit_values.contains_key("Environment"), "{unit}");
}

#[test]
fn every_form_says_what_it_leaves_out() {
    let topology = Topology::from_synthetic("pack:2 numa:2 l3:1 core:24 pu:1").expect("96 CPUs");
    let two_teams = profile(team(&[0, 24]), team(&[1, 0, 48]), (4, 96));
    let placement = Placement::of(&two_teams, Some(&topology));
    insta::assert_snapshot!("two_teams", text(&two_teams, &placement, "p 1.toml", None));
    let elsewhere = profile(team(&[0, 1]), team(&[0, 1]), (4, 2));
    let placement = Placement::of(&elsewhere, None);
    let all = text(&elsewhere, &placement, "/far/p.toml", None);
    insta::assert_snapshot!("one_team_of_another_host", all);
}

#[test]
fn a_plan_that_is_not_to_be_trusted_says_so_in_every_form() {
    let mut found = profile(team(&[0, 1]), team(&[0, 1]), (1, 2));
    found.evidence.trusted = Some(false);
    found.evidence.not_trusted_because = "it\nrained".into();
    for format in [
        Format::Env,
        Format::Shell,
        Format::Systemd,
        Format::Container,
    ] {
        let text = exported(&found, None, format);
        assert!(
            text.starts_with("# NOT TO BE TRUSTED: it rained.\n"),
            "{text}"
        );
        let servers = text.lines().filter(|line| line.contains("--profile "));
        for line in servers.filter(|line| !line.starts_with('#')) {
            assert!(line.ends_with(" --force-untrusted"), "{line}");
        }
    }
    let message = chosen_plan::require_trusted(&found, false).expect_err("not forced");
    let message = message.to_string();
    assert!(
        message.contains("it rained") && message.contains("--force-untrusted"),
        "{message}"
    );
    assert!(chosen_plan::require_trusted(&found, true).is_ok());
}

#[test]
fn what_cannot_be_said_is_said() {
    let far = profile(team(&[0, 1]), team(&[0, 1]), (4, 2));
    let shell = exported(&far, None, Format::Shell);
    assert!(
        shell.contains("run export there") && !shell.contains("--membind"),
        "{shell}"
    );
    assert!(
        !shell.contains("--force-profile"),
        "all CPUs of the host are used: {shell}"
    );
    // One node of a CPU set may be any of the host's: only the host itself knows which.
    let one = profile(team(&[0, 1]), team(&[0, 1]), (1, 4));
    let shell = exported(&one, None, Format::Shell);
    assert!(
        shell.contains("run export there") && !shell.contains("--membind"),
        "{shell}"
    );
    let topology = Topology::from_synthetic("pack:1 numa:1 l3:1 core:4 pu:1").expect("4 CPUs");
    let shell = exported(&one, Some(&topology), Format::Shell);
    assert!(shell.contains("--membind=0 "), "{shell}");
    let mixed = profile(team(&[0, 1]), PhasePlan::unpinned(4), (1, 4));
    for format in [Format::Shell, Format::Systemd, Format::Container] {
        let text = exported(&mixed, None, format);
        assert!(text.contains("not pinned"), "{text}");
        for word in ["physcpubind=", "AllowedCPUs=", "--cpuset-cpus="] {
            assert!(!text.contains(word), "{word} in {text}");
        }
    }
}
