//! The versions themselves: what is kept, of which keys, under which numbers. See `versions.rs` for
//! what they mean; whoever changes them here has their lock.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use smallvec::SmallVec;

use super::locks::{AtomicBool, Ordering};

/// A key. Short ones lie in the maps themselves, which spares an allocation for each and, more than
/// that, the way to another place in memory with every comparison.
pub(super) type Key = SmallVec<[u8; 24]>;

/// A key of the store: the keyspace's number, and the key in it.
pub(super) type Place = (u64, Key);

/// A range of keys.
pub(super) type Range<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// The moment that a snapshot shows. Compared with others by its number alone.
pub(super) struct Moment {
    pub(super) number: u64,
    ended: AtomicBool,
}

impl Moment {
    pub(super) fn new(number: u64) -> Self {
        Self { number, ended: AtomicBool::new(false) }
    }

    /// From now on its versions may go.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
    }

    /// Whether its versions may be gone. Asked after they were looked at, not before.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }
}

pub(super) struct Kept<R> {
    /// The number that was given out last.
    pub(super) last: u64,
    pub(super) live: BTreeMap<u64, Arc<Moment>>,
    /// By keyspace and key, in ascending order of the numbers.
    pub(super) versions: BTreeMap<u64, BTreeMap<Key, History<R>>>,
    /// The keys that have a version under a number.
    pub(super) touched: BTreeMap<u64, Vec<Place>>,
}

/// The versions of one key; mostly there is one.
pub(super) type History<R> = SmallVec<[Version<R>; 1]>;

pub(super) struct Version<R> {
    pub(super) number: u64,
    pub(super) row: R,
    pub(super) size: u64,
    /// Whether the key has really changed since.
    pub(super) differs: bool,
}

// Not derived, because that would want a default of `R`.
impl<R> Default for Kept<R> {
    fn default() -> Self {
        let (last, live, versions, touched) = Default::default();
        Self { last, live, versions, touched }
    }
}

impl<R> Kept<R> {
    pub(super) fn of(&self, keyspace: u64, key: &[u8]) -> &[Version<R>] {
        self.versions.get(&keyspace).and_then(|keys| keys.get(key)).map_or(&[], |all| &all[..])
    }

    pub(super) fn note_difference(&mut self, keyspace: u64, key: &[u8]) {
        let keys = self.versions.get_mut(&keyspace);
        let last = keys.and_then(|keys| keys.get_mut(key)).and_then(|versions| versions.last_mut());
        // None if the last snapshot has ended in the meantime.
        if let Some(version) = last {
            version.differs = true;
        }
    }

    /// Says whether the version was entered. It is not where there is one that serves already,
    /// because a newer snapshot has ended meanwhile.
    pub(super) fn enter(&mut self, place: Place, version: Version<R>) -> bool {
        let number = version.number;
        let keys = self.versions.entry(place.0).or_default();
        let versions = keys.entry(Key::from_slice(&place.1)).or_default();
        if let Some(last) = versions.last_mut().filter(|last| last.number >= number) {
            last.differs |= version.differs;
            return false;
        }
        versions.push(version);
        self.touched.entry(number).or_default().push(place);
        true
    }

    /// Moves the version under `number`, whose snapshot has ended, to the snapshot `below`, or
    /// drops it where that one has no need of it; answers with its size then.
    pub(super) fn settle(&mut self, place: Place, number: u64, below: Option<u64>) -> Option<u64> {
        let keys = self.versions.get_mut(&place.0)?;
        let versions = keys.get_mut(&place.1)?;
        let index = versions.iter().position(|version| version.number == number)?;
        let needed = below.filter(|below| index == 0 || versions[index - 1].number < *below);
        if let Some(below) = needed {
            versions[index].number = below;
            self.touched.entry(below).or_default().push(place);
            return None;
        }
        let gone = versions.remove(index);
        if index > 0 {
            versions[index - 1].differs |= gone.differs;
        }
        if versions.is_empty() {
            keys.remove(&place.1);
        }
        Some(gone.size)
    }
}

pub(super) fn seen<'a, R>(versions: &'a [Version<R>], moment: &Moment) -> Option<&'a Version<R>> {
    versions.iter().find(|version| version.number >= moment.number)
}

pub(super) fn differs<R>(versions: &[Version<R>], moment: &Moment) -> bool {
    versions.iter().any(|version| version.number >= moment.number && version.differs)
}

/// Ranges that the standard library's maps would panic at, among others.
pub(super) fn is_empty_range(range: &Range<'_>) -> bool {
    match range {
        (Bound::Included(lower), Bound::Included(upper)) => lower > upper,
        (
            Bound::Included(lower) | Bound::Excluded(lower),
            Bound::Included(upper) | Bound::Excluded(upper),
        ) => lower >= upper,
        _ => false,
    }
}
