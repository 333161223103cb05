//! The write path in small: the files of `src/commit` that hold versions and views, with what surrounds
//! them there written out step by step.

use std::ops::Bound;
use std::sync::Arc;

use super::memtable::{Counts, Found, Memtable};
use super::record::{Change, RowImage};
use super::sync::{AtomicU64, Mutex, Ordering};
use super::tables::{merge, Tables};
use super::views::{Ticket, Views};
use super::Key;

const KEYSPACE: u32 = 1;

/// Two keys. 0 stands for a key that is not there.
pub struct Store {
    settled: [AtomicU64; 2],
    tables: Mutex<Arc<Tables>>,
    published: AtomicU64,
    /// The number of the memtable that the checkpoint settles, or settled last.
    running: AtomicU64,
    pub views: Views,
    /// The commit lock, and the newest commit.
    writer: Mutex<u64>,
}

pub struct View {
    ticket: Ticket,
    tables: Arc<Tables>,
}

fn number(row: Option<RowImage>) -> u64 {
    row.map_or(0, |row| u64::from(row.value[0]))
}

fn image(value: u64) -> Option<RowImage> {
    (value != 0).then(|| RowImage { value: vec![value as u8], expires_at: None })
}

impl Store {
    /// Both keys are 1, settled.
    pub fn new() -> loom::sync::Arc<Self> {
        let active = Arc::new(Memtable::new(1, 1));
        loom::sync::Arc::new(Store {
            settled: [AtomicU64::new(1), AtomicU64::new(1)],
            tables: Mutex::new(Arc::new(Tables { retired: vec![], frozen: vec![], active })),
            published: AtomicU64::new(0),
            running: AtomicU64::new(0),
            views: Views::default(),
            writer: Mutex::new(0),
        })
    }

    fn tables(&self) -> Arc<Tables> {
        Arc::clone(&self.tables.lock().unwrap())
    }

    fn published(&self) -> u64 {
        self.published.load(Ordering::Acquire)
    }

    /// One commit, of all the keys with their new values; `validate` is asked under the commit lock.
    pub fn commit_if(&self, rows: &[(usize, u64)], validate: impl FnOnce(&Tables) -> bool) -> bool {
        let mut writer = self.writer.lock().unwrap();
        let tables = self.tables();
        if !validate(&tables) {
            return false;
        }
        let sequence = *writer + 1;
        let keys = [[0], [1]];
        let values: Vec<[u8; 1]> = rows.iter().map(|(_, value)| [*value as u8]).collect();
        let changes = rows.iter().zip(&values).map(|((key, number), value)| match number {
            0 => Change::Delete { keyspace: KEYSPACE, key: &keys[*key] },
            _ => Change::Put { keyspace: KEYSPACE, key: &keys[*key], value, expires_at: None },
        });
        tables.active.insert(sequence, changes, self.published(), &self.views);
        *writer = sequence;
        self.published.store(sequence, Ordering::Release);
        true
    }

    pub fn commit(&self, rows: &[(usize, u64)]) {
        self.commit_if(rows, |_| true);
    }

    /// Freezes the active memtable.
    pub fn rotate(&self) {
        let _writer = self.writer.lock().unwrap();
        let _registered = self.views.lock();
        let mut tables = Tables::clone(&self.tables());
        let next = Arc::new(Memtable::new(tables.active.number + 1, 1));
        tables.frozen.push(std::mem::replace(&mut tables.active, next));
        *self.tables.lock().unwrap() = Arc::new(tables);
    }

    /// Settles the oldest frozen memtable. With `careless` set, readers are told too late.
    pub fn checkpoint(&self, careless: bool) {
        let table = Arc::clone(&self.tables().frozen[0]);
        if !careless {
            self.running.store(table.number, Ordering::SeqCst);
        }
        let settle = |keyspace, key: &Key, first, version: &super::memtable::Version| {
            let settled = &self.settled[usize::from(key[0])];
            if self.views.any_between(0, first) {
                table.keep_pre_image(keyspace, key, image(settled.load(Ordering::SeqCst)));
            }
            settled.store(number(version.row.clone()), Ordering::SeqCst);
            Ok::<(), std::convert::Infallible>(())
        };
        table.for_each_newest(settle).unwrap_or_else(|never| match never {});
        self.running.store(table.number, Ordering::SeqCst);
        let _writer = self.writer.lock().unwrap();
        let registered = self.views.lock();
        let mut tables = Tables::clone(&self.tables());
        tables.frozen.remove(0);
        table.retire(registered.next());
        if !table.is_unneeded(registered.oldest()) {
            tables.retired.push(table);
        }
        *self.tables.lock().unwrap() = Arc::new(tables);
    }

    /// As a plain reader reads.
    pub fn get(&self, key: usize) -> u64 {
        loop {
            let tables = self.tables();
            let published = self.published();
            match tables.get(KEYSPACE, &[key as u8], published) {
                Found::Version(version) => return number(version.row),
                Found::TooLate => continue,
                Found::Nothing => {}
            }
            let row = self.settled[key].load(Ordering::SeqCst);
            if self.running.load(Ordering::SeqCst) < tables.active.number {
                return row;
            }
        }
    }

    pub fn view(&self) -> View {
        let (ticket, tables) = self.views.register(|| (self.published(), self.tables()));
        View { ticket, tables }
    }

    pub fn end(&self, view: &View) {
        self.views.remove(&view.ticket);
    }

    pub fn get_at(&self, view: &View, key: usize) -> u64 {
        match view.tables.get(KEYSPACE, &[key as u8], view.ticket.sequence) {
            Found::Version(version) => return number(version.row),
            Found::Nothing | Found::TooLate => {}
        }
        let row = self.settled[key].load(Ordering::SeqCst);
        let from = view.tables.active.number;
        if self.running.load(Ordering::SeqCst) < from {
            return row;
        }
        self.tables().pre_image(from, KEYSPACE, &[key as u8]).map_or(row, number)
    }

    /// Both keys as an iterator reads them: the settled rows first.
    pub fn scan(&self, view: &View) -> [u64; 2] {
        let mut rows = [0, 1].map(|key: usize| self.settled[key].load(Ordering::SeqCst));
        let all = (Bound::Unbounded, Bound::Unbounded);
        let own = view.tables.range(KEYSPACE, all, false, view.ticket.sequence, 2);
        let from = view.tables.active.number;
        let images = match self.running.load(Ordering::SeqCst) >= from {
            true => self.tables().pre_images(from, KEYSPACE, all, false, 2),
            false => Vec::new(),
        };
        for (key, row) in merge(own, images, false, 2) {
            rows[usize::from(key[0])] = number(row);
        }
        rows
    }

    /// Whether `key` was changed after `view`, as a transaction is validated.
    pub fn has_changed(tables: &Tables, view: &View, key: usize) -> bool {
        let (from, sequence) = (view.tables.active.number, view.ticket.sequence);
        tables.has_commit_after(from, sequence, KEYSPACE, &[key as u8], Counts::Changes)
    }
}
