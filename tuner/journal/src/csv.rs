//! `samples.csv`: every point as it is taken, one line each, for people and their tools.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde::Serialize;
use sysinfer_engine::Plan;
use sysinfer_machine::CpuList;
use sysinfer_probe::{Phase, Point, Record, Sink, Validity, Work};

use super::clock::SampleClock;

/// The columns of `samples.csv`.
#[derive(Serialize)]
struct Line<'a> {
    time: &'a str,
    stage: &'static str,
    candidate: &'a str,
    threads: usize,
    map: &'a str,
    cpus: String,
    kernels: String,
    blocking: String,
    phase: &'static str,
    total_tokens: usize,
    tokens: usize,
    seconds: f64,
    tokens_per_second: f64,
    gb_per_second: f64,
    read_gb_per_second: Option<f64>,
    note: String,
}

/// `samples.csv`, flushed after every line.
pub struct SamplesCsv {
    writer: csv::Writer<File>,
    clock: Rc<SampleClock>,
}

impl SamplesCsv {
    /// Starts the file; one with samples that is there already is kept under the name
    /// `previous-samples.csv`. Lines have the time of `clock`.
    ///
    /// # Errors
    /// The directory is not writable.
    pub fn create(directory: &Path, clock: Rc<SampleClock>) -> std::io::Result<Self> {
        let path = Self::path(directory);
        // An empty one, of a run that took no sample, must not displace the samples that are kept.
        if std::fs::metadata(&path).is_ok_and(|file| file.len() > 0) {
            std::fs::rename(&path, directory.join("previous-samples.csv"))?;
        }
        Self::replace(directory, clock)
    }

    /// Writes the file anew, as a resumed run does: it has all samples of the run before.
    ///
    /// # Errors
    /// The directory is not writable.
    pub fn replace(directory: &Path, clock: Rc<SampleClock>) -> std::io::Result<Self> {
        let writer = csv::Writer::from_writer(File::create(Self::path(directory))?);
        Ok(Self { writer, clock })
    }

    /// The file in a report directory.
    pub fn path(directory: &Path) -> PathBuf {
        directory.join("samples.csv")
    }
}

impl Sink for SamplesCsv {
    fn record(&mut self, record: &Record<'_>) -> std::io::Result<()> {
        let time = self.clock.time().to_string();
        for (place, point) in record.points.iter().enumerate() {
            let line = Line::of(record, place, point, &time);
            self.writer.serialize(line).map_err(std::io::Error::other)?;
        }
        self.writer.flush()
    }
}

impl<'a> Line<'a> {
    fn of(record: &Record<'a>, place: usize, point: &Point, time: &'a str) -> Self {
        let (plan, phase) = (record.plan, record.work.team_of(place));
        let (threads, map, cpus) = match (phase, record.work) {
            (Some(phase), _) => {
                let team = plan.team(phase);
                (team.threads, team.map.as_str(), &team.cpus[..])
            }
            (None, Work::Stream { cpus, .. }) => (cpus.len(), "", &cpus[..]),
            (None, _) => (0, "", &[][..]),
        };
        Self {
            time,
            stage: record.stage.name(),
            candidate: record.candidate,
            threads,
            map,
            cpus: cpu_list(cpus),
            kernels: phase.map_or_else(String::new, |phase| kernels(plan, phase)),
            blocking: phase.map_or_else(String::new, |_| blocking(plan)),
            phase: record.work.phase_of(place),
            total_tokens: point.total_tokens,
            tokens: point.tokens,
            seconds: point.seconds,
            tokens_per_second: point.tokens_per_second(),
            gb_per_second: point.gb_per_second(),
            read_gb_per_second: record.read_gb_per_second,
            note: note(record.validity),
        }
    }
}

/// Why a sample does not count, or counts all the same; empty of a valid one.
fn note(validity: &Validity) -> String {
    match validity {
        Validity::Valid => String::new(),
        Validity::Kept(why) => format!("kept although {why}"),
        Validity::Discarded(why) => format!("discarded: {why}"),
    }
}

/// CPUs in the form of `GOMP_CPU_AFFINITY`; empty for a team that is not pinned.
pub fn cpu_list(cpus: &[usize]) -> String {
    if cpus.is_empty() {
        return String::new();
    }
    CpuList::new(cpus.to_vec()).map_or_else(|_| format!("{cpus:?}"), |list| list.to_string())
}

/// `Q4_0=name Q6_K=name` for one phase.
pub fn kernels(plan: &Plan, phase: Phase) -> String {
    let named = plan.kernels.iter().filter_map(|(block_type, choice)| {
        let name = choice.of(phase)?;
        Some(format!("{block_type}={name}"))
    });
    named.collect::<Vec<_>>().join(" ")
}

/// `prefetch=1536 rows=64 chunk=512 attention=256 decode-rows=8`
pub fn blocking(plan: &Plan) -> String {
    let b = &plan.blocking;
    format!(
        "prefetch={} rows={} chunk={} attention={} decode-rows={}",
        b.prefetch_bytes, b.prefill_rows, b.prefill_chunk, b.attention_chunk, b.decode_rows
    )
}

#[cfg(test)]
mod tests {
    use sysinfer_engine::PhasePlan;
    use sysinfer_probe::Stage;

    use super::*;

    #[test]
    fn samples_are_on_disk_at_once_and_old_journals_are_kept() {
        let directory = tempfile::tempdir().expect("directory");
        let mut journal = SamplesCsv::create(directory.path(), Rc::default()).expect("journal");
        let team = PhasePlan {
            threads: 3,
            map: "compact".into(),
            cpus: vec![0, 1, 2],
        };
        let plan = Plan::with_threads(team);
        let point = Point {
            total_tokens: 32,
            tokens: 16,
            seconds: 2.0,
            bytes: 4e9,
        };
        let decode = Work::Decode {
            prompt_tokens: 16,
            lengths: vec![32],
        };
        let stream = Work::Stream {
            cpus: vec![7],
            memory_node: None,
        };
        let record = Record {
            stage: Stage::DecodeTeam,
            candidate: "3 compact",
            plan: &plan,
            work: &decode,
            points: &[point],
            read_gb_per_second: Some(10.0),
            validity: &Validity::Valid,
        };
        journal.record(&record).expect("written");
        let text = std::fs::read_to_string(SamplesCsv::path(directory.path())).expect("there");
        let mut lines = text.lines();
        let header = lines.next().expect("header");
        assert!(header.starts_with("time,stage,candidate,threads,map,cpus,kernels,blocking,phase"));
        let line = lines.next().expect("sample");
        assert!(
            line.contains(",decode-team,3 compact,3,compact,0-2,"),
            "{line}"
        );
        assert!(line.ends_with(",32,16,2.0,8.0,2.0,10.0,"), "{line}");
        let of_one_thread = Record {
            candidate: "1 threads of node 0",
            work: &stream,
            ..record
        };
        journal.record(&of_one_thread).expect("written");
        let text = std::fs::read_to_string(SamplesCsv::path(directory.path())).expect("there");
        let line = text.lines().nth(2).expect("a reading");
        assert!(
            line.contains(",1 threads of node 0,1,,7,,,stream,"),
            "{line}"
        );
        for journal in [
            "a second journal",
            "a third, after a second without samples",
        ] {
            SamplesCsv::create(directory.path(), Rc::default()).expect(journal);
            let kept = std::fs::read_to_string(directory.path().join("previous-samples.csv"));
            assert_eq!(kept.expect(journal), text, "{journal}");
        }
    }
}
