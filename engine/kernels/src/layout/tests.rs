//! Packing moves every bit to a place of its own, and to the documented one.

use super::*;

/// Plain bytes of a row group of one block each: eight rows.
fn packed(layout: &Layout, rows: &[Vec<u8>]) -> Vec<u8> {
    let columns = layout.block.block_elements();
    let rows: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
    let mut out = vec![0xee; layout.group_bytes(columns)];
    layout.pack_group(columns, &rows, &mut out);
    out
}

/// The only bit that is set, or `None` when there is none or another one besides.
fn only_bit(bytes: &[u8]) -> Option<usize> {
    let ones: u32 = bytes.iter().map(|byte| byte.count_ones()).sum();
    let byte = bytes.iter().position(|byte| *byte != 0)?;
    (ones == 1).then(|| 8 * byte + bytes[byte].trailing_zeros() as usize)
}

/// Where each bit of each row goes: `[row][bit]`. Panics when one is lost or becomes several.
fn map(layout: &Layout) -> Vec<Vec<usize>> {
    let bytes = layout.block.block_bytes();
    let of_bit = |row: usize, bit: usize| {
        let mut rows = vec![vec![0; bytes]; ROWS];
        rows[row][bit / 8] = 1 << (bit % 8);
        let place = only_bit(&packed(layout, &rows));
        place.unwrap_or_else(|| panic!("{}: bit {bit} of row {row}", layout.name))
    };
    (0..ROWS)
        .map(|row| (0..8 * bytes).map(|bit| of_bit(row, bit)).collect())
        .collect()
}

#[test]
fn every_bit_has_a_place_of_its_own() {
    for layout in &LAYOUTS {
        let mut places = map(layout).concat();
        places.sort_unstable();
        let all: Vec<usize> = (0..layout.block.block_bytes() * ROWS * 8).collect();
        assert_eq!(places, all, "{}", layout.name);
    }
}

#[test]
fn bits_move_independently_and_missing_rows_are_zero() {
    for layout in &LAYOUTS {
        let map = map(layout);
        for count in [1, 5, 8] {
            let rows: Vec<Vec<u8>> = (0..count)
                .map(|row| {
                    let byte = |index: usize| (index * 89 + row * 57 + index * index * 13) as u8;
                    (0..layout.block.block_bytes()).map(byte).collect()
                })
                .collect();
            let mut wanted = vec![0u8; layout.block.block_bytes() * ROWS];
            for (row, places) in rows.iter().zip(&map) {
                for (bit, place) in places.iter().enumerate() {
                    wanted[place / 8] |= (row[bit / 8] >> (bit % 8) & 1) << (place % 8);
                }
            }
            assert_eq!(
                packed(layout, &rows),
                wanted,
                "{} {count} rows",
                layout.name
            );
        }
    }
}

#[test]
fn bits_are_where_the_documentation_says() {
    // (block type, row, byte and bit in the file, byte and bit in the packed block column).
    let cases = [
        // Block scale of the second row; columns 0 and 16, 7 and 23.
        (TensorType::Q4_0, 1, (0, 3), (2, 3)),
        (TensorType::Q4_0, 1, (2, 5), (16 + 4, 5)),
        (TensorType::Q4_0, 2, (9, 0), (16 + 32 + 8 + 3, 0)),
        (TensorType::Q4_1, 3, (2, 7), (16 + 6, 7)),
        (TensorType::Q8_0, 7, (2 + 5, 7), (16 + 32 + 28 + 1, 7)),
        // Fifth bits of columns 6 (vector 1, low) and 31 (vector 3, high).
        (TensorType::Q5_0, 0, (2, 6), (16 + 2, 2)),
        (TensorType::Q5_0, 4, (5, 7), (16 + 16 + 3, 7)),
        (TensorType::Q5_1, 0, (4, 6), (32 + 2, 2)),
        // Pair 3 is the second half of part 1. Element 32 is column 0 of part 1; element 255 is
        // column 31 of part 7, in crumb vector 1.
        (TensorType::Q2K, 5, (3, 4), (32 + 16 + 8 + 5, 4)),
        (TensorType::Q2K, 0, (16, 3), (32 + 128 + 64, 1)),
        (
            TensorType::Q2K,
            6,
            (79, 7),
            (32 + 128 + 7 * 64 + 32 + 24 + 3, 7),
        ),
        // Scale 9 (second half of part 4) and its high bits; top of element 32 + 20 (vector 1, high).
        (TensorType::Q3K, 2, (96 + 1, 4), (16 + 8 + 2, 4)),
        (TensorType::Q3K, 2, (96 + 9, 5), (16 + 64 + 8 + 2, 5)),
        (TensorType::Q3K, 2, (20, 1), (16 + 96 + 96 + 8, 3)),
        // Minimum 1, scale 5 (low nibble of byte 9, top of byte 1).
        (TensorType::Q4K, 3, (4 + 5, 2), (32 + 16 + 8 + 3, 2)),
        (TensorType::Q4K, 3, (4 + 9, 2), (32 + 16 + 3, 6)),
        (TensorType::Q4K, 3, (4 + 1, 6), (32 + 64 + 16 + 3, 4)),
        // Element 32 + 17: high half of column 1 of part 1.
        (TensorType::Q4K, 1, (16 + 17, 4), (32 + 96 + 128 + 4 + 1, 4)),
        (TensorType::Q5K, 1, (16 + 17, 1), (32 + 96 + 160 + 4 + 1, 1)),
        (
            TensorType::Q5K,
            1,
            (48 + 17, 4),
            (32 + 96 + 160 + 32 + 4 + 1, 4),
        ),
        (TensorType::Q6K, 6, (192 + 3, 7), (16 + 208 + 8 + 6, 7)),
        (TensorType::Q6K, 6, (128, 2), (16 + 208 + 16 + 24, 0)),
        (TensorType::Iq4Nl, 2, (9, 0), (16 + 32 + 8 + 3, 0)),
        // Scale 5: low nibble in the second half of byte 2, high bits 10 and 11.
        (TensorType::Iq4Xs, 4, (4 + 2, 4), (16 + 8 + 4, 4)),
        (TensorType::Iq4Xs, 4, (2 + 1, 2), (16 + 32 + 8 + 4, 4)),
        (TensorType::Iq4Xs, 0, (8 + 16, 7), (16 + 48 + 128, 7)),
    ];
    for (block, row, (byte, bit), (packed_byte, packed_bit)) in cases {
        let layout = Layout::of(block).unwrap();
        let mut rows = vec![vec![0; block.block_bytes()]; ROWS];
        rows[row][byte] = 1 << bit;
        let found = only_bit(&packed(layout, &rows)).map(|place| (place / 8, place % 8));
        let wanted = Some((packed_byte, packed_bit));
        assert_eq!(
            found, wanted,
            "{block}: bit {bit} of byte {byte}, row {row}"
        );
    }
}
