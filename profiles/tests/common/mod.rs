//! A complete profile, and the host and model that it belongs to.

use sysinfer_engine::{EngineInfo, KernelChoice, PhasePlan, Plan};
use sysinfer_machine::HostInfo;
use sysinfer_profiles::{
    Created, Evidence, LengthEvidence, Profile, SCHEMA, Serving, StepEvidence,
};

/// The host of [`profile`].
pub(crate) fn host() -> HostInfo {
    HostInfo {
        cpu_model: "Example \"E\" 9000".into(),
        architecture: "aarch64".into(),
        sve_bits: Some(256),
        topology: "2 packages x 2 nodes x 24 cores x 1 thread".into(),
        packages: 2,
        nodes: 4,
        cores: 96,
        cpus: 96,
        memory_bytes: 512 << 30,
        page_bytes: 4096,
        cpu_quota: Some(95.5),
        kernel: "6.6.0-72".into(),
        huge_pages: "madvise".into(),
    }
}

/// The model of [`profile`].
pub(crate) fn model() -> EngineInfo {
    EngineInfo {
        name: "llama3-8b".into(),
        architecture: "llama".into(),
        quantisation: "Q4_0 (output Q6_K)".into(),
        context_length: 8192,
        vocabulary_size: 128_256,
        layers: 32,
        embedding_length: 4096,
        heads: 32,
        kv_heads: 8,
        parameters: 8_030_261_248,
        weight_bytes: 4_700_000_000,
        decode_bytes: 4_400_000_000,
        kv_bytes_per_position: 131_072,
        block_types: vec!["Q4_0".into(), "Q6_K".into()],
        fingerprint: "llama-32-4096".into(),
    }
}

fn step(sequences: usize, prompt_rows: usize) -> StepEvidence {
    StepEvidence {
        sequences,
        prompt_rows,
        context_tokens: 512,
        samples: 3,
        milliseconds: 20.25,
        low: 20.0,
        high: 21.5,
    }
}

/// A profile that uses every field of the schema.
pub(crate) fn profile() -> Profile {
    let cpus: Vec<usize> = (0..22).chain(24..46).chain(48..70).chain(72..94).collect();
    let mut plan = Plan::with_threads(PhasePlan {
        threads: 88,
        map: "spread".into(),
        cpus,
    });
    plan.prefill = PhasePlan::unpinned(96);
    let choice = KernelChoice {
        decode: Some("a-q4_0-r8".into()),
        prefill: None,
    };
    plan.kernels.insert("Q4_0".into(), choice);
    let row = LengthEvidence {
        total_tokens: 32,
        sampled: false,
        samples: 3,
        decode_tokens_per_second: Some(61.25),
        decode_low: Some(60.5),
        decode_high: Some(62.0),
        decode_runs: vec![60.5, 61.25, 62.0],
        decode_gb_per_second: Some(271.3),
        percent_of_read_bandwidth: Some(66.2),
        decode_arithmetic_gmac_per_second: Some(2611.5),
        decode_exchange_gb_per_second: Some(120.25),
        prefill_tokens_per_second: Some(410.0),
        prefill_runs: vec![405.0, 410.0, 411.5],
        prefill_arithmetic_gmac_per_second: Some(2609.0),
        prefill_exchange_gb_per_second: Some(121.5),
        time_to_first_token_ms: Some(78.0),
        reference_tokens_per_second: Some(28.11),
    };
    Profile {
        schema: SCHEMA,
        created: Created {
            date: "2026-01-02T03:04:05Z".into(),
            version: "0.1.0".into(),
            command: "sysinfer-tune --synthetic llama3-8b".into(),
        },
        host: host(),
        model: (&model()).into(),
        plan,
        serving: Some(Serving {
            parallel: 16,
            token_gap_ms: 100,
        }),
        evidence: Evidence {
            trusted: Some(true),
            not_trusted_because: String::new(),
            read_gb_per_second: Some(410.0),
            gain_decode: 1.31,
            gain_decode_low: Some(1.28),
            gain_decode_high: Some(1.34),
            gain_prefill: 1.07,
            gain_prefill_low: Some(0.98),
            gain_prefill_high: Some(1.15),
            prompt_tokens: 16,
            samples: 250,
            void_samples: 3,
            decode_between_runs: Some(0.012),
            prefill_between_runs: Some(0.02),
            independent_runs: 4,
            lengths: vec![
                row,
                LengthEvidence {
                    total_tokens: 64,
                    sampled: true,
                    ..Default::default()
                },
            ],
            steps: vec![step(16, 0), step(16, 256)],
        },
    }
}
