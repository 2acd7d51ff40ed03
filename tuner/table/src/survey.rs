//! The bandwidth map: what threads of one node read from the memory of one node, by their number,
//! and what all nodes read at once.
//!
//! Rows are measured in turn, round by round, so that a host whose bandwidth changes from second to
//! second shows that in every row instead of in one.

use serde::Serialize;
use sysinfer_engine::Plan;
use sysinfer_machine::Topology;
use sysinfer_probe::{Halt, Point, Session, Stage, Work};
use sysinfer_stats::median;

/// One row, to be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Node of the reading threads; `None`: as many on every node.
    pub readers_node: Option<usize>,
    /// Node of the memory; `None`: every thread's own.
    pub memory_node: Option<usize>,
    /// One thread on each.
    pub cpus: Vec<usize>,
}

/// One row, measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// As [`Job::readers_node`].
    pub readers_node: Option<usize>,
    /// As [`Job::memory_node`].
    pub memory_node: Option<usize>,
    /// Reading threads.
    pub threads: usize,
    /// Median of the passes, GB/s (10^9 bytes).
    pub median_gb_per_second: f64,
    /// Slowest pass.
    pub low_gb_per_second: f64,
    /// Fastest pass.
    pub high_gb_per_second: f64,
    /// How many passes there were.
    pub passes: usize,
}

/// The measured rows: nodes in order, local before remote, and all nodes at the end.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BandwidthMap {
    /// Empty where nothing was measured.
    pub rows: Vec<Row>,
}

/// How long measuring may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most rounds over all rows.
    pub rounds: usize,
    /// No round begins, and after the first no row, when so many seconds have passed.
    pub seconds: f64,
}

impl Limits {
    /// For one of the two times that a run measures the map, before the search and at the end: at
    /// most a fortieth of the time that there is.
    pub fn new(quick: bool, limit_seconds: Option<f64>) -> Self {
        let (rounds, most): (usize, f64) = if quick { (2, 3.0) } else { (5, 10.0) };
        let seconds = limit_seconds.map_or(most, |limit| most.min(limit / 40.0));
        Self { rounds, seconds }
    }
}

/// The rows of a host on which `effective_cpus` threads can run at once.
pub fn jobs(topology: &Topology, effective_cpus: usize) -> Vec<Job> {
    let nodes: Vec<usize> = topology.nodes.iter().map(|node| node.id).collect();
    let first =
        |node: usize, count: usize| -> Vec<usize> { cores(topology, node).take(count).collect() };
    let mut jobs = Vec::new();
    for &node in &nodes {
        let most = cores(topology, node).count().min(effective_cpus);
        let local = counts(most).into_iter().map(|count| (node, count));
        let others = nodes.iter().filter(|other| **other != node);
        let remote = others.filter(|_| most > 0).map(|other| (*other, most));
        jobs.extend(local.chain(remote).map(|(memory, count)| Job {
            readers_node: Some(node),
            memory_node: Some(memory),
            cpus: first(node, count),
        }));
    }
    if nodes.len() > 1 {
        let smallest = nodes
            .iter()
            .map(|node| cores(topology, *node).count())
            .min();
        let most = smallest.unwrap_or(0).min(effective_cpus / nodes.len());
        jobs.extend(counts(most).into_iter().map(|count| Job {
            readers_node: None,
            memory_node: None,
            cpus: nodes.iter().flat_map(|node| first(*node, count)).collect(),
        }));
    }
    jobs
}

/// One CPU of each core of the node.
fn cores(topology: &Topology, node: usize) -> impl Iterator<Item = usize> {
    let first_threads = topology
        .cpus
        .iter()
        .filter(move |cpu| cpu.node == node && cpu.smt == 0);
    first_threads.map(|cpu| cpu.id)
}

/// 1, 2, 4, ... and `most`.
fn counts(most: usize) -> Vec<usize> {
    let doubling = std::iter::successors(Some(1usize), |count| count.checked_mul(2));
    let mut counts: Vec<usize> = doubling.take_while(|count| *count < most).collect();
    counts.extend((most > 0).then_some(most));
    counts
}

/// The rows of a host and what was read for each so far; grows whenever there is time.
#[derive(Clone, Debug)]
pub struct Survey {
    jobs: Vec<Job>,
    /// GB/s of every pass; `None`: refused.
    passes: Vec<Option<Vec<f64>>>,
}

impl Survey {
    /// Nothing is measured yet.
    pub fn new(jobs: Vec<Job>) -> Self {
        let passes = vec![Some(Vec::new()); jobs.len()];
        Self { jobs, passes }
    }

    /// Measures all rows, `plan` being the one in force. A row that is refused is left out, with a
    /// note.
    ///
    /// # Errors
    /// Ctrl-C or a failure; what was read before is kept.
    pub fn measure(
        &mut self,
        session: &mut Session<'_>,
        plan: &Plan,
        limits: Limits,
    ) -> Result<(), Halt> {
        session.stage = Stage::Calibration;
        let units = self.jobs.len() * limits.rounds;
        session
            .progress
            .stage("read bandwidth of the memory nodes", units as u64);
        let mut until = None;
        for round in 0..limits.rounds {
            for (job, passes) in self.jobs.iter().zip(&mut self.passes) {
                if round > 0 && until.is_some_and(|until| (session.clock)() >= until) {
                    return Ok(());
                }
                let Some(found) = passes else { continue };
                match session.take(&job.name(), plan, &job.work()) {
                    Ok(reading) => found.extend(reading.points.iter().map(Point::gb_per_second)),
                    Err(Halt::Refused(why)) => {
                        let line = format!("{}: not measured: {why}", job.name());
                        session.progress.note(&line);
                        *passes = None;
                    }
                    Err(other) => return Err(other),
                }
                session.progress.advance(1, &job.name());
                // The clock stands still between samples: before the first it may lag far behind.
                until.get_or_insert((session.clock)() + limits.seconds);
            }
        }
        Ok(())
    }

    /// The rows that were measured.
    pub fn map(&self) -> BandwidthMap {
        let rows = self.jobs.iter().zip(&self.passes);
        let row = |(job, passes): (&Job, &Option<Vec<f64>>)| job.row(passes.as_deref()?);
        BandwidthMap {
            rows: rows.filter_map(row).collect(),
        }
    }
}

impl Job {
    /// The name among samples.
    pub fn name(&self) -> String {
        let threads = self.cpus.len();
        match (self.readers_node, self.memory_node) {
            (Some(readers), Some(memory)) => {
                format!("{threads} threads of node {readers} read node {memory}")
            }
            _ => format!("{threads} threads read their own nodes"),
        }
    }

    fn work(&self) -> Work {
        Work::Stream {
            cpus: self.cpus.clone(),
            memory_node: self.memory_node,
        }
    }

    fn row(&self, passes: &[f64]) -> Option<Row> {
        (!passes.is_empty()).then(|| Row {
            readers_node: self.readers_node,
            memory_node: self.memory_node,
            threads: self.cpus.len(),
            median_gb_per_second: median(passes),
            low_gb_per_second: passes.iter().copied().fold(f64::INFINITY, f64::min),
            high_gb_per_second: passes.iter().copied().fold(0.0, f64::max),
            passes: passes.len(),
        })
    }
}

impl Row {
    fn cells(&self) -> [String; 7] {
        let node = |node: Option<usize>, none: &str| {
            node.map_or_else(|| none.to_owned(), |node| format!("node {node}"))
        };
        let rate = |rate: f64| format!("{rate:.1}");
        [
            node(self.readers_node, "all nodes"),
            node(self.memory_node, "each its own"),
            self.threads.to_string(),
            rate(self.median_gb_per_second),
            rate(self.low_gb_per_second),
            rate(self.high_gb_per_second),
            self.passes.to_string(),
        ]
    }
}

const HEADER: [&str; 7] = [
    "threads on",
    "read memory of",
    "threads",
    "GB/s, median",
    "slowest",
    "fastest",
    "passes",
];

impl BandwidthMap {
    /// The best that was read by all of `nodes` from their own memory, GB/s: in one reading if these
    /// are all nodes, else what each read alone, added; no less than one of them reads alone, as it can
    /// where its CPUs are many more than those of others. `None` where one of them was not measured.
    pub fn best(&self, nodes: &[usize]) -> Option<f64> {
        let fastest = |readers: Option<usize>| {
            let local = |row: &&Row| row.readers_node == readers && row.memory_node == readers;
            let rates = self
                .rows
                .iter()
                .filter(local)
                .map(|row| row.high_gb_per_second);
            rates.reduce(f64::max)
        };
        let measured = |row: &Row| row.readers_node.is_none_or(|node| nodes.contains(&node));
        let together = (nodes.len() > 1 && self.rows.iter().all(measured)).then(|| fastest(None));
        let each: Option<Vec<f64>> = nodes.iter().map(|node| fastest(Some(*node))).collect();
        let each = each.filter(|rates| !rates.is_empty())?;
        let all = together.flatten().unwrap_or_else(|| each.iter().sum());
        Some(each.into_iter().fold(all, f64::max))
    }

    /// Header and rows for people.
    pub fn cells(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let rows = self.rows.iter().map(|row| row.cells().to_vec());
        (HEADER.map(String::from).to_vec(), rows.collect())
    }

    /// The rows for programs; an empty node stands for all, or for each thread's own.
    ///
    /// # Errors
    /// None that a user could cause; the writer's own are passed on.
    pub fn csv(&self) -> anyhow::Result<String> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for row in &self.rows {
            writer.serialize(row)?;
        }
        let bytes = writer.into_inner().map_err(|error| error.into_error())?;
        Ok(String::from_utf8(bytes)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(readers: Option<usize>, memory: Option<usize>, high: f64) -> Row {
        let job = Job {
            readers_node: readers,
            memory_node: memory,
            cpus: vec![0, 1],
        };
        job.row(&[high / 2.0, high, high / 4.0])
            .expect("three passes")
    }

    #[test]
    fn rows_cover_nodes_counts_and_distances() {
        let topology = Topology::from_synthetic("pack:2 numa:1 l3:1 core:6 pu:2").expect("valid");
        let all = jobs(&topology, 24);
        let names: Vec<String> = all.iter().map(Job::name).collect();
        assert_eq!(
            names[..5],
            [
                "1 threads of node 0 read node 0",
                "2 threads of node 0 read node 0",
                "4 threads of node 0 read node 0",
                "6 threads of node 0 read node 0",
                "6 threads of node 0 read node 1"
            ]
        );
        assert_eq!(all.len(), 14, "{names:?}");
        assert_eq!(all[1].cpus, [0, 2], "one thread per core");
        assert_eq!(all[13].cpus.len(), 12, "{names:?}");
        let within_quota = jobs(&topology, 3);
        assert!(within_quota.iter().all(|job| job.cpus.len() <= 3));
        let one = Topology::flat(&[0]);
        assert_eq!(jobs(&one, 1).len(), 1);
    }

    #[test]
    fn the_roof_is_the_best_of_the_nodes_in_use() {
        let map = BandwidthMap {
            rows: vec![
                row(Some(0), Some(0), 50.0),
                row(Some(0), Some(1), 20.0),
                row(Some(1), Some(1), 60.0),
                row(None, None, 100.0),
            ],
        };
        let cases: [(&[usize], Option<f64>); 5] = [
            (&[0], Some(50.0)),
            (&[1], Some(60.0)),
            (&[0, 1], Some(100.0)),
            (&[2], None),
            (&[], None),
        ];
        for (nodes, expected) in cases {
            assert_eq!(map.best(nodes), expected, "{nodes:?}");
        }
        let alone = BandwidthMap {
            rows: map.rows[..3].to_vec(),
        };
        assert_eq!(alone.best(&[0, 1]), Some(110.0));
        assert_eq!(BandwidthMap::default().best(&[0]), None);
        // A node with one CPU holds the reading of all nodes down to a thread of each.
        let unequal = BandwidthMap {
            rows: vec![
                row(Some(0), Some(0), 200.0),
                row(Some(1), Some(1), 15.0),
                row(None, None, 30.0),
            ],
        };
        assert_eq!(unequal.best(&[0, 1]), Some(200.0));
    }

    #[test]
    fn rows_are_rendered_for_people_and_programs() {
        let map = BandwidthMap {
            rows: vec![row(Some(0), Some(0), 50.0), row(None, None, 80.0)],
        };
        let csv = map.csv().expect("renders");
        let lines: Vec<&str> = csv.lines().collect();
        assert!(lines[0].starts_with("readers_node,memory_node,threads,median_gb_per_second"));
        assert_eq!(
            lines[1..],
            ["0,0,2,25.0,12.5,50.0,3", ",,2,40.0,20.0,80.0,3"]
        );
    }
}
