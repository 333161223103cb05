//! Renaming a keyspace.
//!
//! What the log has of the keyspace is settled first, while nobody uses it. Then one record of the log says
//! that it has another name: that is the moment of it, for a crash too. The checkpoint of that record, or the
//! next opening, copies the rows to trees of the new name, and drops the old ones after that.

use oxistore_core::StoreError;

use crate::commit::{KeyspaceId, WatchEnd};
use crate::engine::{Failure, Result};
use crate::store::inner::{Core, StoreInner};
use crate::store::keyspace::{is_new, State, DEFAULT};
use crate::store::limits::check_name;
use crate::store::locks::lock;
use crate::store::SledStore;

impl SledStore {
    /// Gives the keyspace `old` the name `new`, with all its rows and their expiries, at one moment; says
    /// whether it was there. Handles of `old` answer [`Reason::Dropped`](crate::Reason::Dropped) from now
    /// on, and so do its snapshots, iterators, transactions and watches: open `new`. Waits for operations on it that
    /// other threads are in.
    ///
    /// The engine cannot rename, so the rows are copied: it takes as long as writing all of them, and as
    /// much more room on the disk until it is done. Other keyspaces are read and written meanwhile, but
    /// what is written to them is settled after that.
    ///
    /// # Errors
    ///
    /// [`StoreError::AlreadyExists`] if there is a keyspace `new`;
    /// [`Reason::DiskFull`](crate::Reason::DiskFull) if the disk has no room for the copy; otherwise as
    /// [`SledStore::keyspace`] and [`SledStore::drop_keyspace`]. Nothing has changed then, unless the error
    /// names the disk: then either name may be that of the keyspace when the store is opened again.
    pub fn rename_keyspace(&self, old: impl AsRef<[u8]>, new: impl AsRef<[u8]>) -> Result<bool> {
        self.inner.rename_keyspace(old.as_ref(), new.as_ref())
    }
}

impl StoreInner {
    fn rename_keyspace(&self, old: &[u8], new: &[u8]) -> Result<bool> {
        check_name(old).and(check_name(new))?;
        if old == DEFAULT {
            let text = "the default keyspace cannot be renamed";
            return Err(StoreError::Unsupported(text.into()));
        }
        // Dropped after the locks: code of the caller may run then.
        let mut _operator = None;
        self.with_core(|core| {
            core.check_writable()?;
            let mut names = lock(&self.names);
            for name in [old, new] {
                names.must_not_be_raw(name)?;
                names.finish_drop(core, name)?;
            }
            let engine = core.settled().engine();
            if !engine.tree_names()?.iter().any(|known| known == old) {
                return Ok(false);
            }
            if new == DEFAULT || !is_new(engine, new)? {
                return Err(StoreError::AlreadyExists);
            }
            let opened = names.opened.get(old).cloned();
            let mut exclusive = opened.as_ref().map(|keyspace| keyspace.exclusive());
            let id = core.settled().open_keyspace(old)?.0;
            // Nothing of it is left in the log in front of the record that renames it.
            core.settle_all()?;
            self.check_room_for_copy(core, id)?;
            core.rename_keyspace(id, new)?;
            core.end_watches(Some(id), WatchEnd::KeyspaceDropped);
            if let Some(exclusive) = &mut exclusive {
                _operator = exclusive.retire(State::Dropped);
            }
            names.opened.remove(old);
            // The new one is to be had when the copy is made.
            for name in [old, new] {
                names.dropping.insert(name.to_vec(), id);
            }
            names.finish_drop(core, old)?;
            names.finish_drop(core, new).map(|()| true)
        })
    }

    fn check_room_for_copy(&self, core: &Core, keyspace: KeyspaceId) -> Result<()> {
        match core.has_room(core.settled().size_of(keyspace)?) {
            true => Ok(()),
            false => {
                let full = std::io::Error::from_raw_os_error(libc::ENOSPC);
                Err(Failure::from_io("rename a keyspace in", self.path(), &full))
            }
        }
    }
}
