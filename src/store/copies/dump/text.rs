//! Writing the text of `db_dump` and `mdb_dump`.
//!
//! The lines of a header, `HEADER=END`, then a line for each key and one for its value, which begin with a
//! space, and `DATA=END`.

use std::io::{self, BufWriter, Write};

use oxistore_core::StoreError;

use super::Out;
use crate::engine::Result;
use crate::store::keyspace::DEFAULT;
use crate::store::write::copied::CopiedRow;

/// What the name of a section with expiries begins with.
pub(super) const EXPIRIES: &[u8] = b"__ttl__";

/// LMDB has to know the most bytes that the database will have. It takes no more of the disk than it needs.
const SMALLEST_MAP: u64 = 1 << 30;

pub(super) struct TextOut<'a> {
    out: BufWriter<&'a mut dyn Write>,
    is_print: bool,
    map_size: u64,
    name: Vec<u8>,
    has_expiries: bool,
    is_first_expiry: bool,
}

/// What LMDB needs for a store of this size, roughly.
pub(super) fn map_size(on_disk: u64) -> u64 {
    on_disk.saturating_mul(4).max(SMALLEST_MAP).next_multiple_of(1 << 20)
}

/// A line ends a name, and a zero byte ends it for programs in C.
pub(super) fn check_name(name: &[u8]) -> Result<()> {
    match name.iter().any(|byte| matches!(byte, b'\n' | b'\r' | 0)) {
        false => Ok(()),
        true => Err(StoreError::Unsupported(format!(
            "a text cannot have the name of the keyspace \"{}\"; the binary format can",
            name.escape_ascii()
        ))),
    }
}

impl<'a> TextOut<'a> {
    pub(super) fn new(out: BufWriter<&'a mut dyn Write>, is_print: bool, map_size: u64) -> Self {
        let (has_expiries, is_first_expiry) = (false, true);
        Self { out, is_print, map_size, name: Vec::new(), has_expiries, is_first_expiry }
    }

    fn header(&mut self, database: &[u8]) -> io::Result<()> {
        let format = if self.is_print { "print" } else { "bytevalue" };
        write!(self.out, "VERSION=3\nformat={format}\ndatabase=")?;
        self.out.write_all(database)?;
        write!(self.out, "\ntype=btree\nmapsize={}\nHEADER=END\n", self.map_size)
    }

    fn line(&mut self, bytes: &[u8]) -> io::Result<()> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digits = |byte: u8| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
        self.out.write_all(b" ")?;
        for &byte in bytes {
            let [high, low] = digits(byte);
            match byte {
                _ if !self.is_print => self.out.write_all(&[high, low])?,
                // As two backslashes it would be legal too, but mdb_load 0.9.24 reads these wrongly.
                b' '..=b'~' if byte != b'\\' => self.out.write_all(&[byte])?,
                _ => self.out.write_all(&[b'\\', high, low])?,
            }
        }
        self.out.write_all(b"\n")
    }
}

impl Out for TextOut<'_> {
    fn begin(&mut self, name: &[u8]) -> io::Result<()> {
        (self.has_expiries, self.is_first_expiry) = (false, true);
        self.name = name.to_vec();
        self.header(name)
    }

    fn row(&mut self, row: &CopiedRow) -> io::Result<()> {
        self.has_expiries |= row.expires_at.is_some();
        self.line(&row.key)?;
        self.line(row.value.as_deref().unwrap_or_default())
    }

    fn end(&mut self) -> io::Result<bool> {
        self.out.write_all(b"DATA=END\n")?;
        Ok(self.has_expiries)
    }

    fn expiry(&mut self, row: &CopiedRow) -> io::Result<()> {
        if std::mem::take(&mut self.is_first_expiry) {
            let database = match &self.name[..] {
                DEFAULT => EXPIRIES.to_vec(),
                name => [EXPIRIES, b":", name].concat(),
            };
            self.header(&database)?;
        }
        self.line(&row.key)?;
        self.line(&row.expires_at.unwrap_or_default().to_le_bytes())
    }

    fn end_of_expiries(&mut self) -> io::Result<()> {
        self.out.write_all(b"DATA=END\n")
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
