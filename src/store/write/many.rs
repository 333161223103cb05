//! Many writes in one commit.

use std::cell::Cell;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use oxistore_core::StoreError;
use smallvec::SmallVec;

use crate::commit::{Change, Committed, Durability, KeyspaceId, Record};
use crate::engine::Result;
use crate::store::inner::Core;
use crate::store::keyspace::Keyspace;
use crate::store::stats::counters::Count;
use crate::store::write::{deadline, put_until, Current, KeyWrite, Write};
use crate::store::SledStore;

/// How often a writer looks whether the keys that it deletes are absent.
const LOOKS: usize = 3;

/// What a write of several was decided on.
struct Look {
    place: usize,
    current: Current,
}

/// What several writes come to.
struct Made {
    record: Record,
    /// How many of them count as which; one that changes nothing counts as neither.
    puts: u64,
    deletes: u64,
}

impl SledStore {
    /// Makes all `writes` in one commit, if `validate` allows it while no other commit is under way;
    /// of several writes of one key the last counts. `keyspaces` have to be there too.
    pub(crate) fn write_all<'a, V: Deref<Target = [u8]>>(
        &'a self,
        writes: &[KeyWrite<'a, V>],
        mut keyspaces: Vec<&'a Arc<Keyspace>>,
        durability: Durability,
        validate: impl Fn(&Committed) -> Result<()>,
    ) -> Result<()> {
        for write in writes {
            // Most often they are all of one keyspace.
            if keyspaces.last().is_none_or(|last| last.id() != write.keyspace.id()) {
                keyspaces.push(write.keyspace);
            }
            write.write.check(write.key, self.inner.longest_key)?;
        }
        if keyspaces.is_empty() {
            keyspaces.push(&self.keyspace);
        }
        // Leases are taken by ascending number, each once: see the order of locks.
        keyspaces.sort_by_key(|keyspace| keyspace.id());
        keyspaces.dedup_by_key(|keyspace| keyspace.id());
        let path = self.inner.path();
        let leases: SmallVec<[_; 4]> =
            keyspaces.iter().map(|keyspace| keyspace.lease(path)).collect::<Result<_>>()?;
        if writes.is_empty() {
            return Ok(());
        }
        let core = leases[0].core();
        let size = writes.iter().map(|write| write.key.len() + write.write.size()).sum();
        core.wait_for_room(size)?;
        let _changing: SmallVec<[_; 4]> =
            keyspaces.iter().map(|keyspace| keyspace.count.changing()).collect();
        for tries in 0.. {
            let looks = self.look_at(core, writes, tries < LOOKS)?;
            let Made { record, puts, deletes } = self.record_of(writes, size, &looks);
            if record.is_empty() {
                return Ok(());
            }
            let (looks_again, revival) = (Cell::new(false), Cell::new(None));
            let committed = core.commit(record, durability, |committed| {
                let has_changed = |look: &Look| {
                    let id = writes[look.place].keyspace.id();
                    committed.has_changed(look.current.basis, id, writes[look.place].key)
                };
                let ends = looks.iter().filter_map(|look| look.current.expires_at()).min();
                if looks.iter().any(has_changed) || self.inner.has_ended(ends, &revival) {
                    looks_again.set(true);
                    return Err(StoreError::TxnConflict);
                }
                validate(committed)
            });
            if !looks_again.get() {
                committed?;
                self.inner.counters.add(Count::Puts, puts);
                self.inner.counters.add(Count::Deletes, deletes);
                return Ok(());
            }
        }
        unreachable!("the loop has no end")
    }

    fn record_of<V: Deref<Target = [u8]>>(
        &self,
        writes: &[KeyWrite<'_, V>],
        size: usize,
        looks: &[Look],
    ) -> Made {
        let now = self.inner.now_ms();
        let record = Record::with_room_for(writes.len(), size);
        let mut made = Made { record, puts: 0, deletes: 0 };
        let mut looks = looks.iter().peekable();
        for (place, KeyWrite { keyspace, key, write }) in writes.iter().enumerate() {
            let keyspace = keyspace.id();
            let look = looks.next_if(|look| look.place == place);
            let change = match (look.map(|look| &look.current), write) {
                (Some(current), Write::Expire(ttl)) => current.expire(keyspace, key, *ttl, now),
                (Some(_), _) => Some(Change::Purge { keyspace, key }),
                (None, write) => write.at(keyspace, key, now),
            };
            match (&change, write.kind()) {
                (None | Some(Change::Purge { .. }), _) => {}
                (Some(_), Count::Deletes) => made.deletes += 1,
                (Some(_), _) => made.puts += 1,
            }
            made.record.extend(change);
        }
        made
    }

    /// The keys that writes depend on: those whose expiry is changed, and, if there is a transaction that
    /// could conflict, those that are deleted and absent.
    fn look_at<V>(
        &self,
        core: &Core,
        writes: &[KeyWrite<'_, V>],
        at_deleted: bool,
    ) -> Result<Vec<Look>> {
        let at_deleted = at_deleted && self.inner.has_transactions();
        let mut looks = Vec::new();
        for (place, KeyWrite { keyspace, key, write }) in writes.iter().enumerate() {
            let is_expiry = matches!(write, Write::Expire(_));
            if is_expiry || at_deleted && matches!(write, Write::Delete) {
                let current = self.inner.current(core, keyspace, key)?;
                if is_expiry || current.row.is_none() {
                    looks.push(Look { place, current });
                }
            }
        }
        Ok(looks)
    }
}

impl Current {
    /// Another expiry for the key, if it is there and that is a change.
    fn expire<'a>(
        &'a self,
        keyspace: KeyspaceId,
        key: &'a [u8],
        ttl: Option<Duration>,
        now: u64,
    ) -> Option<Change<'a>> {
        let row = self.row.as_ref().filter(|row| ttl.is_some() || row.expires_at.is_some())?;
        Some(put_until(keyspace, key, &row.value, ttl.map(|ttl| deadline(now, ttl)), now))
    }
}
