//! A sandbox that forbids what sled syncs with.

use sledstore::SledStore;

use crate::common::{child, rows, scratch};

/// From here on `sync_file_range` fails in this thread, and in those that it starts, with EPERM.
fn forbid_sync_file_range() {
    let step = |code: u32, jump_if_not, value| libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: jump_if_not,
        k: value,
    };
    let forbidden = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    let mut program = [
        // The number of the call lies at the beginning.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, libc::SYS_sync_file_range as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, forbidden),
        step(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the filter and the program in it live until both calls have returned.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let mode = libc::SECCOMP_MODE_FILTER;
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const filter), 0);
    }
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_writes_in_the_sandbox() {
    let Some(directory) = child::directory() else { return };
    forbid_sync_file_range();
    // sled by itself fails there, sooner or later, or the sandbox is none.
    let flushed = sled::open(directory.join("sled alone")).and_then(|db| {
        let flushed = db.insert(b"key", b"value").and_then(|_| db.flush());
        std::mem::forget(db);
        flushed
    });
    let error = flushed.expect_err("a flush that may not sync");
    assert!(error.to_string().contains("Operation not permitted"), "{error}");

    let path = directory.join("db");
    let store = SledStore::open(&path).unwrap();
    for number in 0..20_u64 {
        store.put(&number.to_be_bytes(), &[1; 1000]).unwrap();
        store.flush().unwrap();
    }
    store.close().unwrap();
    assert_eq!(rows(&SledStore::open(&path).unwrap()).len(), 20);
    child::say("passed");
}

#[test]
fn a_sandbox_that_forbids_what_sled_syncs_with_does_no_harm() {
    let directory = scratch();
    let mut process = child::start("sandbox::child_writes_in_the_sandbox", directory.path());
    process.expect("passed");
    assert!(process.finish().success(), "the child ended badly after its last check");
}
