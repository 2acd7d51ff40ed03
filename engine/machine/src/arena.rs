//! Memory of one NUMA node, out of which many pieces are given: they lie one behind the other, so that huge
//! pages are filled, and no page has pieces of two arenas, so that whoever writes first decides for all of it.

use std::ops::{Deref, DerefMut, Range};
use std::ptr::NonNull;
use std::sync::Arc;

use memmap2::Advice;
use rustix::mm;

use crate::memory::huge_page_bytes;
use crate::{MachineError, NodeBuffer, Pages};

/// Pieces start at multiples of this: no cache line has bytes of two.
const LINE_BYTES: usize = 128;

/// The most address space that is mapped at once, unless a single piece needs more. What no piece takes is
/// never touched.
const MAX_CHUNK_BYTES: usize = 256 << 20;

/// Gives pieces of memory that are all for the workers of one node.
#[derive(Debug)]
pub struct NodeArena {
    pages: Pages,
    node: Option<usize>,
    expected: usize,
    /// What pieces come out of now, and the bytes of it that are given.
    chunk: Option<(Arc<Chunk>, usize)>,
}

/// A mapping that pieces have in common; it goes when the last of them does.
#[derive(Debug)]
struct Chunk {
    start: NonNull<u8>,
    bytes: usize,
    /// Keeps the mapping, and is not looked at otherwise: pieces have its bytes.
    _map: NodeBuffer,
}

// SAFETY: the pointer is only used by pieces, each for bytes that no other piece has.
unsafe impl Send for Chunk {}
// SAFETY: as above; nothing of a chunk is changed or read through a shared reference.
unsafe impl Sync for Chunk {}

/// Zeroed memory out of a [`NodeArena`], which starts at a multiple of 128 bytes. Its pages are taken as it is
/// written, and whole ones given back when it goes.
#[derive(Debug)]
pub struct NodeSlice {
    chunk: Arc<Chunk>,
    range: Range<usize>,
}

impl NodeArena {
    /// An arena for about `expected` bytes in all (address space is mapped for these, more when it is needed),
    /// whose pages are bound to `node` if one is given and the system allows it; else they are on the node of
    /// whoever writes first.
    pub fn new(expected: usize, pages: Pages, node: Option<usize>) -> NodeArena {
        NodeArena {
            pages,
            node,
            expected,
            chunk: None,
        }
    }

    /// A piece of `bytes` bytes; 0 is allowed.
    ///
    /// # Errors
    /// [`MachineError::Memory`] naming the bytes, if the system does not give them.
    pub fn take(&mut self, bytes: usize) -> Result<NodeSlice, MachineError> {
        let (chunk, given) = match self.chunk.take() {
            Some((chunk, given)) if chunk.bytes - given >= bytes => (chunk, given),
            _ => (Arc::new(self.chunk_for(bytes)?), 0),
        };
        let end = given + bytes;
        // The next piece may start beyond the end only where none fits any more.
        let next = end.next_multiple_of(LINE_BYTES).min(chunk.bytes);
        self.chunk = Some((Arc::clone(&chunk), next));
        Ok(NodeSlice {
            chunk,
            range: given..end,
        })
    }

    /// New memory that has room for a piece of so many bytes.
    fn chunk_for(&self, bytes: usize) -> Result<Chunk, MachineError> {
        let huge = huge_page_bytes().unwrap_or(1);
        // Whole huge pages, from the start of one: where the system gives them, asked or not, two arenas have
        // none in common.
        let wanted = self.expected.min(MAX_CHUNK_BYTES).max(bytes);
        let mut map = NodeBuffer::aligned(wanted.checked_next_multiple_of(huge), huge)?;
        if self.pages == Pages::Transparent && self.expected >= huge {
            map.advise(Advice::HugePage, 0..map.len());
        }
        if let Some(node) = self.node {
            // Where binding is forbidden (containers) or impossible, first touch does the same.
            let _ = map.bind(0..map.len(), node);
        }
        Ok(Chunk {
            start: NonNull::from(&mut map[..]).cast(),
            bytes: map.len(),
            _map: map,
        })
    }
}

impl NodeSlice {
    fn pointer(&self) -> *mut u8 {
        // SAFETY: the range lies in the chunk, whose mapping lives as long as this.
        unsafe { self.chunk.start.as_ptr().add(self.range.start) }
    }
}

impl Deref for NodeSlice {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY:
        // - bounds: `take` gave a range of the chunk, which is mapped, and zeroed until it is written.
        // - aliasing: ranges of a chunk are given once, to one slice, and this is borrowed meanwhile.
        unsafe { std::slice::from_raw_parts(self.pointer(), self.range.len()) }
    }
}

impl DerefMut for NodeSlice {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`; this slice is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.pointer(), self.range.len()) }
    }
}

impl Drop for NodeSlice {
    /// Gives whole pages back while other pieces of the chunk live on.
    fn drop(&mut self) {
        let page = rustix::param::page_size();
        let first = self.range.start.next_multiple_of(page);
        let last = self.range.end - self.range.end % page;
        if first < last && Arc::strong_count(&self.chunk) > 1 {
            // SAFETY: these pages are in the mapping and have bytes of this slice only, which nobody can
            // look at any more.
            let _ = unsafe {
                let start = self.chunk.start.as_ptr().add(first).cast();
                mm::madvise(start, last - first, mm::Advice::LinuxDontNeed)
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::residency;

    fn addresses(slice: &NodeSlice) -> Range<usize> {
        let start = slice.as_ptr().addr();
        start..start + slice.len()
    }

    #[test]
    fn pieces_are_zeroed_writable_aligned_and_apart() {
        for pages in [Pages::Normal, Pages::Transparent] {
            let mut arena = NodeArena::new(10_000, pages, Some(0));
            let sizes = [0, 1, 127, 128, 5000, 0, 3 << 20, 70_000, 2 << 20];
            let mut pieces = Vec::new();
            for (number, bytes) in sizes.into_iter().enumerate() {
                let mut piece = arena.take(bytes).expect("a little memory");
                assert_eq!((piece.len(), piece.as_ptr().addr() % 128), (bytes, 0));
                assert!(piece.iter().all(|byte| *byte == 0));
                piece.fill(number as u8 + 1);
                pieces.push(piece);
            }
            drop(arena);
            for (number, piece) in pieces.iter().enumerate() {
                assert!(piece.iter().all(|byte| *byte == number as u8 + 1));
            }
        }
    }

    #[test]
    fn two_arenas_have_no_page_in_common_and_fill_theirs() {
        let huge = huge_page_bytes().filter(|&huge| huge <= 64 << 20);
        let page = huge.unwrap_or(65536);
        for pages in [Pages::Normal, Pages::Transparent] {
            let mut arenas = [0, 1].map(|_| NodeArena::new(40 << 20, pages, None));
            let mut taken = [Vec::new(), Vec::new()];
            // In turn, as matrices of a model are loaded.
            for matrix in 0..30 {
                for (arena, taken) in arenas.iter_mut().zip(&mut taken) {
                    taken.push(arena.take(1_000_000 + 31 * matrix).expect("some"));
                }
            }
            let touched = taken.map(|taken| {
                let all = taken.iter().map(addresses);
                let pages = all.flat_map(|range| range.start / page..=(range.end - 1) / page);
                pages.collect::<std::collections::BTreeSet<_>>()
            });
            assert!(touched[0].is_disjoint(&touched[1]), "{pages:?}");
            let bytes = 30 * 1_000_000;
            assert!(touched[0].len() <= bytes / page + 2, "{}", touched[0].len());
        }
    }

    #[test]
    fn memory_of_a_piece_that_goes_is_given_back() {
        let page = rustix::param::page_size();
        let mut arena = NodeArena::new(64 * page, Pages::Normal, None);
        let mut one = arena.take(16 * page).expect("a little memory");
        let mut other = arena.take(16 * page).expect("a little memory");
        one.fill(1);
        other.fill(2);
        // Looked at through the address alone: the piece is gone by then, the mapping is not.
        let place = addresses(&one);
        drop(one);
        let chunk = &other.chunk;
        // SAFETY: mapped memory that no piece has.
        let gone = unsafe { std::slice::from_raw_parts(chunk.start.as_ptr(), place.len()) };
        match residency(gone, 16) {
            Ok(found) => assert_eq!(found.present(), 0, "{found:?}"),
            Err(error) => println!("SKIPPED: the kernel does not say where pages are: {error}"),
        }
        assert!(other.iter().all(|byte| *byte == 2));
    }

    #[test]
    fn impossible_sizes_are_errors_and_harm_no_later_piece() {
        let mut arena = NodeArena::new(usize::MAX, Pages::Transparent, None);
        for bytes in [usize::MAX, isize::MAX as usize, 1 << 60] {
            let message = arena.take(bytes).expect_err("too much").to_string();
            assert!(message.contains("bytes") || message.contains(&bytes.to_string()));
        }
        assert_eq!(arena.take(10).expect("a little memory").len(), 10);
    }
}
