//! The rows of a keyspace in a read view: settled rows, what the view has of newer ones, and what a
//! transaction has written, as one sequence.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::Arc;

use crate::commit::{Key, KeyRange, KeyspaceId, RowImage};
use crate::engine::{Bytes, Result, Row};
use crate::store::keyspace::Keyspace;
use crate::store::read::bounds::{as_slice, highest_lower, lowest_upper};
use crate::store::read::iterator::Move;
use crate::store::read::{Life, ReadView, Shown};
use crate::store::settled::{ExpiringRow, SettledScan};
use crate::store::transaction::write_set::{OwnWrite, WriteSet};
use crate::store::SledStore;

/// Rows that are read at once, at most. The first portion is one row and each further one twice as
/// large, so that a look at a few rows costs little more than these.
const LARGEST_PORTION: usize = 64;

/// Moves over the rows as they were at one moment.
///
/// It reads ahead of its place, in portions: first settled rows, and then what the view has of all
/// keys up to the last of them, in this order for the reason that `commit/mod.rs` gives. What comes
/// out of that is what the view has in this stretch, whatever is written later. A transaction can
/// write while its iterator is open, so its writes are looked at in each move.
pub(crate) struct SnapshotRows {
    /// `None` where the keyspace has no settled rows.
    settled: Option<SettledScan>,
    lower: Bound<Bytes>,
    upper: Bound<Bytes>,
    view: Arc<ReadView>,
    place: Place,
    /// `None` where nothing is known of what lies beyond the place.
    ahead: Option<Ahead>,
    /// When the first of the rows expires that were read so far.
    first_expiry: u64,
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
    /// Rows of the view, the next one in front.
    ready: VecDeque<ExpiringRow>,
    /// Up to which key `ready` is complete; `None` is the place from which the reading began.
    reached: Option<Bytes>,
    /// Nothing comes after `ready`.
    ended: bool,
    /// Settled rows after those, up to `settled_to`; the view has still to be asked.
    settled: VecDeque<ExpiringRow>,
    settled_to: Option<Bytes>,
    settled_ended: bool,
}

impl SnapshotRows {
    pub(crate) fn new(
        settled: Option<SettledScan>,
        lower: Bound<Bytes>,
        upper: Bound<Bytes>,
        view: Arc<ReadView>,
    ) -> Self {
        let (place, ahead, first_expiry) = (Place::Fresh, None, u64::MAX);
        Self { settled, lower, upper, view, place, ahead, first_expiry }
    }

    /// When the first of the rows expires that were read so far.
    pub(crate) fn first_expiry(&self) -> u64 {
        self.first_expiry
    }

    /// Makes one move, to what `row` becomes. `written` is what the transaction has written.
    pub(crate) fn go(
        &mut self,
        store: &SledStore,
        written: Option<&WriteSet>,
        step: Move<'_>,
        row: &mut Option<Shown>,
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
                store.keyspace.check_open(store.inner.path())
            }
            _ => self.walk(store, written.filter(|written| !written.is_empty()), down, row),
        }
    }

    /// After a move up without a transaction's writes: moves on over up to `most` rows that are
    /// ready, and adds them to `rows`; answers with the last of them.
    pub(crate) fn take_ready(&mut self, most: usize, rows: &mut Vec<Row>) -> Option<Shown> {
        let ahead = self.ahead.as_mut()?;
        let count = most.min(ahead.ready.len());
        let last = ahead.ready.get(count.checked_sub(1)?)?.clone();
        rows.extend(ahead.ready.drain(..count).map(|ready| ready.row));
        self.place = Place::At(last.row.key.clone());
        Some(last.into())
    }

    fn jump(&mut self, place: Place) {
        self.place = place;
        self.ahead = None;
    }

    fn walk(
        &mut self,
        store: &SledStore,
        written: Option<&WriteSet>,
        down: bool,
        row: &mut Option<Shown>,
    ) -> Result<()> {
        loop {
            self.look_ahead(store, down)?;
            let own = written.and_then(|written| self.own_before_ready(written, down));
            let ready = self.ahead.as_mut().map(|ahead| &mut ahead.ready);
            let Some((key, own)) = own else {
                *row = ready.and_then(VecDeque::pop_front).map(Shown::from);
                if let Some(shown) = row {
                    if written.is_some_and(|written| written.has_deleted(&shown.row.key)) {
                        self.place = Place::At(shown.row.key.clone());
                        continue;
                    }
                }
                self.place = match row {
                    Some(shown) => Place::At(shown.row.key.clone()),
                    None if down => Place::BeforeFirst,
                    None => Place::AfterLast,
                };
                return Ok(());
            };
            // What the transaction wrote comes in the place of what the view has.
            if let Some(ready) =
                ready.filter(|ready| ready.front().is_some_and(|ready| ready.row.key == key))
            {
                ready.pop_front();
            }
            self.place = Place::At(key.clone());
            if let Some((value, life)) = own {
                *row = Some(Shown { row: Row { key, value }, life });
                return Ok(());
            }
        }
    }

    /// Sees that the next row is ready, if there is one. Fails if what is ready does not hold any
    /// more.
    fn look_ahead(&mut self, store: &SledStore, down: bool) -> Result<()> {
        let known = self.ahead.as_ref().filter(|ahead| ahead.down == down);
        if known.is_some_and(|ahead| ahead.ended || !ahead.ready.is_empty()) {
            store.keyspace.check_open(store.inner.path())?;
            return self.view.view.check();
        }
        let _lease = store.keyspace.lease(store.inner.path())?;
        let mut ahead = match self.ahead.take() {
            Some(ahead) if ahead.down == down => ahead,
            _ => {
                let begin = self.begin(down);
                if let Some(settled) = &mut self.settled {
                    settled.begin(&begin);
                }
                Ahead::new(down)
            }
        };
        while ahead.ready.is_empty() && !ahead.ended {
            ahead.read_on(self.settled.as_mut())?;
            ahead.skip_deleted(self.settled.as_mut(), &self.view, store.keyspace.id());
            self.overlay(&mut ahead, &store.keyspace)?;
        }
        self.ahead = Some(ahead);
        Ok(())
    }

    /// Makes of the settled rows that were read what the view has of them.
    fn overlay(&mut self, ahead: &mut Ahead, keyspace: &Keyspace) -> Result<()> {
        let begin = ahead.begin().unwrap_or_else(|| self.begin(ahead.down));
        let range = self.stretch(&begin, ahead.end(), ahead.down);
        let view = &self.view.view;
        let newer = view.overlay(keyspace.id(), range, ahead.down, LARGEST_PORTION)?;
        let first = ahead.merge(newer, self.view.now);
        self.first_expiry = self.first_expiry.min(first);
        Ok(())
    }

    /// What the transaction has written first between the place and the row that is ready, that
    /// included.
    fn own_before_ready(&self, written: &WriteSet, down: bool) -> Option<OwnWrite> {
        let front = self.ahead.as_ref().and_then(|ahead| ahead.ready.front());
        let begin = self.begin(down);
        written.next(self.stretch(&begin, front.map(|ready| &ready.row.key[..]), down), down)
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
    ) -> KeyRange<'a> {
        let end = |limit: &'a Bound<Bytes>| end.map_or(as_slice(limit), Bound::Included);
        match down {
            false => (as_slice(begin), end(&self.upper)),
            true => (end(&self.lower), as_slice(begin)),
        }
    }
}

impl From<ExpiringRow> for Shown {
    fn from(ExpiringRow { row, expires_at }: ExpiringRow) -> Self {
        Self { row, life: expires_at.map_or(Life::Endless, Life::Until) }
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
            settled: VecDeque::new(),
            settled_to: None,
            settled_ended: false,
        }
    }

    /// Reads a portion of settled rows, unless some are left.
    fn read_on(&mut self, scan: Option<&mut SettledScan>) -> Result<()> {
        if !self.settled.is_empty() || self.settled_ended {
            return Ok(());
        }
        let has_more = match scan {
            Some(scan) => scan.read_on(self.down, self.portion, &mut self.settled)?,
            None => false,
        };
        self.settled_ended = !has_more;
        self.portion = (self.portion * 2).min(LARGEST_PORTION);
        if let Some(last) = self.settled.back() {
            self.settled_to = Some(last.row.key.clone());
        }
        Ok(())
    }

    /// Leaves settled rows out that the view does not show because a range was deleted, and has the next
    /// portion begin behind the range in which the last of them lies.
    fn skip_deleted(
        &mut self,
        scan: Option<&mut SettledScan>,
        view: &ReadView,
        keyspace: KeyspaceId,
    ) {
        let around = |key: &[u8]| view.view.deleted_around(keyspace, key);
        let last = self.settled.back().and_then(|last| around(&last.row.key));
        self.settled.retain(|settled| around(&settled.row.key).is_none());
        let (Some((lower, upper)), Some(scan)) = (last, scan) else { return };
        let edge = match self.down {
            false => upper.map(|upper| Bound::Included(Bytes::from(&upper[..]))),
            true => Some(Bound::Excluded(Bytes::from(&lower[..]))),
        };
        let is_inside = |edge: &Bound<Bytes>| scan.has(edge, self.down);
        match edge.filter(is_inside) {
            Some(edge) => scan.begin(&edge),
            None => self.settled_ended = true,
        }
    }

    /// Where the stretch begins for which the view has still to be asked.
    fn begin(&self) -> Option<Bound<Bytes>> {
        self.reached.clone().map(Bound::Excluded)
    }

    /// The last key of that stretch; `None` is the end of all.
    fn end(&self) -> Option<&[u8]> {
        self.settled_to.as_deref().filter(|_| !self.settled_ended)
    }

    /// Puts the settled rows and what is newer in that stretch together, and leaves out what has
    /// expired; answers with when the first of the others expires. As many newer rows as were asked
    /// for may not be all of them.
    fn merge(&mut self, newer: Vec<(Key, Option<RowImage>)>, now: u64) -> u64 {
        let is_cut = newer.len() == LARGEST_PORTION;
        let mut first_expiry = u64::MAX;
        let ready = &mut self.ready;
        let mut show = |key: Bytes, value: Bytes, expires_at: Option<u64>| {
            if expires_at.is_none_or(|at| at > now) {
                first_expiry = first_expiry.min(expires_at.unwrap_or(u64::MAX));
                ready.push_back(ExpiringRow { row: Row { key, value }, expires_at });
            }
        };
        for (key, image) in newer {
            let key = Bytes::from(&key[..]);
            while let Some(settled) = self.settled.front() {
                let order = settled.row.key.cmp(&key);
                let order = if self.down { order.reverse() } else { order };
                if order == Ordering::Greater {
                    break;
                }
                let ExpiringRow { row, expires_at } =
                    self.settled.pop_front().expect("the front that was looked at");
                if order == Ordering::Less {
                    show(row.key, row.value, expires_at);
                }
            }
            if let Some(RowImage { value, expires_at }) = image {
                show(key.clone(), value, expires_at);
            }
            self.reached = Some(key);
        }
        if !is_cut {
            for ExpiringRow { row, expires_at } in self.settled.drain(..) {
                show(row.key, row.value, expires_at);
            }
            self.reached = self.settled_to.clone();
            self.ended = self.settled_ended;
        }
        first_expiry
    }
}
