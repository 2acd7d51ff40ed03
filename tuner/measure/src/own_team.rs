//! Teams that measure the host without the engine.

use sysinfer_machine::{SpinPolicy, Team, TeamSpec, Topology};

/// A team of `threads`, on `cpus` of `topology` if there are some. It meets as the engine's teams do:
/// spinning if `effective_cpus` can run it at once.
///
/// # Errors
/// The host refuses threads; the text is for users.
pub(super) fn own_team(
    threads: usize,
    cpus: &[usize],
    topology: &Topology,
    effective_cpus: usize,
) -> Result<Team, String> {
    let spec = TeamSpec {
        threads,
        cpus: cpus.to_vec(),
        topology: Some(topology),
        spin: SpinPolicy::Auto,
        effective_cpus,
    };
    Team::new(spec).map_err(|error| error.to_string())
}
