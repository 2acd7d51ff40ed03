//! Texts that describe CPUs: affinity lists, the environment's variables, control groups, synthetic
//! topologies.
//!
//! The first byte chooses: `l` a list, `e` the environment, `c` control groups, `t` a topology.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use sysinfer_machine::{CpuList, MachineError, Topology, cpu_quota_of};
use sysinfer_server::environment::Environment;

use super::target::{LARGEST_PER_FILE_BYTE, SMALL_FLOOR_BYTES, Target, text};

/// Seven bytes can name 65,536 CPUs, the most of a list; it grows by doubling.
const LIST_FLOOR_BYTES: usize = 2 * 65_536 * size_of::<usize>();

/// See [`Target`].
pub const TARGET: Target = Target {
    name: "cpu_list",
    run,
    largest_floor_bytes: LIST_FLOOR_BYTES,
    largest_per_input_byte: LARGEST_PER_FILE_BYTE,
    peak_per_input_byte: 64,
    // Printed and read again, both lists and a text of them are alive.
    peak_floor_bytes: 4 * LIST_FLOOR_BYTES + SMALL_FLOOR_BYTES,
};

/// libhwloc takes time by the square of this; more is for machines without a sanitizer.
const MAX_OBJECTS: u64 = 1024;

fn run(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else {
        return;
    };
    match choice {
        b'l' => list(&text(rest)),
        b'e' => environment(rest),
        b'c' => control_groups(&text(rest)),
        b't' => topology(&text(rest)),
        _ => {}
    }
}

/// What is read is printed and read again as the same list.
fn list(text: &str) {
    match text.parse::<CpuList>() {
        Ok(list) => {
            assert!(!list.as_slice().is_empty());
            let printed = list.to_string();
            let again: Result<CpuList, MachineError> = printed.parse();
            assert_eq!(again.ok().as_ref(), Some(&list), "{printed}");
            assert_eq!(list.assign(3).len(), 3);
        }
        Err(error) => {
            // At most 40 characters of the text.
            assert!(error.to_string().len() < 1000, "{error}");
        }
    }
}

/// One line per variable, in the order of [`Environment`]'s fields.
fn environment(data: &[u8]) {
    let names = ["OMP_NUM_THREADS", "GOMP_CPU_AFFINITY", "OMP_PROC_BIND"];
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let value = |name: &str| {
        let index = names.iter().position(|known| *known == name)?;
        lines
            .get(index)
            .map(|line| OsString::from_vec(line.to_vec()))
    };
    match Environment::read(value) {
        Ok(read) => assert!(
            read.threads
                .is_none_or(|threads| (1..=4096).contains(&threads))
        ),
        Err(error) => {
            let message = error.to_string();
            assert!(names.iter().any(|name| message.contains(name)), "{message}");
        }
    }
}

/// `/proc/self/cgroup`, `/proc/self/mountinfo` and the contents of every other file, between lines of
/// `--`.
fn control_groups(text: &str) {
    let mut parts = text.split("--\n");
    let mut next = || parts.next().unwrap_or_default();
    let (cgroups, mounts, content) = (next(), next(), next());
    let read = |path: &Path| {
        assert!(path.as_os_str().len() <= 2 * text.len() + 64);
        Some(content.to_owned())
    };
    let quota = cpu_quota_of(cgroups, mounts, &read);
    assert!(quota.is_none_or(|quota| quota.is_finite() && quota >= 0.0));
}

fn topology(description: &str) {
    // No more objects than the product of all numbers, whatever they mean.
    let numbers = description.split(|sign: char| !sign.is_ascii_digit());
    let numbers = numbers.filter_map(|digits| digits.parse().ok());
    let objects = numbers.fold(1, |product: u64, number: u64| {
        product.saturating_mul(number.max(1))
    });
    if objects > MAX_OBJECTS {
        return;
    }
    if let Ok(topology) = Topology::from_synthetic(description) {
        assert!(!topology.is_this_host && !topology.cpus.is_empty() && !topology.nodes.is_empty());
        assert!(!topology.summary().is_empty());
    }
}
