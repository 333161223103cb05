//! What a transaction has read: keys, and stretches that its iterators have gone over.

use std::collections::HashSet;
use std::ops::Bound;
use std::sync::Arc;

use crate::commit::{Basis, Committed, KeyRange, KeyspaceId};
use crate::engine::{Bytes, Result};
use crate::store::keyspace::Keyspace;
use crate::store::read::bounds::{
    as_slice, highest_lower, highest_upper, lowest_lower, lowest_upper,
};
use crate::store::read::iterator::Move;
use crate::store::read::Shown;
use crate::store::transaction::write_set::WriteSet;
use crate::store::transaction::TransactionState;

/// What a transaction has read in one keyspace.
#[derive(Default)]
pub(crate) struct ReadSet {
    keys: HashSet<Box<[u8]>>,
    spans: Vec<Span>,
}

impl ReadSet {
    pub(crate) fn note_key(&mut self, key: &[u8]) {
        if !self.keys.contains(key) {
            self.keys.insert(key.into());
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.spans.is_empty()
    }

    /// Whether anything of it was changed after `basis`.
    pub(crate) fn has_changed(
        &self,
        committed: &Committed,
        basis: Basis,
        keyspace: KeyspaceId,
    ) -> bool {
        let (mut keys, mut spans) = (self.keys.iter(), self.spans.iter());
        keys.any(|key| committed.has_changed(basis, keyspace, key))
            || spans.any(|span| committed.range_has_changed(basis, keyspace, span.range()))
    }
}

/// An iterator of a transaction: notes what it goes over.
pub(crate) struct Scan {
    transaction: Arc<TransactionState>,
    keyspace: Arc<Keyspace>,
    /// All that the iterator can show.
    limits: Span,
    /// Which of the transaction's spans the iterator is in, once it has moved.
    span: Option<usize>,
}

/// A stretch of keys.
#[derive(Clone)]
struct Span {
    lower: Bound<Bytes>,
    upper: Bound<Bytes>,
}

impl Scan {
    pub(crate) fn new(
        transaction: Arc<TransactionState>,
        keyspace: &Arc<Keyspace>,
        limits: (&Bound<Bytes>, &Bound<Bytes>),
    ) -> Self {
        let limits = Span { lower: limits.0.clone(), upper: limits.1.clone() };
        Self { transaction, keyspace: Arc::clone(keyspace), limits, span: None }
    }

    /// Makes a move to what `row` becomes, with what the transaction has written, and notes the keys
    /// between where it started and where it came to.
    pub(crate) fn note(
        &mut self,
        step: Move<'_>,
        row: &mut Option<Shown>,
        go: impl FnOnce(&WriteSet, &mut Option<Shown>) -> Result<()>,
    ) -> Result<()> {
        let Scan { transaction, keyspace, limits, span } = self;
        transaction.part(keyspace, |part| {
            go(&part.written, row)?;
            let reached = row.as_ref().map(|shown| &shown.row.key);
            let is_move_on = matches!(step, Move::Next | Move::Prev);
            let spans = &mut part.read.spans;
            match span.filter(|_| is_move_on).map(|span| &mut spans[span]) {
                Some(span) => span.extend(limits, step.is_down(), reached),
                None => {
                    *span = Some(spans.len());
                    spans.push(Span::begun(limits, step, reached));
                }
            }
            Ok(())
        })
    }
}

impl Span {
    fn range(&self) -> KeyRange<'_> {
        (as_slice(&self.lower), as_slice(&self.upper))
    }

    /// What a first move or a jump goes over.
    fn begun(limits: &Span, step: Move<'_>, reached: Option<&Bytes>) -> Self {
        let mut span = limits.clone();
        match step {
            Move::Seek(key) => {
                span.lower = highest_lower(span.lower, Bound::Included(Bytes::from(key)));
            }
            Move::SeekForPrev(key) => {
                span.upper = lowest_upper(span.upper, Bound::Included(Bytes::from(key)));
            }
            Move::First | Move::Last | Move::Next | Move::Prev => {}
        }
        match (reached, step.is_down()) {
            (Some(key), false) => span.upper = Bound::Included(key.clone()),
            (Some(key), true) => span.lower = Bound::Included(key.clone()),
            (None, _) => {}
        }
        span
    }

    /// Goes over the keys up to `reached`, or to the end.
    fn extend(&mut self, limits: &Span, down: bool, reached: Option<&Bytes>) {
        let to = |limit: &Bound<Bytes>| {
            reached.map_or_else(|| limit.clone(), |key| Bound::Included(key.clone()))
        };
        match down {
            false => self.upper = highest_upper(self.upper.clone(), to(&limits.upper)),
            true => self.lower = lowest_lower(self.lower.clone(), to(&limits.lower)),
        }
    }
}
