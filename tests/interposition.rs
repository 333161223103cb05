//! In a Rust program with the crate, everything is linked together, and so the program's own calls end
//! at the functions that stand in for libc's. They give it what libc gives.

#![cfg(target_os = "linux")]

mod common;

use std::ffi::CString;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Mutex;
use std::thread;

use sledstore::{diverted_syncs, SledStore, SledStoreBuilder};

use common::{own_files, scratch, Over};

/// The syncs are counted for the whole process, so one test at a time has stores.
static ALONE: Mutex<()> = Mutex::new(());

/// The names, and where the program's calls of them go.
macro_rules! addresses {
    ($($name:ident)*) => { [$((stringify!($name), libc::$name as *const ())),*] };
}

/// Without this the tests below would test libc. And a library that is loaded finds libc's.
#[test]
fn the_programs_own_calls_do_end_at_the_stand_ins() {
    let names = addresses!(flock fsync ftruncate64 pread64 pwrite64 rename sync_file_range unlink);
    for (name, address) in names {
        let wanted = CString::new(name).unwrap();
        // SAFETY: the name is a string that ends.
        let libcs = unsafe { libc::dlsym(libc::RTLD_DEFAULT, wanted.as_ptr()) };
        assert!(!libcs.is_null() && libcs.cast_const().cast() != address, "{name} is libc's own");
    }
}

#[test]
fn files_of_the_program_keep_every_call_while_stores_are_written_opened_and_closed() {
    let _alone = ALONE.lock();
    let directory = scratch();
    let store = SledStoreBuilder::new().flush_every_ms(1).build(directory.path().join("a"));
    let store = store.unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let (over, directory) = (&over, &directory);
        scope.spawn(|| {
            for number in (0..u64::MAX).take_while(|_| !over.load(Ordering::SeqCst)) {
                store.put(&(number % 1000).to_be_bytes(), &[7; 2000]).unwrap();
                store.flush().unwrap();
            }
        });
        scope.spawn(move || {
            while !over.load(Ordering::SeqCst) {
                SledStore::open(directory.path().join("b")).unwrap().close().unwrap();
            }
        });
        let over = Over(over);
        // One of them is called like the engine's own thread whose reads are looked after.
        let names = ["one", "another", "log flusher", "sled-io-0"];
        let workers = names.map(|name| {
            let place = directory.path().join(name);
            let work = move || (0..25).for_each(|_| own_files::check(&place));
            thread::Builder::new().name(name.into()).spawn_scoped(scope, work).unwrap()
        });
        let ended = workers.map(|worker| worker.join());
        drop(over);
        ended.into_iter().for_each(|ended| ended.expect("a program's own calls"));
    });
    // What failed for the program's files is no failure of the store.
    store.put(b"last", b"value").unwrap();
    store.close().unwrap();
}

#[test]
fn calls_for_files_of_the_program_are_not_taken_for_the_stores() {
    let _alone = ALONE.lock();
    let directory = scratch();
    let store = SledStoreBuilder::new().flush_never().build(directory.path().join("store"));
    let store = store.unwrap();
    store.put(b"a", b"1").unwrap();
    store.compact().unwrap();
    let before = diverted_syncs();
    own_files::check(&directory.path().join("own"));
    assert_eq!(diverted_syncs(), before);
    store.put(b"b", b"2").unwrap();
    store.compact().unwrap();
    assert!(diverted_syncs() > before);
    store.close().unwrap();
}
