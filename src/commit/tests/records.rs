//! The bytes of a record.

use crate::commit::entries::Entry;
use crate::commit::record::*;

const FILE: FileId = FileId { store: 7, number: 3 };

fn changes() -> Vec<Change<'static>> {
    vec![
        Change::Put { keyspace: 0, key: b"", value: b"", expires_at: None },
        Change::Put { keyspace: 9, key: b"key", value: b"value", expires_at: Some(77) },
        Change::Delete { keyspace: 1, key: b"gone" },
        Change::Purge { keyspace: 1, key: b"over" },
        Change::DeleteRange { keyspace: 1, lower: b"", upper: None },
        Change::DeleteRange { keyspace: 1, lower: b"from", upper: Some(b"to") },
        Change::Drop { keyspace: 2 },
        Change::Rename { keyspace: 3, name: b"name" },
    ]
}

#[test]
fn a_record_is_read_as_it_was_written() {
    let mut record = Record::new();
    changes().into_iter().for_each(|change| record.push(change));
    let mut record = record.complete();
    let bytes = record.place(FILE, 41, 40).to_vec();
    let head = Head::decode(FILE, bytes[..HEAD].try_into().unwrap()).expect("a head");
    assert_eq!((head.sequence, head.synced), (41, 40));
    assert_eq!(HEAD + head.body as usize, bytes.len());
    let entries = head.entries(&bytes[HEAD..]).expect("a body");
    let expected: Vec<_> = changes().into_iter().map(|it| Ok(Entry::Change(it))).collect();
    assert_eq!(entries.collect::<Vec<_>>(), expected);
}

#[test]
fn no_flipped_bit_of_a_record_goes_unnoticed_and_neither_does_another_file() {
    let mut record = Record::new();
    changes().into_iter().for_each(|change| record.push(change));
    let bytes = record.complete().place(FILE, 41, 40).to_vec();
    let is_whole = |file, bytes: &[u8]| {
        let head = Head::decode(file, bytes[..HEAD].try_into().unwrap());
        head.is_some_and(|head| head.entries(&bytes[HEAD..]).is_some())
    };
    assert!(is_whole(FILE, &bytes));
    assert!(!is_whole(FileId { number: 4, ..FILE }, &bytes));
    assert!(!is_whole(FileId { store: 8, ..FILE }, &bytes));
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(!is_whole(FILE, &damaged), "bit {bit}");
    }
}
