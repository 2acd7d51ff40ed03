//! The samples of a run, in memory for its report and on disk.

use std::path::Path;
use std::rc::Rc;

use anyhow::Context;
use sysinfer_journal::SamplesCsv;
use sysinfer_journal::clock::SampleClock;

use super::report_of_run::samples::Remembered;

/// `samples.csv`; a resumed run writes it anew, with what is in the journal.
pub(crate) fn samples_table(
    directory: &Path,
    resumed: bool,
    clock: &Rc<SampleClock>,
) -> anyhow::Result<Remembered> {
    let open = if resumed {
        SamplesCsv::replace
    } else {
        SamplesCsv::create
    };
    let file = open(directory, clock.clone())
        .with_context(|| format!("cannot keep samples in {}", directory.display()))?;
    Ok(Remembered::new(file, clock.clone()))
}
