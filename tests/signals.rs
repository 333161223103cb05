//! The threads of the store take no signals, and those of the program keep their own masks. Alone in its
//! process: every thread that comes up here is the store's.

use std::collections::BTreeSet;
use std::fs;
use std::thread;

use sledstore::{SledBatch, SledStoreBuilder};

/// The threads of this process.
fn threads() -> BTreeSet<String> {
    let tasks = fs::read_dir("/proc/self/task").expect("the kernel lists our threads");
    tasks.map(|task| task.unwrap().file_name().into_string().unwrap()).collect()
}

/// The name of a thread and the signals that it blocks, unless it has ended.
fn name_and_blocked(thread: &str) -> Option<(String, String)> {
    let task = format!("/proc/self/task/{thread}");
    let name = fs::read_to_string(format!("{task}/comm")).ok()?;
    let status = fs::read_to_string(format!("{task}/status")).ok()?;
    let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:"))?;
    Some((name.trim().to_owned(), blocked.trim().to_owned()))
}

fn own_blocked() -> String {
    // SAFETY: it takes no arguments and cannot fail.
    let thread = unsafe { libc::gettid() }.to_string();
    name_and_blocked(&thread).expect("this thread is there").1
}

/// Sets the mask of this thread: all signals, or `SIGUSR1` alone.
fn block(all: bool) {
    // SAFETY: `set` is a `sigset_t`, for which all zeros are a value, and lives as long as the calls; a
    // null pointer asks for no answer.
    unsafe {
        let mut set = std::mem::zeroed();
        match all {
            true => libc::sigfillset(&mut set),
            false => libc::sigaddset(&mut set, libc::SIGUSR1),
        };
        libc::pthread_sigmask(libc::SIG_SETMASK, &set, std::ptr::null_mut());
    }
}

#[test]
fn threads_of_the_store_block_all_signals_and_those_of_the_program_do_not() {
    let all = thread::spawn(|| {
        block(true);
        own_blocked()
    });
    let all = all.join().unwrap();
    block(false);
    let own = own_blocked();
    assert_ne!(own, all);

    let before = threads();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let builder = SledStoreBuilder::new().segment_size(64 << 10).flush_every_ms(20);
    let store = builder.build(directory.path().join("store")).unwrap();
    for round in 0..40_u64 {
        // Enough to fill segments, and to go through the journal now and then.
        let mut batch = SledBatch::new();
        for key in 0..if round % 10 == 9 { 1_500 } else { 50 } {
            batch.put(&u64::to_be_bytes(key), &[round as u8; 200]).unwrap();
        }
        store.apply(&batch).unwrap();
        store.put(b"key", &round.to_be_bytes()).unwrap();
        if round % 4 == 0 {
            store.flush().unwrap();
        }
    }
    let made: Vec<_> =
        threads().difference(&before).filter_map(|thread| name_and_blocked(thread)).collect();
    assert!(made.iter().any(|(name, _)| name.starts_with("sled-io-")), "{made:?}");
    assert!(made.iter().any(|(name, _)| name == "sledstore-flush"), "{made:?}");
    for (name, blocked) in &made {
        assert_eq!(blocked, &all, "{name} takes signals");
    }

    assert_eq!(own_blocked(), own, "the mask of who calls stays as it was");
    assert_eq!(thread::spawn(own_blocked).join().unwrap(), own, "a thread of the program's own");
    store.close().unwrap();
    assert_eq!(own_blocked(), own);
}
