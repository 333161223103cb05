//! Comparing the ends of ranges.

use std::cmp::Ordering;
use std::ops::Bound;

use crate::engine::Bytes;

/// The end as the standard library's maps take it.
pub(crate) fn as_slice(bound: &Bound<Bytes>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(key) => Bound::Included(&key[..]),
        Bound::Excluded(key) => Bound::Excluded(&key[..]),
        Bound::Unbounded => Bound::Unbounded,
    }
}

pub(crate) fn highest_lower(left: Bound<Bytes>, right: Bound<Bytes>) -> Bound<Bytes> {
    match compare_lower(&left, &right) {
        Ordering::Less => right,
        _ => left,
    }
}

pub(crate) fn lowest_lower(left: Bound<Bytes>, right: Bound<Bytes>) -> Bound<Bytes> {
    match compare_lower(&left, &right) {
        Ordering::Greater => right,
        _ => left,
    }
}

pub(crate) fn lowest_upper(left: Bound<Bytes>, right: Bound<Bytes>) -> Bound<Bytes> {
    match compare_upper(&left, &right) {
        Ordering::Greater => right,
        _ => left,
    }
}

pub(crate) fn highest_upper(left: Bound<Bytes>, right: Bound<Bytes>) -> Bound<Bytes> {
    match compare_upper(&left, &right) {
        Ordering::Less => right,
        _ => left,
    }
}

/// Where no key is the least, and a key that is left out comes after the same key that is not.
fn compare_lower(left: &Bound<Bytes>, right: &Bound<Bytes>) -> Ordering {
    match (left, right) {
        (Bound::Unbounded, Bound::Unbounded) => Ordering::Equal,
        (Bound::Unbounded, _) => Ordering::Less,
        (_, Bound::Unbounded) => Ordering::Greater,
        (
            Bound::Included(left_key) | Bound::Excluded(left_key),
            Bound::Included(right_key) | Bound::Excluded(right_key),
        ) => left_key.cmp(right_key).then(is_excluded(left).cmp(&is_excluded(right))),
    }
}

/// Where no key is the greatest, and a key that is left out comes before the same key that is not.
fn compare_upper(left: &Bound<Bytes>, right: &Bound<Bytes>) -> Ordering {
    match (left, right) {
        (Bound::Unbounded, Bound::Unbounded) => Ordering::Equal,
        (Bound::Unbounded, _) => Ordering::Greater,
        (_, Bound::Unbounded) => Ordering::Less,
        (
            Bound::Included(left_key) | Bound::Excluded(left_key),
            Bound::Included(right_key) | Bound::Excluded(right_key),
        ) => left_key.cmp(right_key).then(is_excluded(right).cmp(&is_excluded(left))),
    }
}

fn is_excluded(bound: &Bound<Bytes>) -> bool {
    matches!(bound, Bound::Excluded(_))
}
