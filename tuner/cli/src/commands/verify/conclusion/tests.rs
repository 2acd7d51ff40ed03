//! The last line, of findings of every kind.

use super::*;

fn finding(phase: Phase, verdict: Verdict, excuse: Option<Excuse>, unseen: f64) -> Finding {
    Finding {
        phase,
        total_tokens: 32,
        verdict,
        excuse,
        baseline: Baseline::default(),
        smallest_loss_found: unseen,
    }
}

/// What is said of a profile whose decode rates of 32, 33 ... are these.
fn said(found: &[(Verdict, Option<Excuse>, f64)], knows_between_runs: bool) -> String {
    let rates = found
        .iter()
        .enumerate()
        .map(|(place, (verdict, excuse, unseen))| Finding {
            total_tokens: 32 + place,
            ..finding(Phase::Decode, *verdict, *excuse, *unseen)
        });
    let findings = Findings {
        judged: judge(&Side::default(), &Side::default()),
        rates: rates.collect(),
        knows_between_runs,
    };
    let (holds, why) = findings.conclusion();
    format!("{}: {why}", if holds { 0 } else { 1 })
}

#[test]
fn one_loss_is_enough_and_noise_is_none() {
    let same = (Verdict::Equivalent, None, 0.04);
    let faster = (Verdict::Faster, None, 0.04);
    let slower = (Verdict::Slower, None, 0.04);
    let unsure = (Verdict::CannotTell, None, 0.18);
    let unknown = (Verdict::CannotTell, None, 0.7);
    let excused = |excuse| (Verdict::Slower, Some(excuse), 0.04);
    let cases: [&[_]; 9] = [
        &[same, same],
        &[same, unsure, faster],
        &[same, unknown],
        &[same, excused(Excuse::Margin)],
        &[excused(Excuse::Memory), excused(Excuse::Cores)],
        &[excused(Excuse::CoreToCore)],
        &[same, slower, faster],
        &[unknown],
        &[],
    ];
    let lines: Vec<String> = cases.iter().map(|found| said(found, true)).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_between_run_variance_that_is_not_recorded_is_said_whatever_was_found() {
    for verdict in [Verdict::Equivalent, Verdict::Slower] {
        let why = said(&[(verdict, None, 0.04)], false);
        assert!(why.ends_with("so nothing is allowed for that"), "{why}");
    }
}

#[test]
fn every_rate_has_its_words() {
    let words = |verdict, excuse| finding(Phase::Prefill, verdict, excuse, 0.31).words();
    let all = [
        words(Verdict::Faster, None),
        words(Verdict::Equivalent, None),
        words(Verdict::CannotTell, None),
        words(Verdict::Slower, None),
        words(Verdict::Slower, Some(Excuse::Margin)),
        words(Verdict::Slower, Some(Excuse::Memory)),
        words(Verdict::Slower, Some(Excuse::Cores)),
        words(Verdict::Slower, Some(Excuse::CoreToCore)),
    ];
    insta::assert_snapshot!(all.join("\n"));
}
