//! Model files: parsed, described, their vocabulary built, rows decoded, and, where the
//! file is small, opened as an engine that runs two steps.

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use sysinfer_engine::model::metadata;
use sysinfer_engine::model::stored::StoredModel;
use sysinfer_engine::tokenizer::Encode;
use sysinfer_engine::{
    CacheType, Engine, Entry, ModelFile, PhasePlan, Plan, Precision, Tokenizer, Wanted,
};
use sysinfer_formats::{Gguf, Tensor, Value, blocks};
use sysinfer_machine::Topology;
use sysinfer_server::prompt::builtin;
use sysinfer_server::prompt::encode::{ModelPrompt, TemplateSource};

use super::{LARGEST_PER_FILE_BYTE, Target};

/// See [`Target`].
pub const TARGET: Target = Target {
    name: "gguf",
    run,
    largest_floor_bytes: REGEX_BYTES,
    largest_per_input_byte: LARGEST_PER_FILE_BYTE,
    peak_floor_bytes: 8 * REGEX_BYTES,
    peak_per_input_byte: 8,
};

/// A regular expression of a pre-tokenizer knows all letters and digits of Unicode: a constant, but
/// far more than small files have.
const REGEX_BYTES: usize = 1 << 20;

/// Larger files are not opened as engines: no time.
const MAX_ENGINE_BYTES: usize = 64 << 10;

/// Weights are packed in groups of rows, padded, and lie on pages of their own.
const PAGE_BYTES: u64 = 64 << 10;

fn run(data: &[u8]) {
    let Ok(file) = Gguf::parse(data) else {
        return;
    };
    read_metadata(&file);
    file.tensors().iter().for_each(read_rows);
    let config =
        StoredModel::new(std::slice::from_ref(&file)).and_then(|file| metadata::read(&file));
    if let Ok(Some(tokenizer)) = Tokenizer::from_gguf(file.metadata()) {
        use_tokenizer(&Arc::new(tokenizer));
    }
    if config.is_ok() && data.len() <= MAX_ENGINE_BYTES {
        runs_as_engine(data);
    }
}

/// Every getter answers for every key, and arrays have as many entries as they say.
fn read_metadata(file: &Gguf<'_>) {
    let metadata = file.metadata();
    for (key, value) in metadata.iter() {
        assert!(metadata.get(key).is_some());
        let _ = metadata.string(key);
        let _ = metadata.unsigned(key);
        let _ = metadata.float(key);
        let _ = metadata.boolean(key);
        if let Value::Array(array) = value {
            assert_eq!(array.iter().count(), array.len());
        }
    }
}

/// First and last row, a block at a time: a row of a hostile file may be all of it.
fn read_rows(tensor: &Tensor<'_>) {
    assert_eq!(tensor.rows() * tensor.row_bytes(), tensor.data.len());
    let mut values = vec![0.0; tensor.kind.block_elements()];
    for row in [0, tensor.rows() - 1] {
        let blocks = tensor.row(row).chunks_exact(tensor.kind.block_bytes());
        for block in blocks.take(16) {
            let _ = blocks::dequantize(tensor.kind, block, &mut values);
        }
    }
}

/// What a server does with a vocabulary before the first request, and with one request.
fn use_tokenizer(tokenizer: &Arc<Tokenizer>) {
    let text = "Hello  <s>wörld</s>\n\n 123 <|im_end|> 日本";
    for parse_special in [false, true] {
        let options = Encode {
            add_special: true,
            parse_special,
        };
        let tokens = tokenizer.encode(text, options);
        let size = tokenizer.vocabulary_size();
        assert!(tokens.iter().all(|token| (*token as usize) < size));
        let _ = tokenizer.decode(&tokens, parse_special);
    }
    let plain = TemplateSource::Builtin(builtin::ALL[0]);
    let prompt = ModelPrompt::new(&plain, Arc::clone(tokenizer), || {
        jiff::Timestamp::UNIX_EPOCH
    });
    assert!(prompt.is_ok());
}

/// Opens the file as an engine and runs two steps; whether both ran.
///
/// # Panics
/// If a promise is broken.
pub fn runs_as_engine(data: &[u8]) -> bool {
    let mut file = tempfile::NamedTempFile::new().expect("the system has a temporary folder");
    file.write_all(data).expect("the disk has some KB");
    file.seek(SeekFrom::Start(0)).expect("it is a file");
    runs_as_engine_at(file.path(), data.len())
}

/// The same for a model that lies in files of so many bytes together.
///
/// # Panics
/// If a promise is broken.
pub fn runs_as_engine_at(path: &Path, bytes: usize) -> bool {
    let plan = Plan::with_threads(PhasePlan::unpinned(1));
    let topology = Topology::flat(&[0]);
    let cache = CacheType::ALL[bytes % CacheType::ALL.len()];
    let precision = Precision::with_cache(cache);
    let engine = ModelFile::open(path)
        .and_then(|file| Engine::load(&file, plan, precision, &topology, &mut |_| {}));
    let Ok(mut engine) = engine else {
        return false;
    };
    let info = engine.info().clone();
    let bound = 4 * bytes as u64 + PAGE_BYTES;
    assert!(
        info.weight_bytes <= bound,
        "{} bytes of weights",
        info.weight_bytes
    );
    let mut sequence = engine
        .sequence(info.context_length.min(3))
        .expect("within the context");
    let last = info.vocabulary_size as u32 - 1;
    for tokens in [&[0, last][..], &[0]] {
        let entry = Entry {
            sequence: &mut sequence,
            tokens,
            wanted: Wanted::Last,
        };
        let Ok(logits) = engine.step(&mut [entry]) else {
            return false;
        };
        // Rows of damaged weights are refused: what is not must be whole and finite.
        if let Ok(row) = logits.row(0) {
            assert_eq!(row.len(), info.vocabulary_size);
            assert!(row.iter().all(|logit| logit.is_finite()));
        }
    }
    true
}
