//! Moving over the rows of a keyspace.

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use oxistore_core::{prefix_upper_bound, StoreError};

use crate::engine::{Bytes, Result, Row};
use crate::store::inner::{Kind, Open};
use crate::store::read::snapshot_rows::SnapshotRows;
use crate::store::read::{Life, ReadView, Shown};
use crate::store::transaction::read_set::Scan;
use crate::store::transaction::TransactionState;
use crate::store::SledStore;

/// Which rows an iterator shows, and how.
#[derive(Debug, Clone)]
pub struct IterOptions {
    /// Where the rows begin.
    pub lower: Bound<Vec<u8>>,
    /// Where the rows end.
    pub upper: Bound<Vec<u8>>,
    /// Only keys that start with this, within the bounds.
    pub prefix: Vec<u8>,
    /// Leave the values out.
    pub keys_only: bool,
    /// As a Rust `Iterator`, go from the last row down.
    pub reverse: bool,
}

impl Default for IterOptions {
    fn default() -> Self {
        let (lower, upper) = (Bound::Unbounded, Bound::Unbounded);
        Self { lower, upper, prefix: Vec::new(), keys_only: false, reverse: false }
    }
}

impl IterOptions {
    /// Keys from `lo` up to, not including, `hi`.
    pub(crate) fn between(lo: &[u8], hi: &[u8]) -> Self {
        let (lower, upper) = (Bound::Included(lo.to_vec()), Bound::Excluded(hi.to_vec()));
        Self { lower, upper, ..Self::default() }
    }

    /// The keys from `lo` up to, not including, `hi`, without values; `None` is no limit.
    pub(crate) fn of_keys_between(lo: Option<&[u8]>, hi: Option<&[u8]>) -> Self {
        let lower = lo.map_or(Bound::Unbounded, |key| Bound::Included(key.to_vec()));
        let upper = hi.map_or(Bound::Unbounded, |key| Bound::Excluded(key.to_vec()));
        Self { lower, upper, ..Self::of_keys() }
    }

    /// All keys, without values.
    pub(crate) fn of_keys() -> Self {
        Self { keys_only: true, ..Self::default() }
    }
}

/// Moves over the rows of a keyspace, in the order of their keys compared as bytes.
///
/// It streams: however many rows there are, it holds a few of them, 64 or 64 KiB and one at most.
/// It goes in both directions, turns round and jumps. A new iterator stands outside: its first
/// [`Iter::next_row`] shows the first row, its first [`Iter::prev_row`] the last. Past an end it
/// answers `None`, and turning round there shows the row at that end.
///
/// It shows one moment: of a store the one in which it was made, of a snapshot or a transaction the
/// one that these show. A transaction's iterator shows the transaction's own writes too, also those
/// that are made while it is open.
///
/// After an error each further move answers with the same error, until a jump; as a Rust `Iterator`
/// it shows the error once and ends.
pub struct Iter {
    // The rows hold a view and must go before `_open` lets the store close.
    rows: Box<SnapshotRows>,
    /// The transaction that this scans for.
    scan: Option<Scan>,
    store: SledStore,
    /// What the last move came to.
    current: Option<Shown>,
    keys_only: bool,
    reverse: bool,
    failed: Option<StoreError>,
    finished: bool,
    _open: Open,
}

/// One move of an iterator.
#[derive(Clone, Copy)]
pub(crate) enum Move<'a> {
    First,
    Last,
    Seek(&'a [u8]),
    SeekForPrev(&'a [u8]),
    Next,
    Prev,
}

impl Move<'_> {
    /// Whether it looks for rows downwards.
    pub(crate) fn is_down(self) -> bool {
        matches!(self, Move::Last | Move::SeekForPrev(_) | Move::Prev)
    }
}

/// The calls that a store, a snapshot and a transaction have in common: each a choice of options for their
/// `cursor`.
macro_rules! scans {
    () => {
        /// All rows with keys from `lo` up to, not including, `hi`, upwards.
        pub fn range(&self, lo: &[u8], hi: &[u8]) -> crate::Result<crate::Iter> {
            self.cursor(crate::IterOptions::between(lo, hi))
        }

        /// All rows with keys from `lo` up to, not including, `hi`, downwards.
        pub fn range_rev(&self, lo: &[u8], hi: &[u8]) -> crate::Result<crate::Iter> {
            let options = crate::IterOptions::between(lo, hi);
            self.cursor(crate::IterOptions { reverse: true, ..options })
        }

        /// All rows whose keys start with `prefix`, upwards.
        pub fn prefix_scan(&self, prefix: &[u8]) -> crate::Result<crate::Iter> {
            let prefix = prefix.to_vec();
            self.cursor(crate::IterOptions { prefix, ..crate::IterOptions::default() })
        }

        /// All rows, upwards.
        pub fn iter(&self) -> crate::Result<crate::Iter> {
            self.cursor(crate::IterOptions::default())
        }

        /// All keys, upwards.
        pub fn keys(&self) -> crate::Result<crate::Keys> {
            Ok(crate::Keys::new(self.cursor(crate::IterOptions::of_keys())?))
        }
    };
}

pub(crate) use scans;

impl SledStore {
    scans!();

    /// An iterator with all its choices.
    pub fn cursor(&self, options: IterOptions) -> Result<Iter> {
        self.cursor_over(options, None, None)
    }

    /// An iterator over `view`, or over a new one, with what a transaction wrote.
    pub(crate) fn cursor_over(
        &self,
        options: IterOptions,
        view: Option<Arc<ReadView>>,
        transaction: Option<Arc<TransactionState>>,
    ) -> Result<Iter> {
        let lease = self.keyspace.lease(self.inner.path())?;
        let _open = self.inner.count_open(Kind::Iterator);
        let (lower, upper) = limits(&options);
        let scan = transaction.map(|it| Scan::new(it, &self.keyspace, (&lower, &upper)));
        let view = view.unwrap_or_else(|| Arc::new(self.inner.read_view(lease.core())));
        let IterOptions { keys_only, reverse, .. } = options;
        let id = self.keyspace.id();
        let settled = lease.core().settled().scan(id, lower.clone(), upper.clone(), keys_only);
        let rows = Box::new(SnapshotRows::new(settled, lower, upper, view));
        let (store, current, failed, finished) = (self.clone(), None, None, false);
        Ok(Iter { rows, scan, store, current, keys_only, reverse, failed, finished, _open })
    }
}

impl Iter {
    /// Jumps to the first row.
    pub fn first_row(&mut self) -> Result<Option<Row>> {
        self.take_row(Move::First)
    }

    /// Jumps to the last row.
    pub fn last_row(&mut self) -> Result<Option<Row>> {
        self.take_row(Move::Last)
    }

    /// Jumps to the first row whose key is `key` or above it.
    pub fn seek(&mut self, key: &[u8]) -> Result<Option<Row>> {
        self.take_row(Move::Seek(key))
    }

    /// Jumps to the last row whose key is `key` or below it.
    pub fn seek_for_prev(&mut self, key: &[u8]) -> Result<Option<Row>> {
        self.take_row(Move::SeekForPrev(key))
    }

    /// Moves up by one row.
    pub fn next_row(&mut self) -> Result<Option<Row>> {
        self.take_row(Move::Next)
    }

    /// Moves down by one row.
    pub fn prev_row(&mut self) -> Result<Option<Row>> {
        self.take_row(Move::Prev)
    }

    /// Makes a move and hands out the row that it came to.
    pub(crate) fn take_row(&mut self, step: Move<'_>) -> Result<Option<Row>> {
        self.go(step)?;
        Ok(self.current().cloned())
    }

    /// Makes up to `most` moves up and adds the rows to `rows`. A failure after the first of them
    /// is left for the next move, which fails the same way.
    pub(crate) fn take_rows(&mut self, most: usize, rows: &mut Vec<Row>) -> Result<()> {
        let (begin, end) = (rows.len(), rows.len().saturating_add(most));
        while rows.len() < end {
            match self.take_row(Move::Next) {
                Ok(Some(row)) => rows.push(row),
                Err(error) if rows.len() == begin => return Err(error),
                Ok(None) | Err(_) => return Ok(()),
            }
            if self.scan.is_none() && !self.keys_only {
                let last = self.rows.take_ready(end - rows.len(), rows);
                self.current = last.or(self.current.take());
            }
        }
        Ok(())
    }

    /// When the first of the rows expires that were read so far.
    pub(crate) fn first_expiry(&self) -> u64 {
        self.rows.first_expiry()
    }

    /// Makes a move and shows the row that it came to, in a place where it stays until the next move.
    pub(crate) fn show_row(&mut self, step: Move<'_>) -> Result<Option<&Row>> {
        self.go(step)?;
        Ok(self.current())
    }

    /// The row that the last move came to; `None` before the first move, past an end, and after an
    /// error.
    pub fn current(&self) -> Option<&Row> {
        self.current.as_ref().map(|shown| &shown.row)
    }

    /// How long the current row has left from now on; `None` if it does not expire, and zero if it has
    /// expired since the moment that the iterator shows. A life that the iterator's own transaction has
    /// given begins with the commit, and is told as it was given.
    ///
    /// # Errors
    ///
    /// [`StoreError::KeyNotFound`] if there is no current row.
    pub fn ttl(&self) -> Result<Option<Duration>> {
        let shown = self.current.as_ref().ok_or(StoreError::KeyNotFound)?;
        Ok(match shown.life {
            Life::Endless => None,
            Life::Until(at) => {
                Some(Duration::from_millis(at.saturating_sub(self.store.inner.now_ms())))
            }
            Life::FromCommit(ttl) => Some(ttl),
        })
    }

    fn go(&mut self, step: Move<'_>) -> Result<()> {
        self.current = None;
        if !matches!(step, Move::Next | Move::Prev) {
            self.failed = None;
            self.finished = false;
        }
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.search(step);
        if let Err(error) = &result {
            self.failed = Some(error.clone());
        }
        result
    }

    fn search(&mut self, step: Move<'_>) -> Result<()> {
        let Iter { rows, scan, store, current, keys_only, .. } = self;
        match scan {
            None => rows.go(store, None, step, current)?,
            Some(scan) => {
                scan.note(step, current, |written, row| rows.go(store, Some(written), step, row))?
            }
        }
        if let Some(shown) = current.as_mut().filter(|_| *keys_only) {
            shown.row.value = Bytes::default();
        }
        Ok(())
    }
}

impl Iterator for Iter {
    type Item = Result<(Vec<u8>, Vec<u8>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.finished {
            return None;
        }
        let row = if self.reverse { self.prev_row() } else { self.next_row() };
        self.finished = row.is_err();
        row.map(|row| row.map(|row| (row.key.into(), row.value.into()))).transpose()
    }
}

/// The keys of a keyspace, from [`SledStore::keys`].
pub struct Keys(Iter);

impl Keys {
    pub(crate) fn new(rows: Iter) -> Self {
        Keys(rows)
    }
}

impl Iterator for Keys {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|row| row.map(|(key, _)| key))
    }
}

/// The bounds that the options come to: the narrower of the bounds and the prefix on each side.
fn limits(options: &IterOptions) -> (Bound<Bytes>, Bound<Bytes>) {
    let prefix = &options.prefix;
    let lower = match &options.lower {
        Bound::Included(key) | Bound::Excluded(key) if key < prefix => {
            Bound::Included(prefix.clone())
        }
        Bound::Unbounded => Bound::Included(prefix.clone()),
        bound => bound.clone(),
    };
    let upper = match (&options.upper, prefix_upper_bound(prefix)) {
        // No key that starts with a prefix of nothing but 0xFF bytes has a greater one after it.
        (bound, None) => bound.clone(),
        (Bound::Included(key) | Bound::Excluded(key), Some(end)) if *key < end => {
            options.upper.clone()
        }
        (_, Some(end)) => Bound::Excluded(end),
    };
    (lower.map(Bytes::from), upper.map(Bytes::from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SledStoreBuilder;

    const ROWS: usize = 500;

    fn row(number: usize) -> Row {
        Row { key: number.to_be_bytes()[..].into(), value: b"then"[..].into() }
    }

    /// The number of the row that an iterator stands at, -1 before the first one.
    struct Model(isize);

    impl Model {
        fn go(&mut self, by: isize) -> Option<Row> {
            self.0 = (self.0 + by).clamp(-1, ROWS as isize);
            usize::try_from(self.0).ok().filter(|number| *number < ROWS).map(row)
        }
    }

    /// Moves in every way while all rows change below.
    fn agrees(keyspace: &SledStore, seed: usize) {
        for number in 0..ROWS {
            keyspace.put(&number.to_be_bytes(), b"then").unwrap();
        }
        let (mut iterator, mut model) =
            (keyspace.cursor(IterOptions::default()).unwrap(), Model(0));
        assert_eq!(iterator.first_row().unwrap(), model.go(0));
        let mut dice = 88_172_645_463_325_252 + seed;
        for turn in 0..ROWS {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            match dice % 5 {
                0 | 1 => {
                    let (mut rows, most) = (Vec::new(), dice / 5 % 150 + 1);
                    iterator.take_rows(most, &mut rows).unwrap();
                    let expected: Vec<Row> = (0..most).map_while(|_| model.go(1)).collect();
                    assert_eq!(rows, expected, "{most} from {}", model.0);
                }
                2 => assert_eq!(iterator.next_row().unwrap(), model.go(1)),
                3 => assert_eq!(iterator.prev_row().unwrap(), model.go(-1)),
                _ => {
                    model.0 = (dice / 5 % ROWS) as isize;
                    let key = (model.0 as usize).to_be_bytes();
                    assert_eq!(iterator.seek(&key).unwrap(), model.go(0));
                }
            }
            let key = (dice / 7 % ROWS).to_be_bytes();
            match turn % 3 {
                0 => keyspace.delete(&key).unwrap(),
                _ => keyspace.put(&key, b"now").unwrap(),
            }
        }
    }

    #[test]
    fn rows_that_are_taken_at_once_are_those_of_single_moves() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let store = SledStoreBuilder::new().build(directory.path().join("store")).unwrap();
        (0..20).for_each(|seed| agrees(&store, seed));
        store.close().unwrap();
    }
}
