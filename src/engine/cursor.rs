//! A place in a tree that moves in both directions.

use std::ops::Bound;

use super::shield::shield;
use super::{Bytes, Result, Tree};

/// Moves over the rows of a tree between two bounds. It shows the tree as it is at each move.
///
/// sled's own iterator shrinks a range from both of its ends and so never shows a row twice. This
/// one keeps a place; it takes a new iterator of sled's only when it jumps or turns round.
pub(crate) struct Cursor {
    tree: Tree,
    lower: Bound<Bytes>,
    upper: Bound<Bytes>,
    place: Place,
    /// The iterator that goes on from `place`, while the direction stays the same.
    walk: Option<(Direction, sled::Iter)>,
    walks_started: u64,
    /// What `Pieces::changes` was before the walk began to read.
    changes: u64,
    /// Values are not asked for, and left empty.
    keys_only: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

enum Place {
    /// Nothing was asked yet: up starts at the first row, down at the last.
    Fresh,
    BeforeFirst,
    At(Bytes),
    AfterLast,
}

impl Cursor {
    pub(crate) fn new(tree: Tree, lower: Bound<Bytes>, upper: Bound<Bytes>) -> Self {
        let (place, walk) = (Place::Fresh, None);
        Self { tree, lower, upper, place, walk, walks_started: 0, changes: 0, keys_only: false }
    }

    /// The same without values, which are empty then.
    pub(crate) fn keys_only(self, keys_only: bool) -> Self {
        Self { keys_only, ..self }
    }

    /// The first row.
    pub(crate) fn first(&mut self) -> Result<Option<(Bytes, Bytes)>> {
        self.jump(Place::BeforeFirst);
        self.next()
    }

    /// The last row.
    pub(crate) fn last(&mut self) -> Result<Option<(Bytes, Bytes)>> {
        self.jump(Place::AfterLast);
        self.previous()
    }

    /// The first row whose key is `key` or above it.
    pub(crate) fn seek(&mut self, key: &[u8]) -> Result<Option<(Bytes, Bytes)>> {
        if is_below(key, &self.lower) {
            return self.first();
        }
        let range = (Bound::Included(Bytes::from(key)), self.upper.clone());
        self.start(Direction::Up, range);
        self.step(Direction::Up)
    }

    /// The last row whose key is `key` or below it.
    pub(crate) fn seek_for_previous(&mut self, key: &[u8]) -> Result<Option<(Bytes, Bytes)>> {
        if is_above(key, &self.upper) {
            return self.last();
        }
        let range = (self.lower.clone(), Bound::Included(Bytes::from(key)));
        self.start(Direction::Down, range);
        self.step(Direction::Down)
    }

    /// The row above the one that was shown last.
    pub(crate) fn next(&mut self) -> Result<Option<(Bytes, Bytes)>> {
        if !self.walks(Direction::Up) {
            let lower = match &self.place {
                Place::Fresh | Place::BeforeFirst => self.lower.clone(),
                Place::At(key) => Bound::Excluded(key.clone()),
                Place::AfterLast => return Ok(None),
            };
            self.start(Direction::Up, (lower, self.upper.clone()));
        }
        self.step(Direction::Up)
    }

    /// The row below the one that was shown last.
    pub(crate) fn previous(&mut self) -> Result<Option<(Bytes, Bytes)>> {
        if !self.walks(Direction::Down) {
            let upper = match &self.place {
                Place::Fresh | Place::AfterLast => self.upper.clone(),
                Place::At(key) => Bound::Excluded(key.clone()),
                Place::BeforeFirst => return Ok(None),
            };
            self.start(Direction::Down, (self.lower.clone(), upper));
        }
        self.step(Direction::Down)
    }

    /// The first row from `lower` up, which may not lie outside of the cursor's bounds.
    pub(crate) fn begin_up(&mut self, lower: Bound<Bytes>) -> Result<Option<(Bytes, Bytes)>> {
        self.start(Direction::Up, (lower, self.upper.clone()));
        self.step(Direction::Up)
    }

    /// The first row from `upper` down, likewise.
    pub(crate) fn begin_down(&mut self, upper: Bound<Bytes>) -> Result<Option<(Bytes, Bytes)>> {
        self.start(Direction::Down, (self.lower.clone(), upper));
        self.step(Direction::Down)
    }

    /// Grows whenever a move does not go on from the one before: rows shown until it grows again
    /// were read from the tree after it grew.
    pub(crate) fn walks_started(&self) -> u64 {
        self.walks_started
    }

    fn walks(&self, direction: Direction) -> bool {
        matches!(&self.walk, Some((current, _)) if *current == direction)
    }

    fn jump(&mut self, place: Place) {
        self.place = place;
        self.walk = None;
    }

    fn start(&mut self, direction: Direction, range: (Bound<Bytes>, Bound<Bytes>)) {
        self.walk = None;
        self.walks_started += 1;
        self.changes = self.tree.pieces.as_ref().map_or(0, |pieces| pieces.changes());
        if is_empty_range(&range) {
            return;
        }
        let (lower, upper) = range;
        let bounds = (lower.map(Bytes::into_inner), upper.map(Bytes::into_inner));
        self.walk = Some((direction, self.tree.inner.range::<sled::IVec, _>(bounds)));
    }

    fn step(&mut self, direction: Direction) -> Result<Option<(Bytes, Bytes)>> {
        loop {
            let Some((key, found)) = self.walk_on(direction)? else { return Ok(None) };
            self.place = Place::At(key.clone());
            if let Some(value) = self.whole_value(&key, found)? {
                return Ok(Some((key, value)));
            }
        }
    }

    /// The next row as the tree has it.
    fn walk_on(&mut self, direction: Direction) -> Result<Option<(Bytes, Bytes)>> {
        let row = match &mut self.walk {
            None => Ok(None),
            Some((_, walk)) => read_row(&self.tree, direction, walk),
        };
        match row {
            Ok(Some((key, value))) => Ok(Some((Bytes::from(key), Bytes::from(value)))),
            Ok(None) => {
                self.jump(match direction {
                    Direction::Up => Place::AfterLast,
                    Direction::Down => Place::BeforeFirst,
                });
                Ok(None)
            }
            Err(error) => {
                // The place stays; the iterator may be in any state.
                self.walk = None;
                Err(error)
            }
        }
    }

    /// The whole value of a row in which the tree has `found`; `None` if the row has gone since.
    fn whole_value(&self, key: &[u8], found: Bytes) -> Result<Option<Bytes>> {
        match &self.tree.pieces {
            Some(_) if self.keys_only => Ok(Some(Bytes::default())),
            Some(pieces) if !pieces.is_plain(key, self.changes) => self.tree.get(key),
            _ => Ok(Some(found)),
        }
    }
}

/// The next row of `walk`, unless it may be half of a write. Keys that may be are never passed over
/// for that where they are gone: as long as a write that failed has left one of its rows as it was,
/// whoever meets that row is told.
fn read_row(
    tree: &Tree,
    direction: Direction,
    walk: &mut sled::Iter,
) -> Result<Option<(sled::IVec, sled::IVec)>> {
    tree.room.may_read(&tree.inner, None)?;
    let row = shield("read from", tree.path(), || {
        match direction {
            Direction::Up => walk.next(),
            Direction::Down => walk.next_back(),
        }
        .transpose()
    })?;
    if let Some((key, _)) = &row {
        tree.room.may_read(&tree.inner, Some(key))?;
    }
    Ok(row)
}

fn is_below(key: &[u8], lower: &Bound<Bytes>) -> bool {
    match lower {
        Bound::Unbounded => false,
        Bound::Included(bound) => key < &bound[..],
        Bound::Excluded(bound) => key <= &bound[..],
    }
}

fn is_above(key: &[u8], upper: &Bound<Bytes>) -> bool {
    match upper {
        Bound::Unbounded => false,
        Bound::Included(bound) => key > &bound[..],
        Bound::Excluded(bound) => key >= &bound[..],
    }
}

fn is_empty_range(range: &(Bound<Bytes>, Bound<Bytes>)) -> bool {
    match range {
        (Bound::Included(lower), Bound::Included(upper)) => lower > upper,
        (
            Bound::Included(lower) | Bound::Excluded(lower),
            Bound::Included(upper) | Bound::Excluded(upper),
        ) => lower >= upper,
        _ => false,
    }
}
