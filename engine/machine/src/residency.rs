//! On which NUMA nodes memory really is, as the kernel says: `move_pages(2)` that asks and moves nothing.

use std::collections::BTreeMap;
use std::io;

/// Pages that one system call asks about.
const PAGES_PER_CALL: usize = 1024;

/// Bytes of some memory by the node that they are on, from a sample of its pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Residency {
    /// By the system's number of the node.
    pub bytes: BTreeMap<usize, u64>,
    /// Bytes that are on none yet: never touched, or swapped out.
    pub absent: u64,
}

impl Residency {
    /// Adds what is known of other memory.
    pub fn add(&mut self, other: &Residency) {
        for (node, bytes) in &other.bytes {
            *self.bytes.entry(*node).or_default() += bytes;
        }
        self.absent += other.absent;
    }

    /// Bytes that are on some node.
    pub fn present(&self) -> u64 {
        self.bytes.values().sum()
    }
}

/// Looks where `memory` is, at `samples` places of it at most, evenly apart.
///
/// # Errors
/// The kernel does not say: it has no NUMA, or forbids the question (containers without CAP_SYS_NICE).
pub fn residency(memory: &[u8], samples: usize) -> io::Result<Residency> {
    let page = rustix::param::page_size();
    let pages = memory.len().div_ceil(page);
    let samples = samples.min(pages);
    let mut found = Residency::default();
    let place = |sample: usize| sample * pages / samples * page;
    let all: Vec<usize> = (0..samples).map(place).collect();
    for places in all.chunks(PAGES_PER_CALL) {
        let addresses: Vec<*const u8> = places
            .iter()
            .map(|place| &raw const memory[*place])
            .collect();
        let each = (memory.len() / samples) as u64;
        for status in statuses(&addresses)? {
            match usize::try_from(status) {
                Ok(node) => *found.bytes.entry(node).or_default() += each,
                Err(_) => found.absent += each,
            }
        }
    }
    Ok(found)
}

/// The node of each page, or a negative error number.
fn statuses(addresses: &[*const u8]) -> io::Result<Vec<libc::c_int>> {
    let mut statuses = vec![-libc::ENOENT; addresses.len()];
    // SAFETY:
    // - without a list of nodes nothing is moved: the call reads `addresses` and writes `statuses`, both
    //   of which have as many entries as it is told and live through it.
    // - the addresses themselves are looked up in this process and never read.
    let result = unsafe {
        libc::syscall(
            libc::SYS_move_pages,
            0 as libc::c_ulong,
            addresses.len(),
            addresses.as_ptr(),
            std::ptr::null::<libc::c_int>(),
            statuses.as_mut_ptr(),
            0 as libc::c_ulong,
        )
    };
    match result {
        // Pages that are nowhere are no error of the whole.
        0.. => Ok(statuses),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NodeBuffer, Pages};

    #[test]
    fn what_was_written_is_somewhere_and_the_rest_nowhere() {
        let page = rustix::param::page_size();
        let mut buffer = NodeBuffer::new(64 * page, Pages::Normal).expect("a little memory");
        buffer[..32 * page].fill(1);
        let found = match residency(&buffer, 64) {
            Ok(found) => found,
            Err(error) => {
                println!("SKIPPED: the kernel does not say where pages are: {error}");
                return;
            }
        };
        let half = 32 * page as u64;
        assert_eq!((found.present(), found.absent), (half, half), "{found:?}");
        let few = residency(&buffer, 4).expect("as before");
        assert_eq!((few.present(), few.absent), (half, half), "{few:?}");
        assert_eq!(
            residency(&[], 8).expect("nothing to ask"),
            Residency::default()
        );
        let mut twice = found.clone();
        twice.add(&found);
        assert_eq!(twice.present(), 2 * half);
    }
}
