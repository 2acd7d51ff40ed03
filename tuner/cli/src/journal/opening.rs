//! Opens the journal of a run: a new one, or one to go on with.

use std::path::Path;

use anyhow::Context;
use sysinfer_engine::{EngineInfo, Plan};

use super::FILE_NAME;
use super::facts::{ModelShape, TopologyFacts};
use super::format::{FORMAT, Header};
use super::identity::{check_model, check_run};
use super::read::{Recorded, read};
use super::write::Writer;
use crate::host::Host;
use crate::host::check::Finding;
use crate::source::Source;
use crate::tune::arguments::TuneArgs;

/// The journal that `--resume` goes on with; `None` if there is none yet, which is said. Called before
/// the model is loaded, so that a wrong journal costs no time.
///
/// # Errors
/// It cannot be read, or belongs to another host or search.
pub fn to_resume(
    directory: &Path,
    host: &Host,
    arguments: &TuneArgs,
) -> anyhow::Result<Option<Recorded>> {
    let path = directory.join(FILE_NAME);
    if !arguments.resume {
        return Ok(None);
    }
    let recorded = if path.exists() { read(&path)? } else { None };
    let Some(recorded) = recorded else {
        eprintln!(
            "nothing to resume: {} has no samples yet; beginning anew",
            path.display()
        );
        return Ok(None);
    };
    check_run(&recorded.header, host, arguments)
        .with_context(|| format!("cannot resume from {}", path.display()))?;
    say_if_torn(&path, recorded.torn);
    eprintln!(
        "resuming: {} samples are in {}",
        recorded.samples.len(),
        path.display()
    );
    Ok(Some(recorded))
}

/// Tells the user that the last line of a journal was left out.
pub fn say_if_torn(path: &Path, torn: bool) {
    if torn {
        eprintln!(
            "the last line of {} is torn: what it held is lost",
            path.display()
        );
    }
}

/// What is known when the model is loaded.
pub struct Opened<'a> {
    /// What is asked for.
    pub arguments: &'a TuneArgs,
    /// The host.
    pub host: &'a Host,
    /// What about it costs speed.
    pub findings: &'a [Finding],
    /// The model.
    pub source: &'a Source,
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
            eprintln!(
                "{} has {samples} samples of the same run and is now {previous}; --resume would have \
                 gone on with them",
                path.display()
            );
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
pub(super) fn resumable(path: &Path, opened: &Opened<'_>) -> Option<usize> {
    let recorded = read(path).ok().flatten()?;
    check_run(&recorded.header, opened.host, opened.arguments).ok()?;
    check_model(&recorded.header, opened.info, opened.default).ok()?;
    Some(recorded.samples.len()).filter(|samples| *samples > 0)
}

fn header(opened: &Opened<'_>) -> Header {
    let arguments = std::env::args_os().skip(1);
    Header {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").into(),
        date: jiff::Timestamp::now().to_string(),
        arguments: arguments
            .map(|word| word.to_string_lossy().into_owned())
            .collect(),
        host: (&opened.host.info).into(),
        topology: TopologyFacts::from(&opened.host.topology),
        effective_cpus: opened.host.effective_cpus,
        instruction_sets: instruction_sets(),
        findings: opened.findings.to_vec(),
        source: opened.source.name(),
        model: ModelShape::from(opened.info),
        default: opened.default.clone(),
    }
}

/// Instruction sets that kernels can use here.
pub fn instruction_sets() -> Vec<String> {
    let names = sysinfer_kernels::isa::detected_names();
    names.into_iter().map(str::to_owned).collect()
}
