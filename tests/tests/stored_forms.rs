//! Models in the forms and parts that people have them in: the same bits as in the form that the engine
//! reads them as, packed and mapped; and what is refused, with what is wrong.

use std::path::{Path, PathBuf};

use sysinfer_conformance::edit::Edit;
use sysinfer_conformance::fixtures::{logit_bits, open};
use sysinfer_conformance::models::{Recipe, build};
use sysinfer_conformance::product::{Server, command};
use sysinfer_engine::{
    Engine, ModelFile, ModelShape, PhasePlan, Plan, Precision, WeightStorage, damaged_tensors,
};
use sysinfer_formats::TensorType;
use sysinfer_machine::Topology;

const TOKENS: [u32; 24] = [
    1, 17, 300, 4, 99, 250, 251, 252, 7, 7, 7, 128, 64, 32, 16, 8, 0, 299, 3, 200, 11, 13, 190, 55,
];

fn model(architecture: &'static str, kind: TensorType) -> Edit {
    Edit::of(&build(Recipe {
        architecture,
        kind,
        layers: 2,
        tied: false,
    }))
}

/// Files in a folder of their own; the path of each.
fn written(files: &[(&str, Vec<u8>)]) -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let paths = files.iter().map(|(name, bytes)| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("a small file");
        path
    });
    let paths = paths.collect();
    (folder, paths)
}

fn bits(path: &Path, weights: WeightStorage, threads: usize) -> Vec<u32> {
    let mut engine = open(path, threads, |plan| plan.memory.weights = weights);
    logit_bits(&mut engine, &TOKENS, 5)
}

/// What opening a model says is wrong with it.
fn refusal(path: &Path) -> String {
    let topology = Topology::discover().expect("this host has a topology");
    let plan = Plan::with_threads(PhasePlan::unpinned(1));
    let precision = Precision::default();
    let engine = ModelFile::open(path)
        .and_then(|file| Engine::load(&file, plan, precision, &topology, &mut |_| {}));
    match engine {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error.to_string(),
    }
}

/// Both give the same bits, wherever their weights are.
fn same(how: &str, known: &Edit, other: &Edit) {
    let files = [("known.gguf", known.write()), ("other.gguf", other.write())];
    let (_folder, paths) = written(&files);
    let wanted = bits(&paths[0], WeightStorage::Packed, 1);
    for weights in [WeightStorage::Packed, WeightStorage::Mapped] {
        assert!(
            bits(&paths[1], weights, 3) == wanted,
            "{how}, {weights}: other bits"
        );
    }
}

#[test]
fn experts_in_any_form_give_the_same_bits() {
    for family in ["mixtral", "qwen2moe", "qwen3moe"] {
        for kind in [TensorType::F16, TensorType::Q4_0, TensorType::Q4K] {
            let stacked = model(family, kind);
            let single = stacked.clone().one_tensor_per_expert();
            same(&format!("{family} {kind}, one each"), &stacked, &single);
            let joined = stacked.clone().gate_and_up_joined();
            same(&format!("{family} {kind}, joined"), &stacked, &joined);
        }
    }
}

#[test]
fn queries_keys_and_values_in_one_tensor_give_the_same_bits() {
    for family in ["llama", "qwen2", "qwen3"] {
        let apart = model(family, TensorType::Q8_0);
        let joined = apart.clone().queries_keys_and_values_joined();
        assert_ne!(joined.tensors.len(), apart.tensors.len());
        same(family, &apart, &joined);
    }
}

#[test]
fn a_split_model_is_opened_by_the_name_of_any_part() {
    let whole = model("llama", TensorType::Q4_0);
    let last = whole.tensors.len() - 1;
    // In the middle of a layer; nothing in the first part; nothing in the last.
    for cuts in [&[5][..], &[0, 7, last], &[3, last + 1]] {
        let parts = whole.parts(cuts);
        let names: Vec<String> = (1..=parts.len())
            .map(|number| format!("tiny-{number:05}-of-{:05}.gguf", parts.len()))
            .collect();
        let names = names.iter().map(String::as_str);
        let mut files: Vec<(&str, Vec<u8>)> = names.zip(parts).collect();
        files.push(("whole.gguf", whole.write()));
        let (_folder, mut paths) = written(&files);
        let alone = paths.pop().expect("the last one");
        let wanted = bits(&alone, WeightStorage::Packed, 1);
        for path in &paths {
            for weights in [WeightStorage::Packed, WeightStorage::Mapped] {
                let how = format!("{}, {weights}", path.display());
                assert!(bits(path, weights, 2) == wanted, "{how}: other bits");
            }
        }
    }
}

/// The experts of one layer lie in two files.
/// What asks something of a model's file asks the one that was opened: its name may be gone by then.
#[test]
fn a_file_is_opened_once() {
    let whole = model("llama", TensorType::Q4_0);
    let parts = whole.parts(&[5]);
    let names = ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"];
    let split: Vec<_> = names.into_iter().zip(parts).collect();
    let (_folder, known) = written(&[("m.gguf", whole.write())]);
    let wanted = bits(&known[0], WeightStorage::Packed, 1);
    for files in [vec![("m.gguf", whole.write())], split] {
        let (folder, paths) = written(&files);
        let file = ModelFile::open(&paths[0]).expect("a model");
        drop(folder);
        let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
        assert_eq!(file.bytes(), bytes as u64);
        assert_eq!(file.config().expect("a model").layers, 2);
        assert!(file.tokenizer().expect("none is no error").is_none());
        let (storage, why) = file.storage(WeightStorage::Auto, Some(1000));
        assert_eq!((storage, why.is_some()), (WeightStorage::Mapped, true));
        let precision = Precision::default();
        let shape = ModelShape::of_file(&file, precision).expect("a model");
        assert_eq!(damaged_tensors(&file, 1, &mut |_| {}), []);
        for weights in [WeightStorage::Packed, WeightStorage::Mapped] {
            let mut plan = Plan::with_threads(PhasePlan::unpinned(1));
            plan.memory.weights = weights;
            let topology = Topology::flat(&[0]);
            let engine = Engine::load(&file, plan, precision, &topology, &mut |_| {});
            let mut engine = engine.expect("the open file is still there");
            assert_eq!(engine.info().fingerprint, shape.info.fingerprint);
            assert!(logit_bits(&mut engine, &TOKENS, 5) == wanted, "{weights}");
        }
    }
}

#[test]
fn split_models_may_have_their_experts_in_any_form() {
    for family in ["mixtral", "qwen2moe"] {
        let stacked = model(family, TensorType::Q8_0);
        let known = ("known.gguf", stacked.write());
        let single = stacked.one_tensor_per_expert();
        let middle = single.tensors.len() - 10;
        let parts = single.parts(&[middle]).into_iter();
        let names = ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"];
        let mut files: Vec<(&str, Vec<u8>)> = names.into_iter().zip(parts).collect();
        files.push(known);
        let (_folder, paths) = written(&files);
        let wanted = bits(&paths[2], WeightStorage::Packed, 1);
        for weights in [WeightStorage::Packed, WeightStorage::Mapped] {
            assert!(bits(&paths[1], weights, 3) == wanted, "{family}, {weights}");
        }
    }
}

#[test]
fn a_part_of_a_mapped_model_that_is_cut_is_named() {
    let parts = model("llama", TensorType::Q4_0).parts(&[9]).into_iter();
    let names = ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"];
    let files: Vec<(&str, Vec<u8>)> = names.into_iter().zip(parts).collect();
    let (_folder, paths) = written(&files);
    let mut engine = open(&paths[0], 1, |plan| {
        plan.memory.weights = WeightStorage::Mapped;
    });
    let file = std::fs::File::options().write(true).open(&paths[1]);
    file.expect("our own file").set_len(4096).expect("shorter");
    let mut sequence = engine.sequence(8).expect("it fits");
    let entry = sysinfer_engine::Entry {
        sequence: &mut sequence,
        tokens: &TOKENS[..2],
        wanted: sysinfer_engine::Wanted::Last,
    };
    let error = engine.step(&mut [entry]).expect_err("a part is cut");
    assert!(error.to_string().contains(names[1]), "{error}");
}

#[test]
fn parts_that_do_not_make_a_model_are_refused() {
    let whole = model("llama", TensorType::Q4_0);
    let [one, two, three] = whole.parts(&[5, 9]).try_into().expect("three parts");
    let names = [
        "m-00001-of-00003.gguf",
        "m-00002-of-00003.gguf",
        "m-00003-of-00003.gguf",
    ];
    let other = model("qwen2", TensorType::Q4_0).parts(&[5, 9]);
    let pair = whole.parts(&[5]);
    let mut without_number = Edit::of(&two);
    without_number.metadata.retain(|(key, _)| key != "split.no");
    let beyond = Edit::of(&two).with("split.no", 3u16).write();
    let text = Edit::of(&two).with("split.no", "two").write();
    let broken = b"GGUF".to_vec();
    /// A name, the bytes of each part that is there, words of the refusal.
    type Case<'c> = (&'c str, [Option<&'c [u8]>; 3], &'c [&'c str]);
    let cases: [Case<'_>; 9] = [
        (
            "one is missing",
            [Some(&one), None, Some(&three)],
            &["part 2 of 3", names[1], "one folder"],
        ),
        (
            "two are exchanged",
            [Some(&two), Some(&one), Some(&three)],
            &["part 1 of 3 says that it is part 2 of 3"],
        ),
        (
            "one is there twice",
            [Some(&one), Some(&one), Some(&three)],
            &["token_embd.weight is there twice"],
        ),
        (
            "one is of another model",
            [Some(&one), Some(&other[1]), Some(&three)],
            &["split.tensors.count"],
        ),
        (
            "one is of another division",
            [Some(&one), Some(&pair[1]), Some(&three)],
            &["is there twice"],
        ),
        (
            "one has no number",
            [Some(&one), Some(&without_number.write()), Some(&three)],
            &["split.no"],
        ),
        (
            "one has a number beyond their count",
            [Some(&one), Some(&beyond), Some(&three)],
            &["split.no is 3", "split.count is 3"],
        ),
        (
            "a number is a text",
            [Some(&one), Some(&text), Some(&three)],
            &["split.no"],
        ),
        (
            "one is no GGUF",
            [Some(&one), Some(&broken), Some(&three)],
            &[names[1]],
        ),
    ];
    for (case, files, words) in cases {
        let there = names.into_iter().zip(files);
        let there = there.filter_map(|(name, bytes)| Some((name, bytes?.to_vec())));
        let there: Vec<(&str, Vec<u8>)> = there.collect();
        let (_folder, paths) = written(&there);
        let message = refusal(&paths[0]);
        for word in words {
            assert!(message.contains(word), "{case}: {message}");
        }
    }
}

#[test]
fn a_part_under_another_name_says_what_it_is() {
    let [one, _] = model("llama", TensorType::Q4_0)
        .parts(&[5])
        .try_into()
        .expect("two parts");
    let files = [("model.gguf", one.clone()), ("m-00001-of-00003.gguf", one)];
    let (_folder, paths) = written(&files);
    for path in &paths {
        let message = refusal(path);
        let words = [
            "part 1 of 2",
            "-00001-of-00002.gguf",
            "llama-gguf-split --merge",
        ];
        for word in words {
            assert!(message.contains(word), "{message}");
        }
    }
}

#[test]
fn experts_that_are_not_alike_are_refused() {
    let single = || model("mixtral", TensorType::Q8_0).one_tensor_per_expert();
    let mut missing = single();
    missing.take("blk.1.ffn_up.2.weight");
    let mut unlike = single();
    let tensors = unlike.tensors.iter_mut();
    for tensor in tensors.filter(|tensor| tensor.name == "blk.0.ffn_down.3.weight") {
        tensor.kind = TensorType::F16;
        tensor.data = vec![0; 2 * 256 * 256];
    }
    let mut both = single();
    both.tensors
        .extend(model("mixtral", TensorType::Q8_0).take("blk.0.ffn_down_exps.weight"));
    let few = single().with("llama.expert_count", 7u32);
    let mut odd = model("mixtral", TensorType::Q8_0).gate_and_up_joined();
    let tensors = odd.tensors.iter_mut();
    for tensor in tensors.filter(|tensor| tensor.name.contains("gate_up")) {
        tensor.shape[1] -= 1;
        let bytes = tensor.data.len() / 512 * 511;
        tensor.data.truncate(bytes);
    }
    let cases: [(&str, &Edit, &[&str]); 5] = [
        (
            "one is missing",
            &missing,
            &["blk.1.ffn_up.3.weight", "expert 2"],
        ),
        (
            "one has another type",
            &unlike,
            &["blk.0.ffn_down.3.weight is F16", "convert"],
        ),
        (
            "two forms of one",
            &both,
            &["blk.0.ffn_down_exps.weight is there twice"],
        ),
        (
            "fewer than the metadata says",
            &few,
            &["ffn_gate_inp.weight is 256 x 6", "256 x 7"],
        ),
        (
            "half a row",
            &odd,
            &["ffn_gate_up_exps.weight has 511 rows"],
        ),
    ];
    for (case, edit, words) in cases {
        let (_folder, paths) = written(&[("m.gguf", edit.write())]);
        let message = refusal(&paths[0]);
        for word in words {
            assert!(message.contains(word), "{case}: {message}");
        }
    }
}

/// The server and the tuner take a split model as they take a file, and call it by its name.
#[test]
fn the_programs_take_a_part_for_the_whole() {
    let path = sysinfer_conformance::fixtures::tiny_model();
    let whole = Edit::of(&std::fs::read(path).expect("it was written"));
    let parts = whole.parts(&[6]).into_iter();
    let names = [
        "tiny-chat-00001-of-00002.gguf",
        "tiny-chat-00002-of-00002.gguf",
    ];
    let files: Vec<(&str, Vec<u8>)> = names.into_iter().zip(parts).collect();
    let (_folder, paths) = written(&files);
    let mut server = command("sysinfer-server");
    let server = Server::start(server.arg(&paths[1]).args(["--threads", "1"]));
    let (status, models) = server.get("/v1/models");
    assert_eq!(status, 200, "{models}");
    assert!(models.contains("\"tiny-chat\""), "{models}");
    let mut bench = command("sysinfer-tune");
    bench.args([
        "bench",
        "--threads",
        "1",
        "--lengths",
        "32",
        "--prefill",
        "none",
    ]);
    let output = bench.args(["--repeat", "1"]).arg(&paths[0]).output();
    let output = output.expect("the tuner starts");
    assert!(output.status.success(), "{output:?}");
}
