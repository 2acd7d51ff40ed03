//! Multiplying and adding and doing nothing else: how fast the cores are at the moment, whatever kernels
//! there are. Clock rates move, and on a shared host another tenant may have the other thread of a core.

use std::hint::black_box;

/// Sums that do not wait for each other: as many as the units of a core have under way at once, in
/// vectors of four.
const LANES: usize = 32;

/// Adds up the squares of `values`, `times` over: one multiply-add of f32 for each value and time, in
/// vectors that every CPU of the architecture has. Values that a first-level cache holds make it a
/// reading of arithmetic alone. What is behind the last whole 32 values is left out.
pub fn multiply_add(values: &[f32], times: usize) -> f32 {
    let mut sums = [0f32; LANES];
    for _ in 0..times {
        for chunk in black_box(values).as_chunks::<LANES>().0 {
            for (sum, value) in sums.iter_mut().zip(chunk) {
                *sum += value * value;
            }
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::multiply_add;

    #[test]
    fn every_value_counts_as_often_as_asked() {
        let values = [0.5f32; 96];
        for times in [0, 1, 7] {
            assert_eq!(multiply_add(&values, times), 24.0 * times as f32);
        }
        let mut one = [0f32; 64];
        for place in 0..64 {
            one[place] = 2.0;
            assert_eq!(multiply_add(&one, 1), 4.0, "value {place} was left out");
            one[place] = 0.0;
        }
    }
}
