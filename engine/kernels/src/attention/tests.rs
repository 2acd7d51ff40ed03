//! The versions of attention that this CPU would not choose.

use super::*;
use crate::isa::{Isa, limit};

/// Attention of some rows over 70 positions of numbers without meaning.
fn partials(cache: CacheType, head_size: usize, rows: usize) -> Vec<f32> {
    const POSITIONS: usize = 70;
    let number = |seed: usize| ((seed * 7919 + 13) % 401) as f32 / 200.0 - 1.0;
    let position_bytes = cache.position_bytes(head_size);
    let mut caches =
        [0, 1].map(|_| vec![0u32; POSITIONS.next_multiple_of(BLOCK) * position_bytes / 4]);
    for place in 0..POSITIONS {
        let head = |seed| (0..head_size).map(move |i| number((place * head_size + i) * 3 + seed));
        let (key, value): (Vec<f32>, Vec<f32>) = (head(1).collect(), head(2).collect());
        let [keys, values] = &mut caches;
        cache.store_key(&key, place, bytemuck::cast_slice_mut(keys));
        let values: &mut [u8] = bytemuck::cast_slice_mut(values);
        cache.store_value(
            &value,
            &mut values[place * position_bytes..][..position_bytes],
        );
    }
    let mut state = Attention::default();
    state.start(head_size, cache);
    for row in 0..rows {
        let query: Vec<f32> = (0..head_size).map(|i| number(row * 31 + i * 5)).collect();
        let slope = if row % 2 == 0 { 0.0 } else { 0.125 };
        let position = 40 + row;
        state.push_query(QueryRow { position, slope }, &query);
    }
    let [keys, values] = caches.each_ref().map(|words| bytemuck::cast_slice(words));
    let (first_position, next) = (0, [&[][..]; 2]);
    attend_span(
        &mut state,
        Span {
            keys,
            values,
            first_position,
            next,
        },
    );
    state.close_chunk();
    (0..rows)
        .flat_map(|row| state.partial(row).to_vec())
        .collect()
}

#[test]
fn versions_agree() {
    let shapes = [
        (8, 1),
        (40, 2),
        (64, 3),
        (64, 4),
        (80, 5),
        (128, 7),
        (128, 16),
    ];
    for (cache, (head_size, rows)) in CacheType::ALL
        .into_iter()
        .flat_map(|cache| shapes.map(|shape| (cache, shape)))
    {
        let want = limit::to(Isa::Portable, || partials(cache, head_size, rows));
        let present = Isa::ALL.into_iter().filter(|isa| isa.detected());
        let mut vectors: Option<Vec<f32>> = None;
        for isa in present.filter(|isa| *isa != Isa::Portable) {
            let got = limit::to(isa, || partials(cache, head_size, rows));
            for (index, (got, want)) in got.iter().zip(&want).enumerate() {
                assert!(
                    (got - want).abs() <= 1e-5 * want.abs().max(1.0),
                    "{isa:?}, {cache:?}, {rows} rows of {head_size}: {got} for {want} at {index}"
                );
            }
            let first = vectors.get_or_insert_with(|| got.clone());
            assert_eq!(
                &got, first,
                "{isa:?}, {cache:?}, {rows} rows of {head_size}"
            );
        }
        if vectors.is_none() {
            eprintln!("SKIPPED: this CPU has no version but plain Rust's");
        }
    }
}
