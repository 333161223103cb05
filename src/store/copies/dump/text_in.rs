//! Reading the text of `db_dump` and `mdb_dump`.

use oxistore_core::StoreError;

use super::load::{damaged, In, Input};
use super::stage::Stage;
use super::text::EXPIRIES;
use crate::engine::{Bytes, Result};
use crate::store::keyspace::DEFAULT;
use crate::store::limits::{MAX_KEY_LEN, MAX_VALUE_LEN};
use crate::store::write::copied::CopiedRow;

/// The longest line of a header.
const LONGEST_HEADER: usize = 64 << 10;

/// Reads sections until the input ends.
#[derive(Default)]
pub(super) struct TextIn {
    section: Option<Section>,
}

struct Section {
    is_print: bool,
    /// The rows are expiries, of the keyspace that is staged.
    has_expiries: bool,
}

impl In for TextIn {
    fn read_on(&mut self, input: &mut Input<'_>, stage: &mut Stage) -> Result<bool> {
        let Some(section) = &self.section else {
            if input.is_at_end()? {
                return Ok(false);
            }
            self.section = Some(header(input, stage)?);
            return Ok(true);
        };
        let place = input.position();
        let limit = 4 * MAX_KEY_LEN + 1;
        let line = input.line(limit)?;
        if line == b"DATA=END" {
            self.section = None;
            return Ok(true);
        }
        let wrong = |place| damaged(place, "this is no line of data");
        let key = decode(&line, section.is_print).ok_or_else(|| wrong(place))?;
        let place = input.position();
        let line = input.line(3 * MAX_VALUE_LEN + 1)?;
        let value = decode(&line, section.is_print).ok_or_else(|| wrong(place))?;
        match section.has_expiries {
            true => stage.expiry(&key, &value)?,
            false => {
                let (key, value) = (Bytes::from(key), Some(Bytes::from(value)));
                stage.row(CopiedRow { key, value, expires_at: None })?;
            }
        }
        Ok(true)
    }
}

/// Reads a header, and begins its keyspace.
fn header(input: &mut Input<'_>, stage: &mut Stage) -> Result<Section> {
    let (mut is_print, mut database) = (None, DEFAULT.to_vec());
    let mut is_first = true;
    loop {
        let place = input.position();
        let line = input.line(LONGEST_HEADER)?;
        if line == b"HEADER=END" {
            let is_print = is_print.ok_or_else(|| damaged(place, "the header names no format"))?;
            return begin(&database, is_print, place, stage);
        }
        let equals = line.iter().position(|byte| *byte == b'=');
        let Some((name, value)) = equals.map(|at| (&line[..at], &line[at + 1..])) else {
            return Err(damaged(place, "this is no line of a header"));
        };
        match (name, value) {
            (b"VERSION", b"3") => {}
            _ if is_first => return Err(damaged(place, "a section does not begin with VERSION=3")),
            (b"format", b"bytevalue") => is_print = Some(false),
            (b"format", b"print") => is_print = Some(true),
            (b"database", name) => database = name.to_vec(),
            (b"type", b"btree" | b"hash") => {}
            // Several rows of one key, or numbers in the order of this machine, are no rows of ours.
            (b"duplicates" | b"dupsort" | b"integerkey" | b"recnum", b"1")
            | (b"format" | b"type" | b"VERSION", _) => {
                let line = line.escape_ascii();
                let text = format!(
                    "cannot load: byte {place} of the stream: \"{line}\" is not known here"
                );
                return Err(StoreError::Unsupported(text));
            }
            _ => {}
        }
        is_first = false;
    }
}

fn begin(database: &[u8], is_print: bool, place: u64, stage: &mut Stage) -> Result<Section> {
    let expiries = match database.strip_prefix(EXPIRIES) {
        Some(b"") => Some(DEFAULT),
        Some(rest) => rest.strip_prefix(b":"),
        None => None,
    };
    stage.keyspace(expiries.unwrap_or(database)).map_err(|error| match error {
        StoreError::Unsupported(text) => {
            StoreError::Unsupported(format!("cannot load: byte {place} of the stream: {text}"))
        }
        error => error,
    })?;
    Ok(Section { is_print, has_expiries: expiries.is_some() })
}

/// The bytes that a line stands for.
fn decode(line: &[u8], is_print: bool) -> Option<Vec<u8>> {
    let line = line.strip_prefix(b" ")?;
    let mut bytes = Vec::with_capacity(if is_print { line.len() } else { line.len() / 2 });
    let mut rest = line;
    while let [first, after @ ..] = rest {
        let digits = match (is_print, first, after) {
            (true, b'\\', [b'\\', after @ ..]) => {
                bytes.push(b'\\');
                rest = after;
                continue;
            }
            (true, b'\\', digits) => digits,
            (true, byte, after) => {
                bytes.push(*byte);
                rest = after;
                continue;
            }
            (false, ..) => rest,
        };
        let [high, low, after @ ..] = digits else { return None };
        let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
        bytes.push(digit(*high)? << 4 | digit(*low)?);
        rest = after;
    }
    Some(bytes)
}
