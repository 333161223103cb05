//! Values that are too large for one page, cut into pieces.
//!
//! sled writes a page that is larger than a quarter of a segment into a file of its own, which it
//! never syncs and never removes. So no page may become that large: a value above a limit is cut.
//! Its first piece, the head, stands in the tree in the place of the value; the others stand in a
//! tree beside it, under the number of the value, which is used once; and an entry there says that
//! the key has such a value. The checkpoint changes all of it step by step; where a crash leaves some
//! of the steps, the write-ahead log has the value and the next checkpoint makes all of them again.
//! A program that reads the tree without this library sees the head.
//!
//! Keys of the tree beside: `0`, key: the entry. `1`, number (8 bytes, highest first), place of the
//! piece (4 bytes, highest first): a piece.
//!
//! # Why a reader never sees half of two values
//!
//! The entries are known in memory. The checkpoint thread, which alone writes, marks the key as
//! changing before its first step, and enters what is there after the last one. A reader that finds
//! the key changing waits. One that finds an entry takes head and pieces, and looks again: numbers
//! are used once, so the same number twice means that nothing has changed in between. One that finds
//! no entry reads the tree, and looks whether any key has begun to change since; if not, what it
//! read is a whole value.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use crate::engine::open::limits::Limits;
use crate::engine::Bytes;

const ENTRY: u8 = 0;
const PIECE: u8 = 1;

const TORN: &str = "a write of this key has failed in the middle, open the store again";

/// The values in pieces of one tree.
pub(crate) struct Overflow {
    db: sled::Db,
    /// The tree beside, made when the first piece is written.
    name: Box<[u8]>,
    beside: OnceLock<sled::Tree>,
    pub(crate) limits: Limits,
    next_number: AtomicU64,
    known: RwLock<HashMap<Box<[u8]>, State>>,
    len: AtomicUsize,
    /// Grows whenever a key begins to change.
    changes: AtomicU64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Changing,
    Whole(Entry),
    /// A write has failed in the middle, and nobody knows what the key has.
    Torn,
}

/// How a value in pieces is put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    number: u64,
    length: u64,
    /// The length of each piece but the last; the head is the first.
    piece: u32,
    /// The checksum of the head. Another program can write the tree, and leave the entry.
    head_sum: u32,
}

impl Overflow {
    /// Reads which values of a tree are in pieces; `name` is that of the tree beside it.
    pub(crate) fn load(db: &sled::Db, name: &[u8], limits: Limits) -> sled::Result<Self> {
        let pieces = Self {
            db: db.clone(),
            name: name.into(),
            beside: OnceLock::new(),
            limits,
            next_number: AtomicU64::new(0),
            known: RwLock::default(),
            len: AtomicUsize::new(0),
            changes: AtomicU64::new(0),
        };
        if db.tree_names().iter().any(|known| &known[..] == name) {
            pieces.read_entries(pieces.beside()?)?;
        }
        Ok(pieces)
    }

    fn read_entries(&self, beside: &sled::Tree) -> sled::Result<()> {
        let mut next = 0;
        for row in beside.range::<&[u8], _>(&[ENTRY][..]..&[PIECE][..]) {
            let (key, value) = row?;
            if let Some(entry) = Entry::decode(&value) {
                self.enter(&key[1..], Some(State::Whole(entry)));
                next = next.max(entry.number + 1);
            }
        }
        // A crash in the middle of a value has left pieces without an entry, with the highest number.
        let orphans =
            beside.range(piece_key(next, 0)..).keys().collect::<sled::Result<Vec<_>>>()?;
        for key in orphans {
            if let Some(number) = key.get(1..9).filter(|_| key[0] == PIECE) {
                next = next.max(u64::from_be_bytes(number.try_into().expect("8 bytes")) + 1);
            }
            beside.remove(key)?;
        }
        self.next_number.store(next, Ordering::SeqCst);
        Ok(())
    }

    fn beside(&self) -> sled::Result<&sled::Tree> {
        if let Some(beside) = self.beside.get() {
            return Ok(beside);
        }
        let beside = self.db.open_tree(&self.name)?;
        Ok(self.beside.get_or_init(|| beside))
    }

    fn state(&self, key: &[u8]) -> Option<State> {
        if self.len.load(Ordering::SeqCst) == 0 {
            return None;
        }
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }

    fn enter(&self, key: &[u8], state: Option<State>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        match state {
            Some(State::Changing) => {
                self.changes.fetch_add(1, Ordering::SeqCst);
                known.insert(key.into(), State::Changing);
            }
            Some(whole) => drop(known.insert(key.into(), whole)),
            None => drop(known.remove(key)),
        }
        self.len.store(known.len(), Ordering::SeqCst);
    }

    /// What [`Overflow::is_inline`] is to be asked about later.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    /// Whether what was read from the tree under `key`, after `changes` was asked for, is the whole
    /// value.
    pub(crate) fn is_inline(&self, key: &[u8], changes: u64) -> bool {
        self.state(key).is_none() && self.changes() == changes
    }

    /// The value of `key` in `tree`.
    pub(crate) fn get(&self, tree: &sled::Tree, key: &[u8]) -> sled::Result<Option<Bytes>> {
        loop {
            let changes = self.changes();
            match self.state(key) {
                None => {
                    let found = tree.get(key)?;
                    if self.is_inline(key, changes) {
                        return Ok(found.map(Bytes::from));
                    }
                }
                Some(State::Changing) => std::thread::sleep(Duration::from_micros(20)),
                Some(State::Whole(entry)) => {
                    let found = self.put_together(tree, key, entry)?;
                    if self.state(key) == Some(State::Whole(entry)) {
                        return found.ok_or(sled::Error::Corruption { at: None, bt: () });
                    }
                }
                // Who comes later is told the first error before he gets here.
                Some(State::Torn) => return Err(sled::Error::ReportableBug(TORN.to_owned())),
            }
        }
    }

    /// The value of `entry`: `None` if a piece is missing, `Some(None)` if the key is.
    fn put_together(
        &self,
        tree: &sled::Tree,
        key: &[u8],
        entry: Entry,
    ) -> sled::Result<Option<Option<Bytes>>> {
        let Some(head) = tree.get(key)? else { return Ok(Some(None)) };
        if !entry.has_head(&head) {
            // Another program has written the key since.
            return Ok(Some(Some(Bytes::from(head))));
        }
        let length = entry.length as usize;
        let mut value = Vec::with_capacity(length);
        value.extend_from_slice(&head);
        let beside = self.beside()?;
        for place in 1..entry.pieces() {
            let Some(piece) = beside.get(piece_key(entry.number, place))? else { return Ok(None) };
            value.extend_from_slice(&piece);
        }
        Ok((value.len() == length).then(|| Some(Bytes::whole(value))))
    }
}

/// One step of sled's.
pub(crate) struct RawStep<'a> {
    pub(crate) tree: &'a sled::Tree,
    pub(crate) key: Cow<'a, [u8]>,
    pub(crate) value: Option<Cow<'a, [u8]>>,
}

impl RawStep<'_> {
    pub(crate) fn make(&self) -> sled::Result<()> {
        match &self.value {
            Some(value) => self.tree.insert(&self.key[..], &value[..]).map(drop),
            None => self.tree.remove(&self.key[..]).map(drop),
        }
    }
}

/// A change of a value that was or will be in pieces. Until it is dropped the key is changing.
pub(crate) struct Change {
    pieces: Arc<Overflow>,
    key: Box<[u8]>,
    after: Option<Entry>,
    /// What the key has when this is dropped.
    outcome: Option<State>,
}

impl Overflow {
    /// Whether setting `key` to `value` touches pieces.
    pub(crate) fn concerns(&self, key: &[u8], value: Option<&[u8]>) -> bool {
        value.is_some_and(|value| value.len() > self.limits.value) || self.state(key).is_some()
    }

    /// Begins to set `key` to `value`: adds to `first` and `last` the steps that come before and after
    /// that of the tree itself, and answers with what the tree itself gets. The caller is the key's
    /// only writer.
    ///
    /// A crash can leave any first few of the steps. Their order is such that an entry never speaks of
    /// pieces that are not there: the log makes the key right again, but until the checkpoint has come
    /// to it the key has to be readable, whatever it reads as.
    pub(crate) fn begin<'a>(
        self: &'a Arc<Self>,
        key: &[u8],
        value: Option<&'a [u8]>,
        first: &mut Vec<RawStep<'a>>,
        last: &mut Vec<RawStep<'a>>,
    ) -> sled::Result<(Change, Option<&'a [u8]>)> {
        let beside = self.beside()?;
        let before = match self.state(key) {
            Some(State::Whole(old)) => Some(old),
            // After a failure there are no more writes, and of each key there is one writer.
            None | Some(State::Changing | State::Torn) => None,
        };
        let large = value.filter(|value| value.len() > self.limits.value);
        let (after, own) = match large {
            None => {
                last.push(removal(beside, entry_key(key)));
                (None, value)
            }
            Some(value) => {
                let entry = self.cut(value);
                let mut parts = value.chunks(self.limits.value);
                let own = parts.next();
                for (place, part) in (1..).zip(parts) {
                    let key = Cow::Owned(piece_key(entry.number, place));
                    first.push(RawStep { tree: beside, key, value: Some(Cow::Borrowed(part)) });
                }
                let (key, value) = (Cow::Owned(entry_key(key)), Cow::Owned(entry.encode()));
                first.push(RawStep { tree: beside, key, value: Some(value) });
                (Some(entry), own)
            }
        };
        if let Some(old) = before {
            for place in 1..old.pieces() {
                last.push(removal(beside, piece_key(old.number, place)));
            }
        }
        self.enter(key, Some(State::Changing));
        let (pieces, key) = (Arc::clone(self), key.into());
        Ok((Change { pieces, key, after, outcome: Some(State::Torn) }, own))
    }

    fn cut(&self, value: &[u8]) -> Entry {
        Entry {
            number: self.next_number.fetch_add(1, Ordering::SeqCst),
            length: value.len() as u64,
            piece: self.limits.value as u32,
            head_sum: crc32fast::hash(&value[..self.limits.value]),
        }
    }
}

impl Change {
    /// All of it is made.
    pub(crate) fn committed(&mut self) {
        self.outcome = self.after.map(State::Whole);
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        self.pieces.enter(&self.key, self.outcome);
    }
}

impl Entry {
    fn pieces(&self) -> u32 {
        self.length.div_ceil(u64::from(self.piece)) as u32
    }

    fn has_head(&self, head: &[u8]) -> bool {
        head.len() == self.piece as usize && crc32fast::hash(head) == self.head_sum
    }

    fn encode(&self) -> Vec<u8> {
        let numbers = [self.number.to_le_bytes(), self.length.to_le_bytes()];
        let halves = [self.piece.to_le_bytes(), self.head_sum.to_le_bytes()];
        [&numbers.concat()[..], &halves.concat()[..]].concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 24] = bytes.try_into().ok()?;
        let long = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
        let short = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
        let entry =
            Self { number: long(0), length: long(8), piece: short(16), head_sum: short(20) };
        (entry.piece > 0).then_some(entry)
    }
}

fn entry_key(key: &[u8]) -> Vec<u8> {
    [&[ENTRY], key].concat()
}

fn piece_key(number: u64, place: u32) -> Vec<u8> {
    [&[PIECE][..], &number.to_be_bytes(), &place.to_be_bytes()].concat()
}

fn removal(tree: &sled::Tree, key: Vec<u8>) -> RawStep<'_> {
    RawStep { tree, key: Cow::Owned(key), value: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        let entry = Entry { number: 7, length: 1 << 33, piece: 65536, head_sum: 99 };
        assert_eq!(Entry::decode(&entry.encode()), Some(entry));
        assert_eq!(Entry::decode(b"too short"), None);
    }
}
