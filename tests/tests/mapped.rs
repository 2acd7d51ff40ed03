//! Weights that stay in the file's map: the same bits as packed ones, and an error when the file is cut.

use std::path::{Path, PathBuf};

use sysinfer_conformance::fixtures::{logit_bits, open, open_as, tiny_model};
use sysinfer_conformance::models::{Recipe, build};
use sysinfer_conformance::product::{Server, command, said};
use sysinfer_engine::{
    Engine, EngineError, Entry, PhasePlan, Plan, Precision, Preset, Wanted, WeightStorage,
};
use sysinfer_formats::TensorType;
use sysinfer_kernels::layout::LAYOUTS;
use sysinfer_machine::Topology;

const TOKENS: [u32; 24] = [
    1, 17, 300, 4, 99, 250, 251, 252, 7, 7, 7, 128, 64, 32, 16, 8, 0, 299, 3, 200, 11, 13, 190, 55,
];

fn recipe(architecture: &'static str, kind: TensorType) -> Recipe {
    Recipe {
        architecture,
        kind,
        layers: 2,
        tied: false,
    }
}

fn written(recipe: Recipe) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, build(recipe)).expect("a small file");
    (folder, path)
}

fn opened(path: &Path, threads: usize, weights: WeightStorage) -> Engine {
    open(path, threads, |plan| plan.memory.weights = weights)
}

/// Decode (one token and five at a time) and prefill, on one thread and on three.
fn check(recipe: Recipe, precision: Precision) {
    let (_folder, path) = written(recipe);
    let mut packed = opened(&path, 1, WeightStorage::Packed);
    for (threads, feed) in [(1, 24), (1, 1), (3, 24), (3, 5), (3, 1)] {
        let wanted = logit_bits(&mut packed, &TOKENS, feed);
        let mut mapped = opened(&path, threads, WeightStorage::Mapped);
        let how = format!("{recipe:?}, {precision:?}, {threads} threads, {feed} at a time");
        assert_eq!(mapped.info(), packed.info(), "{how}");
        assert!(
            logit_bits(&mut mapped, &TOKENS, feed) == wanted,
            "{how}: other bits"
        );
    }
}

#[test]
fn every_block_type_gives_the_same_bits_as_packed() {
    for layout in &LAYOUTS {
        check(recipe("llama", layout.block), Precision::default());
    }
    let tied = Recipe {
        tied: true,
        ..recipe("llama", TensorType::Q8_0)
    };
    check(tied, Precision::default());
}

#[test]
fn every_family_gives_the_same_bits_as_packed() {
    for family in [
        "baichuan", "qwen2", "qwen3", "mixtral", "qwen2moe", "qwen3moe",
    ] {
        for kind in [TensorType::Q4_0, TensorType::Q6K, TensorType::F16] {
            check(recipe(family, kind), Precision::default());
        }
    }
}

#[test]
fn another_plan_leaves_weights_where_they_are() {
    let (_folder, path) = written(recipe("llama", TensorType::Q4K));
    let mut engine = opened(&path, 1, WeightStorage::Mapped);
    let before = logit_bits(&mut engine, &TOKENS, 5);
    let plan = Plan::with_threads(PhasePlan::unpinned(3));
    engine.replan(plan).expect("three threads");
    assert_eq!(engine.plan().memory.weights, WeightStorage::Mapped);
    assert!(logit_bits(&mut engine, &TOKENS, 5) == before);
}

#[test]
fn weights_that_are_widened_are_packed_and_give_the_same_bits() {
    let (_folder, path) = written(recipe("llama", TensorType::Q5_0));
    let mut engines = [WeightStorage::Packed, WeightStorage::Mapped].map(|weights| {
        let mut plan = Plan::with_threads(PhasePlan::unpinned(2));
        plan.memory.weights = weights;
        open_as(&path, plan, Precision::REFERENCE)
    });
    let [packed, mapped] = engines
        .each_mut()
        .map(|engine| logit_bits(engine, &TOKENS, 24));
    assert!(packed == mapped);
}

#[test]
fn a_file_that_is_cut_ends_in_an_error_that_names_it() {
    let (_folder, path) = written(recipe("llama", TensorType::Q4_0));
    let mut engine = opened(&path, 2, WeightStorage::Mapped);
    logit_bits(&mut engine, &TOKENS, 24);
    let file = std::fs::File::options().write(true).open(&path);
    let file = file.expect("our own file");
    let length = file.metadata().expect("it is open").len();
    file.set_len(length / 2).expect("a regular file");
    let mut sequence = engine.sequence(8).expect("it fits");
    let entry = Entry {
        sequence: &mut sequence,
        tokens: &TOKENS[..2],
        wanted: Wanted::Last,
    };
    let error = engine.step(&mut [entry]).expect_err("half of it is gone");
    assert!(matches!(error, EngineError::Machine(_)), "{error:?}");
    let message = error.to_string();
    let name = path.to_str().expect("temporary folders are UTF-8");
    assert!(message.contains(name), "{message}");
    assert!(sequence.is_empty(), "nothing was run");
}

#[test]
fn random_weights_are_in_no_file() {
    let mut plan = Plan::with_threads(PhasePlan::unpinned(1));
    plan.memory.weights = WeightStorage::Mapped;
    let topology = Topology::discover().expect("this host has a topology");
    let precision = Precision::default();
    let engine = Engine::synthetic(Preset::Tiny, plan, precision, &topology, &mut |_| {});
    let Err(error) = engine else {
        panic!("it was loaded");
    };
    assert!(error.to_string().contains("synth"), "{error}");
}

#[test]
fn the_server_says_where_weights_are() {
    let cases: [(&[&str], Option<&str>, &str); 3] = [
        (&[], None, "packing weights"),
        (&[], Some("mapped"), "weights: mapped from SYSINFER_WEIGHTS"),
        (
            &["--weights", "packed"],
            Some("mapped"),
            "weights: packed from --weights, over mapped from SYSINFER_WEIGHTS",
        ),
    ];
    for (arguments, variable, logged) in cases {
        let mut server = command("sysinfer-server");
        server.arg(tiny_model()).args(arguments);
        if let Some(value) = variable {
            server.env("SYSINFER_WEIGHTS", value);
        }
        let server = Server::start(&mut server);
        assert!(server.log.contains(logged), "{}", server.log);
    }
    let mut bench = command("sysinfer-tune");
    bench.args(["bench", "--weights", "mapped", "--threads", "1"]);
    bench.args(["--lengths", "32", "--prefill", "none", "--repeat", "1"]);
    let output = bench.arg(tiny_model()).output().expect("the tuner starts");
    assert!(output.status.success(), "{}", said(&output));
}
