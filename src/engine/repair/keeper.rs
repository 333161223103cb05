//! Who keeps the mark: see `repair/watermark.rs` for what it is.

use std::fs::File;
use std::os::unix::fs::MetadataExt;

use oxistore_core::StoreError;

use crate::engine::catch_sled::catch_sled;
use crate::engine::open::directory::log_file;
use crate::engine::repair::watermark::{self, WatermarkFile};
use crate::engine::state::EngineState;
use crate::engine::{Failure, Reason, Result};

/// Flushes sled, and notes before and after how far the store has come.
pub(crate) struct WatermarkKeeper {
    tree: sled::Tree,
    file: WatermarkFile,
    /// A handle to sled's log of our own. The operating system tells each handle once that a sync
    /// failed, and sled has a thread that syncs and does not listen.
    log: File,
    /// How many writes the mark stands for.
    noted: u64,
}

impl WatermarkKeeper {
    /// Compares what the store says with what the file beside it says; then asks `check` whether all
    /// else is right that the store's mark tells of, and goes on from there. Nothing of the library's own is
    /// changed before. A store that never had a mark, such as one of the reference's, begins to have
    /// one.
    pub(crate) fn load(
        db: &sled::Db,
        engine_state: &EngineState,
        segment_size: usize,
        salvage: bool,
        check: impl FnOnce(&sled::Tree) -> Result<()>,
    ) -> Result<Self> {
        let path = engine_state.path();
        let io = |source| Failure::from_io("open", path, &source);
        let tree = catch_sled("open", path, || db.open_tree(watermark::TREE))?;
        let inside = catch_sled("open", path, || tree.get(watermark::KEY))?;
        let inside = inside.and_then(|bytes| Some(u64::from_le_bytes(bytes[..].try_into().ok()?)));
        let inside = inside.unwrap_or(0);
        let beside = watermark::read(path).map_err(io)?.map_or(0, |mark| mark.writes);
        if inside < beside && !salvage {
            return Err(StoreError::Corruption(format!(
                "cannot open {}: the store has lost its last writes: it is as it was after {inside} \
                 of them, and had come to {beside}",
                path.display()
            )));
        }
        check(&tree)?;
        engine_state.go_on_from(inside);
        let mut file = WatermarkFile::open(path, segment_size).map_err(io)?;
        file.set(inside).and_then(|()| file.sync()).map_err(io)?;
        let log = File::open(log_file(path)).map_err(io)?;
        Ok(Self { tree, file, log, noted: inside })
    }

    /// Flushes everything written so far, and the mark with it.
    pub(crate) fn flush(
        &mut self,
        operation: &'static str,
        db: &sled::Db,
        engine_state: &EngineState,
    ) -> Result<()> {
        // A write that is counted is in sled's log, so the flush that follows covers it.
        let writes = engine_state.writes();
        let path = engine_state.path();
        let io = |source| Failure::from_io(operation, path, &source);
        if writes != self.noted {
            catch_sled(operation, path, || {
                self.tree.insert(watermark::KEY, &writes.to_le_bytes())
            })?;
        }
        catch_sled(operation, path, || db.flush().map(drop))?;
        self.log.sync_data().map_err(io)?;
        // A failure that one of sled's threads was told, and we were not.
        engine_state.check_healthy()?;
        if self.log.metadata().map_err(io)?.nlink() == 0 {
            let text = "somebody has removed the store's files";
            return Err(Failure::error(operation, path, Reason::Os, text));
        }
        if writes != self.noted {
            self.file.set(writes).map_err(io)?;
            self.noted = writes;
        }
        Ok(())
    }

    /// Makes the file durable; once, when the store closes.
    pub(crate) fn end(&self, engine_state: &EngineState) -> Result<()> {
        self.file.sync().map_err(|source| Failure::from_io("close", engine_state.path(), &source))
    }
}
