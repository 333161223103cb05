//! A fixed row of changes of two keyspaces, and what the store holds after each of them.

use std::collections::BTreeMap;
use std::time::Duration;

use sledstore::{SledBatch, SledStore};

use crate::common::Result;

/// Long enough that nothing expires.
const LIFE: Duration = Duration::from_secs(1_000_000);

/// One change of one key.
pub struct Change {
    in_mirror: bool,
    key: Vec<u8>,
    /// `None` removes it.
    value: Option<Vec<u8>>,
    mortal: bool,
}

/// A value that tells which step wrote it.
fn value(step: u64, length: usize) -> Vec<u8> {
    step.to_be_bytes().into_iter().cycle().take(length).collect()
}

fn put(in_mirror: bool, name: u64, step: u64, length: usize, mortal: bool) -> Change {
    let value = Some(value(step, length));
    Change { in_mirror, key: name.to_be_bytes().to_vec(), value, mortal }
}

fn remove(in_mirror: bool, name: u64) -> Change {
    Change { in_mirror, key: name.to_be_bytes().to_vec(), value: None, mortal: false }
}

/// What step `step` changes, all at one moment.
pub fn changes(step: u64) -> Vec<Change> {
    let last = u64::MAX;
    match step % 6 {
        0 => vec![put(false, step, step, 100, false)],
        1 => vec![put(false, step, step, 30, true)],
        2 => vec![
            put(false, step, step, 300, false),
            put(true, step, step, 300, true),
            put(false, last, step, 8, false),
            remove(false, step - 2),
        ],
        3 => vec![remove(false, step.saturating_sub(8))],
        // Every other one is so large that it is cut into pieces.
        4 if step % 12 == 4 => vec![put(true, step, step, 200_000, false)],
        4 => vec![put(true, step, step, 5000, false)],
        _ => vec![put(false, last, step, 50, true)],
    }
}

/// Makes step `step`.
pub fn make(store: &SledStore, mirror: &SledStore, step: u64) -> Result<()> {
    let changes = changes(step);
    if let [change] = &changes[..] {
        let store = if change.in_mirror { mirror } else { store };
        return match &change.value {
            Some(value) if change.mortal => store.put_with_ttl(&change.key, value, LIFE),
            Some(value) => store.put(&change.key, value),
            None => store.delete(&change.key).map(drop),
        };
    }
    let mut batch = SledBatch::new();
    for change in &changes {
        let store = if change.in_mirror { mirror } else { store };
        match &change.value {
            Some(value) if change.mortal => {
                batch.put_with_ttl_in(store, &change.key, value, LIFE)?;
            }
            Some(value) => batch.put_in(store, &change.key, value)?,
            None => batch.delete_in(store, &change.key)?,
        }
    }
    store.apply(&batch)
}

/// What is in both keyspaces: the value of each key, and whether it has an expiry.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Content(BTreeMap<(bool, Vec<u8>), (Vec<u8>, bool)>);

impl Content {
    /// After the steps before `steps`.
    pub fn after(steps: u64) -> Self {
        let mut content = Self::default();
        (0..steps).for_each(|step| content.go_on(step));
        content
    }

    fn go_on(&mut self, step: u64) {
        for change in changes(step) {
            let place = (change.in_mirror, change.key);
            match change.value {
                Some(value) => self.0.insert(place, (value, change.mortal)),
                None => self.0.remove(&place),
            };
        }
    }

    /// What the store answers with.
    pub fn of(store: &SledStore, mirror: &SledStore) -> Result<Self> {
        let mut content = Self::default();
        for (in_mirror, keyspace) in [(false, store), (true, mirror)] {
            for row in keyspace.iter()? {
                let (key, value) = row?;
                // The point operations tell the same as the iterator.
                assert_eq!(keyspace.get(&key)?.as_ref(), Some(&value));
                let mortal = keyspace.ttl(&key)?.is_some();
                content.0.insert((in_mirror, key), (value, mortal));
            }
        }
        Ok(content)
    }

    /// After how many steps, of those from `least` to `most`, the store holds just this.
    pub fn steps(&self, least: u64, most: u64) -> Option<u64> {
        let mut content = Self::after(least);
        for steps in least..=most {
            if content == *self {
                return Some(steps);
            }
            content.go_on(steps);
        }
        None
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }
}
