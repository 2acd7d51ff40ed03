//! How many connections there may be, from the file descriptors that the process may have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Most connections, however many descriptors there are: what a client has sent of a head takes 64 KiB at
/// most, so that all of them take 256 MiB.
pub const MAX_CONNECTIONS: u64 = 4096;

/// Descriptors for everything else: files of the model, event queues, processes that render templates.
const OTHER_DESCRIPTORS: u64 = 128;

/// Raises the limit on file descriptors as far as the process may, and says how many connections there may
/// be.
pub(super) fn raise() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let highest = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let descriptors = match setrlimit(Resource::Nofile, highest) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let connections = connections(descriptors);
    if (connections as u64) < MAX_CONNECTIONS {
        tracing::info!(
            "at most {connections} connections at once, for want of file descriptors; see ulimit -n"
        );
    }
    connections
}

/// Connections of a process that may have `descriptors`, or any number.
fn connections(descriptors: Option<u64>) -> usize {
    let free = |descriptors: u64| descriptors - OTHER_DESCRIPTORS.min(descriptors / 2);
    let connections = descriptors.map_or(MAX_CONNECTIONS, free);
    connections.clamp(1, MAX_CONNECTIONS) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_the_rest() {
        let cases = [
            (None, 4096),
            (Some(1 << 20), 4096),
            (Some(1024), 896),
            (Some(100), 50),
            (Some(0), 1),
        ];
        for (descriptors, wanted) in cases {
            assert_eq!(connections(descriptors), wanted, "{descriptors:?}");
        }
    }

    #[test]
    fn the_limit_is_raised_as_far_as_it_may_be() {
        raise();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
