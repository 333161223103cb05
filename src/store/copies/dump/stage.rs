//! Where a stream is gathered before any of it comes into the store: nothing is kept of one that does not
//! come to its end.

use crate::engine::{Result, Workspace};
use crate::store::copies::backup::CACHE;
use crate::store::copies::rows::Rows;
use crate::store::limits::MAX_KEY_LEN;
use crate::store::write::copied::CopiedRow;
use crate::store::{SledStore, SledStoreBuilder};

/// Rows, and bytes of them, that are written at once.
const MOST_ROWS: usize = 1000;
const MOST_BYTES: usize = 1 << 20;

/// Dropped in this order: the stores before the directory that they are in.
pub(super) struct Stage {
    rows: SledStore,
    /// Expiries that come apart from their rows, in keyspaces of the same names; made when there are any.
    expiries: Option<SledStore>,
    /// The keyspace that rows come to.
    name: Vec<u8>,
    waiting: Vec<CopiedRow>,
    bytes: usize,
    workspace: Workspace,
}

impl Stage {
    /// In a directory inside that of `store`, which this opening has for itself.
    pub(super) fn begin(store: &SledStore) -> Result<Self> {
        let workspace = Workspace::begin("load into", &store.path().join("load"))?;
        let rows = open(&workspace, "rows", store)?;
        let (name, waiting) = (rows.keyspace_name().to_vec(), Vec::new());
        Ok(Self { rows, expiries: None, name, waiting, bytes: 0, workspace })
    }

    /// The rows and expiries that follow are of this keyspace.
    pub(super) fn keyspace(&mut self, name: &[u8]) -> Result<()> {
        self.write_rows()?;
        self.rows.keyspace(name)?;
        self.name = name.to_vec();
        Ok(())
    }

    pub(super) fn row(&mut self, row: CopiedRow) -> Result<()> {
        row.check(MAX_KEY_LEN)?;
        self.bytes += row.size();
        self.waiting.push(row);
        match self.waiting.len() >= MOST_ROWS || self.bytes >= MOST_BYTES {
            true => self.write_rows(),
            false => Ok(()),
        }
    }

    /// An entry of another length counts as none, as in a store.
    pub(super) fn expiry(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let Ok(_) = <[u8; 8]>::try_from(value) else { return Ok(()) };
        if self.expiries.is_none() {
            self.expiries = Some(open(&self.workspace, "expiries", &self.rows)?);
        }
        match &self.expiries {
            Some(expiries) => expiries.keyspace(&self.name)?.put(key, value),
            None => Ok(()),
        }
    }

    fn write_rows(&mut self) -> Result<()> {
        self.bytes = 0;
        match self.waiting.is_empty() {
            true => Ok(()),
            false => {
                let rows = std::mem::take(&mut self.waiting);
                self.rows.keyspace(&self.name)?.write_copied(&rows)
            }
        }
    }

    /// All of the stream has come: puts rows and expiries together.
    pub(super) fn finish(mut self) -> Result<(SledStore, Workspace)> {
        self.write_rows()?;
        if let Some(expiries) = &self.expiries {
            let mut all = Rows::of(expiries)?;
            while let Some(portion) = all.next_portion()? {
                let keyspace = self.rows.keyspace(portion.keyspace.keyspace_name())?;
                let with_value = |entry: &CopiedRow| {
                    let value = keyspace.get_pinned(&entry.key)?;
                    let bytes = entry.value.as_deref().and_then(|bytes| bytes.try_into().ok());
                    let expires_at = bytes.map(u64::from_le_bytes);
                    let key = entry.key.clone();
                    Ok(value.map(|value| CopiedRow { key, value: Some(value), expires_at }))
                };
                let rows = portion.rows.iter().filter_map(|entry| with_value(entry).transpose());
                let rows: Vec<_> = rows.collect::<Result<_>>()?;
                if !rows.is_empty() {
                    keyspace.write_copied(&rows)?;
                }
            }
        }
        let Self { rows, expiries, workspace, .. } = self;
        drop(expiries);
        Ok((rows, workspace))
    }
}

fn open(workspace: &Workspace, name: &str, like: &SledStore) -> Result<SledStore> {
    SledStoreBuilder::new()
        .must_create(true)
        .cache_capacity(CACHE)
        .flush_never()
        .clock(like.inner.clock.source())
        .build(workspace.content().join(name))
}
