//! Giving a keyspace another name. sled cannot rename a tree, so its rows are copied to a new one.

use std::collections::VecDeque;
use std::ops::Bound;

use super::SettledRows;
use crate::commit::{KeyspaceId, RowImage, Settled};
use crate::engine::Result;
use crate::store::settled::ExpiringRow;

/// Rows that are read at once.
const AT_ONCE: usize = 64;

impl SettledRows {
    /// The bytes of all settled rows of a keyspace.
    pub(crate) fn size_of(&self, keyspace: KeyspaceId) -> Result<usize> {
        let mut size = 0;
        self.for_each(keyspace, |settled| {
            size += settled.row.size();
            Ok(())
        })?;
        Ok(size)
    }

    /// Copies all settled rows of a keyspace to the keyspace `name`, so that they are on the disk when
    /// this returns. Rows that an earlier try has copied are the same. Has the engine write out after each
    /// portion of so many bytes.
    pub(super) fn copy(&self, from: KeyspaceId, name: &[u8], portion: usize) -> Result<()> {
        let (to, _) = self.open_keyspace(name)?;
        let mut waiting = 0;
        self.for_each(from, |ExpiringRow { row, expires_at }| {
            waiting += row.size();
            let image = RowImage { value: row.value, expires_at };
            self.write(to, &row.key, Some(&image))?;
            if waiting >= portion {
                waiting = 0;
                self.write_out()?;
            }
            Ok(())
        })?;
        self.write_out()
    }

    fn for_each(
        &self,
        keyspace: KeyspaceId,
        mut work: impl FnMut(ExpiringRow) -> Result<()>,
    ) -> Result<()> {
        let all = || Bound::Unbounded;
        let Some(mut scan) = self.scan(keyspace, all(), all(), false) else { return Ok(()) };
        let mut rows = VecDeque::new();
        while scan.read_on(false, AT_ONCE, &mut rows)? {
            rows.drain(..).try_for_each(&mut work)?;
        }
        rows.into_iter().try_for_each(work)
    }
}
