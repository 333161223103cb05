//! Judges what a store holds after a power cut.
//!
//! Each thread does its operations one after the other, with keys of its own, so what is there of
//! them must be what the first so many operations leave behind: at least those that were durable by
//! promise, at most those that had begun. That one rule says everything: nothing acknowledged is lost, no batch is there in
//! part, in whichever keyspaces, no value has another write's expiry, and nothing is there that was
//! never written.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};
use std::time::Duration;

use sledstore::SledStore;

use super::progress::{Progress, Reached};
use super::workloads::{Action, Counts, Workload, KEYSPACES};

/// A keyspace and a key.
type Place = (usize, Vec<u8>);

/// A value, shortened, and its time to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    length: usize,
    digest: u64,
    ttl: Option<Duration>,
}

impl Cell {
    pub fn new(value: &[u8], ttl: Option<Duration>) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(value);
        Self { length: value.len(), digest: hasher.finish(), ttl }
    }
}

pub type Contents = BTreeMap<Place, Cell>;

/// Everything that is in the store, by each of the ways that lead to it.
pub fn contents(store: &SledStore) -> Result<Contents, String> {
    let mut found = Contents::new();
    for (number, name) in KEYSPACES.iter().enumerate() {
        let keyspace = store.keyspace(name).map_err(|error| format!("keyspace {name}: {error}"))?;
        for row in keyspace.iter().map_err(|error| format!("iter: {error}"))? {
            let (key, value) = row.map_err(|error| format!("a row: {error}"))?;
            let single = keyspace.get_with_ttl(&key).map_err(|error| format!("get: {error}"))?;
            let (single, ttl) = single.ok_or("a key is in the iterator and not in get")?;
            if single[..] != value[..] {
                return Err("the iterator and get have different values of a key".into());
            }
            found.insert((number, key.to_vec()), Cell::new(&value, ttl));
        }
    }
    Ok(found)
}

/// What the operations of a workload leave behind, by their threads.
pub struct Expectation {
    threads: Vec<Vec<Step>>,
}

/// What one operation makes of some places.
type Step = Vec<(Place, Option<Cell>)>;

impl Expectation {
    pub fn of(workload: &Workload) -> Self {
        let step = |thread, index| {
            let changes = workload.operation(thread, index).into_iter().map(|change| {
                let cell = match change.action {
                    Action::Put { value, ttl } => Some(Cell::new(&value, ttl)),
                    Action::Delete => None,
                };
                ((change.keyspace, change.key), cell)
            });
            changes.collect()
        };
        let steps = |thread| (0..workload.length).map(|index| step(thread, index)).collect();
        Self { threads: (0..workload.threads).map(steps).collect() }
    }

    /// How many operations of each thread, those that are durable at least and those that have begun
    /// at most, leave `found` behind.
    pub fn judge(&self, found: &Contents, progress: &Progress) -> Result<Counts, String> {
        let mut counts = Counts::default();
        let mut left = found.clone();
        for (thread, steps) in self.threads.iter().enumerate() {
            let name = b'0' + thread as u8;
            let mut own = left.clone();
            own.retain(|(_, key), _| key.last() == Some(&name));
            left.retain(|(_, key), _| key.last() != Some(&name));
            let judged = judge(steps, &own, progress.0[thread]);
            counts[thread] = judged.map_err(|error| format!("thread {thread}: {error}"))?;
        }
        match left.first_key_value() {
            None => Ok(counts),
            Some(((_, key), _)) => Err(format!("nobody wrote {}", String::from_utf8_lossy(key))),
        }
    }
}

fn judge(steps: &[Step], found: &Contents, reached: Reached) -> Result<u64, String> {
    let Reached { durable, begun, .. } = reached;
    let mut expected = Contents::new();
    let mut differing = found.len();
    let mut earlier = None;
    let mut nearest = (usize::MAX, 0, String::new());
    for done in 0..=begun {
        if done > 0 {
            for (place, cell) in &steps[done as usize - 1] {
                differing -= usize::from(expected.get(place) != found.get(place));
                match cell {
                    Some(cell) => expected.insert(place.clone(), *cell),
                    None => expected.remove(place),
                };
                differing += usize::from(expected.get(place) != found.get(place));
            }
        }
        match differing {
            0 if done >= durable => return Ok(done),
            0 => earlier = Some(done),
            _ if done >= durable && differing < nearest.0 => {
                nearest = (differing, done, first_difference(&expected, found));
            }
            _ => {}
        }
    }
    if let Some(done) = earlier {
        let text = format!("{durable} operations were durable, only the first {done} are there");
        return Err(format!("acknowledged data is lost: {text}"));
    }
    let (differing, done, first) = nearest;
    let text = format!("the nearest is after {done}, where {differing} keys differ: {first}");
    Err(format!("no number of operations from {durable} to {begun} leaves this: {text}"))
}

fn first_difference(expected: &Contents, found: &Contents) -> String {
    let mut places = expected.keys().chain(found.keys());
    let place = places.find(|place| expected.get(*place) != found.get(*place));
    let Some(place) = place else { return String::new() };
    let key = String::from_utf8_lossy(&place.1);
    let keyspace = KEYSPACES[place.0];
    format!("{key} of {keyspace} should be {:?} and is {:?}", expected.get(place), found.get(place))
}
