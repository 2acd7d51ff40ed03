//! What keeps two processes that start together from choosing the same CPUs.
//!
//! A choice is published before it is used, as the affinity of a thread that does nothing else: a claim.
//! Every process that shares `/proc` sees it at once, whoever owns it, and it ends with its process. It
//! needs no file, so that no permission, read-only system or leftover is in its way.
//!
//! Processes take turns to look, choose and claim. The turn is the name of a socket, which one process
//! at a time can have. It keeps servers that start together from getting in each other's way, but
//! nothing rests on it: whoever has claimed looks once more, and gives up what another has claimed too.
//! Of two overlapping claims the later one is made before its owner looks again, so at least one of
//! them is given up.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Blind, Neighbours};
use crate::pin::confine_to;

/// The name of the thread whose affinity is a claim; the kernel keeps 15 bytes.
pub(super) const MARK: &str = "sysinfer-cpus";
/// The name of the socket, in the abstract namespace: no file.
const TURN: &[u8] = b"sysinfer-choice-of-cpus";
/// Longest wait for a turn. One takes milliseconds, or half a second among 65,536 threads.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two attempts at a turn.
const PAUSE: Duration = Duration::from_millis(2);

/// CPUs that this process works on, for others to see, until it is dropped.
#[derive(Debug)]
pub struct Claim {
    /// Ends the thread when it is dropped.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Claim {
    /// Claims `cpus`; `None` if there are none, or the system does not let a thread run there: then no
    /// worker will be pinned there either.
    fn of(cpus: &[usize]) -> Option<Claim> {
        if cpus.is_empty() {
            return None;
        }
        let (end, wait) = channel::<()>();
        let (report, made) = channel();
        let cpus = cpus.to_vec();
        let thread = std::thread::Builder::new().name(MARK.into());
        // It needs next to no stack.
        let thread = thread.stack_size(64 << 10).spawn(move || {
            // Nobody listens only when the claim is given up already.
            let _ = report.send(confine_to(&cpus).is_ok());
            let _ = wait.recv();
        });
        let claim = Claim {
            end: Some(end),
            thread: thread.ok(),
        };
        made.recv().unwrap_or(false).then_some(claim)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // It has nothing that could panic.
            let _ = thread.join();
        }
    }
}

/// What came of looking at the neighbours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picked<T> {
    /// What the caller makes of it.
    pub value: T,
    /// CPUs that will be worked on; none: not pinned.
    pub cpus: Vec<usize>,
    /// Those that were chosen because nobody works on them: if that turns out wrong, the choice is made
    /// again. What a user or a profile names stays.
    pub free: Vec<usize>,
}

/// Looks at the neighbours, lets `pick` choose, and claims what it chose for as long as the claim lives.
/// `pick` is asked a second time, without sight of others ([`Blind::Tie`]), where another process
/// claimed the same CPUs in the same moment.
///
/// # Errors
/// Those of `pick`.
pub fn settle<T, E>(
    look: impl Fn() -> Neighbours,
    pick: impl Fn(&Neighbours) -> Result<Picked<T>, E>,
) -> Result<(T, Option<Claim>), E> {
    let _turn = turn();
    let mut seen = look();
    let picked = pick(&seen)?;
    let claim = Claim::of(&picked.cpus);
    if picked.free.is_empty() || look().on(&picked.free).is_empty() {
        return Ok((picked.value, claim));
    }
    drop(claim);
    seen.blind = Some(Blind::Tie);
    let picked = pick(&seen)?;
    let claim = Claim::of(&picked.cpus);
    Ok((picked.value, claim))
}

/// Waits for the turn, which ends when the socket is dropped; `None` if others keep it too long, or the
/// system gives no sockets.
fn turn() -> Option<UnixDatagram> {
    let address = SocketAddr::from_abstract_name(TURN).ok()?;
    let until = Instant::now() + PATIENCE;
    loop {
        match UnixDatagram::bind_addr(&address) {
            Ok(socket) => return Some(socket),
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => return None,
            Err(_) if Instant::now() >= until => return None,
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::neighbours::Neighbour;
    use crate::{Topology, allowed_cpus, current_affinity};

    fn other_on(cpus: &[usize]) -> Neighbours {
        let other = Neighbour {
            process: 7,
            name: "other".into(),
            claims: cpus.to_vec(),
            idles: Vec::new(),
        };
        Neighbours {
            pinned: vec![other],
            blind: None,
        }
    }

    fn picked(cpus: &[usize], free: &[usize]) -> Picked<usize> {
        Picked {
            value: cpus.len(),
            cpus: cpus.to_vec(),
            free: free.to_vec(),
        }
    }

    /// CPUs that claims of this process name, as others see them.
    fn claimed() -> Vec<usize> {
        let topology = Topology::flat(&allowed_cpus());
        // As if the neighbour of a process that does not exist.
        let seen = Neighbours::in_proc("/proc".as_ref(), 0, &topology);
        let own = std::process::id() as usize;
        let own = seen.pinned.into_iter().find(|one| one.process == own);
        own.map_or(Vec::new(), |own| own.claims)
    }

    /// One test, since all claims of this process are one to others.
    #[test]
    fn a_claim_is_seen_until_it_is_dropped_and_given_up_in_a_tie() {
        let (before, cpu) = (current_affinity().unwrap(), allowed_cpus()[0]);
        let take = |cpus: &[usize]| {
            let never = || Ok::<_, ()>(picked(cpus, cpus));
            settle(Neighbours::default, |_| never()).unwrap()
        };
        let (value, claim) = take(&[cpu]);
        assert_eq!((value, claimed()), (1, vec![cpu]));
        drop(claim);
        assert_eq!(claimed(), [0usize; 0]);
        assert!(take(&[]).1.is_none());
        assert!(take(&[1 << 19]).1.is_none(), "no such CPU");
        assert_eq!(current_affinity().unwrap(), before);

        // Nobody at the first look, somebody at the second.
        let looks = Cell::new(0);
        let look = || {
            looks.set(looks.get() + 1);
            match looks.get() {
                1 => Neighbours::default(),
                _ => other_on(&[cpu]),
            }
        };
        let pick = |seen: &Neighbours| {
            Ok::<_, ()>(match seen.blind {
                None => picked(&[cpu], &[cpu]),
                Some(blind) => {
                    assert_eq!(blind, Blind::Tie);
                    picked(&[], &[])
                }
            })
        };
        let (value, claim) = settle(look, pick).unwrap();
        assert_eq!((value, claim.is_none(), looks.get()), (0, true, 2));

        // What was named is kept, and others see it.
        let look = || other_on(&[cpu]);
        let (value, claim) = settle(look, |_| Ok::<_, ()>(picked(&[cpu], &[]))).unwrap();
        assert_eq!((value, claimed()), (1, vec![cpu]));
        drop(claim);
        assert_eq!(
            settle(look, |_| Err::<Picked<()>, _>("no")).unwrap_err(),
            "no"
        );
    }
}
