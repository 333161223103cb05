//! The tree of expiries on the disk belongs to the format, so others may have written to it:
//! entries that make no sense, and entries without a key.

use sledstore::{SledStore, StoreError};

use crate::common::{ms, rows, Fixture, START};

const SIDECARS: [(&str, &str); 2] = [("default", "__ttl__"), ("named", "__ttl__:named")];

/// Writes raw expiry entries behind the store's back and reopens it.
fn with_raw_expiries(fixture: Fixture, entries: &[(&[u8], &[u8])]) -> Fixture {
    for (name, _) in SIDECARS {
        fixture.keyspace(name);
    }
    let write = |db: &sled::Db| {
        for (_, sidecar) in SIDECARS {
            let raw = db.open_tree(sidecar).unwrap();
            for (key, expiry) in entries {
                raw.insert(key, *expiry).unwrap();
            }
        }
    };
    fixture.raw(write).0
}

fn keyspaces(fixture: &Fixture) -> [SledStore; 2] {
    SIDECARS.map(|(name, _)| fixture.keyspace(name))
}

#[test]
fn a_malformed_expiry_counts_as_none() {
    let malformed: [(&[u8], &[u8]); 4] =
        [(b"empty", b""), (b"three", &[1, 2, 3]), (b"seven", &[0; 7]), (b"nine", &[0; 9])];
    let fixture = Fixture::new();
    for store in keyspaces(&fixture) {
        for (key, _) in malformed {
            store.put(key, b"value").unwrap();
        }
    }
    let fixture = with_raw_expiries(fixture, &malformed);
    for store in keyspaces(&fixture) {
        assert_eq!(store.count().unwrap(), 4);
        assert_eq!(rows(&store).len(), 4);
        for (key, _) in malformed {
            assert_eq!(store.get(key).unwrap().as_deref(), Some(&b"value"[..]));
            assert_eq!(store.ttl(key).unwrap(), None);
            assert_eq!(store.get_with_ttl(key).unwrap().unwrap().1, None);
        }
        assert_eq!(store.purge_expired().unwrap(), 0);
        assert!(!store.persist(b"empty").unwrap());
        store.expire(b"three", ms(10)).unwrap();
        store.put_with_ttl(b"seven", b"new", ms(10)).unwrap();
        store.put(b"nine", b"new").unwrap();
    }
    let fixture = fixture.reopen();
    for store in keyspaces(&fixture) {
        assert_eq!(store.ttl(b"three").unwrap(), Some(ms(10)), "a proper one replaced it");
        assert_eq!(store.ttl(b"seven").unwrap(), Some(ms(10)));
        assert_eq!(store.ttl(b"nine").unwrap(), None);
        assert_eq!(store.ttl(b"empty").unwrap(), None);
    }
}

#[test]
fn an_expiry_without_a_key_is_harmless() {
    let past = (START - 1).to_le_bytes();
    let future = (START + 1000).to_le_bytes();
    let orphans: [(&[u8], &[u8]); 3] =
        [(b"past", &past), (b"future", &future), (b"broken", &[1, 2, 3])];
    let fixture = with_raw_expiries(Fixture::new(), &orphans);
    for store in keyspaces(&fixture) {
        store.put(b"real", b"value").unwrap();
        assert_eq!(store.count().unwrap(), 1);
        for (key, _) in orphans {
            assert_eq!(store.get(key).unwrap(), None);
            assert!(matches!(store.ttl(key), Err(StoreError::KeyNotFound)));
            assert!(matches!(store.expire(key, ms(10)), Err(StoreError::KeyNotFound)));
            assert!(matches!(store.persist(key), Err(StoreError::KeyNotFound)));
        }
        assert_eq!(store.purge_expired().unwrap(), 0, "no key has expired");
        assert_eq!(store.count().unwrap(), 1);
        fixture.clock.advance(ms(2000));
        assert_eq!(store.count().unwrap(), 1);
        assert_eq!(store.purge_expired().unwrap(), 0, "still no key has expired");
        assert_eq!(rows(&store).len(), 1);
    }
}

/// The orphan's expiry does not fall on the key that is written later.
#[test]
fn a_key_written_where_an_orphan_expiry_lies_does_not_inherit_it() {
    let past = (START - 1).to_le_bytes();
    let future = (START + 5).to_le_bytes();
    let orphans: [(&[u8], &[u8]); 4] =
        [(b"put", &past), (b"swap", &past), (b"batch", &future), (b"later", &future)];
    let fixture = with_raw_expiries(Fixture::new(), &orphans);
    for store in keyspaces(&fixture) {
        store.put(b"put", b"value").unwrap();
        assert!(store.compare_and_swap(b"swap", None, b"value").unwrap());
        store.batch_write(&[(b"batch", b"value")]).unwrap();
        store.put_with_ttl(b"later", b"value", ms(1000)).unwrap();
    }
    let fixture = fixture.reopen();
    for store in keyspaces(&fixture) {
        for key in [&b"put"[..], b"swap", b"batch"] {
            assert_eq!(store.ttl(key).unwrap(), None);
        }
        assert_eq!(store.ttl(b"later").unwrap(), Some(ms(1000)));
        assert_eq!(store.count().unwrap(), 4);
    }
}

/// Eight bytes, little-endian, milliseconds since 1970: also readable by others.
#[test]
fn expiries_are_written_as_the_format_says() {
    let fixture = Fixture::new();
    for store in keyspaces(&fixture) {
        store.put_with_ttl(b"a", b"value", ms(10)).unwrap();
        store.put(b"b", b"value").unwrap();
        store.expire(b"b", ms(20)).unwrap();
        store.put(b"c", b"value").unwrap();
    }
    let (fixture, written) = fixture.raw(read_sidecars);
    let expected = [("a", START + 10), ("b", START + 20)]
        .map(|(key, at)| (key.as_bytes().to_vec(), at.to_le_bytes().to_vec()));
    assert_eq!(written, [expected.to_vec(), expected.to_vec()]);
    for store in keyspaces(&fixture) {
        assert!(store.persist(b"a").unwrap());
        store.put(b"b", b"value").unwrap();
    }
    let (_, written) = fixture.raw(read_sidecars);
    assert_eq!(written, [vec![], vec![]], "persist and put remove the entries");
}

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

fn read_sidecars(db: &sled::Db) -> [Entries; 2] {
    SIDECARS.map(|(_, sidecar)| {
        let raw = db.open_tree(sidecar).unwrap();
        raw.iter().map(Result::unwrap).map(|(k, v)| (k.to_vec(), v.to_vec())).collect()
    })
}
