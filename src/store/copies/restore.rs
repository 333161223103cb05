//! Bringing the rows of another store into this one.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use oxistore_core::StoreError;

use crate::engine::{existing_segment_size, Failure, Result};
use crate::store::copies::backup::CACHE;
use crate::store::copies::marker::Marker;
use crate::store::copies::rows::{Portion, Rows};
use crate::store::copies::{complete, Observer, Progress, Work};
use crate::store::keyspace::DEFAULT;
use crate::store::write::copied::CopiedRow;
use crate::store::{SledStore, SledStoreBuilder};

/// What becomes of the rows that a store has before a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RestoreMode {
    /// They go, and so do keyspaces that the source does not have: afterwards the store is as the source.
    #[default]
    Replace,
    /// They stay, where the source has no row of the same key.
    Merge,
}

const OPERATION: &str = "restore";

impl SledStore {
    /// Replaces everything in the store, all keyspaces with their expiries, by what is in the store in
    /// the directory `source`, such as a [`SledStore::backup`]. All of it is on the disk when this
    /// returns.
    ///
    /// The source is opened as by [`SledStoreBuilder::read_only`]: no byte of it changes, and a private
    /// copy of it takes room among the temporary files meanwhile. All of it is read once before anything
    /// is changed, so that a source that cannot be read, or has keys that are too long for this store,
    /// changes nothing.
    ///
    /// A restore is many commits. Readers meanwhile see rows of before and restored ones; what others write
    /// may stay or not. Where it does not come to its end the store has both: this handle goes on working,
    /// and a restore that comes to its end mends it; but the next opening answers
    /// [`StoreError::Corruption`], which says so, unless [`SledStoreBuilder::salvage`] is set.
    ///
    /// # Errors
    ///
    /// Where there is no store at `source`, the operating system's "not found"; where it is open, this
    /// store itself for example, [`Reason::LockedByThisProcess`](crate::Reason::LockedByThisProcess) or
    /// [`Reason::LockedByAnotherProcess`](crate::Reason::LockedByAnotherProcess); where it is damaged,
    /// [`StoreError::Corruption`]; [`StoreError::Unsupported`] for a key that is too long, or if raw trees
    /// of this store are in use; [`StoreError::ReadOnly`];
    /// [`Reason::Busy`](crate::Reason::Busy) while another restore goes on. Nothing has changed then.
    pub fn restore(&self, source: impl AsRef<Path>) -> Result<()> {
        self.restore_from(source.as_ref(), RestoreMode::Replace, &mut Observer::none())
    }

    /// The same with a choice of what becomes of present rows. It tells `report` how far it has come after
    /// every thousand rows or so, and ends when that answers `Break`.
    ///
    /// # Errors
    ///
    /// [`Reason::Cancelled`](crate::Reason::Cancelled) after `Break`. While nothing is done nothing has
    /// changed; later a part is restored, as after a crash.
    pub fn restore_with(
        &self,
        source: impl AsRef<Path>,
        mode: RestoreMode,
        mut report: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<()> {
        let observer = &mut Observer { report: Some(&mut report), ..Observer::none() };
        self.restore_from(source.as_ref(), mode, observer)
    }

    pub(crate) fn restore_from(
        &self,
        source: &Path,
        mode: RestoreMode,
        observer: &mut Observer<'_>,
    ) -> Result<()> {
        self.inner.with_core(|core| core.check_writable())?;
        let marker = Marker::begin(&self.inner, OPERATION)?;
        let builder = SledStoreBuilder::new().cache_capacity(CACHE).flush_never();
        let builder = builder.clock(self.inner.clock.source());
        let opened = builder.read_only(true).build(source)?;
        must_be_store(source)?;
        let work = Restore::begin(self, marker, opened, source.to_path_buf(), mode)?;
        complete(work, self.path(), observer)?.finish()
    }
}

/// sled takes any file without a page of its own for a new, empty database. But each database that it has
/// made has settings beside it.
fn must_be_store(source: &Path) -> Result<()> {
    match existing_segment_size(source) {
        Ok(Some(_)) => Ok(()),
        Ok(None) => {
            let text = format!("cannot restore from {}: it is no store", source.display());
            Err(StoreError::Corruption(text))
        }
        Err(io) => Err(Failure::from_io(OPERATION, source, &io)),
    }
}

/// Dropped in this order: the rows before the store that they are of.
pub(super) struct Restore {
    target: SledStore,
    rows: Rows,
    /// Opened by this alone.
    source: SledStore,
    name: PathBuf,
    mode: RestoreMode,
    marker: Marker,
    stage: Stage,
    progress: Progress,
}

enum Stage {
    /// Reads the source and checks whether the target takes it.
    Check,
    /// Removes what the source does not have; the rows are those of the target.
    Remove(Box<Rows>),
    Copy,
}

impl Restore {
    pub(super) fn begin(
        target: &SledStore,
        marker: Marker,
        source: SledStore,
        name: PathBuf,
        mode: RestoreMode,
    ) -> Result<Self> {
        if target.inner.has_raw_trees() {
            let text = "raw trees of the store are in use until it closes";
            return Err(StoreError::Unsupported(text.into()));
        }
        let (rows, target) = (Rows::of(&source)?, target.clone());
        let (stage, progress) = (Stage::Check, Progress::default());
        Ok(Self { target, rows, source, name, mode, marker, stage, progress })
    }

    pub(super) fn finish(self) -> Result<()> {
        let Self { rows, source, marker, .. } = self;
        drop((rows, source));
        marker.clear()
    }

    fn check(&mut self, portion: &Portion) -> Result<()> {
        let longest = self.target.inner.longest_key;
        portion.rows.iter().try_for_each(|row| row.check(longest))?;
        self.progress.count(portion);
        Ok(())
    }

    /// The source has been read; from here on the target changes.
    fn begin_to_change(&mut self) -> Result<()> {
        self.rows.rewind();
        self.marker.set(&self.name)?;
        self.stage = match self.mode {
            RestoreMode::Merge => Stage::Copy,
            RestoreMode::Replace => {
                self.drop_keyspaces()?;
                Stage::Remove(Box::new(Rows::of(&self.target)?))
            }
        };
        for keyspace in self.rows.keyspaces() {
            self.target.keyspace(keyspace.keyspace_name())?;
        }
        Ok(())
    }

    /// Drops the keyspaces that the source does not have.
    fn drop_keyspaces(&self) -> Result<()> {
        let has = |name: &[u8]| self.rows.keyspaces().iter().any(|it| it.keyspace_name() == name);
        for name in self.target.keyspace_names()? {
            if name != DEFAULT && !has(&name) {
                self.target.drop_keyspace(&name)?;
            }
        }
        Ok(())
    }

    /// Removes those of the target's rows that the source does not have.
    fn remove(&self, portion: Portion) -> Result<()> {
        let source = self.source.keyspace(portion.keyspace.keyspace_name())?;
        let mut gone = Vec::new();
        for row in portion.rows {
            if !self.rows.has(&source, &row.key)? {
                gone.push(CopiedRow { value: None, ..row });
            }
        }
        match gone.is_empty() {
            true => Ok(()),
            false => portion.keyspace.write_copied(&gone),
        }
    }

    fn copy(&mut self, portion: &Portion) -> Result<()> {
        let keyspace = self.target.keyspace(portion.keyspace.keyspace_name())?;
        keyspace.write_copied(&portion.rows)?;
        self.progress.rows_done += portion.rows.len() as u64;
        self.progress.bytes_done += portion.bytes;
        Ok(())
    }
}

impl Work for Restore {
    const OPERATION: &'static str = OPERATION;

    fn step(&mut self) -> Result<ControlFlow<(), Progress>> {
        match &mut self.stage {
            Stage::Check => match self.rows.next_portion()? {
                Some(portion) => self.check(&portion)?,
                None => self.begin_to_change()?,
            },
            Stage::Remove(present) => match present.next_portion()? {
                Some(portion) => self.remove(portion)?,
                None => self.stage = Stage::Copy,
            },
            Stage::Copy => match self.rows.next_portion()? {
                Some(portion) => self.copy(&portion)?,
                None => return Ok(ControlFlow::Break(())),
            },
        }
        Ok(ControlFlow::Continue(self.progress))
    }
}
