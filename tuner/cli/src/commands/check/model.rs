//! `check MODEL.gguf`: the file as the engine reads it, and every weight in it.
//!
//! The file is opened as for serving, with weights left in it: whatever a load refuses is refused here, in
//! the same words, and takes no memory for weights. Then all rows are looked through once.

use std::path::Path;

use anyhow::bail;
use serde::Serialize;
use sysinfer_engine::{
    Damage, Engine, EngineInfo, LoadStep, ModelFile, PhasePlan, Plan, Precision, WeightStorage,
    damaged_tensors,
};
use sysinfer_machine::Topology;
use sysinfer_probe::Progress;
use sysinfer_terminal as table;
use sysinfer_terminal::gigabytes;

use crate::Ending;
use crate::progress::Terminal;

/// Damaged tensors that are shown; where there are more, the file is beyond doubt.
const MAX_SHOWN: usize = 10;

/// What a model file is, and what is wrong with it.
#[derive(Debug, Serialize)]
struct ModelCheck {
    file: String,
    bytes: u64,
    name: String,
    architecture: String,
    quantisation: String,
    parameters: u64,
    context_length: usize,
    vocabulary_size: usize,
    tokenizer: bool,
    chat_template: bool,
    damaged: Vec<DamagedTensor>,
    findings: Vec<String>,
}

/// A tensor with values that are not finite, for JSON, which has no such numbers.
#[derive(Debug, Serialize)]
struct DamagedTensor {
    tensor: String,
    r#type: &'static str,
    row: usize,
    column: usize,
    value: String,
    damaged_rows: usize,
    rows: usize,
    #[serde(skip)]
    line: String,
}

impl From<&Damage> for DamagedTensor {
    fn from(damage: &Damage) -> Self {
        Self {
            tensor: damage.tensor.clone(),
            r#type: damage.kind.name(),
            row: damage.row,
            column: damage.column,
            value: damage.value.to_string(),
            damaged_rows: damage.damaged_rows,
            rows: damage.rows,
            line: damage.to_string(),
        }
    }
}

/// Opens the file and looks through its weights.
///
/// # Errors
/// What a load says of it; or that something was found, which was printed then.
pub(super) fn run(path: &Path, json: bool) -> anyhow::Result<Ending> {
    let file = ModelFile::open(path)?;
    let mut plan = Plan::with_threads(PhasePlan::unpinned(1));
    plan.memory.weights = WeightStorage::Mapped;
    // One thread that is not pinned needs to know nothing of the host.
    let topology = Topology::flat(&[0]);
    let engine = Engine::load(&file, plan, Precision::default(), &topology, &mut |_| {})?;
    let progress = Terminal::to_stderr();
    progress.stage(&format!("looking through {}", path.display()), 1000);
    let damaged = damaged_tensors(&file, MAX_SHOWN, &mut |step: LoadStep| {
        let share = 1000 * step.done_bytes.min(step.total_bytes) / step.total_bytes.max(1);
        progress.set(share, step.what);
    });
    progress.finish();
    let check = ModelCheck::new(path, file.bytes(), &engine, &damaged);
    if json {
        println!("{}", serde_json::to_string(&check)?);
    } else {
        print!("{}", check.render());
    }
    match check.findings.len() {
        0 => Ok(Ending::Complete),
        1 => bail!("{}: {}", path.display(), check.findings[0]),
        count => bail!("{}: {count} things are wrong, see above", path.display()),
    }
}

impl ModelCheck {
    fn new(path: &Path, bytes: u64, engine: &Engine, damaged: &[Damage]) -> Self {
        let info: &EngineInfo = engine.info();
        let tokenizer = engine.tokenizer().is_some();
        let mut findings = Vec::new();
        if !damaged.is_empty() {
            let or_more = if damaged.len() == MAX_SHOWN {
                " or more"
            } else {
                ""
            };
            findings.push(format!(
                "{}{or_more} tensors have values that are not finite; the file is damaged: fetch it again, or \
                 convert the model again",
                damaged.len()
            ));
        }
        if !tokenizer {
            findings.push(
                "there is no tokenizer in it, so it can be measured but not served; use a file that \
                 includes one"
                    .into(),
            );
        }
        Self {
            file: path.display().to_string(),
            bytes,
            name: info.name.clone(),
            architecture: info.architecture.clone(),
            quantisation: info.quantisation.clone(),
            parameters: info.parameters,
            context_length: info.context_length,
            vocabulary_size: info.vocabulary_size,
            tokenizer,
            chat_template: engine.chat_template().is_some(),
            damaged: damaged.iter().map(DamagedTensor::from).collect(),
            findings,
        }
    }

    /// Facts as a table, then what is wrong.
    fn render(&self) -> String {
        let there = |is: bool| if is { "yes" } else { "no" }.to_owned();
        let rows = [
            ("file", format!("{} ({})", self.file, gigabytes(self.bytes))),
            ("name", self.name.clone()),
            ("architecture", self.architecture.clone()),
            ("quantisation", self.quantisation.clone()),
            ("weights", self.parameters.to_string()),
            ("context", format!("{} tokens", self.context_length)),
            ("vocabulary", format!("{} tokens", self.vocabulary_size)),
            ("tokenizer", there(self.tokenizer)),
            ("chat template", there(self.chat_template)),
        ];
        let rows = rows
            .into_iter()
            .map(|(name, value)| vec![name.to_owned(), value]);
        let mut text = table::render(&["fact", "this file"], rows);
        text.push('\n');
        for damaged in &self.damaged {
            text.push_str(&format!("damaged: {}\n", damaged.line));
        }
        if self.findings.is_empty() {
            text.push_str("It would be loaded, and all of its weights are finite.\n");
        }
        for finding in &self.findings {
            text.push_str(&format!("wrong: {finding}\n"));
        }
        text
    }
}
