//! The binary stream: blocks with checksums, out and in.
//!
//! All numbers are little endian. A head: the 8 bytes `SLEDDUMP`, the version (4), which is 1, and the
//! CRC-32 of those 12 bytes (4). Then blocks, numbered from 0: kind (1), length of the content (4), CRC-32
//! (4) of the block's number (8), its kind, its length and its content; then the content:
//!
//! * `1` keyspace: its name. The rows that follow are its own.
//! * `2` rows, one after the other: 1 if it expires and 0 if not (1), length of the key (4), length of the
//!   value (4), milliseconds since 1970 if it expires (8), key, value.
//! * `3` end: the number of all rows (8). Nothing follows.

use std::io::{self, BufWriter, Write};

use super::load::{damaged, In, Input};
use super::stage::Stage;
use super::Out;
use crate::engine::{Bytes, Result};
use crate::store::limits::{MAX_KEYSPACE_NAME_LEN, MAX_KEY_LEN, MAX_VALUE_LEN};
use crate::store::write::copied::CopiedRow;

pub(super) const MAGIC: &[u8; 8] = b"SLEDDUMP";
const VERSION: u32 = 1;

const KEYSPACE: u8 = 1;
const ROWS: u8 = 2;
const END: u8 = 3;

/// A block is written when it has so many bytes.
const BLOCK: usize = 64 << 10;

/// What comes in front of a key, at most.
const LONGEST_START: usize = 17;

/// The longest content: a block that is almost full, and a row more.
const LONGEST: usize = BLOCK + LONGEST_START + MAX_KEY_LEN + MAX_VALUE_LEN;

pub(super) struct BinaryOut<'a> {
    out: BufWriter<&'a mut dyn Write>,
    /// Blocks so far; `None` before the head.
    blocks: Option<u64>,
    rows: u64,
    content: Vec<u8>,
}

fn checksum(number: u64, kind: u8, content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.update(&[kind]);
    hasher.update(&(content.len() as u32).to_le_bytes());
    hasher.update(content);
    hasher.finalize()
}

fn head() -> [u8; 16] {
    let mut head = [0; 16];
    head[..8].copy_from_slice(MAGIC);
    head[8..12].copy_from_slice(&VERSION.to_le_bytes());
    let sum = crc32fast::hash(&head[..12]);
    head[12..].copy_from_slice(&sum.to_le_bytes());
    head
}

impl<'a> BinaryOut<'a> {
    pub(super) fn new(out: BufWriter<&'a mut dyn Write>) -> Self {
        Self { out, blocks: None, rows: 0, content: Vec::new() }
    }

    fn block(&mut self, kind: u8, content: &[u8]) -> io::Result<()> {
        let number = match self.blocks {
            Some(number) => number,
            None => {
                self.out.write_all(&head())?;
                0
            }
        };
        self.blocks = Some(number + 1);
        self.out.write_all(&[kind])?;
        self.out.write_all(&(content.len() as u32).to_le_bytes())?;
        self.out.write_all(&checksum(number, kind, content).to_le_bytes())?;
        self.out.write_all(content)
    }

    fn write_rows(&mut self) -> io::Result<()> {
        let mut content = std::mem::take(&mut self.content);
        if !content.is_empty() {
            self.block(ROWS, &content)?;
            content.clear();
        }
        self.content = content;
        Ok(())
    }
}

impl Out for BinaryOut<'_> {
    fn begin(&mut self, name: &[u8]) -> io::Result<()> {
        self.block(KEYSPACE, name)
    }

    fn row(&mut self, row: &CopiedRow) -> io::Result<()> {
        let value = row.value.as_deref().unwrap_or_default();
        self.content.push(u8::from(row.expires_at.is_some()));
        self.content.extend((row.key.len() as u32).to_le_bytes());
        self.content.extend((value.len() as u32).to_le_bytes());
        self.content.extend(row.expires_at.iter().flat_map(|at| at.to_le_bytes()));
        self.content.extend(&row.key[..]);
        self.content.extend(value);
        self.rows += 1;
        match self.content.len() >= BLOCK {
            true => self.write_rows(),
            false => Ok(()),
        }
    }

    fn end(&mut self) -> io::Result<bool> {
        self.write_rows()?;
        Ok(false)
    }

    fn expiry(&mut self, _: &CopiedRow) -> io::Result<()> {
        Ok(())
    }

    fn end_of_expiries(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        let rows = self.rows.to_le_bytes();
        self.block(END, &rows)?;
        self.out.flush()
    }
}

/// Reads a stream whose magic number has been seen, and not taken.
#[derive(Default)]
pub(super) struct BinaryIn {
    blocks: Option<u64>,
    rows: u64,
    has_keyspace: bool,
}

impl In for BinaryIn {
    fn read_on(&mut self, input: &mut Input<'_>, stage: &mut Stage) -> Result<bool> {
        let number = match self.blocks {
            Some(number) => number,
            None => {
                let place = input.position();
                if input.take(16)? != head() {
                    return Err(damaged(place, "the head is damaged, or of a newer version"));
                }
                0
            }
        };
        self.blocks = Some(number + 1);
        let place = input.position();
        let start = input.take(9)?;
        let word = |at: usize| {
            u32::from_le_bytes([start[at], start[at + 1], start[at + 2], start[at + 3]])
        };
        let (kind, length, sum) = (start[0], word(1) as usize, word(5));
        if length > LONGEST {
            return Err(damaged(place, "a block cannot be so long"));
        }
        let content = input.take(length)?;
        if checksum(number, kind, &content) != sum {
            return Err(damaged(place, "the checksum of a block is wrong"));
        }
        let unknown = || damaged(place, "a block is not as it should be");
        match kind {
            KEYSPACE if content.len() <= MAX_KEYSPACE_NAME_LEN => {
                self.has_keyspace = true;
                stage.keyspace(&content)?;
            }
            ROWS if self.has_keyspace => self.rows(&content, stage).ok_or_else(unknown)??,
            END if content == self.rows.to_le_bytes() => {
                let place = input.position();
                return match input.is_at_end()? {
                    true => Ok(false),
                    false => Err(damaged(place, "something follows the end")),
                };
            }
            _ => return Err(unknown()),
        }
        Ok(true)
    }
}

impl BinaryIn {
    /// `None` if the content is not rows.
    fn rows(&mut self, mut content: &[u8], stage: &mut Stage) -> Option<Result<()>> {
        while !content.is_empty() {
            let mut take = |length: usize| {
                let (taken, rest) = content.split_at_checked(length)?;
                content = rest;
                Some(taken)
            };
            let expires = take(1)?[0];
            let key = u32::from_le_bytes(take(4)?.try_into().ok()?) as usize;
            let value = u32::from_le_bytes(take(4)?.try_into().ok()?) as usize;
            let expires_at = match expires {
                0 => None,
                1 => Some(u64::from_le_bytes(take(8)?.try_into().ok()?)),
                _ => return None,
            };
            let (key, value) = (Bytes::from(take(key)?), Bytes::from(take(value)?));
            self.rows += 1;
            if let Err(error) = stage.row(CopiedRow { key, value: Some(value), expires_at }) {
                return Some(Err(error));
            }
        }
        Some(Ok(()))
    }
}
