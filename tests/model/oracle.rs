//! What the store should do, in its simplest form: a sorted map with deadlines.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::operations::{CursorPlan, Edge, Move};

pub type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// One keyspace: key to value and deadline. Expired entries stay until something replaces or
/// removes them, and nothing ever reports them.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    entries: BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>,
}

/// The moment at which something expires that gets this life at `now`. A life shorter than a
/// millisecond counts as one; a life beyond all time as the end of time.
pub fn deadline(now: u64, ttl: Duration) -> u64 {
    let life = ttl.as_nanos().div_ceil(1_000_000);
    now.saturating_add(u64::try_from(life).unwrap_or(u64::MAX))
}

/// The merge operator of all keyspaces: appends, and now and then removes.
pub fn merged(old: Option<&[u8]>, operand: &[u8]) -> Option<Vec<u8>> {
    let value = [old.unwrap_or_default(), operand].concat();
    (value.len() % 5 != 4 && value.len() < 1 << 20).then_some(value)
}

impl Oracle {
    pub fn get(&self, key: &[u8], now: u64) -> Option<&Vec<u8>> {
        self.entry(key, now).map(|(value, _)| value)
    }

    /// The value and the rest of its life, when the key is there.
    pub fn get_with_ttl(&self, key: &[u8], now: u64) -> Option<(Vec<u8>, Option<Duration>)> {
        self.entry(key, now).map(|(value, deadline)| {
            (value.clone(), deadline.map(|deadline| Duration::from_millis(deadline - now)))
        })
    }

    fn entry(&self, key: &[u8], now: u64) -> Option<&(Vec<u8>, Option<u64>)> {
        self.entries.get(key).filter(|(_, deadline)| lives(*deadline, now))
    }

    pub fn put(&mut self, key: &[u8], value: &[u8], deadline: Option<u64>) {
        self.entries.insert(key.to_vec(), (value.to_vec(), deadline));
    }

    /// A living key keeps its deadline.
    pub fn merge(&mut self, key: &[u8], operand: &[u8], now: u64) {
        let old = self.entry(key, now).cloned();
        let deadline = old.as_ref().and_then(|(_, deadline)| *deadline);
        match merged(old.as_ref().map(|(value, _)| value.as_slice()), operand) {
            Some(value) => self.put(key, &value, deadline),
            None => self.delete(key),
        }
    }

    pub fn delete(&mut self, key: &[u8]) {
        self.entries.remove(key);
    }

    /// From `lo` up to, not including, `hi`.
    pub fn delete_range(&mut self, lo: &[u8], hi: Option<&[u8]>) {
        self.entries.retain(|key, _| &key[..] < lo || hi.is_some_and(|hi| &key[..] >= hi));
    }

    /// Gives a living key another deadline; `false` when it is not there.
    pub fn set_deadline(&mut self, key: &[u8], deadline: Option<u64>, now: u64) -> bool {
        match self.entries.get_mut(key) {
            Some(entry) if lives(entry.1, now) => {
                entry.1 = deadline;
                true
            }
            _ => false,
        }
    }

    /// Forgets the expired entries and says how many they were.
    pub fn purge(&mut self, now: u64) -> u64 {
        let before = self.entries.len();
        self.entries.retain(|_, (_, deadline)| lives(*deadline, now));
        (before - self.entries.len()) as u64
    }

    pub fn rows(&self, now: u64) -> Rows {
        let living = self.entries.iter().filter(|(_, (_, deadline))| lives(*deadline, now));
        living.map(|(key, (value, _))| (key.clone(), value.clone())).collect()
    }
}

fn lives(deadline: Option<u64>, now: u64) -> bool {
    deadline.is_none_or(|deadline| now < deadline)
}

/// Where a cursor stands among its rows.
#[derive(Clone, Debug)]
enum Place {
    Fresh,
    BeforeFirst,
    At(Vec<u8>),
    AfterLast,
}

/// The cursor over a fixed list of rows.
pub struct CursorModel {
    rows: Rows,
    place: Place,
    reverse: bool,
}

impl CursorModel {
    pub fn new(all: Rows, plan: &CursorPlan) -> Self {
        let inside = |key: &Vec<u8>| {
            let above = match &plan.lower {
                Edge::Unbounded => true,
                Edge::Included(edge) => *key >= edge.0,
                Edge::Excluded(edge) => *key > edge.0,
            };
            let below = match &plan.upper {
                Edge::Unbounded => true,
                Edge::Included(edge) => *key <= edge.0,
                Edge::Excluded(edge) => *key < edge.0,
            };
            above && below && key.starts_with(&plan.prefix.0)
        };
        let shown = |value: Vec<u8>| if plan.keys_only { Vec::new() } else { value };
        let rows = all
            .into_iter()
            .filter(|(key, _)| inside(key))
            .map(|(key, value)| (key, shown(value)))
            .collect();
        Self { rows, place: Place::Fresh, reverse: plan.reverse }
    }

    pub fn step(&mut self, step: &Move) -> Option<(Vec<u8>, Vec<u8>)> {
        match step {
            Move::First => self.up_to(|_| true),
            Move::Last => self.down_to(|_| true),
            Move::Seek(key) => self.up_to(|row| row >= &key.0),
            Move::SeekForPrev(key) => self.down_to(|row| row <= &key.0),
            Move::Next => self.next(),
            Move::Prev => self.prev(),
            Move::IteratorNext if self.reverse => self.prev(),
            Move::IteratorNext => self.next(),
        }
    }

    fn next(&mut self) -> Option<(Vec<u8>, Vec<u8>)> {
        match self.place.clone() {
            Place::Fresh | Place::BeforeFirst => self.up_to(|_| true),
            Place::At(here) => self.up_to(|row| *row > here),
            Place::AfterLast => None,
        }
    }

    fn prev(&mut self) -> Option<(Vec<u8>, Vec<u8>)> {
        match self.place.clone() {
            Place::Fresh | Place::AfterLast => self.down_to(|_| true),
            Place::At(here) => self.down_to(|row| *row < here),
            Place::BeforeFirst => None,
        }
    }

    fn up_to(&mut self, wanted: impl Fn(&Vec<u8>) -> bool) -> Option<(Vec<u8>, Vec<u8>)> {
        let row = self.rows.iter().find(|(key, _)| wanted(key)).cloned();
        self.place = row.as_ref().map_or(Place::AfterLast, |(key, _)| Place::At(key.clone()));
        row
    }

    fn down_to(&mut self, wanted: impl Fn(&Vec<u8>) -> bool) -> Option<(Vec<u8>, Vec<u8>)> {
        let row = self.rows.iter().rfind(|(key, _)| wanted(key)).cloned();
        self.place = row.as_ref().map_or(Place::BeforeFirst, |(key, _)| Place::At(key.clone()));
        row
    }
}
