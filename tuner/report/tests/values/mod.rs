//! Fixed reports: a usual one, and what else may have to be said.

use sysinfer_profiles::{HostInfo, ModelFacts, Serving};
use sysinfer_report::value::{
    Candidate, Chosen, Concurrency, Disturbed, LAYOUT, NotTried, Part, PromptPart, Sequences,
    Stage, Step, Team,
};
use sysinfer_report::{Length, Report, Section};
use sysinfer_stats::Estimate;

/// What may come from a model's file or a host: none of it may become markup.
pub(crate) const HOSTILE: &str =
    "</p><script>alert('1')</script>\" & | `[a](b)` *b* \u{7}\u{1b}[2J\n# ";

/// A run of everything, decided.
pub(crate) fn usual() -> Report {
    Report {
        trusted: true,
        not_trusted_because: None,
        warning: Vec::new(),
        verdict: "Decode runs at 12.00 tokens/s at 32 tokens and 8.000 at 128; over the default plan: decode +10.0 % \
                  (+7.8 to +12.2), prefill none: it is the default."
            .into(),
        layout: LAYOUT,
        version: "0.1.0".into(),
        date: "2026-11-22T12:00:00Z".into(),
        command: "sysinfer-tune 'my model.gguf'".into(),
        host: HostInfo {
            cpu_model: "Example CPU".into(),
            architecture: "aarch64".into(),
            sve_bits: Some(256),
            topology: "1 package x 2 nodes x 4 cores x 1 thread".into(),
            packages: 1,
            nodes: 2,
            cores: 8,
            cpus: 8,
            memory_bytes: 1 << 34,
            page_bytes: 4096,
            cpu_quota: Some(6.5),
            kernel: "6.6.0".into(),
            huge_pages: "always".into(),
        },
        instruction_sets: vec!["neon".into(), "dotprod".into()],
        sve: Some("SVE of 256 bits, which no kernel uses".into()),
        model: ModelFacts {
            name: "example".into(),
            architecture: "llama".into(),
            quantisation: "Q4_0".into(),
            fingerprint: "0123".into(),
            parameters: 2_000_000_000,
            weight_bytes: 1_100_000_000,
            decode_bytes: 1_000_000_000,
            kv_bytes_per_position: 1024,
            context_length: 8192,
        },
        threads: "decode: 4 threads".into(),
        read_gb_per_second: Some(estimate(20.0, 0.05, 5)),
        read_gb_per_second_best: Some(21.5),
        prefill_arithmetic_gmac_per_second: Some(estimate(50.0, 0.1, 3)),
        prefill_core_to_core_gb_per_second: Some(estimate(25.0, 0.1, 3)),
        decode_between_runs: Some(0.021),
        prefill_between_runs: None,
        chosen: Some(Chosen {
            decode: team(Some(1.1)),
            prefill: team(None),
            blocking: "prefetch=512 rows=64 chunk=512 attention=256 decode-rows=8".into(),
            reasons: vec!["decode: faster than the default (+10.0 %)".into()],
        }),
        serve: Some("sysinfer-server 'my model.gguf' -t 0.0 -n 4096 --profile p.toml".into()),
        not_served_because: String::new(),
        explanation: ["Decoding is bound by memory.", "Products take most.", "Waiting takes little."]
            .map(String::from)
            .into(),
        prompt_tokens: 16,
        lengths: lengths(),
        reference: Some("Example Q4_0, published".into()),
        method: vec!["tokens/s: generated tokens over the time of their steps.".into()],
        concurrency: Some(concurrency()),
        steps: vec![step("decode", 32), step("prefill", 64)],
        stages: stages(),
        samples: 60,
        disturbances: "3 of 60 samples were disturbed.".into(),
        void_samples: vec![disturbed("other load took 12 to 30 % of the CPUs", 2)],
        disturbed_samples: vec![disturbed("a worker was moved", 1)],
        sections: vec![Section {
            title: "Read bandwidth of the memory".into(),
            lines: vec!["numa_balancing is on. Remedy: turn it off.".into()],
            header: vec!["threads on".into(), "GB/s".into()],
            rows: vec![vec!["node 0".into(), "20.0".into()]],
        }],
        not_tried: vec![NotTried {
            name: "8 smt".into(),
            reason: "cores have one thread each".into(),
        }],
        remarks: vec!["length 4096 is left out: no time".into()],
        files: vec!["r/samples.csv".into(), "r/report.html".into()],
        profile: Some("p.toml".into()),
    }
}

/// A run that other load disturbed.
pub(crate) fn distrusted() -> Report {
    let usual = usual();
    let why = "280 of 281 samples (100 %) were disturbed: 280 busy";
    Report {
        trusted: false,
        not_trusted_because: Some(why.into()),
        warning: vec![
            format!("{why}."),
            "Stop the other load, or tune with --wait, once more.".into(),
        ],
        verdict: format!("NOT TO BE TRUSTED: {why}"),
        serve: None,
        not_served_because: "Not with this profile: the run is not to be trusted.".into(),
        explanation: vec!["Nothing follows from these figures.".into()],
        stages: Vec::new(),
        steps: Vec::new(),
        concurrency: None,
        ..usual
    }
}

/// A run that Ctrl-C ended in the search.
pub(crate) fn interrupted() -> Report {
    Report {
        verdict: "Interrupted before a decision: no plan was chosen.".into(),
        chosen: None,
        serve: None,
        not_served_because: "The run was interrupted before a decision: no profile was written."
            .into(),
        lengths: Vec::new(),
        concurrency: None,
        steps: Vec::new(),
        profile: None,
        ..usual()
    }
}

/// All names, reasons and texts are `text`, one of them followed by a very long one.
pub(crate) fn named(text: &str) -> Report {
    let mut report = usual();
    report.model.name = text.into();
    report.host.cpu_model = format!("{text}{}", "long ".repeat(60));
    report.command = text.into();
    report.serve = Some(text.into());
    report.verdict = text.into();
    report.explanation = vec![text.into(); 3];
    report.remarks = vec![text.into()];
    report.method = vec![text.into()];
    report.steps[0].parts[0].name = text.into();
    report.not_tried[0].reason = text.into();
    report.void_samples[0].reason = text.into();
    let section = &mut report.sections[0];
    section.title = text.into();
    section.header[0] = text.into();
    section.rows[0][0] = text.into();
    for stage in &mut report.stages {
        stage.title = text.into();
        stage.candidates[0].name = text.into();
        stage.candidates[0].map = text.into();
        stage.candidates[1].reason = text.into();
    }
    report
}

/// As little as a run can leave.
pub(crate) fn bare() -> Report {
    Report {
        read_gb_per_second: None,
        read_gb_per_second_best: None,
        prefill_arithmetic_gmac_per_second: None,
        prefill_core_to_core_gb_per_second: None,
        decode_between_runs: None,
        sve: None,
        host: HostInfo {
            cpu_quota: None,
            sve_bits: None,
            ..usual().host
        },
        explanation: Vec::new(),
        method: Vec::new(),
        reference: None,
        stages: Vec::new(),
        void_samples: Vec::new(),
        disturbed_samples: Vec::new(),
        sections: Vec::new(),
        not_tried: Vec::new(),
        remarks: Vec::new(),
        files: Vec::new(),
        ..interrupted()
    }
}

fn estimate(median: f64, spread: f64, count: usize) -> Estimate {
    Estimate {
        median,
        low: median * (1.0 - spread),
        high: median * (1.0 + spread),
        count,
    }
}

fn team(gain: Option<f64>) -> Team {
    Team {
        threads: 4,
        map: "spread".into(),
        cpus: gain.map_or("", |_| "0-6:2").into(),
        kernels: "Q4_0=aarch64-q4_0-dotprod-r8".into(),
        gain,
        gain_in_words: gain
            .map_or("none: it is the default", |_| "+10.0 % (+7.8 to +12.2)")
            .into(),
        rate_over_default: gain.map(|gain| estimate(gain, 0.02, 6)),
        winner_over_default: gain.map(|gain| estimate(gain, 0.02, 6)),
        winner_tokens_per_second: gain.map(|gain| estimate(10.0 * gain, 0.02, 6)),
        default_tokens_per_second: gain.map(|_| estimate(10.0, 0.02, 6)),
    }
}

/// Two decoded and one sampled, which alone has no published rate; a prompt of the last.
fn lengths() -> Vec<Length> {
    let length = |total_tokens, rate: f64, sampled, reference| Length {
        total_tokens,
        decode_tokens_per_second: Some(estimate(rate, 0.1, 3)),
        decode_is_sampled: Some(sampled),
        decode_runs: Some(3),
        decode_range: Some((0.9 * rate, 1.1 * rate)),
        decode_gb_per_second: Some(estimate(rate, 0.1, 3)),
        percent_of_read_bandwidth: Some(estimate(5.0 * rate, 0.1, 3)),
        reference_tokens_per_second: reference,
        ..Length::default()
    };
    let prompt = |length: Length| Length {
        prefill_tokens_per_second: Some(estimate(256.0, 0.0, 1)),
        prefill_gb_per_second: Some(estimate(2.0, 0.0, 1)),
        time_to_first_token_ms: Some(estimate(500.0, 0.0, 1)),
        ..length
    };
    vec![
        length(32, 12.0, false, Some(28.11)),
        length(64, 10.0, false, Some(27.66)),
        prompt(length(128, 8.0, true, None)),
    ]
}

fn concurrency() -> Concurrency {
    let sequences = |sequences, seconds: f64| {
        let together = estimate(sequences as f64 / seconds, 0.02, 3);
        Sequences {
            sequences,
            step_seconds: estimate(seconds, 0.02, 3),
            tokens_per_second: together,
            tokens_per_second_each: together.map(|rate| rate / sequences as f64),
        }
    };
    let part = |prompt_rows, seconds| PromptPart {
        sequences: 4,
        prompt_rows,
        step_seconds: estimate(seconds, 0.1, 2),
        within_gap: seconds <= 0.1,
    };
    Concurrency {
        context_tokens: 16,
        sequences: vec![sequences(1, 0.01), sequences(4, 0.02)],
        prompt_parts: vec![part(32, 0.05), part(64, 0.12)],
        token_gap_seconds: Some(0.1),
        serving: Some(Serving {
            parallel: 4,
            token_gap_ms: 100,
        }),
        findings: vec!["4 sequences at once make 200.00 tokens/s.".into()],
    }
}

fn step(phase: &str, total_tokens: usize) -> Step {
    let part = |name: &str, share: f64| Part {
        name: name.into(),
        mean_seconds: estimate(0.1 * share, 0.02, 3),
        worst_worker_seconds: 0.11 * share,
        share,
    };
    Step {
        plan: "chosen".into(),
        phase: phase.into(),
        total_tokens,
        step_seconds: estimate(0.1, 0.02, 3),
        parts: vec![
            part("matrix products", 0.8),
            part("attention", 0.05),
            part("waiting", 0.125),
            part("rest", 0.025),
        ],
    }
}

/// Races of threads, of both prefill sizes and of the prefetch distance.
fn stages() -> Vec<Stage> {
    let candidate = |name: &str, rate: Option<f64>| Candidate {
        name: name.into(),
        reason: "the next power of two".into(),
        tokens_per_second: rate.map(|rate| estimate(rate, 0.02, 3)),
        left_because: rate.is_none().then(|| "it could not run".into()),
        threads: 4,
        map: "spread".into(),
    };
    let stage = |stage: &str, title: &str, candidates: Vec<Candidate>| Stage {
        stage: stage.into(),
        title: title.into(),
        winner: candidates[0].name.clone(),
        why: "11.00 tokens/s, 22.2 % over the next".into(),
        discarded_rounds: 1,
        candidates,
    };
    let mut fewer = candidate("2 spread", Some(9.0));
    fewer.threads = 2;
    let mut compact = candidate("4 compact", Some(10.0));
    compact.map = "compact".into();
    let rows = candidate("rows 16", Some(200.0));
    let chunk = candidate("chunk 128", Some(220.0));
    vec![
        stage(
            "decode-team",
            "decode: threads and map",
            vec![
                candidate("4 spread", Some(11.0)),
                compact,
                fewer,
                candidate("8 smt", None),
            ],
        ),
        stage(
            "prefill-rows",
            "prefill: rows per tile loop",
            vec![candidate("rows 64", Some(256.0)), rows],
        ),
        stage(
            "prefill-chunk",
            "prefill: tokens per step",
            vec![candidate("chunk 512", Some(256.0)), chunk],
        ),
        stage(
            "prefetch",
            "decode: prefetch distance",
            vec![
                candidate("prefetch 512", Some(11.0)),
                candidate("prefetch 0", Some(10.5)),
            ],
        ),
    ]
}

fn disturbed(reason: &str, count: usize) -> Disturbed {
    Disturbed {
        reason: reason.into(),
        count,
        stages: vec!["decode-team".into(), "table".into()],
    }
}
