//! Batches of sled's that have failed in their middle, as they show in its log.
//!
//! sled begins a batch with a manifest, a message that holds back all that follows it: without the
//! manifest, recovery stops before it. The manifest is finished when the batch is, and only then
//! does its buffer go to the disk. But where a batch fails in its middle, because a page cannot be
//! read or sled panics, sled cancels the manifest and writes it all the same, and recovery then
//! goes on to the half that was made. So a buffer with such a manifest must not be written, nor
//! anything after it.

/// The page that manifests are said to be of, as sled writes that number.
const PAGE: [u8; 9] = [0xFF, 0x65, 0xFD, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];

/// The kind of a message that was given up.
const CANCELED: u8 = 1;

/// Where the kind of a message is: its checksum comes first.
const KIND: usize = 4;

/// What a segment begins with.
const SEGMENT_HEADER: usize = 20;

/// sled ends the buffer of a manifest right behind it, so there is hardly anything else in it.
const LONGEST: usize = 4096;

/// Whether `buffer`, written at `offset` of a log with such segments, has a manifest in it of a
/// batch that has failed.
pub(super) fn is_of_a_failed_batch(buffer: &[u8], offset: u64, segment_size: u64) -> bool {
    let begin = if offset.is_multiple_of(segment_size) { SEGMENT_HEADER } else { 0 };
    let mut rest = buffer.get(begin..).filter(|_| buffer.len() <= LONGEST).unwrap_or_default();
    while let Some((is_canceled_manifest, next)) = first_message(rest) {
        if is_canceled_manifest {
            return true;
        }
        rest = next;
    }
    false
}

/// Whether the first message is a manifest that was given up, and what comes after it.
fn first_message(buffer: &[u8]) -> Option<(bool, &[u8])> {
    let kind = *buffer.get(KIND)?;
    let (length, rest) = number(&buffer[KIND + 1..])?;
    let (_segment, rest) = number(rest)?;
    let is_manifest = rest.starts_with(&PAGE);
    let (_page, content) = number(rest)?;
    let next = content.get(usize::try_from(length).ok()?..)?;
    Some((is_manifest && kind == CANCELED, next))
}

/// A number as sled writes it: one to nine bytes, of which the first tells how many.
fn number(buffer: &[u8]) -> Option<(u64, &[u8])> {
    let (first, rest) = buffer.split_first()?;
    let low = |bytes: usize| -> Option<(u64, &[u8])> {
        let (low, rest) = rest.split_at_checked(bytes)?;
        let mut whole = [0; 8];
        whole[..bytes].copy_from_slice(low);
        Some((u64::from_le_bytes(whole), rest))
    };
    match *first {
        first @ 0..=240 => Some((first.into(), rest)),
        first @ 241..=248 => {
            low(1).map(|(low, rest)| (240 + 256 * (u64::from(first) - 241) + low, rest))
        }
        249 => low(2).map(|(low, rest)| (2288 + u64::from((low as u16).swap_bytes()), rest)),
        first => low(usize::from(first) - 247),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, segment: &[u8], page: &[u8], content: &[u8]) -> Vec<u8> {
        let length = [content.len() as u8];
        [&[1, 2, 3, 4, kind], &length[..], segment, page, content].concat()
    }

    #[test]
    fn a_manifest_that_was_given_up_is_found_wherever_it_is_in_a_small_buffer() {
        let row = message(10, &[249, 1, 2], &[77], b"content of a row");
        for segment in [&[0][..], &[241, 7], &[250, 1, 2, 3]] {
            let failed = message(CANCELED, segment, &PAGE, &[0; 8]);
            let made = message(3, segment, &PAGE, &[0; 8]);
            let header = vec![9; SEGMENT_HEADER];
            let holds = |parts: &[&Vec<u8>], offset| {
                let buffer: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
                is_of_a_failed_batch(&buffer, offset, 1 << 16)
            };
            assert!(holds(&[&failed], 77));
            assert!(holds(&[&row, &failed], 77));
            assert!(holds(&[&header, &failed], 2 << 16));
            assert!(!holds(&[&made], 77));
            assert!(!holds(&[&row, &made, &row], 77));
            assert!(!holds(&[&message(CANCELED, segment, &[77], b"row")], 77));
            // What looks like one inside a row.
            let inner = message(10, segment, &[77], &failed);
            assert!(!holds(&[&inner, &made], 77));
        }
        assert!(!is_of_a_failed_batch(b"", 0, 1 << 16));
    }

    #[test]
    fn numbers_are_read_as_sled_writes_them() {
        let whole = |bytes: &[u8]| number(bytes).map(|(number, _)| number);
        assert_eq!(whole(&[240]), Some(240));
        assert_eq!(whole(&[241, 1]), Some(241));
        assert_eq!(whole(&[248, 255]), Some(2287));
        assert_eq!(whole(&[249, 1, 2]), Some(2288 + 256 + 2));
        assert_eq!(whole(&[250, 1, 2, 3]), Some(0x0003_0201));
        assert_eq!(whole(&PAGE), Some(u64::MAX - 666));
        assert_eq!(whole(&[250, 1]), None);
    }
}
