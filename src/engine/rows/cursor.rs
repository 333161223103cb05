//! A place in a tree that moves in both directions.

use std::collections::VecDeque;
use std::ops::Bound;

use crate::engine::{is_empty_range, Bytes, Result, Row, Tree};

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
    /// What `Overflow::changes` was before the walk began to read.
    changes: u64,
    /// Values are not asked for, and may be anything.
    keys_only: bool,
    /// What the walk has come to and nobody was shown yet.
    left: Option<Row>,
}

/// Bytes of rows after which no more are read at once.
const AT_ONCE: usize = 64 << 10;

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
    /// Where a range begins: before its first row on the way up, behind its last on the way down.
    Edge(Bound<Bytes>),
    AfterLast,
}

impl Cursor {
    pub(crate) fn new(tree: Tree, lower: Bound<Bytes>, upper: Bound<Bytes>) -> Self {
        let (place, walk, left) = (Place::Fresh, None, None);
        let (changes, keys_only) = (0, false);
        Self { tree, lower, upper, place, walk, changes, keys_only, left }
    }

    /// The same for a caller who does not look at the values, which may be anything then.
    pub(crate) fn keys_only(self, keys_only: bool) -> Self {
        Self { keys_only, ..self }
    }

    /// Goes to where a range begins: before the first row from `edge` up, or, on the way down, behind
    /// the last one from there down. It may not lie outside of the cursor's bounds.
    pub(crate) fn begin(&mut self, edge: Bound<Bytes>) {
        self.jump(Place::Edge(edge));
    }

    /// Whether the cursor's bounds have room for rows beyond `edge` in this direction.
    pub(crate) fn has(&self, edge: &Bound<Bytes>, down: bool) -> bool {
        let (lower, upper) = if down { (&self.lower, edge) } else { (edge, &self.upper) };
        !is_empty_range(&(lower.as_ref(), upper.as_ref()))
    }

    /// Adds the rows that follow to `rows`: at least one and at most `most`, fewer where they are
    /// large. Says whether there may be more.
    pub(crate) fn read_on(
        &mut self,
        down: bool,
        most: usize,
        rows: &mut VecDeque<Row>,
    ) -> Result<bool> {
        let direction = if down { Direction::Down } else { Direction::Up };
        let Some(row) = self.step(direction)? else { return Ok(false) };
        rows.push_back(row);
        self.read_inline(direction, most - 1, rows);
        Ok(true)
    }

    fn jump(&mut self, place: Place) {
        self.place = place;
        self.walk = None;
        self.left = None;
    }

    fn start(&mut self, direction: Direction, range: (Bound<Bytes>, Bound<Bytes>)) {
        self.walk = None;
        self.left = None;
        self.changes = self.tree.pieces.as_ref().map_or(0, |pieces| pieces.changes());
        if is_empty_range(&range) {
            return;
        }
        let (lower, upper) = range;
        let bounds = (lower.map(Bytes::into_inner), upper.map(Bytes::into_inner));
        self.walk = Some((direction, self.tree.inner.range::<sled::IVec, _>(bounds)));
    }

    /// Sees that there is a walk in this direction; says whether there may be rows on it.
    fn set_out(&mut self, direction: Direction) -> bool {
        if matches!(&self.walk, Some((current, _)) if *current == direction) {
            return true;
        }
        let range = match (direction, &self.place) {
            (Direction::Up, Place::AfterLast) | (Direction::Down, Place::BeforeFirst) => {
                return false;
            }
            (Direction::Up, Place::At(key)) => (Bound::Excluded(key.clone()), self.upper.clone()),
            (Direction::Down, Place::At(key)) => (self.lower.clone(), Bound::Excluded(key.clone())),
            (Direction::Up, Place::Edge(edge)) => (edge.clone(), self.upper.clone()),
            (Direction::Down, Place::Edge(edge)) => (self.lower.clone(), edge.clone()),
            (_, Place::Fresh | Place::BeforeFirst | Place::AfterLast) => {
                (self.lower.clone(), self.upper.clone())
            }
        };
        self.start(direction, range);
        true
    }

    fn step(&mut self, direction: Direction) -> Result<Option<Row>> {
        if !self.set_out(direction) {
            return Ok(None);
        }
        loop {
            let Some(Row { key, value }) = self.walk_on(direction)? else { return Ok(None) };
            let value = self.whole_value(&key, value).inspect_err(|_| {
                // The row was not shown: the next step has to come to it again.
                self.walk = None;
            })?;
            self.place = Place::At(key.clone());
            if let Some(value) = value {
                return Ok(Some(Row { key, value }));
            }
        }
    }

    /// Adds up to `most` rows that follow, as long as there is nothing about them: no pieces to put
    /// together (which nobody may ask for), no error, no end. Whatever stops this is left for the next
    /// step.
    fn read_inline(&mut self, direction: Direction, most: usize, rows: &mut VecDeque<Row>) {
        let Self { tree, walk: Some((_, walk)), changes, keys_only, left, .. } = self else {
            return;
        };
        let end = rows.len() + most;
        let mut size = rows.back().map_or(0, Row::size);
        let read = tree.engine_state.read(|| {
            while rows.len() < end && size < AT_ONCE {
                let Some(row) = direction.follow(walk)? else { return Ok(()) };
                if !(*keys_only || tree.is_inline(&row.key, *changes)) {
                    *left = Some(row);
                    return Ok(());
                }
                size += row.size();
                rows.push_back(row);
            }
            Ok(())
        });
        if read.is_err() {
            self.walk = None;
        }
        if let Some(last) = rows.back() {
            self.place = Place::At(last.key.clone());
        }
    }

    /// The next row as the tree has it.
    fn walk_on(&mut self, direction: Direction) -> Result<Option<Row>> {
        let Self { tree, walk, left, .. } = self;
        let row = match (left.take(), walk) {
            (Some(row), _) => Ok(Some(row)),
            (None, None) => Ok(None),
            (None, Some((_, walk))) => tree.engine_state.read(|| direction.follow(walk)),
        };
        match &row {
            Ok(Some(_)) => {}
            Ok(None) => self.jump(match direction {
                Direction::Up => Place::AfterLast,
                Direction::Down => Place::BeforeFirst,
            }),
            // The place stays; the iterator may be in any state.
            Err(_) => self.walk = None,
        }
        row
    }

    /// The whole value of a row in which the tree has `found`; `None` if the row has gone since.
    fn whole_value(&self, key: &[u8], found: Bytes) -> Result<Option<Bytes>> {
        match self.keys_only || self.tree.is_inline(key, self.changes) {
            true => Ok(Some(found)),
            false => self.tree.get(key),
        }
    }
}

impl Direction {
    fn follow(self, walk: &mut sled::Iter) -> sled::Result<Option<Row>> {
        let row = match self {
            Direction::Up => walk.next(),
            Direction::Down => walk.next_back(),
        };
        let (key, value) = match row {
            Some(row) => row?,
            None => return Ok(None),
        };
        Ok(Some(Row { key: Bytes::from(key), value: Bytes::from(value) }))
    }
}
