//! How units of attention are cut and divided: arithmetic alone, for the step and for what reasons about
//! its speed.

use std::ops::Range;

use crate::kv::{BLOCK_POSITIONS, Turns};

/// Query rows (tokens times heads of a group) that a unit of a prompt aims at.
const PROMPT_UNIT_ROWS: usize = 64;

/// Tokens of a prompt that a unit has, for so many query heads per key/value head.
pub fn prompt_tokens(group: usize) -> usize {
    (PROMPT_UNIT_ROWS / group.max(1)).max(1)
}

/// What a row of a unit that reads so many positions costs, in positions: a unit has costs of its own.
pub fn row_cost(positions: usize) -> usize {
    positions + BLOCK_POSITIONS / 2
}

/// The home whose workers have a unit, which looks at positions from `start` on: one of the `units` of tile
/// number `tile`.
pub fn unit_home(turns: Turns, tile: usize, units: usize, start: usize) -> usize {
    match units {
        // It looks at all positions and is whoever's: it multiplies more than it reads.
        1 => tile % turns.homes,
        _ => turns.of_position(start),
    }
}

/// Gives each of `workers` neighbouring units of about the same cost.
pub fn divide(costs: &[usize], workers: usize) -> Vec<Range<usize>> {
    let total: usize = costs.iter().sum();
    let (mut next, mut spent) = (0, 0);
    let share = |worker: usize| {
        let first = next;
        while next < costs.len()
            && (worker + 1 == workers || (spent + costs[next] / 2) * workers < total * (worker + 1))
        {
            spent += costs[next];
            next += 1;
        }
        first..next
    };
    (0..workers).map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_have_about_the_same_cost_and_nothing_is_left() {
        for (costs, workers, wanted) in [
            (&[4, 4, 4, 4][..], 2, &[2, 4][..]),
            (&[1, 1, 1, 9], 2, &[3, 4]),
            (&[5], 3, &[0, 1, 1]),
            (&[], 2, &[0, 0]),
            (&[3, 3, 3, 3, 3, 3, 3], 3, &[2, 5, 7]),
        ] {
            let shares = divide(costs, workers);
            let ends: Vec<usize> = shares.iter().map(|share| share.end).collect();
            assert_eq!(ends, wanted, "{costs:?} by {workers}");
            let starts = shares.iter().map(|share| share.start);
            assert!(starts.eq([0].into_iter().chain(ends[..workers - 1].iter().copied())));
        }
    }
}
