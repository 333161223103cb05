//! The rows of a keyspace at one moment: the live rows, what was kept of them, and what a transaction
//! has written, as one sequence.

use std::cmp::Ordering;
use std::ops::Bound;
use std::sync::Arc;

use super::bounds::{as_slice, highest_lower, lowest_upper};
use super::iterator::Move;
use super::keyspace::Keyspace;
use super::shared::Held;
use super::transaction::Written;
use super::versions::Range;
use crate::engine::{Bytes, Cursor, Result};

/// Moves over the rows as they were at one moment.
///
/// It keeps a place of its own. The cursor runs ahead of it by one live row, and whatever else lies
/// between the place and that row is shown first. The live row is fetched before versions are asked
/// for, for the reason that `versions.rs` gives; the same holds when they are asked again later.
pub(super) struct MomentRows {
    cursor: Cursor,
    lower: Bound<Bytes>,
    upper: Bound<Bytes>,
    held: Arc<Held>,
    place: Place,
    ahead: Ahead,
}

enum Place {
    /// Nothing was asked yet: up starts at the first row, down at the last.
    Fresh,
    BeforeFirst,
    Below(Bytes),
    At(Bytes),
    Above(Bytes),
    AfterLast,
}

/// Where the cursor is.
enum Ahead {
    /// Anywhere.
    Unknown,
    /// At the place; `down` is the direction in which it came there.
    Here { down: bool },
    /// At the next live row of that direction, or past the last.
    Row { down: bool, row: Option<(Bytes, Bytes)> },
}

/// What the next key is in a stretch of the rows, by where it comes from.
enum Next {
    Own(Bytes, Option<Bytes>),
    Kept(Bytes, Option<Bytes>),
    Live,
    Nothing,
}

impl MomentRows {
    pub(super) fn new(
        cursor: Cursor,
        lower: Bound<Bytes>,
        upper: Bound<Bytes>,
        held: Arc<Held>,
    ) -> Self {
        Self { cursor, lower, upper, held, place: Place::Fresh, ahead: Ahead::Unknown }
    }

    /// Makes one move. `written` is what the transaction has written.
    pub(super) fn go(
        &mut self,
        keyspace: &Keyspace,
        written: Option<&Written>,
        step: Move<'_>,
    ) -> Result<Option<(Bytes, Bytes)>> {
        match step {
            Move::First => self.jump(Place::BeforeFirst),
            Move::Last => self.jump(Place::AfterLast),
            Move::Seek(key) => self.jump(Place::Below(Bytes::from(key))),
            Move::SeekForPrev(key) => self.jump(Place::Above(Bytes::from(key))),
            Move::Next | Move::Prev => {}
        }
        let down = step.is_down();
        match (&self.place, down) {
            (Place::AfterLast, false) | (Place::BeforeFirst, true) => Ok(None),
            _ => self.walk(keyspace, written, down),
        }
    }

    fn jump(&mut self, place: Place) {
        self.place = place;
        self.ahead = Ahead::Unknown;
    }

    fn walk(
        &mut self,
        keyspace: &Keyspace,
        written: Option<&Written>,
        down: bool,
    ) -> Result<Option<(Bytes, Bytes)>> {
        loop {
            self.fetch(down)?;
            // Part of the live row, so it is read before the versions.
            let expires_at = self.live_key().and_then(|key| keyspace.expiries().get(key));
            let (key, value) = match self.next(keyspace, written, down) {
                Next::Own(key, value) | Next::Kept(key, value) => {
                    if self.live_key() == Some(&key[..]) {
                        self.ahead = Ahead::Here { down };
                    }
                    (key, value)
                }
                Next::Live => {
                    let Ahead::Row { row: Some((key, value)), .. } =
                        std::mem::replace(&mut self.ahead, Ahead::Here { down })
                    else {
                        unreachable!("`next` has seen the row");
                    };
                    let has_expired = expires_at.is_some_and(|at| at <= self.held.now);
                    (key, (!has_expired).then_some(value))
                }
                Next::Nothing => {
                    self.held.check()?;
                    self.place = if down { Place::BeforeFirst } else { Place::AfterLast };
                    return Ok(None);
                }
            };
            self.held.check()?;
            self.place = Place::At(key.clone());
            if let Some(value) = value {
                return Ok(Some((key, value)));
            }
        }
    }

    /// Brings the cursor to the next live row.
    fn fetch(&mut self, down: bool) -> Result<()> {
        let row = match &self.ahead {
            Ahead::Row { down: before, .. } if *before == down => return Ok(()),
            Ahead::Here { down: before } if *before == down => match down {
                false => self.cursor.next(),
                true => self.cursor.previous(),
            },
            _ => match self.begin(down) {
                from if down => self.cursor.begin_down(from),
                from => self.cursor.begin_up(from),
            },
        };
        self.ahead = Ahead::Unknown;
        self.ahead = Ahead::Row { down, row: row? };
        Ok(())
    }

    fn live_key(&self) -> Option<&[u8]> {
        match &self.ahead {
            Ahead::Row { row: Some((key, _)), .. } => Some(key),
            _ => None,
        }
    }

    /// What comes next between the place and the live row, that included.
    fn next(&self, keyspace: &Keyspace, written: Option<&Written>, down: bool) -> Next {
        let versions = self.held.versions();
        let live = self.live_key();
        let written = written.filter(|written| !written.is_empty());
        if versions.is_empty() && written.is_none() {
            return live.map_or(Next::Nothing, |_| Next::Live);
        }
        let begin = self.begin(down);
        let range = self.stretch(&begin, live, down);
        let kept = versions.next_seen(&self.held.moment, keyspace.id(), range, down);
        let own = written.and_then(|written| written.next(range, down));
        // Of the same key, what the transaction wrote comes before what was kept, and that before
        // what is there now.
        let nearer = |left: &[u8], right: Option<&[u8]>| {
            let order = right.map_or(Ordering::Less, |right| left.cmp(right));
            order == Ordering::Equal || (order == Ordering::Greater) == (down && right.is_some())
        };
        let kept_key = kept.as_ref().map(|(key, _)| &key[..]);
        if let Some((key, value)) = own {
            if nearer(&key, kept_key) && nearer(&key, live) {
                return Next::Own(key, value);
            }
        }
        match kept {
            // It lies before the live row or at it, because the stretch ends there.
            Some((key, past)) => Next::Kept(Bytes::from(&key[..]), past.at(self.held.now)),
            None => live.map_or(Next::Nothing, |_| Next::Live),
        }
    }

    /// Where the rows begin that lie beyond the place.
    fn begin(&self, down: bool) -> Bound<Bytes> {
        match (&self.place, down) {
            (Place::Below(key), false) => {
                highest_lower(self.lower.clone(), Bound::Included(key.clone()))
            }
            (Place::At(key) | Place::Above(key), false) => {
                highest_lower(self.lower.clone(), Bound::Excluded(key.clone()))
            }
            (Place::Above(key), true) => {
                lowest_upper(self.upper.clone(), Bound::Included(key.clone()))
            }
            (Place::At(key) | Place::Below(key), true) => {
                lowest_upper(self.upper.clone(), Bound::Excluded(key.clone()))
            }
            (_, false) => self.lower.clone(),
            (_, true) => self.upper.clone(),
        }
    }

    /// From `begin` to the live row, that included, or to the end.
    fn stretch<'a>(
        &'a self,
        begin: &'a Bound<Bytes>,
        live: Option<&'a [u8]>,
        down: bool,
    ) -> Range<'a> {
        let end = |limit: &'a Bound<Bytes>| live.map_or(as_slice(limit), Bound::Included);
        match down {
            false => (as_slice(begin), end(&self.upper)),
            true => (end(&self.lower), as_slice(begin)),
        }
    }
}
