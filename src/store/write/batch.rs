//! Many changes at one moment.

use std::sync::Arc;
use std::time::Duration;

use crate::commit::{Durability, Key};
use crate::engine::{Bytes, Result};
use crate::store::keyspace::Keyspace;
use crate::store::limits::MAX_KEY_LEN;
use crate::store::read::snapshot::of_another_store;
use crate::store::write::fold::folded;
use crate::store::write::{KeyWrite, Write};
use crate::store::SledStore;

/// Changes to be made together, in any number of keyspaces: all of them or none.
///
/// A batch is filled, applied with [`SledStore::apply`], and may be applied again. The plain
/// methods speak of the keyspace that the batch is applied to; those that end in `_in` name one of
/// the same store. Of several changes of one key the last counts.
///
/// ```
/// use sledstore::{SledBatch, SledStore};
///
/// # fn main() -> Result<(), sledstore::StoreError> {
/// let users = SledStore::open_temporary()?;
/// let by_mail = users.keyspace("by mail")?;
/// let mut batch = SledBatch::new();
/// batch.put(b"17", b"Ada")?;
/// batch.put_in(&by_mail, b"ada@example.org", b"17")?;
/// users.apply(&batch)?;
/// assert!(users.contains(b"17")? && by_mail.contains(b"ada@example.org")?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct SledBatch {
    changes: Vec<Staged>,
}

#[derive(Clone)]
struct Staged {
    /// `None` is the keyspace that the batch is applied to. Another one is not kept open by this.
    keyspace: Option<Arc<Keyspace>>,
    key: Key,
    write: Write<Bytes>,
}

impl SledBatch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `key` to `value`.
    ///
    /// # Errors
    ///
    /// As [`SledStore::put`]; the batch is as it was before.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.stage(None, key, Write::Put(Bytes::from(value), None))
    }

    /// Sets `key` to `value` for the time `ttl`, which counts from when the batch is applied.
    ///
    /// # Errors
    ///
    /// As [`SledBatch::put`].
    pub fn put_with_ttl(&mut self, key: &[u8], value: &[u8], ttl: Duration) -> Result<()> {
        self.stage(None, key, Write::Put(Bytes::from(value), Some(ttl)))
    }

    /// Removes `key`.
    ///
    /// # Errors
    ///
    /// As [`SledBatch::put`].
    pub fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.stage(None, key, Write::Delete)
    }

    /// Removes all keys from `lo` up to, not including, `hi`; `None` is no limit. Of the changes of a
    /// key in the range those count that come after this one. See [`SledStore::delete_range`].
    ///
    /// # Errors
    ///
    /// As [`SledBatch::put`].
    pub fn delete_range(&mut self, lo: Option<&[u8]>, hi: Option<&[u8]>) -> Result<()> {
        self.stage(None, lo.unwrap_or_default(), Write::DeleteRange(hi.map(Bytes::from)))
    }

    /// Lets `key` live for the time `ttl`, which counts from when the batch is applied, if it is there
    /// then; its value stays. A value counts too that the same batch has put before.
    ///
    /// # Errors
    ///
    /// As [`SledBatch::put`].
    pub fn expire(&mut self, key: &[u8], ttl: Duration) -> Result<()> {
        self.stage(None, key, Write::Expire(Some(ttl)))
    }

    /// Lets `key` live for ever, if it is there when the batch is applied, as in
    /// [`SledBatch::expire`].
    ///
    /// # Errors
    ///
    /// As [`SledBatch::put`].
    pub fn persist(&mut self, key: &[u8]) -> Result<()> {
        self.stage(None, key, Write::Expire(None))
    }

    /// Merges `operand` into `key` as [`SledStore::merge`] does, when the batch is applied, after the
    /// changes of the key that come before in the batch.
    ///
    /// # Errors
    ///
    /// As [`SledBatch::put`].
    pub fn merge(&mut self, key: &[u8], operand: &[u8]) -> Result<()> {
        self.stage(None, key, Write::Merge(Bytes::from(operand)))
    }

    /// As [`SledBatch::put`], in `keyspace`.
    pub fn put_in(&mut self, keyspace: &SledStore, key: &[u8], value: &[u8]) -> Result<()> {
        self.stage(Some(keyspace), key, Write::Put(Bytes::from(value), None))
    }

    /// As [`SledBatch::put_with_ttl`], in `keyspace`.
    pub fn put_with_ttl_in(
        &mut self,
        keyspace: &SledStore,
        key: &[u8],
        value: &[u8],
        ttl: Duration,
    ) -> Result<()> {
        self.stage(Some(keyspace), key, Write::Put(Bytes::from(value), Some(ttl)))
    }

    /// As [`SledBatch::delete`], in `keyspace`.
    pub fn delete_in(&mut self, keyspace: &SledStore, key: &[u8]) -> Result<()> {
        self.stage(Some(keyspace), key, Write::Delete)
    }

    /// As [`SledBatch::delete_range`], in `keyspace`.
    pub fn delete_range_in(
        &mut self,
        keyspace: &SledStore,
        lo: Option<&[u8]>,
        hi: Option<&[u8]>,
    ) -> Result<()> {
        let write = Write::DeleteRange(hi.map(Bytes::from));
        self.stage(Some(keyspace), lo.unwrap_or_default(), write)
    }

    /// As [`SledBatch::expire`], in `keyspace`.
    pub fn expire_in(&mut self, keyspace: &SledStore, key: &[u8], ttl: Duration) -> Result<()> {
        self.stage(Some(keyspace), key, Write::Expire(Some(ttl)))
    }

    /// As [`SledBatch::persist`], in `keyspace`.
    pub fn persist_in(&mut self, keyspace: &SledStore, key: &[u8]) -> Result<()> {
        self.stage(Some(keyspace), key, Write::Expire(None))
    }

    /// As [`SledBatch::merge`], in `keyspace`.
    pub fn merge_in(&mut self, keyspace: &SledStore, key: &[u8], operand: &[u8]) -> Result<()> {
        self.stage(Some(keyspace), key, Write::Merge(Bytes::from(operand)))
    }

    /// How many changes were put into the batch.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether the batch has no changes.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Takes all changes out.
    pub fn clear(&mut self) {
        self.changes.clear();
    }

    fn stage(
        &mut self,
        keyspace: Option<&SledStore>,
        key: &[u8],
        write: Write<Bytes>,
    ) -> Result<()> {
        write.check(key, MAX_KEY_LEN)?;
        let keyspace = keyspace.map(|handle| Arc::clone(&handle.keyspace));
        self.changes.push(Staged { keyspace, key: Key::from_slice(key), write });
        Ok(())
    }
}

impl SledStore {
    /// Makes all changes of `batch` at one moment, and on disk all of them or none.
    ///
    /// # Errors
    ///
    /// [`Reason::InvalidArgument`](crate::Reason::InvalidArgument) if the batch names a keyspace of
    /// another store; [`StoreError::Unsupported`](crate::StoreError::Unsupported) if it has more than
    /// 4 GiB of keys and values. As [`SledStore::merge`] if the batch merges. Whatever the error, no change was made, unless a sync of the disk has
    /// failed.
    pub fn apply(&self, batch: &SledBatch) -> Result<()> {
        self.apply_with(batch, self.inner.durability)
    }

    /// The same with a choice of what the changes survive when this returns, whatever the store was
    /// opened with.
    pub fn apply_with(&self, batch: &SledBatch, durability: Durability) -> Result<()> {
        let mut writes = Vec::with_capacity(batch.changes.len());
        for Staged { keyspace, key, write } in &batch.changes {
            let keyspace = keyspace.as_ref().unwrap_or(&self.keyspace);
            if keyspace.store_id() != self.keyspace.store_id() {
                // Rather than that it is another's, say that it is gone, if it is.
                keyspace.lease(self.inner.path())?;
                return Err(of_another_store(self.inner.path()));
            }
            writes.push(KeyWrite { keyspace, key, write });
        }
        match writes.iter().any(|write| matches!(write.write, Write::Merge(_))) {
            true => self.write_merging(&writes, durability),
            false => {
                folded(writes, |writes| self.write_all(writes, Vec::new(), durability, |_| Ok(())))
            }
        }
    }

    /// Sets many keys at one moment. Of a key that is named twice the last value counts.
    ///
    /// # Errors
    ///
    /// As [`SledStore::put`]; no key was set then.
    pub fn batch_write(&self, pairs: &[(&[u8], &[u8])]) -> Result<()> {
        let puts: Vec<_> = pairs.iter().map(|(_, value)| Write::Put(*value, None)).collect();
        let writes = pairs.iter().zip(&puts).map(|((key, _), write)| self.own_write(key, write));
        let writes: Vec<_> = writes.collect();
        self.write_all(&writes, Vec::new(), self.inner.durability, |_| Ok(()))
    }

    /// Removes many keys at one moment; they need not be there.
    ///
    /// # Errors
    ///
    /// As [`SledStore::delete`]; no key was removed then.
    pub fn batch_delete(&self, keys: &[&[u8]]) -> Result<()> {
        let delete = Write::<&[u8]>::Delete;
        let writes: Vec<_> = keys.iter().map(|key| self.own_write(key, &delete)).collect();
        self.write_all(&writes, Vec::new(), self.inner.durability, |_| Ok(()))
    }

    fn own_write<'a, V>(&'a self, key: &'a [u8], write: &'a Write<V>) -> KeyWrite<'a, V> {
        KeyWrite { keyspace: &self.keyspace, key, write }
    }
}
