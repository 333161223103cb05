//! A key as memtables, batches and transactions have it.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::ops::Deref;

use smallvec::SmallVec;

/// Short keys lie in the maps themselves, which spares an allocation for each and the way to another
/// place in memory with every comparison.
///
/// The order is that of the bytes, so maps can be asked with slices. Most comparisons are decided by
/// the first eight bytes, as one number, without a call: a way through a memtable takes about thirty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Key(SmallVec<[u8; 24]>);

impl Key {
    pub(crate) fn from_slice(bytes: &[u8]) -> Self {
        Self(SmallVec::from_slice(bytes))
    }
}

impl Deref for Key {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.first_chunk::<8>(), other.first_chunk::<8>()) {
            (Some(one), Some(another)) if one != another => {
                u64::from_be_bytes(*one).cmp(&u64::from_be_bytes(*another))
            }
            _ => self[..].cmp(&other[..]),
        }
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_order_of_their_bytes() {
        // All strings of up to two of four bytes, behind as many equal bytes as decide which way is gone.
        let bytes = [0, 1, 127, 255];
        let mut ends = vec![vec![]];
        for first in bytes {
            ends.push(vec![first]);
            ends.extend(bytes.map(|second| vec![first, second]));
        }
        let equal = [0, 6, 7, 8, 9, 22, 23, 24];
        let keys = equal
            .iter()
            .flat_map(|length| ends.iter().map(|end| [&vec![7; *length], &end[..]].concat()));
        let keys: Vec<_> = keys.collect();
        for one in &keys {
            for other in &keys {
                let order = Key::from_slice(one).cmp(&Key::from_slice(other));
                assert_eq!(order, one.cmp(other), "{one:?} {other:?}");
            }
        }
    }
}
