//! Where the weights of a model go on a host with so much memory.

use crate::weight_storage::WeightStorage;

/// What was asked for, and for `auto` what it comes to where `usable_bytes` of memory may be used: mapped
/// if weights took more than half of that when they were packed, and the reason why in one line.
pub(super) fn decided(
    asked: WeightStorage,
    packed_bytes: u64,
    usable_bytes: Option<u64>,
) -> (WeightStorage, Option<String>) {
    match (asked, usable_bytes) {
        (WeightStorage::Auto, Some(usable)) => decide(packed_bytes, usable),
        (WeightStorage::Auto, None) => (WeightStorage::Packed, None),
        _ => (asked, None),
    }
}

fn decide(packed_bytes: u64, usable_bytes: u64) -> (WeightStorage, Option<String>) {
    if packed_bytes <= usable_bytes / 2 {
        return (WeightStorage::Packed, None);
    }
    let gigabytes = |bytes: u64| bytes as f64 / 1e9;
    let why = format!(
        "weights: mapped by auto, since packed they would take {:.1} GB of the {:.1} GB of memory that \
         may be used, which is more than half; packed would be faster where it fits",
        gigabytes(packed_bytes),
        gigabytes(usable_bytes)
    );
    (WeightStorage::Mapped, Some(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_half_of_memory_is_mapped_and_said() {
        assert_eq!(decide(4, 8), (WeightStorage::Packed, None));
        assert_eq!(decide(0, 0), (WeightStorage::Packed, None));
        let (storage, why) = decide(40_000_000_000, 64_000_000_000);
        assert_eq!(storage, WeightStorage::Mapped);
        let why = why.expect("a reason");
        assert!(why.contains("40.0 GB of the 64.0 GB"), "{why}");
        assert_eq!(decide(u64::MAX, u64::MAX).0, WeightStorage::Mapped);
    }

    #[test]
    fn what_was_asked_for_holds_and_auto_packs_where_memory_is_not_known() {
        for asked in [WeightStorage::Packed, WeightStorage::Mapped] {
            assert_eq!(decided(asked, 8, Some(1)), (asked, None));
        }
        let auto = |usable| decided(WeightStorage::Auto, 8, usable).0;
        assert_eq!(auto(None), WeightStorage::Packed);
        assert_eq!(auto(Some(16)), WeightStorage::Packed);
        assert_eq!(auto(Some(15)), WeightStorage::Mapped);
    }
}
