//! The public trait `KvStore`, for programs that do not care which store they use.

use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

use oxistore_core::{KeysIter, KvSnapshot, KvStore, KvTxn, RangeIter};

use crate::engine::Result;
use crate::store::{SledSnapshot, SledStore, SledTransaction};

impl KvStore for SledStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        SledStore::get(self, key)
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        SledStore::put(self, key, value)
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        SledStore::delete(self, key)
    }

    fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>> {
        SledStore::get_many(self, keys)
    }

    fn get_ref<'a>(&'a self, key: &[u8]) -> Result<Option<Cow<'a, [u8]>>> {
        SledStore::get_ref(self, key)
    }

    fn contains(&self, key: &[u8]) -> Result<bool> {
        SledStore::contains(self, key)
    }

    fn range<'a>(&'a self, lo: &[u8], hi: &[u8]) -> Result<RangeIter<'a>> {
        Ok(Box::new(SledStore::range(self, lo, hi)?))
    }

    fn range_rev<'a>(&'a self, lo: &[u8], hi: &[u8]) -> Result<RangeIter<'a>> {
        Ok(Box::new(SledStore::range_rev(self, lo, hi)?))
    }

    fn prefix_scan<'a>(&'a self, prefix: &[u8]) -> Result<RangeIter<'a>> {
        Ok(Box::new(SledStore::prefix_scan(self, prefix)?))
    }

    fn batch_write(&self, pairs: &[(&[u8], &[u8])]) -> Result<()> {
        SledStore::batch_write(self, pairs)
    }

    fn batch_delete(&self, keys: &[&[u8]]) -> Result<()> {
        SledStore::batch_delete(self, keys)
    }

    fn count(&self) -> Result<u64> {
        SledStore::count(self)
    }

    fn size_on_disk(&self) -> Result<u64> {
        SledStore::size_on_disk(self)
    }

    fn iter<'a>(&'a self) -> Result<RangeIter<'a>> {
        Ok(Box::new(SledStore::iter(self)?))
    }

    fn keys<'a>(&'a self) -> Result<KeysIter<'a>> {
        Ok(Box::new(SledStore::keys(self)?))
    }

    fn compare_and_swap(&self, key: &[u8], expected: Option<&[u8]>, new: &[u8]) -> Result<bool> {
        SledStore::compare_and_swap(self, key, expected, new)
    }

    fn put_with_ttl(&self, key: &[u8], value: &[u8], ttl: Duration) -> Result<()> {
        SledStore::put_with_ttl(self, key, value, ttl)
    }

    fn expire(&self, key: &[u8], ttl: Duration) -> Result<()> {
        SledStore::expire(self, key, ttl)
    }

    fn ttl(&self, key: &[u8]) -> Result<Option<Duration>> {
        SledStore::ttl(self, key)
    }

    fn persist(&self, key: &[u8]) -> Result<bool> {
        SledStore::persist(self, key)
    }

    fn purge_expired(&self) -> Result<u64> {
        SledStore::purge_expired(self)
    }

    fn compact(&self) -> Result<()> {
        SledStore::compact(self)
    }

    fn backup(&self, path: &Path) -> Result<()> {
        SledStore::backup(self, path)
    }

    fn restore(&self, path: &Path) -> Result<()> {
        SledStore::restore(self, path)
    }

    fn transaction(&self) -> Result<Box<dyn KvTxn + '_>> {
        Ok(Box::new(SledStore::transaction(self)?))
    }

    fn snapshot(&self) -> Result<Box<dyn KvSnapshot + '_>> {
        Ok(Box::new(SledStore::snapshot(self)?))
    }

    fn flush(&self) -> Result<()> {
        SledStore::flush(self)
    }
}

impl KvTxn for SledTransaction {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        (**self).get(key)
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        (**self).put(key, value)
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        (**self).delete(key)
    }

    fn contains(&self, key: &[u8]) -> Result<bool> {
        (**self).contains(key)
    }

    fn range<'a>(&'a self, lo: &[u8], hi: &[u8]) -> Result<RangeIter<'a>> {
        Ok(Box::new((**self).range(lo, hi)?))
    }

    fn commit(self: Box<Self>) -> Result<()> {
        SledTransaction::commit(*self)
    }

    fn rollback(self: Box<Self>) -> Result<()> {
        SledTransaction::rollback(*self)
    }
}

impl KvSnapshot for SledSnapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        SledSnapshot::get(self, key)
    }

    fn range<'a>(&'a self, lo: &[u8], hi: &[u8]) -> Result<RangeIter<'a>> {
        Ok(Box::new(SledSnapshot::range(self, lo, hi)?))
    }

    fn prefix_scan<'a>(&'a self, prefix: &[u8]) -> Result<RangeIter<'a>> {
        Ok(Box::new(SledSnapshot::prefix_scan(self, prefix)?))
    }

    fn contains(&self, key: &[u8]) -> Result<bool> {
        SledSnapshot::contains(self, key)
    }
}
