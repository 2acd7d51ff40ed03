//! Teams that measure the host without the engine.

use sysinfer_machine::{SpinPolicy, Team, TeamSpec};

/// A team of `threads`, on `cpus` if there are some, that spins at barriers as the engine's do: if
/// `effective_cpus` can run at once.
///
/// # Errors
/// The host refuses threads; the text is for users.
pub(super) fn own_team(
    threads: usize,
    cpus: &[usize],
    effective_cpus: usize,
) -> Result<Team, String> {
    let spec = TeamSpec {
        threads,
        cpus: cpus.to_vec(),
        spin: SpinPolicy::Auto,
        effective_cpus,
    };
    Team::new(spec).map_err(|error| error.to_string())
}
