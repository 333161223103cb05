//! Too few file descriptors, too few threads.

use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

use sledstore::{Failure, Reason, SledStore, SledStoreBuilder, StoreError};

use crate::common::{child, reason, rows, scratch, Result};

/// Far above any honest opening.
const HANG: Duration = Duration::from_secs(120);

/// A user that has no processes.
const NOBODY_ELSE: libc::uid_t = 47_321;

/// Sets the limit that a plain process may raise again.
fn set_soft_limit(resource: libc::__rlimit_resource_t, value: u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is room for the answer.
    assert_eq!(unsafe { libc::getrlimit(resource, &raw mut limit) }, 0);
    limit.rlim_cur = value.min(limit.rlim_max);
    // SAFETY: `limit` is a whole limit.
    assert_eq!(unsafe { libc::setrlimit(resource, &raw const limit) }, 0);
}

/// From here on this process can open at most `more` files: the limit is one on the numbers of the
/// descriptors, and the system gives out the smallest number that is free.
fn allow_files(more: u64) {
    let free = std::fs::File::open("/dev/null").unwrap().as_raw_fd();
    set_soft_limit(libc::RLIMIT_NOFILE, free as u64 + more);
}

fn allow_all_files() {
    set_soft_limit(libc::RLIMIT_NOFILE, 1024);
}

#[track_caller]
fn is_os_error(error: &StoreError, code: i32) {
    assert_eq!(reason(error), Reason::Os, "{error}");
    assert_eq!(Failure::of(error).unwrap().os_code(), Some(code), "{error}");
}

fn fill(store: &SledStore, from: u64, to: u64) -> Result<()> {
    let mirror = store.keyspace("mirror")?;
    for number in from..to {
        let key = number.to_be_bytes();
        mirror.put_with_ttl(&key, &key, Duration::from_secs(100_000))?;
        store.put(&key, &vec![number as u8; 3000])?;
        if number % 10 == 0 {
            store.flush()?;
        }
    }
    store.flush()
}

fn holds(store: &SledStore, to: u64) {
    let keys: Vec<_> = (0..to).map(|number| number.to_be_bytes().to_vec()).collect();
    let found: Vec<_> = rows(store).into_iter().map(|(key, _)| key).collect();
    assert_eq!(found, keys);
    let mirror = store.keyspace("mirror").unwrap();
    assert_eq!(rows(&mirror).len() as u64, to);
}

/// Runs the child until it says that it has passed.
fn passes(part: &str) {
    let directory = scratch();
    let mut process = child::start(part, directory.path());
    process.expect("passed");
    assert!(process.finish().success(), "the child ended badly after its last check");
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_works_without_a_file_descriptor_to_spare() {
    let Some(directory) = child::directory() else { return };
    let path = directory.join("db");
    let store = SledStore::open(&path).unwrap();
    fill(&store, 0, 10).unwrap();
    allow_files(0);
    std::fs::File::open(&path).expect_err("the limit holds");
    fill(&store, 10, 400).expect("an open store needs no more files until one of its log is full");
    holds(&store, 400);
    // Closing begins one more file of the log, and what could not be settled stays in the last one.
    is_os_error(&store.close().expect_err("there is no file"), libc::EMFILE);
    allow_all_files();
    let store = SledStore::open(&path).unwrap();
    holds(&store, 400);
    store.close().unwrap();
    child::say("passed");
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_fills_its_log_without_a_file_descriptor_to_spare() {
    let Some(directory) = child::directory() else { return };
    let path = directory.join("db");
    let builder = SledStoreBuilder::new().memtable_size(64 << 10);
    let store = builder.clone().build(&path).unwrap();
    fill(&store, 0, 10).unwrap();
    allow_files(0);
    let mut made = 10;
    let refused = loop {
        let done = fill(&store, made, made + 1);
        match done {
            Ok(()) => made += 1,
            Err(error) => break error,
        }
        assert!(made < 10_000, "files of the log are never full");
    };
    is_os_error(&refused, libc::EMFILE);
    store.flush().expect("what was acknowledged");
    store.get(&0_u64.to_be_bytes()).expect("reads go on");
    allow_all_files();
    fill(&store, made, made + 50).expect("the store goes on");
    holds(&store, made + 50);
    store.close().unwrap();
    let store = builder.build(&path).unwrap();
    holds(&store, made + 50);
    store.close().unwrap();
    child::say("passed");
}

#[test]
fn an_open_store_without_a_file_descriptor_to_spare_refuses_what_it_cannot_take_and_loses_nothing()
{
    passes("limits::child_works_without_a_file_descriptor_to_spare");
    passes("limits::child_fills_its_log_without_a_file_descriptor_to_spare");
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_opens_with_few_file_descriptors() {
    let Some(directory) = child::directory() else { return };
    let path = directory.join("db");
    let store = SledStore::open(&path).unwrap();
    fill(&store, 0, 300).unwrap();
    store.close().unwrap();
    let mut refused = 0;
    for more in 0.. {
        assert!(more < 100, "an opening does not need so many files");
        allow_files(more);
        let opened = SledStore::open(&path);
        allow_all_files();
        match opened {
            Ok(store) => {
                holds(&store, 300);
                store.close().unwrap();
                break;
            }
            Err(error) => is_os_error(&error, libc::EMFILE),
        }
        refused += 1;
        // Too few for the opening, and nothing came of it.
        let store = SledStore::open(&path).expect("there are enough files again");
        holds(&store, 300);
        store.close().unwrap();
        // Nor does a new store, or half of one, come of it.
        let fresh = directory.join(format!("new {more}"));
        allow_files(more);
        let created = SledStore::open(&fresh);
        allow_all_files();
        is_os_error(&created.map(drop).expect_err("no better than opening"), libc::EMFILE);
        assert_eq!(SledStore::open(&fresh).unwrap().count().unwrap(), 0);
    }
    assert!(refused > 2, "some openings were refused: {refused}");
    child::say("passed");
}

#[test]
fn opening_with_too_few_file_descriptors_is_told_and_harms_nothing() {
    passes("limits::child_opens_with_few_file_descriptors");
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_works_with_less_memory_than_the_cache_may_take() {
    let Some(directory) = child::directory() else { return };
    let path = directory.join("db");
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).unwrap();
    let taken = line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10;
    // Room for the threads and what they allocate, and far from what the cache may take.
    set_soft_limit(libc::RLIMIT_AS, taken + (2 << 30));
    let store = SledStoreBuilder::new().cache_capacity(64 << 30).build(&path).unwrap();
    fill(&store, 0, 200).unwrap();
    store.put(b"\xff", &vec![7; 300_000]).unwrap();
    store.flush().unwrap();
    assert_eq!(store.get(b"\xff").unwrap(), Some(vec![7; 300_000]));
    store.delete(b"\xff").unwrap();
    holds(&store, 200);
    store.close().unwrap();
    holds(&SledStore::open(&path).unwrap(), 200);
    child::say("passed");
}

#[test]
fn a_limit_of_memory_below_the_cache_harms_nothing() {
    passes("limits::child_works_with_less_memory_than_the_cache_may_take");
}

/// Gives up all rights, and makes `directory` this user's.
fn become_somebody_without_processes(directory: &Path) {
    std::os::unix::fs::chown(directory, Some(NOBODY_ELSE), Some(NOBODY_ELSE)).unwrap();
    // SAFETY: these take no pointers.
    unsafe {
        assert_eq!(libc::setgid(NOBODY_ELSE), 0);
        assert_eq!(libc::setuid(NOBODY_ELSE), 0);
    }
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_opens_with_few_threads() {
    let Some(directory) = child::directory() else { return };
    become_somebody_without_processes(&directory);
    let more = child::listen().parse::<u64>().expect("a number of threads");
    let threads = std::fs::read_dir("/proc/self/task").unwrap().count() as u64;
    set_soft_limit(libc::RLIMIT_NPROC, threads + more);
    let path = directory.join("db");
    let builder = SledStoreBuilder::new().patience(Duration::from_secs(20));
    let opened = builder.build(&path);
    let used = opened.and_then(|store| {
        let filled = fill(&store, 0, 50);
        child::say(if filled.is_ok() { "filled" } else { "not filled" });
        store.close().and(filled)
    });
    match used {
        Ok(()) => child::say("used"),
        Err(error) => child::say(&format!("failed {:?} {error}", Failure::of(&error))),
    }
}

/// What a child says that may start so many threads; fails if it hangs.
fn with_threads(more: u64) -> Vec<String> {
    let directory = scratch();
    let open_to_all = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(directory.path(), open_to_all).unwrap();
    let mut process = child::start("limits::child_opens_with_few_threads", directory.path());
    process.tell(&more.to_string());
    let mut said = Vec::new();
    loop {
        let message = process.next_message_within(HANG);
        match message.unwrap_or_else(|_| panic!("with {more} threads: hangs after {said:?}")) {
            Some(message) => said.push(message),
            None => break,
        }
    }
    assert!(process.finish().success(), "with {more} threads: a bad end after {said:?}");
    // Whatever came of it, the store opens where threads can be started.
    let store = SledStore::open(directory.path().join("db")).expect("threads enough");
    if said.iter().any(|said| said == "filled") {
        holds(&store, 50);
    }
    said
}

#[test]
fn opening_with_too_few_threads_is_told_and_does_not_hang() {
    // SAFETY: it takes no pointers.
    if unsafe { libc::geteuid() } != 0 {
        eprintln!("NOT TESTED, because only root can become a user without processes");
        return;
    }
    let mut problems = Vec::new();
    for more in [0, 1, 2, 3, 5, 8, 12] {
        match std::panic::catch_unwind(|| with_threads(more)) {
            Ok(said) => {
                let last = said.last().expect("some answer");
                let told = last.starts_with("failed") && last.contains("os_code: Some(11)");
                if last != "used" && !told {
                    problems.push(format!("with {more} threads: {said:?}"));
                }
            }
            Err(panic) => problems.push(format!("{:?}", panic.downcast_ref::<String>())),
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
}
