//! Copying a store into a new directory, while it is in use.

use std::ops::ControlFlow;
use std::path::Path;

use crate::engine::{Failure, Reason, Result, Workspace};
use crate::store::copies::rows::{Portion, Rows};
use crate::store::copies::{complete, Observer, Progress, Work};
use crate::store::{SledStore, SledStoreBuilder};

/// The pages that a copy keeps in memory: it writes each once.
pub(super) const CACHE: u64 = 64 << 20;

const OPERATION: &str = "back up to";

impl SledStore {
    /// Copies the store, as it is at one moment, into the new directory `destination`: a store like
    /// this one, with all keyspaces and expiries, in segments of the same size. Readers and writers
    /// go on meanwhile.
    ///
    /// The copy is made beside the destination, in a directory whose name has
    /// `.sledstore-incomplete` behind that of the destination; then it is synced and renamed. So the
    /// destination is there when all of it is there and on the disk, and otherwise not at all. What a
    /// crash leaves beside it is removed by the next backup to the same destination.
    ///
    /// Raw trees of [`SledStore::open_tree`] are copied too, but know no moments: what is written
    /// through them meanwhile may be in the copy or not.
    ///
    /// # Errors
    ///
    /// [`StoreError::AlreadyExists`](crate::StoreError::AlreadyExists) if there is anything at the
    /// destination; [`Reason::InvalidArgument`] for one inside the store's own directory, or if
    /// something that no backup has left lies in the way beside it;
    /// [`Reason::LockedByAnotherProcess`] or [`Reason::LockedByThisProcess`] while another backup to
    /// the same destination is going on; [`Reason::Dropped`] if a keyspace is dropped meanwhile;
    /// [`StoreError::CapacityExceeded`](crate::StoreError::CapacityExceeded) if the moment ends
    /// meanwhile, see [`snapshot_memory`](crate::SledStoreBuilder::snapshot_memory).
    pub fn backup(&self, destination: impl AsRef<Path>) -> Result<()> {
        self.back_up(destination.as_ref(), &mut Observer::none())
    }

    /// The same, which tells `report` how far it has come after every thousand rows or so, and ends
    /// when that answers `Break`. All rows are counted first, which adds a walk over them.
    ///
    /// # Errors
    ///
    /// [`Reason::Cancelled`] after `Break`; nothing is left of the copy then.
    pub fn backup_with(
        &self,
        destination: impl AsRef<Path>,
        mut report: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<()> {
        let observer = &mut Observer { report: Some(&mut report), ..Observer::none() };
        self.back_up(destination.as_ref(), observer)
    }

    pub(crate) fn back_up(&self, destination: &Path, observer: &mut Observer<'_>) -> Result<()> {
        let absolute = std::path::absolute(destination);
        if absolute.is_ok_and(|path| path.starts_with(self.path())) {
            let text = "it is inside the store that is to be copied";
            return Err(Failure::error(OPERATION, destination, Reason::InvalidArgument, text));
        }
        let work = Backup::begin(self, destination, observer.report.is_some())?;
        complete(work, destination, observer)?.finish()
    }
}

/// Dropped in this order: the copy before the directory that it is in.
struct Backup {
    rows: Rows,
    copy: SledStore,
    workspace: Workspace,
    is_counting: bool,
    progress: Progress,
}

impl Backup {
    fn begin(store: &SledStore, destination: &Path, is_counting: bool) -> Result<Self> {
        let workspace = Workspace::begin(OPERATION, destination)?;
        let rows = Rows::of(store)?;
        let segment_size =
            store.inner.with_core(|core| Ok(core.settled().engine().segment_size()))?;
        let copy = SledStoreBuilder::new()
            .must_create(true)
            .segment_size(segment_size)
            .cache_capacity(CACHE)
            .flush_never()
            .build(workspace.content())?;
        for keyspace in rows.keyspaces() {
            copy.keyspace(keyspace.keyspace_name())?;
        }
        Ok(Self { rows, copy, workspace, is_counting, progress: Progress::default() })
    }

    fn copy(&mut self, portion: &Portion) -> Result<()> {
        let keyspace = self.copy.keyspace(portion.keyspace.keyspace_name())?;
        keyspace.write_copied(&portion.rows)?;
        self.progress.rows_done += portion.rows.len() as u64;
        self.progress.bytes_done += portion.bytes;
        Ok(())
    }

    fn finish(self) -> Result<()> {
        let Self { rows, copy, workspace, .. } = self;
        drop(rows);
        copy.close()?;
        workspace.publish()
    }
}

impl Work for Backup {
    const OPERATION: &'static str = OPERATION;

    fn step(&mut self) -> Result<ControlFlow<(), Progress>> {
        match self.rows.next_portion()? {
            Some(portion) if self.is_counting => self.progress.count(&portion),
            Some(portion) => self.copy(&portion)?,
            None if self.is_counting => {
                self.is_counting = false;
                self.rows.rewind();
            }
            None => return Ok(ControlFlow::Break(())),
        }
        Ok(ControlFlow::Continue(self.progress))
    }
}
