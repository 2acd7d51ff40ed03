//! How a region hands each worker its own mutable data, so that callers need no `unsafe`: wrap a
//! borrow in [`each`], [`ranges`], [`columns`] or [`scattered`], combine several in a tuple, and
//! every worker of [`crate::Lead::run`] receives its share as a plain `&mut`.

use std::marker::PhantomData;

use crate::Ranges;

/// The type of a worker's share, for a region that borrows the parts for `'s`.
///
/// This would be a generic associated type of [`Parts`], but "for every `'s` that `Self` outlives"
/// cannot be said of one in a closure's bound: it becomes `'static`. The defaulted parameter carries
/// that condition as an implied bound; never name it.
pub trait PartOf<'s, Outlives = &'s Self> {
    /// What one worker receives.
    type Part;
}

/// Shorthand for the share that `P` hands out.
pub type Part<'s, P> = <P as PartOf<'s>>::Part;

/// Data that a region divides among its workers.
///
/// # Safety
/// The parts of different workers must not overlap, and a part must be sound to use on a thread
/// other than the one that made `self`, for every worker below [`Parts::workers`].
pub unsafe trait Parts: Sync + for<'s> PartOf<'s> {
    /// How many workers it can serve; `None` when there is no limit.
    fn workers(&self) -> Option<usize>;

    /// The share of `worker`.
    ///
    /// # Safety
    /// Called at most once per worker while any earlier part of that worker may be alive, with
    /// `worker` below [`Parts::workers`].
    unsafe fn part<'s>(&'s self, worker: usize) -> Part<'s, Self>;
}

impl PartOf<'_> for () {
    type Part = ();
}

// SAFETY: nothing is handed out.
unsafe impl Parts for () {
    fn workers(&self) -> Option<usize> {
        None
    }

    unsafe fn part<'s>(&'s self, _worker: usize) -> Part<'s, Self> {}
}

/// Tuples hand out the parts of their members, to as many workers as all of them can serve.
macro_rules! tuple_parts {
    ($($name:ident . $index:tt),+) => {
        impl<'s, $($name: Parts),+> PartOf<'s> for ($($name,)+) {
            type Part = ($(Part<'s, $name>,)+);
        }

        // SAFETY: each member keeps the contract for its own data, and members are separate borrows.
        unsafe impl<$($name: Parts),+> Parts for ($($name,)+) {
            fn workers(&self) -> Option<usize> {
                [$(self.$index.workers()),+].into_iter().flatten().min()
            }

            unsafe fn part<'s>(&'s self, worker: usize) -> Part<'s, Self> {
                // SAFETY: the caller's promise is the same for every member.
                unsafe { ($(self.$index.part(worker),)+) }
            }
        }
    };
}

tuple_parts!(A.0, B.1);
tuple_parts!(A.0, B.1, C.2);
tuple_parts!(A.0, B.1, C.2, D.3);
tuple_parts!(A.0, B.1, C.2, D.3, E.4);

/// A slice of which every worker gets one item; made by [`each`].
#[derive(Debug)]
pub struct Each<'a, T> {
    items: *mut T,
    len: usize,
    borrow: PhantomData<&'a mut [T]>,
}

/// Worker `w` gets `&mut items[w]`: scratch buffers, counters.
pub fn each<T: Send>(items: &mut [T]) -> Each<'_, T> {
    Each {
        items: items.as_mut_ptr(),
        len: items.len(),
        borrow: PhantomData,
    }
}

// SAFETY: sharing an `Each` only lets workers take disjoint `&mut T`, which `T: Send` permits.
unsafe impl<T: Send> Sync for Each<'_, T> {}

impl<'s, T: Send> PartOf<'s> for Each<'_, T> {
    type Part = &'s mut T;
}

// SAFETY: worker `w` gets item `w` only, of a slice that is borrowed mutably for `'a`.
unsafe impl<T: Send> Parts for Each<'_, T> {
    fn workers(&self) -> Option<usize> {
        Some(self.len)
    }

    unsafe fn part<'s>(&'s self, worker: usize) -> Part<'s, Self> {
        assert!(worker < self.len, "worker {worker} of {} items", self.len);
        // SAFETY:
        // - bounds: checked above; the pointer comes from a slice of `len` items.
        // - aliasing: the slice is mutably borrowed, and only this worker takes this item.
        unsafe { &mut *self.items.add(worker) }
    }
}

/// A slice cut into one sub-slice per worker; made by [`ranges`].
#[derive(Debug)]
pub struct Cut<'a, T> {
    items: *mut T,
    ranges: &'a Ranges,
    borrow: PhantomData<&'a mut [T]>,
}

/// Worker `w` gets `&mut slice[ranges.get(w)]`: output rows, a share of a vector.
///
/// # Panics
/// If the slice is shorter than `ranges.total()`.
pub fn ranges<'a, T: Send>(slice: &'a mut [T], ranges: &'a Ranges) -> Cut<'a, T> {
    let (len, total) = (slice.len(), ranges.total());
    assert!(
        total <= len,
        "ranges over {total} items do not fit a slice of {len}"
    );
    Cut {
        items: slice.as_mut_ptr(),
        ranges,
        borrow: PhantomData,
    }
}

// SAFETY: sharing a `Cut` only lets workers take disjoint `&mut [T]`, which `T: Send` permits.
unsafe impl<T: Send> Sync for Cut<'_, T> {}

impl<'s, T: Send> PartOf<'s> for Cut<'_, T> {
    type Part = &'s mut [T];
}

// SAFETY: `Ranges` are disjoint by construction and end inside the slice, checked in `ranges`.
unsafe impl<T: Send> Parts for Cut<'_, T> {
    fn workers(&self) -> Option<usize> {
        Some(self.ranges.len())
    }

    unsafe fn part<'s>(&'s self, worker: usize) -> Part<'s, Self> {
        let range = self.ranges.get(worker);
        // SAFETY:
        // - bounds: `range.end <= ranges.total() <= slice.len()`.
        // - aliasing: the slice is mutably borrowed, ranges are disjoint, one part per worker.
        unsafe { std::slice::from_raw_parts_mut(self.items.add(range.start), range.len()) }
    }
}

/// The rows of a matrix, each cut at the same columns; made by [`columns`].
#[derive(Debug)]
pub struct CutColumns<'a, T> {
    rows: Strided<T>,
    ranges: &'a Ranges,
    borrow: PhantomData<&'a mut [T]>,
}

/// Rows at a fixed distance.
#[derive(Debug)]
struct Strided<T> {
    first: *mut T,
    count: usize,
    stride: usize,
}

/// Cuts a row-major `[rows][width]` matrix by columns: worker `w` gets columns `ranges.get(w)` of
/// every row. This is how a batch of outputs is written when workers own weight rows.
///
/// # Panics
/// If the matrix is not a whole number of rows, or `ranges.total()` exceeds `width`.
pub fn columns<'a, T: Send>(
    matrix: &'a mut [T],
    width: usize,
    ranges: &'a Ranges,
) -> CutColumns<'a, T> {
    let (len, total) = (matrix.len(), ranges.total());
    assert!(
        total <= width,
        "ranges over {total} columns do not fit rows of {width}"
    );
    assert!(
        len.is_multiple_of(width),
        "{len} items are no whole number of rows of {width}"
    );
    let rows = Strided {
        first: matrix.as_mut_ptr(),
        count: len.checked_div(width).unwrap_or(0),
        stride: width,
    };
    CutColumns {
        rows,
        ranges,
        borrow: PhantomData,
    }
}

// SAFETY: sharing only lets workers take disjoint columns mutably, which `T: Send` permits.
unsafe impl<T: Send> Sync for CutColumns<'_, T> {}

impl<'s, T: Send> PartOf<'s> for CutColumns<'_, T> {
    type Part = ColumnsMut<'s, T>;
}

// SAFETY: rows are disjoint and at least `ranges.total()` wide (checked when made), and the ranges of
// different workers are disjoint, so no element is in two parts.
unsafe impl<T: Send> Parts for CutColumns<'_, T> {
    fn workers(&self) -> Option<usize> {
        Some(self.ranges.len())
    }

    unsafe fn part<'s>(&'s self, worker: usize) -> Part<'s, Self> {
        let range = self.ranges.get(worker);
        ColumnsMut {
            rows: Strided { ..self.rows },
            first_column: range.start,
            width: range.len(),
            borrow: PhantomData,
        }
    }
}

/// One worker's columns of the rows of a matrix.
#[derive(Debug)]
pub struct ColumnsMut<'s, T> {
    rows: Strided<T>,
    first_column: usize,
    width: usize,
    borrow: PhantomData<&'s mut [T]>,
}

impl<T> ColumnsMut<'_, T> {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows.count
    }

    /// The first of this worker's columns, counted from the start of the whole row.
    pub fn first_column(&self) -> usize {
        self.first_column
    }

    /// How many columns this worker has.
    pub fn width(&self) -> usize {
        self.width
    }

    /// This worker's columns of one row.
    ///
    /// # Panics
    /// If `row` is not below [`ColumnsMut::rows`].
    pub fn row_mut(&mut self, row: usize) -> &mut [T] {
        let Strided {
            first,
            count,
            stride,
        } = self.rows;
        assert!(row < count, "row {row} of {count}");
        // SAFETY:
        // - bounds: `row` is checked above; rows are at least `ranges.total()` wide and this range
        //   ends inside that, both checked when the `CutColumns` was made.
        // - aliasing: only this worker has these columns, and `&mut self` allows one row at a time.
        unsafe {
            let start = first.add(row * stride + self.first_column);
            std::slice::from_raw_parts_mut(start, self.width)
        }
    }
}

/// Rows that lie apart, each cut in a way of its own; made by [`scattered`].
#[derive(Debug)]
pub struct CutRows<'a, T> {
    rows: Vec<(*mut T, &'a Ranges)>,
    borrow: PhantomData<&'a mut [T]>,
}

/// Cuts rows that lie apart (e.g. in the cache blocks of several sequences): worker `w` gets items
/// `ranges.get(w)` of the row that comes with those ranges.
///
/// # Panics
/// If any row is shorter than the total of its ranges.
pub fn scattered<'a, T: Send>(rows: Vec<(&'a mut [T], &'a Ranges)>) -> CutRows<'a, T> {
    let start = |(row, ranges): (&'a mut [T], &'a Ranges)| {
        let (total, len) = (ranges.total(), row.len());
        assert!(total <= len, "ranges over {total} items, a row of {len}");
        (row.as_mut_ptr(), ranges)
    };
    CutRows {
        rows: rows.into_iter().map(start).collect(),
        borrow: PhantomData,
    }
}

// SAFETY: sharing only lets workers take disjoint items mutably, which `T: Send` permits.
unsafe impl<T: Send> Sync for CutRows<'_, T> {}

impl<'s, T: Send> PartOf<'s> for CutRows<'_, T> {
    type Part = RowsMut<'s, T>;
}

// SAFETY: rows are disjoint borrows and at least as wide as their ranges (checked when made), and the
// ranges of different workers are disjoint, so no element is in two parts.
unsafe impl<T: Send> Parts for CutRows<'_, T> {
    fn workers(&self) -> Option<usize> {
        self.rows.iter().map(|(_, ranges)| ranges.len()).min()
    }

    unsafe fn part<'s>(&'s self, worker: usize) -> Part<'s, Self> {
        RowsMut {
            rows: &self.rows,
            worker,
            borrow: PhantomData,
        }
    }
}

/// One worker's items of several rows.
#[derive(Debug)]
pub struct RowsMut<'s, T> {
    rows: &'s [(*mut T, &'s Ranges)],
    worker: usize,
    borrow: PhantomData<&'s mut [T]>,
}

impl<T> RowsMut<'_, T> {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// This worker's items of one row.
    ///
    /// # Panics
    /// If `row` is not below [`RowsMut::rows`].
    pub fn row_mut(&mut self, row: usize) -> &mut [T] {
        let (start, ranges) = self.rows[row];
        let range = ranges.get(self.worker);
        // SAFETY:
        // - bounds: the row is at least `ranges.total()` wide and this range ends inside that, both
        //   checked when the `CutRows` was made.
        // - aliasing: only this worker has these items, and `&mut self` allows one row at a time.
        unsafe { std::slice::from_raw_parts_mut(start.add(range.start), range.len()) }
    }
}
