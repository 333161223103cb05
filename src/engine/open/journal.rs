//! The redo journal of older versions of this library, which is finished at opening.
//!
//! They wrote a large batch to the tree `__journal__` in chunks; then came the head, one small row,
//! and with it the batch was made; then they made its steps one by one, and removed the head and the
//! chunks. A crash in between left a head with its chunks, or chunks without a head.
//!
//! Rows of the tree: `0`: the head. `1`, number (8 bytes, highest first): a chunk, some bytes of the
//! script that `script.rs` describes.
//!
//! Opening removes chunks without a head, and makes all steps of a batch that has one, once more: they
//! set and remove keys, so that it does not matter which of them had been made before. It does so
//! before any thread reads or writes.

use oxistore_core::StoreError;

use crate::engine::catch_sled::catch_sled;
use crate::engine::open::limits::Limits;
use crate::engine::open::script::{Head, Reader};
use crate::engine::state::EngineState;
use crate::engine::Result;

const TREE: &[u8] = b"__journal__";
const HEAD: &[u8] = &[0];

/// Chunks that are removed between two flushes.
const CHUNKS_AT_ONCE: usize = 256;

/// Ends what a crash has left in the journal. Nobody reads or writes yet.
///
/// A head whose chunks are damaged is `Corruption`, and nothing is changed; with `salvage` set the
/// batch is given up, and as much of it as was made before the crash stays.
pub(crate) fn redo(
    db: &sled::Db,
    engine_state: &EngineState,
    limits: Limits,
    salvage: bool,
) -> Result<()> {
    let path = engine_state.path();
    let open = || match db.tree_names().iter().any(|name| name == TREE) {
        true => db.open_tree(TREE).map(Some),
        false => Ok(None),
    };
    let Some(tree) = catch_sled("open", path, open)? else { return Ok(()) };
    if let Some(head) = catch_sled("open", path, || tree.get(HEAD))? {
        let head = Head::decode(&head);
        let is_whole = |head| {
            catch_sled("open", path, || reader(db, &tree, head).finds_all())
                .map(|is| is.then_some(head))
        };
        match head.map_or(Ok(None), is_whole)? {
            Some(head) => redo_whole(db, engine_state, &tree, limits, head)?,
            None if salvage => {}
            None => {
                return Err(StoreError::Corruption(format!(
                    "cannot open {}: what was noted of a large batch is damaged",
                    path.display()
                )))
            }
        }
    }
    erase(db, engine_state, &tree)
}

fn redo_whole(
    db: &sled::Db,
    engine_state: &EngineState,
    tree: &sled::Tree,
    limits: Limits,
    head: Head,
) -> Result<()> {
    let mut reader = reader(db, tree, head);
    while catch_sled("open", engine_state.path(), || reader.apply(limits.portion))? {
        flush(db, engine_state)?;
    }
    Ok(())
}

fn flush(db: &sled::Db, engine_state: &EngineState) -> Result<()> {
    catch_sled("open", engine_state.path(), || db.flush().map(drop))
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
fn erase(db: &sled::Db, engine_state: &EngineState, tree: &sled::Tree) -> Result<()> {
    let mut chunks = tree.iter().keys();
    // Answers with how many it has erased.
    let mut erase_some = || {
        let erase = |count, key: sled::Result<sled::IVec>| tree.remove(key?).map(|_| count + 1);
        chunks.by_ref().take(CHUNKS_AT_ONCE).try_fold(0, erase)
    };
    catch_sled("open", engine_state.path(), || tree.remove(HEAD).map(drop))?;
    while catch_sled("open", engine_state.path(), &mut erase_some)? == CHUNKS_AT_ONCE {
        flush(db, engine_state)?;
    }
    Ok(())
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

    use super::*;
    use crate::engine::open::script::Writer;
    use crate::engine::rows::overflow::RawStep;

    struct Fixture {
        db: sled::Db,
        tree: sled::Tree,
        data: sled::Tree,
        engine_state: EngineState,
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
            let engine_state =
                EngineState::new(directory.path().to_path_buf(), Duration::from_secs(1));
            Self { db, tree, data, engine_state, _directory: directory }
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
            redo(&self.db, &self.engine_state, Limits::of(64 << 10), salvage)
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
