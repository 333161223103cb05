//! The system's own clock, which anybody may set while a store is open: see `wall.c`, which this builds
//! and loads into a child.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use sledstore::{SledStore, StoreError};

use crate::common::{child, ms, scratch};

const DAY: i64 = 86_400;
const LIFE: Duration = Duration::from_secs(1);

/// Sets the wall clock of this process, by so many seconds from what it really is.
fn set_wall_clock(seconds: i64) {
    // SAFETY: the name ends with a zero byte.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"wall_shift".as_ptr()) };
    assert!(!found.is_null(), "wall.c is not loaded");
    // SAFETY: `wall.c` defines it so.
    unsafe { std::mem::transmute::<*mut libc::c_void, extern "C" fn(libc::c_long)>(found)(seconds) }
}

fn is_there(store: &SledStore, key: &[u8]) -> bool {
    store.get(key).unwrap().is_some()
}

/// The wall clock steps by `step` and stays there, then steps back. Lives of a second that begin before
/// a step and after it end after a second.
fn steps(path: &Path, step: i64) {
    let store = SledStore::open(path).unwrap();
    let real = SystemTime::now();
    store.put_with_ttl(b"before", b"1", LIFE).unwrap();
    store.put_with_ttl(b"long", b"1", Duration::from_secs(3_600)).unwrap();
    set_wall_clock(step);
    let shown = match SystemTime::now().duration_since(real) {
        Ok(forward) => forward.as_secs() as i64,
        Err(error) => -(error.duration().as_secs() as i64),
    };
    assert!((shown - step).abs() < 3_600, "the wall clock was set by {shown}");
    match store.ttl(b"before") {
        Ok(left) => assert!(left.unwrap() <= LIFE),
        Err(error) => assert!(matches!(error, StoreError::KeyNotFound), "{error}"),
    }
    store.put_with_ttl(b"after", b"1", LIFE).unwrap();
    assert!(store.ttl(b"after").unwrap().unwrap() <= LIFE);
    set_wall_clock(0);
    store.put_with_ttl(b"again", b"1", LIFE).unwrap();
    assert!(store.ttl(b"again").unwrap().unwrap() <= LIFE);
    sleep(LIFE + ms(20));
    for key in [&b"before"[..], b"after", b"again"] {
        assert!(!is_there(&store, key), "{} outlives its second", key.escape_ascii());
    }
    let left = store.ttl(b"long").unwrap().unwrap();
    assert!(left > Duration::from_secs(3_000) && left < Duration::from_secs(3_600), "{left:?}");
    // What is on disk is a time of the wall clock at the opening.
    store.close().unwrap();
    let store = SledStore::open(path).unwrap();
    assert!(is_there(&store, b"long"));
    assert!(!is_there(&store, b"again"));
    store.close().unwrap();
    set_wall_clock(DAY);
    let store = SledStore::open(path).unwrap();
    assert!(!is_there(&store, b"long"), "a step between two openings counts");
    store.close().unwrap();
    set_wall_clock(0);
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_sets_the_wall_clock() {
    let Some(directory) = child::directory() else { return };
    steps(&directory.join("forward"), DAY);
    steps(&directory.join("back"), -DAY);
    child::say("passed");
}

#[test]
fn a_wall_clock_that_steps_while_a_store_is_open_changes_no_life() {
    let directory = scratch();
    let mut command = Command::new(std::env::current_exe().expect("this binary has a path"));
    command.args(child::arguments("wall::child_sets_the_wall_clock"));
    command.env("LD_PRELOAD", library(directory.path()));
    let mut process = child::start_command(command, directory.path());
    process.expect("passed");
    assert!(process.finish().success());
}

fn library(directory: &Path) -> PathBuf {
    let library = directory.join("wall.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expiry/wall.c");
    let target = env!("SLEDSTORE_TARGET");
    let mut build = cc::Build::new();
    build.target(target).host(target).opt_level(1).cargo_metadata(false).out_dir(directory);
    let mut command = build.get_compiler().to_command();
    command.args(["-shared", "-fPIC"]).arg(source).arg("-o").arg(&library);
    assert!(command.status().expect("the C compiler runs").success(), "wall.c is compiled");
    library
}
