//! Anonymous memory that is page-aligned, untouched until first written, optionally on transparent
//! huge pages, and whose ranges can be bound to NUMA nodes before that first touch.

use std::io;
use std::ops::{Deref, DerefMut, Range};

use memmap2::{Advice, MmapMut, MmapOptions};

use crate::MachineError;

/// The largest NUMA node number that is taken for one; Linux has at most 1,024 nodes.
const MAX_NODE_ID: usize = 4095;

/// Which pages to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pages {
    /// Whatever the system gives by default.
    #[default]
    Normal,
    /// Transparent huge pages where the kernel has them: the buffer starts at a huge page and asks
    /// for them with `madvise`. Best effort.
    Transparent,
}

/// Zeroed memory, aligned to pages (at least 4,096 bytes). Physical pages are taken when first
/// written, on the node of the writing thread unless [`NodeBuffer::bind`] said otherwise.
#[derive(Debug)]
pub struct NodeBuffer {
    map: MmapMut,
    range: Range<usize>,
}

/// How parts of a buffer lie that no page may have in common: each begins a whole stride after the one
/// before, and what lies between them is never touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartLayout {
    /// Bytes of a part.
    pub bytes: usize,
    /// Parts, at least 1.
    pub count: usize,
    /// Bytes from the start of a part to that of the next: a multiple of its pages.
    pub stride: usize,
}

impl PartLayout {
    /// `count` parts of `bytes` bytes on such pages of this host.
    pub fn new(bytes: usize, count: usize, pages: Pages) -> PartLayout {
        let page = alignment(bytes, pages).max(rustix::param::page_size());
        PartLayout {
            bytes,
            count: count.max(1),
            // A single part has no next one.
            stride: if count > 1 {
                bytes.next_multiple_of(page)
            } else {
                bytes
            },
        }
    }

    /// The bytes of a part.
    pub fn part(&self, part: usize) -> Range<usize> {
        let start = part * self.stride;
        start..start + self.bytes
    }

    /// From the start of the first part to the end of the last.
    fn total(&self) -> Option<usize> {
        (self.count - 1)
            .checked_mul(self.stride)?
            .checked_add(self.bytes)
    }
}

/// What buffers of so many bytes start at, if they are to have such pages; 1: at any page.
fn alignment(bytes: usize, pages: Pages) -> usize {
    match pages {
        Pages::Normal => 1,
        // Address space alone: what lies before the first huge page is never touched. Smaller buffers
        // cannot hold a huge page.
        Pages::Transparent => huge_page_bytes().filter(|&huge| bytes >= huge).unwrap_or(1),
    }
}

impl NodeBuffer {
    /// Maps `bytes` bytes; 0 is allowed.
    ///
    /// # Errors
    /// [`MachineError::Memory`] naming the bytes, if the system does not give them.
    pub fn new(bytes: usize, pages: Pages) -> Result<NodeBuffer, MachineError> {
        Self::in_parts(PartLayout::new(bytes, 1, pages), pages, false)
    }

    /// Maps parts that have no page in common, so that each can be on a node of its own; if `apart`, with
    /// other memory neither.
    ///
    /// # Errors
    /// As [`NodeBuffer::new`].
    pub fn in_parts(
        layout: PartLayout,
        pages: Pages,
        apart: bool,
    ) -> Result<NodeBuffer, MachineError> {
        let alignment = alignment(layout.bytes, pages);
        let buffer = Self::aligned(layout.total(), alignment)?;
        if alignment > 1 {
            for part in 0..layout.count {
                // The end of a part that fills no huge page stays on small ones.
                buffer.advise(Advice::HugePage, layout.part(part));
            }
        } else if apart || layout.count > 1 {
            // A system that gives huge pages unasked would put two on one.
            buffer.advise(Advice::NoHugePage, 0..buffer.len());
        }
        Ok(buffer)
    }

    /// Maps memory that starts at a multiple of `alignment`, a power of two; `None` bytes are too many.
    pub(crate) fn aligned(
        bytes: Option<usize>,
        alignment: usize,
    ) -> Result<NodeBuffer, MachineError> {
        let error = |source| MachineError::Memory {
            bytes: bytes.unwrap_or(usize::MAX),
            source,
        };
        // At least one byte, so that even an empty buffer has a mapped, aligned address.
        let mapped = bytes.and_then(|bytes| bytes.max(1).checked_add(alignment - 1));
        let mapped = mapped.filter(|&mapped| isize::try_from(mapped).is_ok());
        let (Some(bytes), Some(mapped)) = (bytes, mapped) else {
            return Err(error(io::ErrorKind::OutOfMemory.into()));
        };
        let map = MmapOptions::new().len(mapped).map_anon().map_err(error)?;
        let start = map.as_ptr().align_offset(alignment);
        let range = start..start + bytes;
        Ok(NodeBuffer { map, range })
    }

    /// Tells the system what pages are wanted. A kernel without transparent huge pages refuses, and normal
    /// pages it is.
    pub(crate) fn advise(&self, advice: Advice, range: Range<usize>) {
        let start = self.range.start + range.start;
        let _ = self.map.advise_range(advice, start, range.len());
    }

    /// Asks for the pages of `range` (bytes of this buffer) to come from `node` when first touched;
    /// from elsewhere if the node is full (`MPOL_PREFERRED`). A page belongs to the range that its
    /// first byte is in. Pages that were touched already stay where they are.
    ///
    /// # Errors
    /// [`MachineError::BindMemory`] if the range leaves the buffer, or the system has no such node or
    /// does not allow it (containers without CAP_SYS_NICE): first touch then decides.
    pub fn bind(&self, range: Range<usize>, node: usize) -> Result<(), MachineError> {
        let bytes = range.len();
        let error = |source| MachineError::BindMemory {
            bytes,
            node,
            source,
        };
        if range.start > range.end || range.end > self.len() || node > MAX_NODE_ID {
            return Err(error(io::ErrorKind::InvalidInput.into()));
        }
        let page = rustix::param::page_size();
        let first = range.start.next_multiple_of(page);
        // The last page may reach past the buffer, but not past the mapping, which is whole pages.
        let last = range.end.next_multiple_of(page);
        if first >= last {
            return Ok(());
        }
        prefer_node(&self[..], first..last, node).map_err(error)
    }
}

/// Calls `mbind` for `pages`, whole pages counted from the page-aligned start of `buffer`.
fn prefer_node(buffer: &[u8], pages: Range<usize>, node: usize) -> io::Result<()> {
    const WORD_BITS: usize = libc::c_ulong::BITS as usize;
    let mut mask = vec![0 as libc::c_ulong; node / WORD_BITS + 1];
    mask[node / WORD_BITS] |= 1 << (node % WORD_BITS);
    // SAFETY:
    // - the address range is inside our own mapping, and a policy changes no contents: pages are
    //   neither moved nor unmapped without MPOL_MF_MOVE.
    // - the mask pointer is valid for the bits announced. The kernel reads one bit fewer than
    //   `maxnode` says (mbind(2), BUGS), hence the + 1; it rounds that up to no further word.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mbind,
            buffer.as_ptr().wrapping_add(pages.start),
            pages.len(),
            // Whole registers: an `int` passed to a variadic function leaves the upper half open.
            libc::MPOL_PREFERRED as libc::c_ulong,
            mask.as_ptr(),
            mask.len() * WORD_BITS + 1,
            0 as libc::c_ulong,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The size of a transparent huge page: 2 MiB on x86-64, 512 MiB with 64 KiB base pages on arm64.
pub(crate) fn huge_page_bytes() -> Option<usize> {
    let text =
        std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size").ok()?;
    text.trim()
        .parse()
        .ok()
        .filter(|bytes: &usize| bytes.is_power_of_two())
}

impl Deref for NodeBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map[self.range.clone()]
    }
}

impl DerefMut for NodeBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.map[self.range.clone()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_zeroed_and_writable() {
        for bytes in [0, 1, 4096, 4097, 3 << 20] {
            for pages in [Pages::Normal, Pages::Transparent] {
                let mut buffer = NodeBuffer::new(bytes, pages).unwrap();
                assert_eq!(buffer.len(), bytes);
                assert_eq!(buffer.as_ptr().addr() % 4096, 0);
                assert!(buffer.iter().all(|&byte| byte == 0));
                buffer.fill(7);
                assert!(buffer.iter().all(|&byte| byte == 7));
            }
        }
    }

    #[test]
    fn parts_have_no_page_in_common() {
        let huge = huge_page_bytes().filter(|&huge| huge <= 64 << 20);
        for (bytes, count) in [(1, 3), (4096, 2), (70_000, 4), ((2 << 20) + 4096, 3)] {
            for pages in [Pages::Normal, Pages::Transparent] {
                let layout = PartLayout::new(bytes, count, pages);
                let mut buffer = NodeBuffer::in_parts(layout, pages, false).unwrap();
                let page = match (pages, huge) {
                    (Pages::Transparent, Some(huge)) if bytes >= huge => huge,
                    _ => rustix::param::page_size(),
                };
                for part in 0..count {
                    let range = layout.part(part);
                    let start = buffer.as_ptr().addr() + range.start;
                    assert_eq!((range.len(), start % page), (bytes, 0), "{layout:?}");
                    buffer[range].fill(part as u8 + 1);
                }
                assert_eq!(buffer.len(), layout.part(count - 1).end);
                assert!((0..count).all(|part| buffer[layout.part(part).end - 1] == part as u8 + 1));
            }
        }
        let single = PartLayout::new(10, 1, Pages::Normal);
        assert_eq!(single.part(0), 0..10);
        let endless = PartLayout {
            bytes: 1,
            count: 3,
            stride: usize::MAX,
        };
        assert!(NodeBuffer::in_parts(endless, Pages::Normal, true).is_err());
    }

    #[test]
    fn huge_buffers_start_at_a_huge_page() {
        let Some(huge) = huge_page_bytes().filter(|&huge| huge <= 64 << 20) else {
            return;
        };
        let buffer = NodeBuffer::new(huge + 1, Pages::Transparent).unwrap();
        assert_eq!(buffer.as_ptr().addr() % huge, 0);
    }

    #[test]
    fn impossible_sizes_are_errors_that_name_the_bytes() {
        for bytes in [usize::MAX, isize::MAX as usize, 1 << 60] {
            for pages in [Pages::Normal, Pages::Transparent] {
                let message = NodeBuffer::new(bytes, pages).unwrap_err().to_string();
                assert!(message.contains(&bytes.to_string()), "{message}");
            }
        }
    }

    #[test]
    fn bound_ranges_have_the_policy_and_stay_usable() {
        let mut buffer = NodeBuffer::new(1 << 20, Pages::Normal).unwrap();
        let bound = buffer.bind(65_536..200_000, 0);
        buffer.fill(3);
        assert!(buffer.iter().all(|&byte| byte == 3));
        let maps = std::fs::read_to_string("/proc/self/numa_maps");
        if let (Ok(()), Ok(maps)) = (bound, maps) {
            let start = format!("{:x} prefer", buffer.as_ptr().addr() + 65_536);
            assert!(
                maps.lines().any(|line| line.starts_with(&start)),
                "{start}:\n{maps}"
            );
        }
    }

    #[test]
    fn binding_checks_its_range_and_node() {
        let buffer = NodeBuffer::new(10_000, Pages::Normal).unwrap();
        let backwards = Range { start: 2, end: 1 };
        for (range, node) in [
            (0..10_001, 0),
            (backwards, 0),
            (0..10_000, 4096),
            (0..10_000, 4000),
        ] {
            assert!(
                buffer.bind(range.clone(), node).is_err(),
                "{range:?} {node}"
            );
        }
        assert!(buffer.bind(5..5, 0).is_ok());
        // Within one page, which belongs to the range before.
        assert!(buffer.bind(100..200, 0).is_ok());
    }
}
