//! The rows of a keyspace at one moment: the live rows, what was kept of them, and what a transaction
//! has written, as one sequence.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::Arc;

use super::bounds::{as_slice, highest_lower, lowest_upper};
use super::iterator::Move;
use super::kept::{Key, Range};
use super::keyspace::Keyspace;
use super::shared::Held;
use super::transaction::Written;
use super::write::Past;
use super::SledStore;
use crate::engine::{Bytes, Cursor, Result, Row};

/// Rows that are read at once, at most. The first portion is one row and each further one twice as
/// large, so that a look at a few rows costs little more than these.
const LARGEST_PORTION: usize = 64;

/// Moves over the rows as they were at one moment.
///
/// It reads ahead of its place, in portions: first live rows, and then what was kept of all keys up
/// to the last of them, in this order for the reason that `versions.rs` gives. What comes out of
/// that is what the moment has in this stretch, whatever is written later. A transaction can write
/// while its iterator is open, so its writes are looked at in each move.
pub(super) struct MomentRows {
    cursor: Cursor,
    lower: Bound<Bytes>,
    upper: Bound<Bytes>,
    held: Arc<Held>,
    place: Place,
    /// `None` where nothing is known of what lies beyond the place.
    ahead: Option<Ahead>,
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

/// What was read beyond the place in one direction.
struct Ahead {
    down: bool,
    portion: usize,
    /// Rows of the moment, the next one in front.
    ready: VecDeque<Row>,
    /// Up to which key `ready` is complete; `None` is the place from which the reading began.
    reached: Option<Bytes>,
    /// Nothing comes after `ready`.
    ended: bool,
    /// Live rows after those, up to `live_to`; versions have still to be asked for.
    live: VecDeque<Row>,
    live_to: Option<Bytes>,
    live_ended: bool,
}

impl MomentRows {
    pub(super) fn new(
        cursor: Cursor,
        lower: Bound<Bytes>,
        upper: Bound<Bytes>,
        held: Arc<Held>,
    ) -> Self {
        Self { cursor, lower, upper, held, place: Place::Fresh, ahead: None }
    }

    /// Makes one move, to what `row` becomes. `written` is what the transaction has written.
    pub(super) fn go(
        &mut self,
        store: &SledStore,
        written: Option<&Written>,
        step: Move<'_>,
        row: &mut Option<Row>,
    ) -> Result<()> {
        match step {
            Move::First => self.jump(Place::BeforeFirst),
            Move::Last => self.jump(Place::AfterLast),
            Move::Seek(key) => self.jump(Place::Below(Bytes::from(key))),
            Move::SeekForPrev(key) => self.jump(Place::Above(Bytes::from(key))),
            Move::Next | Move::Prev => {}
        }
        let down = step.is_down();
        match (&self.place, down) {
            (Place::AfterLast, false) | (Place::BeforeFirst, true) => {
                store.keyspace.must_be_there(store.shared.path())
            }
            _ => self.walk(store, written.filter(|written| !written.is_empty()), down, row),
        }
    }

    /// After a move up without a transaction's writes: moves on over up to `most` rows that are
    /// ready, and adds them to `rows`.
    pub(super) fn take_ready(&mut self, most: usize, rows: &mut Vec<Row>) {
        let Some(ahead) = &mut self.ahead else { return };
        let count = most.min(ahead.ready.len());
        rows.extend(ahead.ready.drain(..count));
        if let Some(last) = rows.last().filter(|_| count > 0) {
            self.place = Place::At(last.key.clone());
        }
    }

    fn jump(&mut self, place: Place) {
        self.place = place;
        self.ahead = None;
    }

    fn walk(
        &mut self,
        store: &SledStore,
        written: Option<&Written>,
        down: bool,
        row: &mut Option<Row>,
    ) -> Result<()> {
        loop {
            self.look_ahead(store, down)?;
            let own = written.and_then(|written| self.own_before_ready(written, down));
            let ready = self.ahead.as_mut().map(|ahead| &mut ahead.ready);
            let Some((key, value)) = own else {
                *row = ready.and_then(VecDeque::pop_front);
                self.place = match row {
                    Some(row) => Place::At(row.key.clone()),
                    None if down => Place::BeforeFirst,
                    None => Place::AfterLast,
                };
                return Ok(());
            };
            // What the transaction wrote comes in the place of what the moment has.
            if let Some(ready) =
                ready.filter(|ready| ready.front().is_some_and(|row| row.key == key))
            {
                ready.pop_front();
            }
            self.place = Place::At(key.clone());
            if let Some(value) = value {
                *row = Some(Row { key, value });
                return Ok(());
            }
        }
    }

    /// Sees that the next row is ready, if there is one. Fails if what is ready does not hold any
    /// more.
    fn look_ahead(&mut self, store: &SledStore, down: bool) -> Result<()> {
        let known = self.ahead.as_ref().filter(|ahead| ahead.down == down);
        if known.is_some_and(|ahead| ahead.ended || !ahead.ready.is_empty()) {
            store.keyspace.must_be_there(store.shared.path())?;
            return self.held.check();
        }
        let _in_use = store.keyspace.in_use(store.shared.path())?;
        let mut ahead = match self.ahead.take() {
            Some(ahead) if ahead.down == down => ahead,
            _ => {
                self.cursor.begin(self.begin(down));
                Ahead::new(down)
            }
        };
        while ahead.ready.is_empty() && !ahead.ended {
            ahead.read_on(&mut self.cursor, &store.keyspace, self.held.now)?;
            self.settle(&mut ahead, &store.keyspace)?;
        }
        self.ahead = Some(ahead);
        Ok(())
    }

    /// Makes of the live rows that were read what the moment has of them.
    fn settle(&self, ahead: &mut Ahead, keyspace: &Keyspace) -> Result<()> {
        let versions = self.held.versions();
        let mut kept = Vec::new();
        if !versions.is_empty() {
            let begin = ahead.begin().unwrap_or_else(|| self.begin(ahead.down));
            let range = self.stretch(&begin, ahead.end(), ahead.down);
            let (moment, id) = (&self.held.moment, keyspace.id());
            kept = versions.seen_in(moment, id, range, ahead.down, LARGEST_PORTION);
        }
        self.held.check()?;
        ahead.settle(kept, self.held.now);
        Ok(())
    }

    /// What the transaction has written first between the place and the row that is ready, that
    /// included.
    fn own_before_ready(&self, written: &Written, down: bool) -> Option<(Bytes, Option<Bytes>)> {
        let front = self.ahead.as_ref().and_then(|ahead| ahead.ready.front());
        let begin = self.begin(down);
        written.next(self.stretch(&begin, front.map(|row| &row.key[..]), down), down)
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

    /// From `begin` to `end`, that included, or to the last row of all.
    fn stretch<'a>(
        &'a self,
        begin: &'a Bound<Bytes>,
        end: Option<&'a [u8]>,
        down: bool,
    ) -> Range<'a> {
        let end = |limit: &'a Bound<Bytes>| end.map_or(as_slice(limit), Bound::Included);
        match down {
            false => (as_slice(begin), end(&self.upper)),
            true => (end(&self.lower), as_slice(begin)),
        }
    }
}

impl Ahead {
    fn new(down: bool) -> Self {
        Self {
            down,
            portion: 1,
            ready: VecDeque::new(),
            reached: None,
            ended: false,
            live: VecDeque::new(),
            live_to: None,
            live_ended: false,
        }
    }

    /// Reads a portion of live rows, unless some are left.
    fn read_on(&mut self, cursor: &mut Cursor, keyspace: &Keyspace, now: u64) -> Result<()> {
        if !self.live.is_empty() || self.live_ended {
            return Ok(());
        }
        self.live_ended = !cursor.read_on(self.down, self.portion, &mut self.live)?;
        self.portion = (self.portion * 2).min(LARGEST_PORTION);
        if let Some(last) = self.live.back() {
            self.live_to = Some(last.key.clone());
        }
        // An expiry is part of the live row and so is read before the versions. One that had passed
        // at the moment was there at the moment: whatever is written later expires later.
        let expiries = keyspace.expiries();
        if !expiries.is_empty() {
            self.live.retain(|row| expiries.get(&row.key).is_none_or(|at| at > now));
        }
        Ok(())
    }

    /// Where the stretch begins for which versions have still to be asked.
    fn begin(&self) -> Option<Bound<Bytes>> {
        self.reached.clone().map(Bound::Excluded)
    }

    /// The last key of that stretch; `None` is the end of all.
    fn end(&self) -> Option<&[u8]> {
        self.live_to.as_deref().filter(|_| !self.live_ended)
    }

    /// Puts the live rows and what was kept of that stretch together. As many kept rows as were asked
    /// for may not be all of them.
    fn settle(&mut self, kept: Vec<(Key, Past)>, now: u64) {
        let is_cut = kept.len() == LARGEST_PORTION;
        for (key, past) in kept {
            let key = Bytes::from(&key[..]);
            while let Some(row) = self.live.front() {
                match row.key.cmp(&key) {
                    Ordering::Equal => drop(self.live.pop_front()),
                    Ordering::Less if !self.down => self.ready.extend(self.live.pop_front()),
                    Ordering::Greater if self.down => self.ready.extend(self.live.pop_front()),
                    Ordering::Less | Ordering::Greater => break,
                }
            }
            if let Some(value) = past.at(now) {
                self.ready.push_back(Row { key: key.clone(), value });
            }
            self.reached = Some(key);
        }
        if !is_cut {
            self.ready.append(&mut self.live);
            self.reached = self.live_to.clone();
            self.ended = self.live_ended;
        }
    }
}
