//! Reads a journal, which may be torn at its end (the run was killed in a write) and is a stranger's
//! text anywhere else: sizes are bounded, and errors name the line.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use sysinfer_engine::Plan;
use sysinfer_probe::{Retries, Validity};

use super::format::{Cores, Header, Line, Sample};

/// Longer than the header of the largest host.
const MAX_LINE_BYTES: u64 = 4 << 20;
/// More lines than any run writes.
const MAX_LINES: usize = 2_000_000;
/// More than any run writes.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// Why a journal could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file could not be read.
    #[error("cannot read the journal {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line is not what it should be.
    #[error("{}: line {line}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
}

/// A journal's contents.
#[derive(Debug)]
pub struct Recorded {
    /// What the run was about.
    pub header: Header,
    /// Plans by number.
    pub plans: Vec<Plan>,
    /// Samples in the order they were taken.
    pub samples: Vec<Sample>,
    /// Readings of cores in the order they were taken, each with the number of samples above it.
    pub cores: Vec<(usize, Cores)>,
    /// Bytes of whole lines; what is behind them is torn.
    pub whole_bytes: u64,
    /// Whether a torn line was left out.
    pub torn: bool,
}

impl Recorded {
    /// Samples that ran, each with its plan and whether it counts, which follows from those before it as it did in
    /// the run itself.
    pub fn judged(&self) -> impl Iterator<Item = (&Sample, &Plan, Validity)> {
        let mut retries = Retries::default();
        self.samples.iter().filter_map(move |sample| {
            if sample.refused.is_some() {
                retries.begin();
                return None;
            }
            let validity = retries.judge(&sample.points, sample.void.as_ref());
            Some((sample, &self.plans[sample.plan], validity))
        })
    }
}

/// Reads the journal at `path`; `None` if it does not even have a whole header, as that of a run that
/// was killed while it began.
///
/// # Errors
/// [`ReadError`]; a torn last line is none.
pub fn read(path: &Path) -> Result<Option<Recorded>, ReadError> {
    let io = |source| ReadError::Io {
        path: path.into(),
        source,
    };
    let file = File::open(path).map_err(io)?;
    let bytes = file.metadata().map_err(io)?.len();
    if bytes > MAX_FILE_BYTES {
        return Err(ReadError::Line {
            path: path.into(),
            line: 1,
            problem: format!(
                "the file has {bytes} bytes; a journal of this program has at most {MAX_FILE_BYTES}"
            ),
        });
    }
    let mut reader = BufReader::new(file.take(MAX_FILE_BYTES));
    let mut builder = Builder::default();
    let mut whole_bytes = 0;
    for number in 1.. {
        let error = |problem: String| ReadError::Line {
            path: path.into(),
            line: number,
            problem,
        };
        let mut bytes = Vec::new();
        let mut limited = (&mut reader).take(MAX_LINE_BYTES + 1);
        let length = limited.read_until(b'\n', &mut bytes).map_err(io)? as u64;
        if length > MAX_LINE_BYTES || number > MAX_LINES {
            return Err(error(format!(
                "longer than any journal of this program ({MAX_LINE_BYTES} bytes a line, {MAX_LINES} lines)"
            )));
        }
        // Without its line end the write did not finish, whatever the line says.
        let torn = bytes.last().is_some_and(|last| *last != b'\n');
        if bytes.is_empty() || torn {
            return Ok(builder.finish(whole_bytes, torn));
        }
        match serde_json::from_slice(&bytes) {
            Ok(line) => builder.push(line).map_err(error)?,
            Err(problem) if is_at_end(&mut reader).map_err(io)? && !problem.is_data() => {
                return Ok(builder.finish(whole_bytes, true));
            }
            Err(problem) => return Err(error(problem.to_string())),
        }
        whole_bytes += length;
    }
    Ok(None)
}

fn is_at_end(reader: &mut impl BufRead) -> std::io::Result<bool> {
    Ok(reader.fill_buf()?.is_empty())
}

/// Lines become a journal.
#[derive(Default)]
struct Builder {
    header: Option<Header>,
    plans: Vec<Plan>,
    samples: Vec<Sample>,
    cores: Vec<(usize, Cores)>,
}

impl Builder {
    fn push(&mut self, line: Line) -> Result<(), String> {
        match line {
            Line::Header(header) if self.header.is_none() => {
                header.validate()?;
                self.header = Some(*header);
            }
            Line::Header(_) => return Err("a second header".into()),
            _ if self.header.is_none() => return Err("a journal begins with its header".into()),
            Line::Plan { id, plan } => {
                if id != self.plans.len() {
                    return Err(format!(
                        "plan {id} where plan {} should be",
                        self.plans.len()
                    ));
                }
                plan.validate().map_err(|error| error.to_string())?;
                self.plans.push(plan);
            }
            Line::Sample(sample) => {
                sample.validate()?;
                self.check_plan(sample.plan)?;
                self.samples.push(sample);
            }
            Line::Cores(cores) => {
                cores.validate()?;
                self.check_plan(cores.plan)?;
                self.cores.push((self.samples.len(), cores));
            }
        }
        Ok(())
    }

    fn check_plan(&self, plan: usize) -> Result<(), String> {
        if plan < self.plans.len() {
            return Ok(());
        }
        Err(format!("a line of plan {plan}, which is not above it"))
    }

    fn finish(self, whole_bytes: u64, torn: bool) -> Option<Recorded> {
        Some(Recorded {
            header: self.header?,
            plans: self.plans,
            samples: self.samples,
            cores: self.cores,
            whole_bytes,
            torn,
        })
    }
}
