//! Memory of the nodes that a cpuset leaves to this process (`cpuset.mems`): what others have free is of
//! no use to it. The functions take file contents, so that large hosts can be tested anywhere.

use std::path::Path;

use crate::CpuList;
use crate::kernel_text::kib_field;

/// Memory of some nodes, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NodeMemory {
    /// All of it.
    pub total: u64,
    /// What is free, or holds pages of files, which the kernel takes back first.
    pub available: u64,
}

/// What the nodes have that this process may use; `None` where that is every node, or nobody says.
pub(super) fn of_cpuset(read: &impl Fn(&Path) -> Option<String>) -> Option<NodeMemory> {
    const NODES: &str = "/sys/devices/system/node";
    let status = read(Path::new("/proc/self/status"))?;
    let mut lines = status.lines();
    let allowed = list(lines.find_map(|line| line.strip_prefix("Mems_allowed_list:"))?)?;
    let present = list(&read(Path::new(&format!("{NODES}/has_memory")))?)?;
    // The list of the allowed may go on beyond the nodes that exist.
    let (usable, others): (Vec<usize>, Vec<usize>) =
        present.into_iter().partition(|node| allowed.contains(node));
    if others.is_empty() {
        return None;
    }
    let mut sum = NodeMemory {
        total: 0,
        available: 0,
    };
    for node in usable {
        let text = read(Path::new(&format!("{NODES}/node{node}/meminfo")))?;
        let text = without_prefix(&text, node);
        let field = |name| kib_field(&text, name);
        let of_files = ["Active(file)", "Inactive(file)"].map(|name| field(name).unwrap_or(0));
        let available = of_files
            .into_iter()
            .fold(field("MemFree")?, u64::saturating_add);
        sum.total = sum.total.saturating_add(field("MemTotal")?);
        sum.available = sum.available.saturating_add(available);
    }
    Some(sum)
}

fn list(text: &str) -> Option<Vec<usize>> {
    let list: CpuList = text.trim().parse().ok()?;
    Some(list.as_slice().to_vec())
}

/// Lines of a node's file begin with `Node 0 `.
fn without_prefix(meminfo: &str, node: usize) -> String {
    let prefix = format!("Node {node} ");
    let lines = meminfo.lines();
    let lines: Vec<&str> = lines
        .map(|line| line.strip_prefix(&prefix).unwrap_or(line))
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host<'a>(allowed: &'a str, present: &'a str) -> impl Fn(&Path) -> Option<String> + 'a {
        move |path| {
            let node = |node: usize, total: u64| {
                format!(
                    "Node {node} MemTotal:       {total} kB\nNode {node} MemFree:        {} kB\n\
                     Node {node} Active(file):   10 kB\nNode {node} Inactive(file): 20 kB\n",
                    total / 2
                )
            };
            Some(match path.to_str()? {
                "/proc/self/status" => format!("Name:\tx\nMems_allowed_list:\t{allowed}\n"),
                "/sys/devices/system/node/has_memory" => format!("{present}\n"),
                "/sys/devices/system/node/node0/meminfo" => node(0, 1000),
                "/sys/devices/system/node/node2/meminfo" => node(2, 4000),
                _ => return None,
            })
        }
    }

    #[test]
    fn only_nodes_of_the_cpuset_count() {
        let memory = |total: u64, available: u64| {
            Some(NodeMemory {
                total: total * 1024,
                available: available * 1024,
            })
        };
        let cases = [
            ("0", "0-3", memory(1000, 530)),
            ("0,2", "0-3", memory(5000, 2560)),
            ("2", "0,2", memory(4000, 2030)),
            // A node without a file, all nodes, nodes beyond those that exist, and nonsense.
            ("1", "0-3", None),
            ("0-3", "0-3", None),
            ("0-1023", "0-3", None),
            ("", "0-3", None),
            ("0", "", None),
        ];
        for (allowed, present, expected) in cases {
            assert_eq!(
                of_cpuset(&host(allowed, present)),
                expected,
                "{allowed} of {present}"
            );
        }
        assert_eq!(of_cpuset(&|_: &Path| None), None);
    }
}
