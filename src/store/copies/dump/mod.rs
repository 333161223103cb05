//! Whole stores as streams of bytes, out and in.

mod binary;
mod load;
mod stage;
mod text;
mod text_in;

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::Path;

use crate::engine::{Failure, Result};
use crate::store::copies::rows::Rows;
use crate::store::copies::{complete, Observer, Progress, Work};
use crate::store::write::copied::CopiedRow;
use crate::store::SledStore;
use binary::BinaryOut;
use text::TextOut;

/// What a dump looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DumpFormat {
    /// The library's own: with a checksum for each block and a number for each row, so that a stream that
    /// was cut short or altered is refused. `docs/format.md` has it byte by byte.
    Binary,
    /// The text of `db_dump` and `mdb_dump`, with keys and values as hexadecimal digits. Each keyspace is
    /// a section, `database=` and its name; its expiries are another, `database=__ttl__` or
    /// `database=__ttl__:` and the name, with 8 bytes for each key, little endian, milliseconds since 1970.
    ByteValue,
    /// The same, where printable characters stand for themselves.
    Print,
}

const OPERATION: &str = "dump";

/// Where a dump goes, in one of the formats.
trait Out {
    /// The name of a keyspace, in front of its rows.
    fn begin(&mut self, name: &[u8]) -> io::Result<()>;

    fn row(&mut self, row: &CopiedRow) -> io::Result<()>;

    /// After the rows of a keyspace; says whether they are wanted once more, for their expiries.
    fn end(&mut self) -> io::Result<bool>;

    /// Once more, if they are wanted.
    fn expiry(&mut self, row: &CopiedRow) -> io::Result<()>;

    fn end_of_expiries(&mut self) -> io::Result<()>;

    /// After all of them.
    fn finish(&mut self) -> io::Result<()>;
}

impl SledStore {
    /// Writes everything in the store to `out`, all keyspaces with their expiries, as they are at one
    /// moment. Readers and writers go on meanwhile. [`SledStore::load`] reads it.
    ///
    /// # Errors
    ///
    /// What `out` answers, as [`StoreError::Io`](crate::StoreError::Io);
    /// [`StoreError::Unsupported`](crate::StoreError::Unsupported) where a text cannot have the name of a
    /// keyspace, because it has a line break or a zero byte; [`Reason::Dropped`](crate::Reason::Dropped)
    /// if a keyspace is dropped meanwhile;
    /// [`StoreError::CapacityExceeded`](crate::StoreError::CapacityExceeded) if the moment ends
    /// meanwhile, see [`snapshot_memory`](crate::SledStoreBuilder::snapshot_memory).
    pub fn dump(&self, format: DumpFormat, mut out: impl Write) -> Result<()> {
        self.dump_to(format, &mut out, &mut Observer::none())
    }

    pub(crate) fn dump_to(
        &self,
        format: DumpFormat,
        out: &mut dyn Write,
        observer: &mut Observer<'_>,
    ) -> Result<()> {
        let rows = Rows::of(self)?;
        let mut out = UntilFailure { out, has_failed: false };
        let out = BufWriter::with_capacity(64 << 10, &mut out as &mut dyn Write);
        let out: Box<dyn Out + '_> = match format {
            DumpFormat::Binary => Box::new(BinaryOut::new(out)),
            text => {
                for keyspace in rows.keyspaces() {
                    text::check_name(keyspace.keyspace_name())?;
                }
                let mapsize = text::map_size(self.size_on_disk()?);
                Box::new(TextOut::new(out, text == DumpFormat::Print, mapsize))
            }
        };
        let (path, stage) = (self.path(), Stage::Begin(0));
        complete(Dump { rows, out, path, stage }, path, observer).map(drop)
    }
}

/// A buffer that is dropped tries once more to write what it has.
struct UntilFailure<'a> {
    out: &'a mut dyn Write,
    has_failed: bool,
}

impl Write for UntilFailure<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.has_failed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.out.write(bytes).inspect_err(|error| {
            self.has_failed = error.kind() != io::ErrorKind::Interrupted;
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

struct Dump<'a> {
    rows: Rows,
    out: Box<dyn Out + 'a>,
    path: &'a Path,
    stage: Stage,
}

/// What comes next, with the place of the keyspace.
#[derive(Clone, Copy)]
enum Stage {
    Begin(usize),
    Rows(usize),
    Expiries(usize),
}

impl Work for Dump<'_> {
    const OPERATION: &'static str = OPERATION;

    fn step(&mut self) -> Result<ControlFlow<(), Progress>> {
        let io = |source: io::Error| Failure::from_io(OPERATION, self.path, &source);
        self.stage = match self.stage {
            Stage::Begin(place) if place == self.rows.keyspaces().len() => {
                self.out.finish().map_err(io)?;
                return Ok(ControlFlow::Break(()));
            }
            Stage::Begin(place) => {
                self.rows.walk_over(place)?;
                self.out.begin(self.rows.keyspaces()[place].keyspace_name()).map_err(io)?;
                Stage::Rows(place)
            }
            Stage::Rows(place) => match self.rows.next_of_walk()? {
                Some(portion) => {
                    portion.rows.iter().try_for_each(|row| self.out.row(row)).map_err(io)?;
                    self.stage
                }
                None if self.out.end().map_err(io)? => {
                    self.rows.walk_over(place)?;
                    Stage::Expiries(place)
                }
                None => Stage::Begin(place + 1),
            },
            Stage::Expiries(place) => match self.rows.next_of_walk()? {
                Some(portion) => {
                    let mut expiring = portion.rows.iter().filter(|row| row.expires_at.is_some());
                    expiring.try_for_each(|row| self.out.expiry(row)).map_err(io)?;
                    self.stage
                }
                None => {
                    self.out.end_of_expiries().map_err(io)?;
                    Stage::Begin(place + 1)
                }
            },
        };
        Ok(ControlFlow::Continue(Progress::default()))
    }
}
