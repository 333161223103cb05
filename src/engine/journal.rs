//! Large batches.
//!
//! sled applies a batch under one pin of its epoch, and frees nothing of what it replaces until that
//! is over: a batch of many keys takes some fifty times its size. So a large batch is not given to
//! sled as one. It is written to a tree of our own in chunks; then comes the head, one small row, and
//! with it the batch is made; then its steps are made one by one, while readers wait (see `gate.rs`);
//! then the head is removed, and the chunks after it.
//!
//! Rows of the tree: `0`: the head. `1`, number (8 bytes, highest first): a chunk, some bytes of the
//! script that `script.rs` describes.
//!
//! # Why a crash leaves all of a batch or nothing
//!
//! What sled finds in its log after a crash or a power cut is always what was written to it up to
//! some moment. So where there is a head all its chunks are there, and where there is none nothing of
//! the batch was made. Opening the store removes chunks without a head, and makes all steps of a
//! batch that has one, once more: they set and remove keys, so that it does not matter which of them
//! had been made before. It does so before anybody reads, and before anybody writes: the head is
//! removed before the batch lets another writer in, so whatever is written to a key of the batch
//! later stands in the log behind the removal of the head.
//!
//! A store that another program opens between the crash and the next opening by this library shows
//! half of the batch there.

use std::sync::{Mutex, PoisonError};

use oxistore_core::StoreError;

use super::commit::Step;
use super::flusher::Flusher;
use super::limits::Limits;
use super::pieces::Change;
use super::room::Room;
use super::script::{Head, Reader, Writer};
use super::shield::shield;
use super::{Result, Tree};

const TREE: &[u8] = b"__journal__";
const HEAD: &[u8] = &[0];

const OPERATION: &str = "write to";

/// A batch of so many steps is large, and one of as many bytes as `Limits::large` says. Smaller ones
/// cost sled little memory, and less time than the way through the journal.
const STEPS: usize = 1000;

/// The longest chunk. Chunks lie in leaves of some twenty. sled's cache has 256 parts, and each of
/// them keeps a leaf however large it is, so small leaves take less memory.
const LONGEST_CHUNK: usize = 2 << 10;

/// The journal of an engine. Like a tree, it keeps sled open.
pub(super) struct Journal {
    db: sled::Db,
    flusher: Flusher,
    limits: Limits,
    /// One batch at a time.
    turn: Mutex<()>,
}

/// Whether a write of so many steps and bytes to `tree`, or to others of its store, is large.
pub(crate) fn is_large(tree: &Tree, steps: usize, bytes: impl FnOnce() -> usize) -> bool {
    steps >= STEPS || bytes() >= tree.journal.limits.large
}

/// What a large batch is told to: each of its steps in turn, so that nobody has to hold all of them
/// at once.
pub(crate) type Teller<'a> = &'a mut dyn FnMut(Step<'_>) -> Result<()>;

/// Makes all steps that `tell` tells of, and after a crash either all of them are there or none. A
/// key of a tree may be named once; `tree` is any tree of the store. The caller lets no other writer
/// of these keys in meanwhile. `begin` is called before any read can see one of them, and `made` when
/// they are made and before a read can begin that sees them.
pub(crate) fn commit_large(
    tree: &Tree,
    tell: impl FnOnce(Teller<'_>) -> Result<()>,
    begin: impl FnOnce(),
    made: impl FnOnce(),
) -> Result<()> {
    tree.journal.commit(&tree.room, tell, begin, made)
}

impl Journal {
    pub(super) fn new(db: sled::Db, flusher: Flusher, limits: Limits) -> Self {
        Self { db, flusher, limits, turn: Mutex::new(()) }
    }

    /// No lock that the caller holds is in the way: what is waited for here is the flushing thread,
    /// which takes none of the store's.
    fn commit(
        &self,
        room: &Room,
        tell: impl FnOnce(Teller<'_>) -> Result<()>,
        begin: impl FnOnce(),
        made: impl FnOnce(),
    ) -> Result<()> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        room.may_write()?;
        let mut changes = Vec::new();
        let written = self.write(room, tell, &mut changes);
        let (tree, head) = room.judge(written).inspect_err(|_| {
            // Not a step was made, so all keys are as they were.
            changes.iter_mut().for_each(Change::abandoned);
        })?;
        begin();
        let closed = room.gate().close();
        room.judge(self.apply(room, &tree, &head))?;
        changes.iter_mut().for_each(Change::committed);
        drop(changes);
        made();
        closed.open();
        let flush = || self.flusher.flush();
        room.judge(erase(room, OPERATION, &tree, self.limits, flush))?;
        // The rest has been written out on the way.
        room.wrote(2, (head.length as usize).min(self.limits.portion));
        Ok(())
    }

    /// Writes the chunks and then the head.
    fn write(
        &self,
        room: &Room,
        tell: impl FnOnce(Teller<'_>) -> Result<()>,
        changes: &mut Vec<Change>,
    ) -> Result<(sled::Tree, Head)> {
        let tree = shield(OPERATION, room.path(), || self.db.open_tree(TREE))?;
        let mut writer = Writer::new(chunk_length(self.limits), |number, bytes| {
            tree.insert(chunk_key(number), bytes)?;
            Ok(())
        });
        let mut waiting = 0;
        tell(&mut |step| {
            waiting += step.size();
            shield(OPERATION, room.path(), || {
                let mut extra = Vec::new();
                let own = step.cut(&mut extra, changes)?;
                extra.push(own);
                extra.iter().try_for_each(|raw| writer.add(raw))
            })?;
            if waiting >= self.limits.portion {
                waiting = 0;
                self.flusher.flush()?;
            }
            Ok(())
        })?;
        let head = shield(OPERATION, room.path(), || {
            let head = writer.end()?;
            tree.insert(HEAD, head.encode())?;
            Ok(head)
        })?;
        Ok((tree, head))
    }

    /// Makes the steps of the batch in the journal.
    fn apply(&self, room: &Room, tree: &sled::Tree, head: &Head) -> Result<()> {
        let mut reader = reader(&self.db, tree, *head);
        // No more goes to sled before it has written a portion out: as long as one thread waits
        // inside sled, nothing that another one replaces is freed.
        while shield(OPERATION, room.path(), || reader.apply(self.limits.portion))? {
            self.flusher.flush()?;
        }
        Ok(())
    }
}

/// Ends what a crash has left in the journal. Nobody reads or writes yet.
///
/// A head whose chunks are damaged is `Corruption`, and nothing is changed; with `salvage` set the
/// batch is given up, and as much of it as was made before the crash stays.
pub(super) fn redo(db: &sled::Db, room: &Room, limits: Limits, salvage: bool) -> Result<()> {
    let path = room.path();
    let open = || match db.tree_names().iter().any(|name| name == TREE) {
        true => db.open_tree(TREE).map(Some),
        false => Ok(None),
    };
    let Some(tree) = shield("open", path, open)? else { return Ok(()) };
    if let Some(head) = shield("open", path, || tree.get(HEAD))? {
        let head = Head::decode(&head);
        let is_whole = |head| {
            shield("open", path, || reader(db, &tree, head).finds_all())
                .map(|is| is.then_some(head))
        };
        match head.map_or(Ok(None), is_whole)? {
            Some(head) => redo_whole(db, room, &tree, limits, head)?,
            None if salvage => {}
            None => {
                return Err(StoreError::Corruption(format!(
                    "cannot open {}: what was noted of a large batch is damaged",
                    path.display()
                )))
            }
        }
    }
    erase(room, "open", &tree, limits, || flush(db, room))
}

fn redo_whole(
    db: &sled::Db,
    room: &Room,
    tree: &sled::Tree,
    limits: Limits,
    head: Head,
) -> Result<()> {
    let mut reader = reader(db, tree, head);
    while shield("open", room.path(), || reader.apply(limits.portion))? {
        flush(db, room)?;
    }
    Ok(())
}

fn flush(db: &sled::Db, room: &Room) -> Result<()> {
    let _turn = room.flushes();
    shield("open", room.path(), || db.flush().map(drop))
}

fn reader<'a>(
    db: &'a sled::Db,
    tree: &sled::Tree,
    head: Head,
) -> Reader<'a, impl Iterator<Item = sled::Result<sled::IVec>>> {
    // One walk, and no look-ups: a walk keeps the leaf that it is in.
    let chunks = tree.range(chunk_key(0)..chunk_key(head.chunks));
    Reader::new(db, head, chunks.map(|row| row.map(|(_, bytes)| bytes)))
}

/// The head first: chunks without it mean nothing. Removing a chunk takes about its size in the log.
fn erase(
    room: &Room,
    operation: &'static str,
    tree: &sled::Tree,
    limits: Limits,
    flush: impl Fn() -> Result<()>,
) -> Result<()> {
    let at_once = (limits.portion / chunk_length(limits)).max(1);
    let mut chunks = tree.iter().keys();
    // Answers with how many it has erased.
    let mut erase_some = || {
        let erase = |count, key: sled::Result<sled::IVec>| tree.remove(key?).map(|_| count + 1);
        chunks.by_ref().take(at_once).try_fold(0, erase)
    };
    shield(operation, room.path(), || tree.remove(HEAD).map(drop))?;
    while shield(operation, room.path(), &mut erase_some)? == at_once {
        flush()?;
    }
    Ok(())
}

/// A chunk must fit where a value of a store of this segment size does.
fn chunk_length(limits: Limits) -> usize {
    limits.value.min(LONGEST_CHUNK)
}

fn chunk_key(number: u64) -> [u8; 9] {
    let mut key = [1; 9];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::time::Duration;

    use super::super::pieces::RawStep;
    use super::*;

    struct Fixture {
        db: sled::Db,
        tree: sled::Tree,
        data: sled::Tree,
        room: Room,
        _directory: tempfile::TempDir,
    }

    impl Fixture {
        /// A store of which `key` is `old`, and `other` too.
        fn new() -> Self {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let db = sled::Config::new().path(directory.path()).open().expect("a store of sled's");
            let data = db.open_tree("data").unwrap();
            data.insert("key", "old").unwrap();
            data.insert("other", "old").unwrap();
            let tree = db.open_tree(TREE).unwrap();
            let room = Room::new(directory.path().to_path_buf(), Duration::from_secs(1));
            Self { db, tree, data, room, _directory: directory }
        }

        /// Chunks of a batch that sets `key` and removes `other`.
        fn note(&self) -> Head {
            let mut writer = Writer::new(7, |number, bytes| {
                self.tree.insert(chunk_key(number), bytes).map(drop)
            });
            let key = |key: &'static str| Cow::Borrowed(key.as_bytes());
            let set = RawStep { tree: &self.data, key: key("key"), value: Some(key("new")) };
            let remove = RawStep { tree: &self.data, key: key("other"), value: None };
            [set, remove].iter().try_for_each(|step| writer.add(step)).unwrap();
            writer.end().unwrap()
        }

        fn redo(&self, salvage: bool) -> Result<()> {
            redo(&self.db, &self.room, Limits::of(64 << 10), salvage)
        }

        fn content(&self) -> [Option<sled::IVec>; 2] {
            ["key", "other"].map(|key| self.data.get(key).unwrap())
        }

        fn is_old(&self) -> bool {
            self.content() == [Some("old".into()), Some("old".into())]
        }
    }

    #[test]
    fn chunks_without_a_head_are_removed() {
        let fixture = Fixture::new();
        assert!(fixture.note().chunks > 3);
        fixture.redo(false).unwrap();
        assert!(fixture.is_old() && fixture.tree.is_empty());
    }

    #[test]
    fn a_batch_with_a_head_is_made_once_more_as_often_as_it_is_met() {
        let fixture = Fixture::new();
        for _ in 0..3 {
            fixture.tree.insert(HEAD, fixture.note().encode()).unwrap();
            fixture.redo(false).unwrap();
            assert_eq!(fixture.content(), [Some("new".into()), None]);
            assert!(fixture.tree.is_empty());
        }
    }

    #[test]
    fn a_journal_that_is_damaged_is_refused_and_changes_nothing() {
        let damages: [fn(&sled::Tree); 4] = [
            |tree| drop(tree.remove(chunk_key(2)).unwrap()),
            |tree| drop(tree.insert(chunk_key(2), "damaged").unwrap()),
            |tree| drop(tree.insert(HEAD, "damaged").unwrap()),
            |tree| drop(tree.pop_max().unwrap()),
        ];
        for damage in damages {
            let fixture = Fixture::new();
            fixture.tree.insert(HEAD, fixture.note().encode()).unwrap();
            damage(&fixture.tree);
            assert!(matches!(fixture.redo(false), Err(StoreError::Corruption(_))));
            assert!(fixture.is_old() && !fixture.tree.is_empty());
            fixture.redo(true).expect("salvage gives it up");
            assert!(fixture.is_old() && fixture.tree.is_empty());
        }
    }
}
