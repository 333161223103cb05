//! A read of the log that fails while the engine opens it. The engine takes that for the log's end, and
//! nothing of the store may be changed on the strength of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use sledstore::{Failure, SledStore, SledStoreBuilder};

use crate::common::{child, ms, own_files, rows, scratch, without_hanging};
use crate::inject::{self, Fault, Kind};

const SEGMENT: usize = 64 << 10;
const ROWS: u64 = 60;

fn value(number: u64) -> Vec<u8> {
    number.to_be_bytes().repeat(300)
}

fn builder() -> SledStoreBuilder {
    SledStoreBuilder::new().segment_size(SEGMENT).lock_timeout(ms(60_000))
}

fn fill(store: &SledStore, numbers: std::ops::Range<u64>) {
    numbers.for_each(|number| store.put(&number.to_be_bytes(), &value(number)).unwrap());
}

fn filled(rows: u64) -> Vec<(Vec<u8>, Vec<u8>)> {
    (0..rows).map(|number| (number.to_be_bytes().to_vec(), value(number))).collect()
}

/// A store whose log has several segments, of which its snapshot speaks of the first ones only.
fn store_of_segments(path: &Path) {
    for half in 0..2 {
        let store = builder().build(path).unwrap();
        fill(&store, (ROWS / 2 * half)..(ROWS / 2 * (half + 1)));
        store.close().unwrap();
    }
}

/// The same, but there is only one segment that the snapshot does not speak of. Says how many rows
/// the store has.
fn store_with_one_segment_more(path: &Path) -> u64 {
    let store = builder().build(path).unwrap();
    fill(&store, 0..1);
    store.close().unwrap();
    let store = builder().build(path).unwrap();
    let segments = || fs::metadata(path.join("db")).unwrap().len().div_ceil(SEGMENT as u64);
    let (before, mut rows) = (segments(), 1);
    while segments() == before {
        fill(&store, rows..rows + 1);
        // Into the engine.
        store.compact().unwrap();
        rows += 1;
    }
    store.close().unwrap();
    assert_eq!(segments(), before + 1);
    rows
}

/// The engine alone, whose lock outlives its last handle by some milliseconds.
fn engine(path: &Path) -> sled::Db {
    let path = path.to_owned();
    without_hanging("opening the engine", move || loop {
        match sled::Config::new().path(&path).segment_size(SEGMENT).open() {
            Err(sled::Error::Io(error)) if error.to_string().contains("lock") => {
                std::thread::sleep(ms(5));
            }
            opened => return opened.unwrap(),
        }
    })
}

/// A store of the engine's own, which has large values in files of their own; its snapshot speaks of
/// none of them, and all that its log has is in one segment.
fn store_of_blobs(path: &Path) {
    engine(path).open_tree("default").unwrap().insert(b"small", b"value").unwrap();
    let db = engine(path);
    let tree = db.open_tree("default").unwrap();
    for number in 0..3u64 {
        tree.insert(number.to_be_bytes(), vec![number as u8; SEGMENT]).unwrap();
        tree.flush().unwrap();
    }
    drop((tree, db));
    // Until it has let go of its log.
    fs::File::open(path.join("db")).unwrap().lock().unwrap();
}

/// What must not change, by name: the log, the snapshots that have their name, and the blobs.
fn kept(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let is_kept =
        |name: &str| name == "db" || (name.starts_with("snap.") && !name.ends_with(".generating"));
    let files = names_in(path).into_iter().filter(|name| is_kept(name));
    let blobs = names_in(&path.join("blobs")).into_iter().map(|name| format!("blobs/{name}"));
    let read = |name: String| (name.clone(), fs::read(path.join(name)).unwrap());
    files.chain(blobs).map(read).collect()
}

fn names_in(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).collect()
}

fn blobs(files: &BTreeMap<String, Vec<u8>>) -> usize {
    files.keys().filter(|name| name.starts_with("blobs/")).count()
}

/// Whether there is a snapshot that has not got its name.
fn has_nameless_snapshot(path: &Path) -> bool {
    names_in(path).iter().any(|name| name.ends_with(".generating"))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

#[test]
#[ignore = "runs as a child process of the tests below"]
fn child_opens_the_store() {
    let Some(directory) = child::directory() else { return };
    let opened = builder().build(directory.join("db"));
    child::say(&inject::calls_before_rename().to_string());
    inject::disarm();
    match opened {
        Ok(store) => {
            child::say("opened");
            store.close().unwrap();
        }
        Err(error) => {
            let number = Failure::of(&error).and_then(|failure| failure.os_code());
            assert_eq!(number, Some(libc::EIO), "{error}");
            child::say("refused");
        }
    }
    // For other stores and for files of the program's own, nothing is refused.
    let other = builder().build(directory.join("other")).unwrap();
    own_files::check(&directory.join("own"));
    other.put(b"key", b"value").unwrap();
    other.close().unwrap();
}

#[test]
#[ignore = "runs as a child process of the tests below"]
fn child_opens_with_the_engine_alone() {
    let Some(directory) = child::directory() else { return };
    let opened = sled::Config::new().path(directory.join("db")).segment_size(SEGMENT).open();
    // Not dropped, as that would write.
    std::mem::forget(opened);
}

/// Read `first` of the log fails, and with `times` 0 every later one too.
fn failing(first: u64, times: u64) -> Fault {
    Fault { first, times, ..Fault::none(Kind::Pread) }
}

/// Opens a copy of the store in a child with this fault; answers with the copy and what the child
/// said.
fn open_copy(part: &str, store: &Path, fault: Fault) -> (tempfile::TempDir, Vec<String>) {
    let directory = scratch();
    copy(store, &directory.path().join("db"));
    let complaints = directory.path().join("complaints");
    let mut process = inject::start(part, directory.path(), fault, &[], &complaints);
    let said: Vec<String> = std::iter::from_fn(|| process.next_message()).collect();
    let status = process.finish();
    if part == OURS {
        let printed = || fs::read_to_string(&complaints).unwrap();
        assert!(status.success(), "{fault:?}: {status}, {said:?}\n{}", printed());
    }
    (directory, said)
}

const OURS: &str = "unread::child_opens_the_store";
const ENGINE: &str = "unread::child_opens_with_the_engine_alone";

/// How many reads the engine makes before it has understood its log, and writes a snapshot.
fn reads_of_opening(store: &Path) -> u64 {
    let (copy, said) = open_copy(OURS, store, Fault::none(Kind::Pread));
    assert_eq!(said[1], "opened");
    assert_ne!(kept(&copy.path().join("db")), kept(store), "opening makes a snapshot");
    let reads = said[0].parse().expect("something was renamed");
    assert!(reads > 0);
    reads
}

/// Lets each of these reads fail in turn, once or from then on. Nothing may change, and the store
/// opens whole afterwards. Says at how many of them the engine would have given a snapshot its name.
fn demand_unchanged(store: &Path, times: u64, content: &[(Vec<u8>, Vec<u8>)]) -> usize {
    let before = kept(store);
    let mut nameless = 0;
    for first in 1..=reads_of_opening(store) {
        let (copy, said) = open_copy(OURS, store, failing(first, times));
        let path = copy.path().join("db");
        assert_eq!(said[1], "refused", "read {first}");
        let after = kept(&path);
        assert!(after.keys().eq(before.keys()), "read {first}: {:?}", after.keys());
        assert!(after == before, "read {first}: the content of a file has changed");
        nameless += usize::from(has_nameless_snapshot(&path));
        let opened = builder().build(&path).expect("it opens where nothing fails");
        assert!(rows(&opened) == content, "read {first}: something is lost");
        opened.close().unwrap();
    }
    nameless
}

/// What the engine alone leaves of the store: first where nothing fails, and then where each of these
/// reads fails.
fn left_by_the_engine(store: &Path, times: u64) -> Vec<BTreeMap<String, Vec<u8>>> {
    let faults = (1..=reads_of_opening(store)).map(|first| failing(first, times));
    let opened = |fault| kept(&open_copy(ENGINE, store, fault).0.path().join("db"));
    std::iter::once(Fault::none(Kind::Pread)).chain(faults).map(opened).collect()
}

#[test]
fn after_a_read_that_failed_no_snapshot_gets_its_name_and_the_log_stays_as_it_is() {
    let directory = scratch();
    let store = directory.path().join("db");
    store_of_segments(&store);
    let nameless = demand_unchanged(&store, 1, &filled(ROWS));
    assert!(nameless > 0, "the engine did not even try to give a snapshot its name");
}

#[test]
fn where_no_read_succeeds_the_log_stays_as_it_is() {
    let directory = scratch();
    let store = directory.path().join("db");
    let rows = store_with_one_segment_more(&store);
    demand_unchanged(&store, 0, &filled(rows));
}

#[test]
fn after_a_read_that_failed_no_blob_is_removed() {
    let directory = scratch();
    let store = directory.path().join("db");
    store_of_blobs(&store);
    assert_eq!(blobs(&kept(&store)), 3);
    let content: Vec<_> = (0..3u64)
        .map(|number| (number.to_be_bytes().to_vec(), vec![number as u8; SEGMENT]))
        .chain([(b"small".to_vec(), b"value".to_vec())])
        .collect();
    demand_unchanged(&store, 1, &content);
}

/// The control: the engine alone does change them then, or the tests above see nothing.
#[test]
fn the_engine_alone_changes_what_it_could_not_read() {
    let directory = scratch();
    let store = directory.path().join("segments");
    store_of_segments(&store);
    let left = left_by_the_engine(&store, 1);
    let is_snapshot = |name: &&String| name.starts_with("snap.");
    let last = |files: &BTreeMap<String, _>| files.keys().filter(is_snapshot).max().cloned();
    // The names are in the order of what they speak of.
    let early =
        left.iter().any(|files| last(files) != last(&kept(&store)) && last(files) < last(&left[0]));
    assert!(early, "no snapshot of a part of the log was made");

    let store = directory.path().join("one more");
    store_with_one_segment_more(&store);
    let log = &kept(&store)["db"];
    let left = left_by_the_engine(&store, 0);
    assert!(left[0]["db"].starts_with(log));
    assert!(left.iter().any(|files| !files["db"].starts_with(log)), "no log was overwritten");

    let store = directory.path().join("blobs");
    store_of_blobs(&store);
    let left = left_by_the_engine(&store, 1);
    assert_eq!(blobs(&left[0]), 3);
    assert!(left.iter().any(|files| blobs(files) < 3), "no blob was removed");
}
