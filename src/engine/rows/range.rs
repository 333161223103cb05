//! Ranges of keys.

use std::ops::Bound;

/// Whether nothing can be in a range. The standard library's maps, and sled's trees, panic on some of
/// these.
pub(crate) fn is_empty_range<T: Ord>(range: &(Bound<T>, Bound<T>)) -> bool {
    match range {
        (Bound::Included(lower), Bound::Included(upper)) => lower > upper,
        (
            Bound::Included(lower) | Bound::Excluded(lower),
            Bound::Included(upper) | Bound::Excluded(upper),
        ) => lower >= upper,
        _ => false,
    }
}
