//! Under what conditions a run measured: what about the host costs speed, what its memory gives, and
//! how many samples were void. It stands in the report beside every result.

use sysinfer_engine::PhasePlan;
use sysinfer_machine::Topology;
use sysinfer_probe::{Finding, Voids};
use sysinfer_profiles::trust::NOT_TO_BE_TRUSTED;
use sysinfer_table::survey::BandwidthMap;

use crate::report::Section;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// What costs speed, with a remedy each.
    pub findings: Vec<Finding>,
    /// Read bandwidth over nodes and thread counts.
    pub map: BandwidthMap,
    /// Void samples by reason.
    pub voids: Voids,
    /// Samples taken, void ones included.
    pub taken: usize,
    /// The best that the nodes of the decode team were seen to read, by the map, GB/s.
    pub best_gb_per_second: Option<f64>,
}

impl Conditions {
    /// Looks up what the map says of the nodes that `team` runs on: all, if it is not pinned.
    pub fn set_team(&mut self, team: &PhasePlan, topology: &Topology) {
        let on = |cpu: &&sysinfer_machine::Cpu| team.cpus.is_empty() || team.cpus.contains(&cpu.id);
        let mut nodes: Vec<usize> = topology
            .cpus
            .iter()
            .filter(on)
            .map(|cpu| cpu.node)
            .collect();
        nodes.sort_unstable();
        nodes.dedup();
        self.best_gb_per_second = self.map.best(&nodes);
    }

    /// The best reading of all, of the map and of `readings` between the stages.
    pub fn best(&self, readings: &[f64]) -> Option<f64> {
        let all = readings.iter().copied().chain(self.best_gb_per_second);
        all.reduce(f64::max)
    }

    /// Why nothing may be done by what was measured; `None` if it is to be trusted.
    pub fn distrust(&self) -> Option<String> {
        self.voids.distrust(self.taken)
    }

    /// What a report shows of it; empty where there is nothing to say.
    pub fn sections(&self) -> Vec<Section> {
        let mut sections = Vec::new();
        if !self.findings.is_empty() {
            let line = |finding: &Finding| format!("{}. Remedy: {}.", finding.what, finding.remedy);
            sections.push(Section {
                title: "What costs speed on this host".into(),
                lines: self.findings.iter().map(line).collect(),
                ..Section::default()
            });
        }
        if !self.map.rows.is_empty() {
            let (header, rows) = self.map.cells();
            sections.push(Section {
                title: "Read bandwidth of the memory".into(),
                lines: Vec::new(),
                header,
                rows,
            });
        }
        let distrust = self.distrust();
        let distrust = distrust.map(|why| format!("{NOT_TO_BE_TRUSTED}: {why}."));
        if let Some(remark) = distrust.or(self.voids.remark(self.taken)) {
            sections.push(Section {
                title: "How far to trust it".into(),
                lines: vec![remark],
                ..Section::default()
            });
        }
        sections
    }
}

#[cfg(test)]
mod tests {
    use sysinfer_probe::VoidKind;
    use sysinfer_table::survey::Row;

    use super::*;

    fn conditions() -> Conditions {
        let row = |node| Row {
            readers_node: Some(node),
            memory_node: Some(node),
            threads: 2,
            median_gb_per_second: 30.0,
            low_gb_per_second: 20.0,
            high_gb_per_second: 50.0 + node as f64,
            passes: 3,
        };
        let map = BandwidthMap {
            rows: vec![row(0), row(1)],
        };
        Conditions {
            map,
            ..Conditions::default()
        }
    }

    #[test]
    fn the_best_reading_is_one_on_the_nodes_of_the_team() {
        let topology = Topology::from_synthetic("pack:2 numa:1 l3:1 core:2 pu:1").expect("valid");
        let team = |cpus: &[usize]| PhasePlan {
            threads: 2,
            map: "given".into(),
            cpus: cpus.to_vec(),
        };
        let cases: [(&[usize], f64); 4] = [
            (&[0, 1], 50.0),
            (&[2, 3], 51.0),
            (&[0, 2], 101.0),
            (&[], 101.0),
        ];
        for (cpus, expected) in cases {
            let mut conditions = conditions();
            conditions.set_team(&team(cpus), &topology);
            assert_eq!(conditions.best(&[10.0, 49.0]), Some(expected), "{cpus:?}");
            assert_eq!(conditions.best(&[400.0]), Some(400.0));
        }
        assert_eq!(Conditions::default().best(&[]), None);
    }

    #[test]
    fn the_summary_says_what_there_is_to_say() {
        assert_eq!(Conditions::default().sections(), []);
        let mut conditions = conditions();
        conditions.findings.push(Finding {
            what: "the moon is full".into(),
            remedy: "wait".into(),
        });
        conditions.voids.count(VoidKind::Busy);
        conditions.taken = 9;
        let text = format!("{:?}", conditions.sections());
        for words in [
            "the moon is full. Remedy: wait.",
            "read memory of",
            "1 of 9 samples",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
}
