//! What a transaction has written.

use std::collections::BTreeMap;

use crate::commit::{Key, KeyRange};
use crate::engine::{is_empty_range, Bytes};
use crate::store::read::Life;
use crate::store::write::Write;

/// What a transaction has written in one keyspace.
#[derive(Default)]
pub(crate) struct WriteSet {
    /// The last write of each key, unless its range was deleted after it.
    pub(super) keys: BTreeMap<Key, Write<Bytes>>,
    /// Deleted ranges by where they begin: all before the writes of `keys`.
    pub(super) ranges: Vec<(Vec<u8>, Write<Bytes>)>,
}

/// A key, and what a transaction that has written it sees there.
pub(crate) type OwnWrite = (Bytes, Option<(Bytes, Life)>);

fn life_of(write: &Write<Bytes>) -> Life {
    match write {
        Write::Put(_, Some(ttl)) => Life::FromCommit(*ttl),
        Write::PutUntil(_, at) => Life::Until(*at),
        _ => Life::Endless,
    }
}

impl WriteSet {
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.ranges.is_empty()
    }

    /// The last write of `key`, if there is one: `Some(None)` where its range was deleted.
    pub(super) fn get(&self, key: &[u8]) -> Option<Option<&Write<Bytes>>> {
        match self.keys.get(key) {
            Some(write) => Some(Some(write)),
            None => self.has_deleted(key).then_some(None),
        }
    }

    /// Whether a range was deleted that `key` is in.
    pub(crate) fn has_deleted(&self, key: &[u8]) -> bool {
        self.ranges.iter().any(|(lower, write)| match write {
            Write::DeleteRange(upper) => {
                lower[..] <= *key && upper.as_ref().is_none_or(|upper| *key < upper[..])
            }
            _ => false,
        })
    }

    /// All writes, in an order in which they come to what the transaction sees.
    pub(super) fn all(&self) -> impl Iterator<Item = (&[u8], &Write<Bytes>)> {
        let ranges = self.ranges.iter().map(|(lower, write)| (&lower[..], write));
        ranges.chain(self.keys.iter().map(|(key, write)| (&key[..], write)))
    }

    /// The first key in `range`, or, going down, the last, and what was written to it.
    pub(crate) fn next(&self, range: KeyRange<'_>, down: bool) -> Option<OwnWrite> {
        if is_empty_range(&range) {
            return None;
        }
        let mut rows = self.keys.range::<[u8], _>(range);
        let (key, write) = if down { rows.next_back()? } else { rows.next()? };
        let own = write.value().map(|value| (value.clone(), life_of(write)));
        Some((Bytes::from(&key[..]), own))
    }
}
