//! Single keys: get, put, delete, compare and swap.

use std::borrow::Cow;
use std::time::Duration;

use crate::commit::RowImage;
use crate::engine::{Bytes, Result};
use crate::store::stats::counters::Count;
use crate::store::write::{Decision, Write};
use crate::store::SledStore;

impl SledStore {
    /// The value of `key`, or `None` if the key is not there or has expired.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.get_pinned(key)?.map(Vec::from))
    }

    /// The same without a copy: the answer shares the store's buffer.
    pub fn get_pinned(&self, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self.row(key)?.map(|row| row.value))
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
        let lease = self.keyspace.lease(self.inner.path())?;
        let look = |key: &&[u8]| Ok(self.look_up(lease.core(), key)?.map(|row| row.value));
        keys.iter().map(look).collect()
    }

    /// The value of `key` and its remaining life, as one write left them; `None` for a key that is
    /// not there or has expired, and `Some((value, None))` for one that does not expire.
    pub fn get_with_ttl(&self, key: &[u8]) -> Result<Option<(Bytes, Option<Duration>)>> {
        let lease = self.keyspace.lease(self.inner.path())?;
        self.inner.counters.add(Count::Gets, 1);
        let current = self.inner.current(lease.core(), &self.keyspace, key)?;
        let left = |at: u64| Duration::from_millis(at - current.now);
        Ok(current.row.map(|row| (row.value, row.expires_at.map(left))))
    }

    /// Whether `key` is there and has not expired.
    pub fn contains(&self, key: &[u8]) -> Result<bool> {
        Ok(self.row(key)?.is_some())
    }

    fn row(&self, key: &[u8]) -> Result<Option<RowImage>> {
        let lease = self.keyspace.lease(self.inner.path())?;
        self.look_up(lease.core(), key)
    }

    /// Sets `key` to `value`. An expiry that the key had is gone.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unsupported`](crate::StoreError::Unsupported) if the key is longer than
    /// [`MAX_KEY_LEN`](crate::MAX_KEY_LEN) or the value longer than
    /// [`MAX_VALUE_LEN`](crate::MAX_VALUE_LEN).
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.write_one(key, &Write::Put(value, None))
    }

    /// Removes `key`, which need not be there.
    pub fn delete(&self, key: &[u8]) -> Result<()> {
        match self.inner.has_transactions() {
            // Where the key is absent, it is no change that they conflict with.
            true => self.remove(key).map(drop),
            false => self.write_one(key, &Write::Delete),
        }
    }

    /// Removes `key`; says whether it was there and had not expired. Of several threads that remove
    /// a key at once, one is told that it was.
    pub fn remove(&self, key: &[u8]) -> Result<bool> {
        self.write_key(key, |current| Ok((Some(Decision::Delete), current.row.is_some())))
    }

    /// Sets `key` to `new` if its value is `expected`, where `None` means that it must not be
    /// there; says whether it did. An expired key is not there. The new value does not expire.
    pub fn compare_and_swap(
        &self,
        key: &[u8],
        expected: Option<&[u8]>,
        new: &[u8],
    ) -> Result<bool> {
        self.swap(key, expected, || Decision::Put(new, None))
    }

    /// Removes `key` if its value is `expected`; says whether it did.
    pub fn compare_and_delete(&self, key: &[u8], expected: &[u8]) -> Result<bool> {
        self.swap(key, Some(expected), || Decision::Delete)
    }

    fn swap<'a>(
        &self,
        key: &[u8],
        expected: Option<&[u8]>,
        new: impl Fn() -> Decision<'a>,
    ) -> Result<bool> {
        self.write_key(key, |current| {
            let matches = current.value().map(|value| &value[..]) == expected;
            Ok((matches.then(&new), matches))
        })
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
