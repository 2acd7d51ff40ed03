//! Numbers that several threads write side by side.

use std::ops::{Deref, DerefMut};

use bytemuck::{Pod, Zeroable};

/// Cache lines' worth of numbers.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(128))]
struct Line([f32; Lines::LINE]);

/// `f32` values that start at a multiple of 128 bytes: threads that write from one whole line to
/// another ([`Lines::LINE`] each) write lines that are no other thread's.
#[derive(Debug, Default)]
pub struct Lines {
    lines: Vec<Line>,
    len: usize,
}

impl Lines {
    /// Values of a line: two lines of 64 bytes, because x86 fetches lines in pairs and some arm64 caches have
    /// 128-byte lines.
    pub const LINE: usize = 32;

    /// Makes it `len` values long. New memory is zeroed; values that it had before may stay, beyond an old end
    /// too, since memory is kept: what is given up and taken again would be zeroed again.
    pub fn resize(&mut self, len: usize) {
        let lines = len.div_ceil(Self::LINE);
        if lines > self.lines.len() {
            self.lines.resize(lines, Line([0.0; Self::LINE]));
        }
        self.len = len;
    }
}

impl Deref for Lines {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl DerefMut for Lines {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_start_at_a_line_whatever_their_number() {
        let mut values = Lines::default();
        assert!(values.is_empty());
        for len in [1, 31, 32, 33, 4096, 7, 0, 64] {
            values.resize(len);
            assert_eq!((values.len(), values.as_ptr().addr() % 128), (len, 0));
            values.fill(1.5);
            assert!(values.iter().all(|value| *value == 1.5));
        }
    }
}
