//! sled by itself, for the control.

use std::path::Path;

use super::log::Mark;
use super::oracle::{Cell, Contents};
use super::progress::MOST_THREADS;
use super::target::{Target, Way};
use super::workloads::{Action, Change, Workload};

/// Does the workload in the empty directory `root`, with plain sled: its `flush` is what it
/// acknowledges by.
pub fn run(workload: &Workload, root: &Path, mark: fn(Mark)) -> sled::Result<()> {
    workload.write(&open(workload, root)?, [0; MOST_THREADS], workload.end(), mark)
}

impl Target for sled::Db {
    type Error = sled::Error;

    fn perform(&self, changes: Vec<Change>, _way: Way) -> sled::Result<()> {
        assert_eq!(changes.len(), 1, "the control knows single changes");
        for Change { keyspace, key, action } in changes {
            assert_eq!(keyspace, 0, "the control knows one keyspace");
            match action {
                Action::Put { value, ttl: None } => self.insert(key, value)?,
                Action::Put { ttl: Some(_), .. } => panic!("sled knows no expiry"),
                Action::Delete => self.remove(key)?,
            };
        }
        Ok(())
    }

    fn flush(&self) -> sled::Result<()> {
        sled::Tree::flush(self).map(drop)
    }
}

/// What plain sled finds there.
pub fn contents(workload: &Workload, root: &Path) -> Result<Contents, String> {
    let db = open(workload, root).map_err(|error| format!("open: {error}"))?;
    let mut found = Contents::new();
    for row in db.iter() {
        let (key, value) = row.map_err(|error| format!("a row: {error}"))?;
        found.insert((0, key.to_vec()), Cell::new(&value, None));
    }
    Ok(found)
}

fn open(workload: &Workload, root: &Path) -> sled::Result<sled::Db> {
    let mut config = sled::Config::new().path(workload.store_in(root)).flush_every_ms(None);
    if let Some(size) = workload.segment_size {
        config = config.segment_size(size);
    }
    config.open()
}
