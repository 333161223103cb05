//! Single keys: get, put, delete, compare and swap.

use std::borrow::Cow;
use std::time::Duration;

use super::change::Action;
use super::expiries::Verdict;
use super::keyspace::Trees;
use super::locks::{lock, read};
use super::SledStore;
use crate::engine::{Bytes, Result};

impl SledStore {
    /// The value of `key`, or `None` if the key is not there or has expired.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.get_pinned(key)?.map(Vec::from))
    }

    /// The same without a copy: the answer shares the engine's buffer.
    pub fn get_pinned(&self, key: &[u8]) -> Result<Option<Bytes>> {
        let in_use = self.keyspace.in_use(self.shared.path())?;
        self.look_up(in_use.trees(), key)
    }

    /// The same as [`SledStore::get`], in the form that the trait `KvStore` has.
    pub fn get_ref(&self, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>> {
        Ok(self.get(key)?.map(Cow::Owned))
    }

    /// The values of `keys`, in their order; `None` for each that is not there or has expired. Each
    /// key is read by itself: writers may come in between.
    pub fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>> {
        let values = self.get_many_pinned(keys)?;
        Ok(values.into_iter().map(|value| value.map(Vec::from)).collect())
    }

    /// The same without copies.
    pub fn get_many_pinned(&self, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>> {
        let in_use = self.keyspace.in_use(self.shared.path())?;
        keys.iter().map(|key| self.look_up(in_use.trees(), key)).collect()
    }

    /// The value of `key` and its remaining life, as one write left them; `None` for a key that is
    /// not there or has expired, and `Some((value, None))` for one that does not expire.
    pub fn get_with_ttl(&self, key: &[u8]) -> Result<Option<(Bytes, Option<Duration>)>> {
        self.write_key(key, |current| {
            let left = current
                .expires_at()
                .map(|at| Duration::from_millis(at.saturating_sub(current.now)));
            Ok((None, current.value()?.map(|value| (value, left))))
        })
    }

    /// Whether `key` is there and has not expired.
    pub fn contains(&self, key: &[u8]) -> Result<bool> {
        let in_use = self.keyspace.in_use(self.shared.path())?;
        let there = |trees: &Trees| Ok(trees.data.contains(key)?.then_some(()));
        Ok(self.look(in_use.trees(), key, there)?.is_some())
    }

    /// Sets `key` to `value`. An expiry that the key had is gone.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unsupported`](crate::StoreError::Unsupported) if the key is longer than
    /// [`MAX_KEY_LEN`](crate::MAX_KEY_LEN) or the value longer than
    /// [`MAX_VALUE_LEN`](crate::MAX_VALUE_LEN).
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.write_key(key, |_| Ok((Some(Action::Put { value, expires_at: None }), ())))
    }

    /// Removes `key`, which need not be there.
    pub fn delete(&self, key: &[u8]) -> Result<()> {
        self.write_key(key, |_| Ok((Some(Action::Delete), ())))
    }

    /// Removes `key`; says whether it was there and had not expired. Of several threads that remove
    /// a key at once, one is told that it was.
    pub fn remove(&self, key: &[u8]) -> Result<bool> {
        self.write_key(key, |current| Ok((Some(Action::Delete), current.is_live()?)))
    }

    /// Sets `key` to `new` if its value is `expected`, where `None` means that it must not be
    /// there; says whether it did. An expired key is not there. The new value does not expire.
    pub fn compare_and_swap(
        &self,
        key: &[u8],
        expected: Option<&[u8]>,
        new: &[u8],
    ) -> Result<bool> {
        self.swap(key, expected, Action::Put { value: new, expires_at: None })
    }

    /// Removes `key` if its value is `expected`; says whether it did.
    pub fn compare_and_delete(&self, key: &[u8], expected: &[u8]) -> Result<bool> {
        self.swap(key, Some(expected), Action::Delete)
    }

    fn swap(&self, key: &[u8], expected: Option<&[u8]>, action: Action<'_>) -> Result<bool> {
        self.write_key(key, |current| {
            let matches = current.value()?.as_deref() == expected;
            Ok((matches.then_some(action), matches))
        })
    }

    pub(super) fn look_up(&self, trees: &Trees, key: &[u8]) -> Result<Option<Bytes>> {
        self.look(trees, key, |trees| trees.data.get(key))
    }

    /// What `live` finds of `key`, unless it has expired. The expiry is asked for first, then the
    /// row, and if something was announced meanwhile the expiry again: see `write.rs`.
    fn look<T>(
        &self,
        trees: &Trees,
        key: &[u8],
        live: impl FnOnce(&Trees) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let expiries = self.keyspace.expiries();
        let announcements = expiries.announcements();
        if self.has_expired(trees, key)? {
            self.evict(trees, key);
            return Ok(None);
        }
        let found = live(trees)?;
        // The row may be one that was announced after the first question, and may be over already.
        if expiries.announcements() != announcements && self.has_expired(trees, key)? {
            return Ok(None);
        }
        Ok(found)
    }

    /// Whether `key` has expired; waits for a write that is just changing that. The caller holds no
    /// lock below that of a keyspace's state.
    pub(super) fn has_expired(&self, trees: &Trees, key: &[u8]) -> Result<bool> {
        // A read that was under way when a large batch began may have seen a row of it already. This
        // one comes after that, and the expiries become known one by one.
        trees.data.may_read(key)?;
        Ok(match self.keyspace.expiries().verdict(key, self.shared.now_ms()) {
            Verdict::Live => false,
            Verdict::Expired => true,
            Verdict::NotYetKnown => self.has_expired_after_waiting(key),
        })
    }

    /// As long as these are held, nobody writes the key.
    fn has_expired_after_waiting(&self, key: &[u8]) -> bool {
        let _shared = read(&self.shared.commit);
        let _mine = lock(self.shared.stripe(&self.keyspace, key));
        self.keyspace.expiries().get(key).is_some_and(|at| at <= self.shared.now_ms())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Failure, Reason};

    #[test]
    fn a_removal_says_whether_the_key_was_there() {
        let store = SledStore::open_temporary().unwrap();
        store.put(b"a", b"").unwrap();
        assert!(store.remove(b"a").unwrap());
        assert!(!store.remove(b"a").unwrap() && !store.contains(b"a").unwrap());
        store.put_with_ttl(b"expired", b"1", Duration::ZERO).unwrap();
        assert!(!store.remove(b"expired").unwrap());
        store.put_with_ttl(b"expires", b"1", Duration::from_secs(1_000)).unwrap();
        assert!(store.remove(b"expires").unwrap());
        assert_eq!(store.count().unwrap(), 0);
    }

    #[test]
    fn one_of_several_threads_removes_a_key() {
        let store = SledStore::open_temporary().unwrap();
        for _ in 0..200 {
            store.put(b"a", b"1").unwrap();
            let removed = std::thread::scope(|scope| {
                let threads = [(); 3].map(|()| scope.spawn(|| store.remove(b"a").unwrap()));
                threads.map(|thread| thread.join().unwrap())
            });
            assert_eq!(removed.iter().filter(|was_there| **was_there).count(), 1);
        }
    }

    #[test]
    fn a_closed_store_removes_nothing() {
        let store = SledStore::open_temporary().unwrap();
        store.clone().close().unwrap();
        let error = store.remove(b"a").expect_err("the store is closed");
        assert_eq!(Failure::of(&error).map(Failure::reason), Some(Reason::Closed));
    }
}
