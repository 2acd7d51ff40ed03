//! The host that runs this program, or one that a file describes.

use std::path::Path;

use sysinfer_measure::host::Host;

/// This host's topology. One that cannot be looked into is all CPUs that the process may use, as one node, which
/// is said.
///
/// # Errors
/// What `HWLOC_XMLFILE` or `HWLOC_SYNTHETIC` name is no topology.
pub fn discover() -> anyhow::Result<Host> {
    described(None)
}

/// The same, or the topology of an lstopo XML file.
///
/// # Errors
/// As [`discover`]; the file is not a topology.
pub fn described(xml: Option<&Path>) -> anyhow::Result<Host> {
    Host::discover(xml, &mut |line| eprintln!("{line}"))
}
