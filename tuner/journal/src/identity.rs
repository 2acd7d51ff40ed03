//! Whether a journal belongs to this run: samples of another host or model, or taken for another
//! search, would be wrong answers. Each refusal names the difference.
//!
//! What is compared are JSON values, as a journal has them.

use anyhow::{Context, bail};
use serde_json::{Value, json};
use sysinfer_engine::{EngineInfo, Plan};
use sysinfer_machine::HostInfo;

use crate::facts::TopologyFacts;
use crate::format::Header;

const REMEDY: &str = "run without --resume to begin anew, or look into it with --replay";
/// Memory that differs by less than this part of it is the same memory.
const MEMORY_TOLERANCE: u64 = 20;

/// What a run is about, as far as that is known before its model is loaded.
#[derive(Clone)]
pub struct Subject {
    /// The host.
    pub host: HostInfo,
    /// Its CPUs, nodes and caches.
    pub topology: TopologyFacts,
    /// CPUs that can run at once.
    pub effective_cpus: usize,
    /// The arguments that decide what is measured, by name.
    pub arguments: Value,
    /// The same of a command line that a journal has recorded.
    pub understand: fn(&[String]) -> anyhow::Result<Value>,
}

/// Refuses a journal of another version, host or search.
///
/// # Errors
/// Names the first difference.
pub fn check_run(header: &Header, subject: &Subject) -> anyhow::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    if header.version != version {
        bail!(
            "the journal is of version {}, this is {version}; {REMEDY}",
            header.version
        );
    }
    let (mut host, mut topology) = (subject.host.clone(), subject.topology.clone());
    overlook_memory(header, &mut host, &mut topology);
    // Older journals do not count these caches.
    if header.topology.l3_count == 0 {
        topology.l3_count = 0;
    }
    let recorded = json!({
        "host": header.host,
        "topology": header.topology,
        "effective_cpus": header.effective_cpus,
    });
    let present = json!({
        "host": host,
        "topology": topology,
        "effective_cpus": subject.effective_cpus,
    });
    if let Some(difference) = first_difference(&recorded, &present) {
        bail!("the journal is of another host: {difference}; {REMEDY}");
    }
    let recorded = (subject.understand)(&header.arguments)
        .with_context(|| format!("the arguments in the journal are not understood; {REMEDY}"))?;
    if let Some(difference) = first_difference(&recorded, &subject.arguments) {
        bail!("the journal is of other arguments: {difference}; {REMEDY}");
    }
    Ok(())
}

/// A kernel has a little more or less memory for others after each boot: not another host.
fn overlook_memory(header: &Header, host: &mut HostInfo, topology: &mut TopologyFacts) {
    let alike = |a: u64, b: u64| a.abs_diff(b) <= a.max(b) / MEMORY_TOLERANCE;
    if alike(host.memory_bytes, header.host.memory_bytes) {
        host.memory_bytes = header.host.memory_bytes;
    }
    for (present, recorded) in topology.nodes.iter_mut().zip(&header.topology.nodes) {
        if present.0 == recorded.0 && alike(present.1, recorded.1) {
            present.1 = recorded.1;
        }
    }
}

/// Refuses a journal of another model, or of one that runs on other kernels by default.
///
/// # Errors
/// Names the first difference.
pub fn check_model(header: &Header, info: &EngineInfo, default: &Plan) -> anyhow::Result<()> {
    let recorded = json!({ "model": header.model, "default": header.default });
    let present = json!({ "model": info, "default": default });
    match first_difference(&recorded, &present) {
        Some(difference) => bail!("the journal is of another model: {difference}; {REMEDY}"),
        None => Ok(()),
    }
}

/// `threads was recorded as null, now it is [2]`; `None` where the values are the same.
pub fn first_difference(then: &Value, now: &Value) -> Option<String> {
    let (path, then, now) = difference(then, now)?;
    let name = path.join(".");
    let name = if name.is_empty() { "it" } else { &name };
    Some(format!("{name} was recorded as {then}, now it is {now}"))
}

/// Where two values differ first, by the names on the way, and what they have there.
fn difference(then: &Value, now: &Value) -> Option<(Vec<String>, Value, Value)> {
    if then == now {
        return None;
    }
    if let (Value::Object(then), Value::Object(now)) = (then, now) {
        let mut names: Vec<&String> = then.keys().chain(now.keys()).collect();
        names.dedup();
        for name in names {
            let of = |fields: &serde_json::Map<String, Value>| {
                fields.get(name).cloned().unwrap_or(Value::Null)
            };
            if let Some((mut path, then, now)) = difference(&of(then), &of(now)) {
                path.insert(0, name.clone());
                return Some((path, then, now));
            }
        }
    }
    Some((Vec::new(), then.clone(), now.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_named_with_its_place() {
        let then = json!({ "a": 1, "b": { "c": [1, 2], "d": null } });
        assert_eq!(first_difference(&then, &then), None);
        let cases = [
            (
                json!({ "a": 2, "b": { "c": [1, 2], "d": null } }),
                "a was recorded as 1, now it is 2",
            ),
            (
                json!({ "a": 1, "b": { "c": [1, 3], "d": null } }),
                "b.c was recorded as [1,2], now it is [1,3]",
            ),
            (
                json!({ "a": 1, "b": { "c": [1, 2], "d": null }, "e": true }),
                "e was recorded as null, now it is true",
            ),
            (json!(7), "it was recorded as "),
        ];
        for (now, words) in cases {
            let found = first_difference(&then, &now).expect("they differ");
            assert!(found.starts_with(words), "{found}");
        }
    }
}
