//! Opens the journal of a run: a new one, or one to go on with.

use std::path::Path;

use anyhow::Context;
use sysinfer_engine::{EngineInfo, Plan};
use sysinfer_probe::Finding;

use crate::FILE_NAME;
use crate::format::{FORMAT, Header};
use crate::identity::{Subject, check_model, check_run};
use crate::read::{Recorded, read};
use crate::write::Writer;

/// The journal that `--resume` goes on with; `None` if there is none yet, which is said. Called before
/// the model is loaded, so that a wrong journal costs no time.
///
/// # Errors
/// It cannot be read, or belongs to another host or search.
pub fn to_resume(
    directory: &Path,
    subject: &Subject,
    say: &mut dyn FnMut(&str),
) -> anyhow::Result<Option<Recorded>> {
    let path = directory.join(FILE_NAME);
    let recorded = if path.exists() { read(&path)? } else { None };
    let Some(recorded) = recorded else {
        let path = path.display();
        say(&format!(
            "nothing to resume: {path} has no samples yet; beginning anew"
        ));
        return Ok(None);
    };
    check_run(&recorded.header, subject)
        .with_context(|| format!("cannot resume from {}", path.display()))?;
    recorded.warning(&path).iter().for_each(|line| say(line));
    let samples = recorded.samples.len();
    say(&format!(
        "resuming: {samples} samples are in {}",
        path.display()
    ));
    Ok(Some(recorded))
}

impl Recorded {
    /// A line for the user where the last line of a journal was left out.
    pub fn warning(&self, path: &Path) -> Option<String> {
        let path = path.display();
        self.torn
            .then(|| format!("the last line of {path} is torn: what it held is lost"))
    }
}

/// What is known when the model is loaded.
pub struct Opened<'a> {
    /// The host, and what is asked for.
    pub subject: &'a Subject,
    /// The command line, without the program's name.
    pub words: Vec<String>,
    /// What about it costs speed.
    pub findings: &'a [Finding],
    /// The model's name.
    pub source: String,
    /// Its shape.
    pub info: &'a EngineInfo,
    /// The plan of an untuned host.
    pub default: &'a Plan,
}

/// Starts a journal, or goes on with `recorded`. A journal with samples that is there already is kept
/// under the name `previous-journal.jsonl`; one that `--resume` would have gone on with is named.
///
/// # Errors
/// The directory is not writable, or the journal is of another model.
pub fn writer(
    directory: &Path,
    opened: &Opened<'_>,
    recorded: Option<&Recorded>,
    say: &mut dyn FnMut(&str),
) -> anyhow::Result<Writer> {
    let path = directory.join(FILE_NAME);
    let cannot = || format!("cannot keep samples in {}", path.display());
    if let Some(recorded) = recorded {
        check_model(&recorded.header, opened.info, opened.default)
            .with_context(|| format!("cannot resume from {}", path.display()))?;
        return Writer::resume(&path, recorded).with_context(cannot);
    }
    if is_worth_keeping(&path) {
        let previous = format!("previous-{FILE_NAME}");
        if let Some(samples) = resumable(&path, opened) {
            say(&format!(
                "{} has {samples} samples of the same run and is now {previous}; --resume would have \
                 gone on with them",
                path.display()
            ));
        }
        std::fs::rename(&path, directory.join(previous)).with_context(cannot)?;
    }
    Writer::create(&path, &header(opened)).with_context(cannot)
}

/// Whether there is more than the journal of a run that took no sample, which must not displace the
/// samples that are kept.
fn is_worth_keeping(path: &Path) -> bool {
    let is_empty = |recorded: Option<Recorded>| recorded.is_none_or(|it| it.samples.is_empty());
    path.exists() && !read(path).is_ok_and(is_empty)
}

/// Samples of a journal that `--resume` would go on with; `None` of any other file.
pub fn resumable(path: &Path, opened: &Opened<'_>) -> Option<usize> {
    let recorded = read(path).ok().flatten()?;
    check_run(&recorded.header, opened.subject).ok()?;
    check_model(&recorded.header, opened.info, opened.default).ok()?;
    Some(recorded.samples.len()).filter(|samples| *samples > 0)
}

fn header(opened: &Opened<'_>) -> Header {
    let subject = opened.subject;
    Header {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").into(),
        date: jiff::Timestamp::now().to_string(),
        arguments: opened.words.clone(),
        host: subject.host.clone(),
        topology: subject.topology.clone(),
        effective_cpus: subject.effective_cpus,
        instruction_sets: instruction_sets(),
        findings: opened.findings.to_vec(),
        source: opened.source.clone(),
        model: opened.info.clone(),
        default: opened.default.clone(),
    }
}

/// Instruction sets that kernels can use here.
pub fn instruction_sets() -> Vec<String> {
    let names = sysinfer_kernels::isa::detected_names();
    names.into_iter().map(str::to_owned).collect()
}
