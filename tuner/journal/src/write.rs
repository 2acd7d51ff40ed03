//! Appends to a journal: when a call returns, its lines survive the end of the process, and those up to the
//! last sample that of the power.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use sysinfer_engine::Plan;
use sysinfer_probe::{CoreReading, Phase};

use super::format::{Cores, Header, Line, Sample};
use super::read::Recorded;

/// An open journal.
#[derive(Debug)]
pub struct Writer {
    file: File,
    plans: Vec<Plan>,
}

impl Writer {
    /// Starts a journal with its header.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn create(path: &Path, header: &Header) -> std::io::Result<Self> {
        let mut writer = Self {
            file: File::create(path)?,
            plans: Vec::new(),
        };
        writer.append(&[Line::Header(Box::new(header.clone()))])?;
        writer.file.sync_data()?;
        // The name of a new file is in its directory, which is written apart.
        let directory = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(writer)
    }

    /// Goes on with a journal that was read, behind its last whole line.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn resume(path: &Path, recorded: &Recorded) -> std::io::Result<Self> {
        let mut file = OpenOptions::new().write(true).open(path)?;
        file.set_len(recorded.whole_bytes)?;
        file.seek(SeekFrom::End(0))?;
        let plans = recorded.plans.clone();
        Ok(Self { file, plans })
    }

    /// Appends a sample under `plan`, and the plan if it is the first under it. The number of the plan
    /// in `sample` is replaced.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn sample(&mut self, plan: &Plan, mut sample: Sample) -> std::io::Result<()> {
        self.under(plan, |plan| {
            sample.plan = plan;
            Line::Sample(sample)
        })?;
        self.file.sync_data()
    }

    /// Appends what the cores of a team of `plan` did, and the plan likewise. It reaches the disk with the
    /// next sample: waiting for it would stand between the reading and what runs next.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn cores(
        &mut self,
        plan: &Plan,
        phase: Phase,
        reading: CoreReading,
    ) -> std::io::Result<()> {
        self.under(plan, |plan| {
            Line::Cores(Cores {
                plan,
                phase,
                reading,
            })
        })
    }

    /// Appends a line that refers to `plan` by number, behind the plan's own if there is none yet.
    fn under(&mut self, plan: &Plan, line: impl FnOnce(usize) -> Line) -> std::io::Result<()> {
        let known = self.plans.iter().position(|known| known == plan);
        let id = known.unwrap_or(self.plans.len());
        let mut lines = Vec::new();
        if known.is_none() {
            self.plans.push(plan.clone());
            let plan = plan.clone();
            lines.push(Line::Plan { id, plan });
        }
        lines.push(line(id));
        self.append(&lines)
    }

    fn append(&mut self, lines: &[Line]) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut bytes, line)?;
            bytes.push(b'\n');
        }
        self.file.write_all(&bytes)
    }
}
