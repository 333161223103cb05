//! Reading a dump into a store.

use std::io::{self, BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::path::PathBuf;

use oxistore_core::StoreError;

use super::binary::{BinaryIn, MAGIC};
use super::stage::Stage;
use super::text_in::TextIn;
use crate::engine::{Failure, Result};
use crate::store::copies::marker::Marker;
use crate::store::copies::restore::Restore;
use crate::store::copies::{complete, Observer, Progress, Work};
use crate::store::{RestoreMode, SledStore};

const OPERATION: &str = "load";

/// Rows or blocks that are read in one step.
const AT_ONCE: usize = 64;

impl SledStore {
    /// Reads everything that `from` has, in whichever format of [`DumpFormat`](crate::DumpFormat), into
    /// the store. Rows take the place of those with the same key; keyspaces are created if need be; all
    /// else stays. All of it is on the disk when this returns. What has expired by now does not come in.
    ///
    /// The stream is gathered first, in a directory inside that of the store, which takes as much room as a
    /// store of these rows. So nothing is kept of a stream that cannot be read to its end. Then it is merged
    /// into the store, as by [`SledStore::restore_with`], with what is said there of interruptions.
    ///
    /// Text may also come from `db_dump` or `mdb_dump`: a section without a `database=` line is the default
    /// keyspace. `mdb_dump -p` of old versions does not mark backslashes, so leave its `-p` away where there
    /// are any. Text has no checksums: one that was cut short between two sections is not noticed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corruption`] for a stream that was cut short or altered, with the byte where that
    /// was found; [`StoreError::Unsupported`] for what no store can have: a key or a value that is too
    /// long, a name that is not allowed, several values of one key. What `from` answers, as
    /// [`StoreError::Io`]. Nothing has changed then. Otherwise as [`SledStore::restore`].
    pub fn load(&self, mut from: impl Read) -> Result<()> {
        self.load_from(&mut from, &mut Observer::none())
    }

    pub(crate) fn load_from(&self, from: &mut dyn Read, observer: &mut Observer<'_>) -> Result<()> {
        self.inner.with_core(|core| core.check_writable())?;
        let marker = Marker::begin(&self.inner, OPERATION)?;
        let input =
            Input { from: BufReader::with_capacity(64 << 10, from), position: 0, store: self };
        let load = Load { input, format: None, stage: Stage::begin(self)? };
        let (rows, _workspace) = complete(load, self.path(), observer)?.stage.finish()?;
        let name = PathBuf::from("a stream");
        let work = Restore::begin(self, marker, rows, name, RestoreMode::Merge)?;
        complete(work, self.path(), observer)?.finish()
    }
}

/// One of the formats.
pub(super) trait In {
    /// Reads some of the input; says whether there is more.
    fn read_on(&mut self, input: &mut Input<'_>, stage: &mut Stage) -> Result<bool>;
}

struct Load<'a> {
    input: Input<'a>,
    /// Known from the first bytes.
    format: Option<Box<dyn In>>,
    stage: Stage,
}

impl Work for Load<'_> {
    const OPERATION: &'static str = OPERATION;

    fn step(&mut self) -> Result<ControlFlow<(), Progress>> {
        let Self { input, format, stage } = self;
        let format = match format {
            Some(format) => format,
            None => format.insert(match input.first_byte()? {
                Some(byte) if byte == MAGIC[0] => Box::<BinaryIn>::default(),
                Some(_) => Box::<TextIn>::default(),
                None => return Err(damaged(0, "it is empty")),
            }),
        };
        for _ in 0..AT_ONCE {
            if !format.read_on(input, stage)? {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(Progress::default()))
    }
}

/// The stream, and how far it was read.
pub(super) struct Input<'a> {
    from: BufReader<&'a mut dyn Read>,
    position: u64,
    store: &'a SledStore,
}

pub(super) fn damaged(place: u64, what: &str) -> StoreError {
    StoreError::Corruption(format!("cannot load: byte {place} of the stream: {what}"))
}

impl Input<'_> {
    /// How many bytes were taken.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    fn io(&self, source: &io::Error) -> StoreError {
        Failure::from_io("load into", self.store.path(), source)
    }

    fn first_byte(&mut self) -> Result<Option<u8>> {
        loop {
            match self.from.fill_buf() {
                Ok(bytes) => return Ok(bytes.first().copied()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.io(&error)),
            }
        }
    }

    pub(super) fn is_at_end(&mut self) -> Result<bool> {
        Ok(self.first_byte()?.is_none())
    }

    /// Takes so many bytes. Room for them is made as they come: the number may be wrong.
    pub(super) fn take(&mut self, length: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(length.min(64 << 10));
        let read = (&mut self.from).take(length as u64).read_to_end(&mut bytes);
        read.map_err(|error| self.io(&error))?;
        self.position += bytes.len() as u64;
        match bytes.len() == length {
            true => Ok(bytes),
            false => Err(damaged(self.position, "it ends too early")),
        }
    }

    /// Takes a line, which has to end with a line break, and answers without that.
    pub(super) fn line(&mut self, longest: usize) -> Result<Vec<u8>> {
        let (mut line, limit) = (Vec::new(), longest as u64 + 1);
        let read = (&mut self.from).take(limit).read_until(b'\n', &mut line);
        read.map_err(|error| self.io(&error))?;
        let begin = self.position;
        self.position += line.len() as u64;
        match line.pop() {
            Some(b'\n') => Ok(line),
            _ if line.len() >= longest => Err(damaged(begin, "a line is too long")),
            _ => Err(damaged(self.position, "it ends too early")),
        }
    }
}
