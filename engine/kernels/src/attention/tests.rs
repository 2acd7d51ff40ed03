//! The versions of attention that this CPU would not choose.

use super::*;
use crate::arch::floats::PlainFloats;

/// Attention of some rows over 70 positions of numbers without meaning.
fn partials(cache: CacheType, head_size: usize, rows: usize, attend: Attend) -> Vec<f32> {
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
    attend(
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

type Attend = fn(&mut Attention, Span<'_>);

fn plain(state: &mut Attention, span: Span<'_>) {
    attend_span_body(PlainFloats, state, span);
}

#[cfg(target_arch = "x86_64")]
fn avx2(state: &mut Attention, span: Span<'_>) {
    #[target_feature(enable = "avx2,fma,f16c")]
    fn wide(state: &mut Attention, span: Span<'_>) {
        attend_span_body(crate::arch::x86_64::avx2::Avx2::here(), state, span);
    }
    assert!(crate::Isa::Avx2.detected());
    // SAFETY: the instruction set was detected on the line above.
    unsafe { wide(state, span) }
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
        let chosen = partials(cache, head_size, rows, attend_span);
        let want = partials(cache, head_size, rows, plain);
        for (index, (got, want)) in chosen.iter().zip(&want).enumerate() {
            assert!(
                (got - want).abs() <= 1e-5 * want.abs().max(1.0),
                "{cache:?}, {rows} rows of {head_size}: {got} for {want} at {index}"
            );
        }
        #[cfg(target_arch = "x86_64")]
        if crate::Isa::Avx2.detected() {
            let got = partials(cache, head_size, rows, avx2);
            assert_eq!(got, chosen, "{cache:?}, {rows} rows of {head_size}");
        } else {
            eprintln!("SKIPPED avx2: this CPU does not have it");
        }
    }
}
