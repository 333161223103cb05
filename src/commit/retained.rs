//! What a memtable keeps for read views: older versions, and rows that the checkpoint wrote over.

use std::collections::btree_map::Entry;
use std::sync::PoisonError;

use super::memtable::{take_first, Chain, Memtable, Version, OVERHEAD};
use super::record::{KeyspaceId, RowImage};
use super::sync::{MutexGuard, Ordering};
use super::views::Views;
use super::{Key, KeyRange};
use crate::engine::is_empty_range;

impl Memtable {
    fn pin(&self, size: usize) {
        self.pinned.fetch_add(size, Ordering::Relaxed);
        self.pinned_rows.fetch_add(1, Ordering::Relaxed);
    }

    fn unpin(&self, size: usize) {
        self.pinned.fetch_sub(size, Ordering::Relaxed);
        self.pinned_rows.fetch_sub(1, Ordering::Relaxed);
    }

    /// Drops the versions of `key` that nobody can see, see above; says whether it has pinned one.
    pub(super) fn collapse(
        &self,
        chain: &mut Chain,
        key: &[u8],
        published: u64,
        views: &Views,
    ) -> bool {
        let versions = &mut chain.versions;
        let is_published = |version: &Version| version.sequence <= published;
        let Some(mut newest) = versions.iter().rposition(is_published) else { return false };
        let mut place = 0;
        let mut pins = false;
        while place <= newest {
            let size = versions[place].size(key);
            let next = versions.get(place + 1).map_or(u64::MAX, |next| next.sequence);
            let is_last = place + 1 == versions.len();
            if !is_last && views.any_between(versions[place].sequence, next) {
                if !versions[place].is_pinned {
                    versions[place].is_pinned = true;
                    self.pin(size);
                    pins = true;
                }
                place += 1;
            } else if place == newest {
                break;
            } else {
                let dropped = versions.remove(place);
                if dropped.is_pinned {
                    self.unpin(size);
                }
                if let Some(before) = place.checked_sub(1) {
                    versions[before].gap = versions[before].gap.min(dropped.sequence);
                }
                self.bytes.fetch_sub(size, Ordering::Relaxed);
                newest -= 1;
            }
        }
        pins
    }

    pub(super) fn pinned_keys(&self) -> MutexGuard<'_, Vec<(KeyspaceId, Key)>> {
        self.pinned_keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops what was kept for views that have ended since.
    pub(super) fn sweep(&self, published: u64, views: &Views) {
        if self.pinned_bytes() == 0 {
            return;
        }
        let pinned = std::mem::take(&mut *self.pinned_keys());
        for (keyspace, key) in pinned {
            let mut keyspaces = self.write();
            let Some(chain) = keyspaces.get_mut(&keyspace).and_then(|rows| rows.get_mut(&key))
            else {
                continue;
            };
            self.collapse(chain, &key, published, views);
            if chain.versions.iter().any(|version| version.is_pinned) {
                self.pinned_keys().push((keyspace, key));
            }
        }
        let keyspaces = self.read();
        let mut images = self.pre_images.write().unwrap_or_else(PoisonError::into_inner);
        for (keyspace, images) in images.iter_mut() {
            images.retain(|key, row| {
                let chain = keyspaces.get(keyspace).and_then(|rows| rows.get(key));
                let first = chain.map(|chain| chain.first);
                let first = first.or_else(|| self.first_deletion(*keyspace, key));
                let is_needed = first.is_none_or(|first| views.any_between(0, first));
                if !is_needed {
                    self.unpin(RowImage::size(key, row.as_ref()) + OVERHEAD);
                }
                is_needed
            });
        }
    }

    /// Takes all rows of a keyspace out, while nobody reads.
    pub(super) fn remove_keyspace(&self, keyspace: KeyspaceId) {
        self.forget_deleted(keyspace);
        if let Some(rows) = self.write().remove(&keyspace) {
            self.rows.fetch_sub(rows.len(), Ordering::Release);
            for (key, chain) in &rows {
                let versions = chain.versions.iter();
                let pinned = versions.clone().filter(|version| version.is_pinned);
                pinned.for_each(|version| self.unpin(version.size(key)));
                let bytes = versions.map(|version| version.size(key)).sum();
                self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            }
        }
        let mut images = self.pre_images.write().unwrap_or_else(PoisonError::into_inner);
        for (key, row) in images.remove(&keyspace).unwrap_or_default() {
            self.unpin(RowImage::size(&key, row.as_ref()) + OVERHEAD);
        }
    }

    /// Keeps what the engine has under `key`, before the checkpoint writes over it for the first time.
    pub(super) fn keep_pre_image(&self, keyspace: KeyspaceId, key: &Key, row: Option<RowImage>) {
        let size = RowImage::size(key, row.as_ref()) + OVERHEAD;
        let mut images = self.pre_images.write().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Vacant(place) = images.entry(keyspace).or_default().entry(key.clone()) {
            place.insert(row);
            self.pin(size);
        }
    }

    /// What the engine had under `key` before the checkpoint of this memtable wrote over it.
    pub(super) fn pre_image(&self, keyspace: KeyspaceId, key: &[u8]) -> Option<Option<RowImage>> {
        let images = self.pre_images.read().unwrap_or_else(PoisonError::into_inner);
        images.get(&keyspace)?.get(key).cloned()
    }

    /// The same for the first `most` keys in `range`, or, going down, the last.
    pub(super) fn pre_images(
        &self,
        keyspace: KeyspaceId,
        range: KeyRange<'_>,
        down: bool,
        most: usize,
    ) -> Vec<(Key, Option<RowImage>)> {
        let images = self.pre_images.read().unwrap_or_else(PoisonError::into_inner);
        let Some(rows) = images.get(&keyspace).filter(|_| !is_empty_range(&range)) else {
            return Vec::new();
        };
        let rows = rows.range::<[u8], _>(range).map(|(key, row)| (key.clone(), row.clone()));
        take_first(rows, down, most)
    }
}
