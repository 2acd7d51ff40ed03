//! CPU affinity of the calling thread: read it, pin it to one CPU, put it back.
//!
//! Masks are sized at run time, because a fixed `cpu_set_t` ends at CPU 1,023.

use std::io;
use std::marker::PhantomData;

use crate::MachineError;
use crate::cpu_list::MAX_CPU_ID;

const WORD_BITS: usize = usize::BITS as usize;

/// The CPUs that this thread may run on, ascending.
///
/// # Errors
/// [`MachineError::Affinity`] if the system does not tell.
pub fn current_affinity() -> Result<Vec<usize>, MachineError> {
    let mask = read_mask().map_err(|source| MachineError::Affinity { source })?;
    let cpus = |(index, word): (usize, &usize)| {
        let word = *word;
        (0..WORD_BITS)
            .filter(move |bit| word >> bit & 1 == 1)
            .map(move |bit| index * WORD_BITS + bit)
    };
    Ok(mask.iter().enumerate().flat_map(cpus).collect())
}

/// The CPUs that this process may run on, ascending; all online ones, or CPU 0 alone, when the
/// system does not tell. Call it before pinning: it reads the affinity of the calling thread.
pub fn allowed_cpus() -> Vec<usize> {
    current_affinity().unwrap_or_else(|_| {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        (0..count).collect()
    })
}

/// Pins the calling thread to one CPU for as long as it lives.
///
/// # Errors
/// [`MachineError::Pin`] if the CPU does not exist or is not allowed.
pub(crate) fn pin_to(cpu: usize) -> Result<(), MachineError> {
    confine_to(&[cpu])
}

/// Keeps the calling thread on these CPUs for as long as it lives.
///
/// # Errors
/// [`MachineError::Pin`], naming the first, if there are none, or none of them is allowed.
pub fn confine_to(cpus: &[usize]) -> Result<(), MachineError> {
    let error = |source| MachineError::Pin {
        cpu: cpus.first().copied().unwrap_or(0),
        source,
    };
    let highest = cpus.iter().copied().max().unwrap_or(0);
    if highest > MAX_CPU_ID {
        return Err(error(io::Error::from(io::ErrorKind::InvalidInput)));
    }
    let mut mask = vec![0usize; highest / WORD_BITS + 1];
    for cpu in cpus {
        mask[cpu / WORD_BITS] |= 1 << (cpu % WORD_BITS);
    }
    write_mask(&mask).map_err(error)
}

/// Pins the calling thread to one CPU until dropped, then restores the affinity it had. Stays on the
/// thread that made it.
#[derive(Debug)]
pub struct PinGuard {
    /// `None` when the thread was on exactly this CPU already: nothing to restore.
    previous: Option<Vec<usize>>,
    not_send: PhantomData<*const ()>,
}

impl PinGuard {
    /// Pins the calling thread to `cpu`.
    ///
    /// # Errors
    /// [`MachineError::Affinity`] or [`MachineError::Pin`]; the affinity is then unchanged.
    pub fn new(cpu: usize) -> Result<PinGuard, MachineError> {
        let previous = read_mask().map_err(|source| MachineError::Affinity { source })?;
        let already = previous.iter().enumerate().all(|(index, &word)| {
            word == if index == cpu / WORD_BITS {
                1 << (cpu % WORD_BITS)
            } else {
                0
            }
        });
        if already {
            return Ok(PinGuard {
                previous: None,
                not_send: PhantomData,
            });
        }
        pin_to(cpu)?;
        Ok(PinGuard {
            previous: Some(previous),
            not_send: PhantomData,
        })
    }
}

impl Drop for PinGuard {
    fn drop(&mut self) {
        if let Some(mask) = &self.previous {
            // It can only fail if the cpuset changed meanwhile; then the kernel has already moved
            // this thread to where it may run, and there is nothing better to restore.
            let _ = write_mask(mask);
        }
    }
}

/// The affinity mask of the calling thread, in words, lowest CPU first.
fn read_mask() -> io::Result<Vec<usize>> {
    let mut mask = vec![0usize; 1024 / WORD_BITS];
    loop {
        // SAFETY: the pointer and the byte length describe `mask`, which the kernel writes to; 0 is
        // the calling thread. Any bit pattern is a valid mask.
        let result = unsafe {
            libc::sched_getaffinity(0, size_of_val(mask.as_slice()), mask.as_mut_ptr().cast())
        };
        if result == 0 {
            return Ok(mask);
        }
        let error = io::Error::last_os_error();
        // The kernel refuses a mask with fewer bits than it has possible CPUs.
        if error.raw_os_error() != Some(libc::EINVAL) || mask.len() * WORD_BITS > MAX_CPU_ID {
            return Err(error);
        }
        mask.resize(mask.len() * 2, 0);
    }
}

/// Sets the affinity of the calling thread.
fn write_mask(mask: &[usize]) -> io::Result<()> {
    // SAFETY: the pointer and the byte length describe `mask`, which the kernel only reads; 0 is the
    // calling thread.
    let result = unsafe { libc::sched_setaffinity(0, size_of_val(mask), mask.as_ptr().cast()) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guard_pins_and_restores() {
        let before = current_affinity().unwrap();
        let cpu = *before.last().unwrap();
        {
            let _outer = PinGuard::new(cpu).unwrap();
            assert_eq!(current_affinity().unwrap(), [cpu]);
            let _inner = PinGuard::new(cpu).unwrap();
            assert_eq!(current_affinity().unwrap(), [cpu]);
        }
        assert_eq!(current_affinity().unwrap(), before);
    }

    #[test]
    fn impossible_cpus_are_refused_and_change_nothing() {
        let before = current_affinity().unwrap();
        for cpu in [100_000, MAX_CPU_ID, MAX_CPU_ID + 1, usize::MAX] {
            let message = PinGuard::new(cpu).unwrap_err().to_string();
            assert!(message.contains(&cpu.to_string()), "{message}");
            assert_eq!(current_affinity().unwrap(), before);
        }
    }
}
