//! sled's log as its bytes are: segments, and the messages in them. Reads, and knows nothing of rows.
//!
//! The file is a row of segments of one size. Each begins with a head, which says where the segment stands in the
//! order of the log (its LSN), and up to where the log was on the disk when the head was written. Then
//! messages follow each other, each with a checksum and the number of its segment. A segment that
//! was emptied is used again for another LSN, from its head on, so old messages stand behind the new ones.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// The length of a segment's head.
const HEAD: usize = 20;

/// The longest head of a message. No message begins where there is less room in the segment.
const LONGEST_MESSAGE_HEAD: usize = 32;

/// Kinds of messages: the one that stands for none, the one behind which a segment is empty, the last.
const NONE: u8 = 0;
const CAP: u8 = 2;
const LAST_KIND: u8 = 11;

/// What the head of a segment says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHead {
    pub(super) lsn: u64,
    /// Everything below this was on the disk when the head was written.
    pub(super) stable: u64,
}

/// One message that is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Message {
    kind: u8,
    pub(super) segment: u64,
    /// With its head.
    length: usize,
}

/// sled's log.
pub(super) struct SledLog {
    file: File,
    pub(super) segment_size: u64,
    pub(super) length: u64,
}

impl SledLog {
    pub(super) fn open(file: File, segment_size: u64) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { file, segment_size, length })
    }

    /// Where the segments begin that have a head.
    pub(super) fn offsets(&self) -> impl Iterator<Item = u64> {
        let (size, length) = (self.segment_size, self.length);
        (0..length.div_ceil(size))
            .map(move |number| number * size)
            .filter(move |offset| offset + HEAD as u64 <= length)
    }

    /// The head of the segment at `offset`; `None` if its checksum is wrong.
    pub(super) fn head(&self, offset: u64) -> io::Result<Option<SegmentHead>> {
        let mut bytes = [0; HEAD];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(SegmentHead::decode(&bytes))
    }

    /// All bytes of the segment at `offset`; the last one of the file can be short.
    pub(super) fn segment(&self, offset: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.segment_size.min(self.length - offset) as usize];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    /// Where the messages of the segment with this number end: behind the last one, or, where it is
    /// full, at its own end.
    pub(super) fn end_of_messages(&self, segment: &[u8], number: u64) -> usize {
        let mut at = HEAD;
        while at + LONGEST_MESSAGE_HEAD <= self.segment_size as usize {
            match message(segment, at).filter(|message| message.segment == number) {
                None => return at,
                Some(message) if message.kind == CAP => break,
                Some(message) => at += message.length,
            }
        }
        self.segment_size as usize
    }
}

impl SegmentHead {
    fn decode(bytes: &[u8; HEAD]) -> Option<Self> {
        let number = |at: usize| {
            let bytes = bytes[at..][..8].try_into().expect("8 bytes");
            // Where nothing was on the disk yet, it is -1.
            u64::try_from(i64::from_le_bytes(bytes) ^ i64::MAX).unwrap_or(0)
        };
        let sum = crc32fast::hash(&bytes[4..]) ^ u32::MAX;
        (bytes[..4] == sum.to_le_bytes()).then(|| Self { lsn: number(4), stable: number(12) })
    }
}

/// The first message of a segment, if it is whole.
pub(super) fn first_message(segment: &[u8]) -> Option<Message> {
    message(segment, HEAD)
}

/// The message at `at`, if it is whole.
pub(super) fn message(segment: &[u8], at: usize) -> Option<Message> {
    let head = segment.get(at..)?;
    let kind = *head.get(4)?;
    if kind == NONE || kind > LAST_KIND {
        return None;
    }
    let mut rest = &head[5..];
    let [length, segment, _page] = [number(&mut rest)?, number(&mut rest)?, number(&mut rest)?];
    let body = rest.get(..usize::try_from(length).ok()?)?;
    let head = &head[..head.len() - rest.len()];
    let mut sum = crc32fast::Hasher::new();
    sum.update(body);
    sum.update(&head[4..]);
    let sum = sum.finalize() ^ u32::MAX;
    let length = head.len() + body.len();
    (head[..4] == sum.to_le_bytes()).then_some(Message { kind, segment, length })
}

/// Takes one of sled's numbers off the front: small ones have one byte, others say in the first byte how
/// many follow.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let (first, rest) = bytes.split_first()?;
    let (value, used) = match first {
        0..=240 => (u64::from(*first), 0),
        241..=248 => (240 + 256 * u64::from(first - 241) + u64::from(*rest.first()?), 1),
        249 => (2288 + 256 * u64::from(*rest.first()?) + u64::from(*rest.get(1)?), 2),
        250.. => {
            let count = usize::from(first - 247);
            let mut value = [0; 8];
            value[..count].copy_from_slice(rest.get(..count)?);
            (u64::from_le_bytes(value), count)
        }
    };
    *bytes = &rest[used..];
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_and_messages_are_read_as_sled_writes_them() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let config = sled::Config::new().path(directory.path()).segment_size(64 << 10);
        let db = config.open().expect("a store of sled's");
        for key in 0..3_000_u64 {
            db.insert(key.to_be_bytes(), vec![7; (key % 700) as usize]).expect("a row");
        }
        drop((db, config));
        let file = File::open(directory.path().join("db")).expect("its log");
        let log = SledLog::open(file, 64 << 10).expect("its length");
        let mut ends = Vec::new();
        for offset in log.offsets() {
            let head = log.head(offset).unwrap().expect("a head");
            assert!(head.stable <= head.lsn && head.lsn.is_multiple_of(64 << 10), "{head:?}");
            let segment = log.segment(offset).unwrap();
            ends.push((head.lsn, log.end_of_messages(&segment, head.lsn / (64 << 10))));
        }
        ends.sort_unstable();
        let (last, full) = ends.split_last().expect("segments");
        assert!(full.len() > 10 && full.iter().all(|(_, end)| *end == 64 << 10), "{ends:?}");
        assert!((HEAD..64 << 10).contains(&last.1), "{last:?}");
    }

    #[test]
    fn sleds_numbers_are_read() {
        let cases: [(&[u8], u64); 7] = [
            (&[0], 0),
            (&[240], 240),
            (&[241, 5], 245),
            (&[248, 255], 2287),
            (&[249, 1, 2], 2288 + 256 + 2),
            (&[250, 1, 2, 3], 0x03_02_01),
            (&[255, 1, 0, 0, 0, 0, 0, 0, 9], 0x0900_0000_0000_0001),
        ];
        for (bytes, value) in cases {
            let mut rest = bytes;
            assert_eq!(number(&mut rest), Some(value));
            assert!(rest.is_empty());
            let mut short = &bytes[..bytes.len() - 1];
            assert_eq!(number(&mut short), None);
        }
    }
}
