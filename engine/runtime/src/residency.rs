//! Where weights and cache really are, beside where they are wanted.

use sysinfer_machine::Residency;

/// Share of what is wanted on a node that may be elsewhere: pages at the seams.
const MAY_STRAY: f64 = 0.01;

/// Memory of one kind that workers of one node read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// `weights` or `KV cache`.
    pub what: &'static str,
    /// The node of those workers; `None`: workers of all nodes read it.
    pub wanted: Option<usize>,
    /// Where it is.
    pub found: Residency,
}

impl Located {
    /// One line: `weights of node 1's workers: 1.10 GB on node 1`.
    pub fn words(&self) -> String {
        let of = match self.wanted {
            Some(node) => format!(" of node {node}'s workers"),
            None => " of all workers".into(),
        };
        let places = self.found.bytes.iter();
        let mut places: Vec<String> = places
            .map(|(node, bytes)| format!("{:.1} MB on node {node}", *bytes as f64 / 1e6))
            .collect();
        if places.is_empty() {
            places.push("not in memory".into());
        }
        format!("{}{of}: {}", self.what, places.join(", "))
    }

    /// What is not where it should be, and what to do.
    pub fn warning(&self) -> Option<String> {
        let wanted = self.wanted?;
        let present = self.found.present();
        let at_home = self.found.bytes.get(&wanted).copied().unwrap_or(0);
        let stray = (present - at_home) as f64 / present.max(1) as f64;
        let percent = 100.0 * stray;
        (stray > MAY_STRAY).then(|| {
            format!(
                "{percent:.0} % of the {} that workers of node {wanted} read are on other nodes, which is slower: \
                 see whether node {wanted} has free memory (numactl --hardware; another program's memory, or a file \
                 in the page cache), kernel.numa_balancing is 0, and memory may be bound (containers: CAP_SYS_NICE)",
                self.what
            )
        })
    }
}

/// Adds memory that is found somewhere to what is known of its kind and node.
pub(crate) fn collect(
    all: &mut Vec<Located>,
    what: &'static str,
    wanted: Option<usize>,
    found: &Residency,
) {
    let known = all
        .iter_mut()
        .find(|known| (known.what, known.wanted) == (what, wanted));
    match known {
        Some(known) => known.found.add(found),
        None => all.push(Located {
            what,
            wanted,
            found: found.clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn located(wanted: Option<usize>, bytes: &[(usize, u64)]) -> Located {
        Located {
            what: "weights",
            wanted,
            found: Residency {
                bytes: bytes.iter().copied().collect(),
                absent: 0,
            },
        }
    }

    #[test]
    fn what_strays_is_named_with_its_node_and_share() {
        let right = located(Some(1), &[(1, 995_000_000), (0, 5_000_000)]);
        assert_eq!(
            right.words(),
            "weights of node 1's workers: 5.0 MB on node 0, 995.0 MB on node 1"
        );
        assert_eq!(right.warning(), None);
        let wrong = located(Some(1), &[(1, 700), (0, 300)]);
        let warning = wrong.warning().expect("30 % are elsewhere");
        assert!(
            warning.starts_with("30 % of the weights that workers of node 1 read"),
            "{warning}"
        );
        assert_eq!(located(None, &[(0, 7)]).warning(), None);
        assert_eq!(located(Some(0), &[]).warning(), None);
        assert!(located(Some(0), &[]).words().ends_with("not in memory"));
    }

    #[test]
    fn memory_of_one_kind_and_node_is_added_up() {
        let mut all = Vec::new();
        let one = located(Some(0), &[(0, 5)]).found;
        collect(&mut all, "weights", Some(0), &one);
        collect(&mut all, "weights", Some(1), &one);
        collect(&mut all, "weights", Some(0), &one);
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].found.bytes[&0], 10);
    }
}
