//! A process that forks while it has a store open: the other one keeps copies of its files.

use std::time::Duration;

use sledstore::SledStore;

use crate::common::{child, scratch};

/// A copy of this process that does nothing until it is killed, when this is dropped.
struct Idle(libc::pid_t);

impl Idle {
    fn start() -> Self {
        // SAFETY: the child calls nothing but `pause`, which is allowed after a fork among threads.
        match unsafe { libc::fork() } {
            0 => loop {
                // SAFETY: it takes no pointers.
                unsafe { libc::pause() };
            },
            child => {
                assert!(child > 0, "fork works");
                Self(child)
            }
        }
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        // SAFETY: the child is ours and has not been waited for; a null pointer asks for no status.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, std::ptr::null_mut(), 0);
        }
    }
}

#[test]
#[ignore = "runs as a child process of the test below"]
fn child_forks_with_a_store_open() {
    let Some(directory) = child::directory() else { return };
    let path = directory.join("db");
    let store = SledStore::open(&path).unwrap();
    store.put(b"a", b"1").unwrap();
    let idle = Idle::start();
    let closed = store.close();
    let again = SledStore::open(&path);
    drop(idle);
    closed.expect("close");
    assert_eq!(again.expect("it is closed").count().unwrap(), 1);
    child::say("passed");
}

#[test]
fn a_forked_process_that_does_nothing_does_not_keep_the_store_locked() {
    let directory = scratch();
    let mut process = child::start("forks::child_forks_with_a_store_open", directory.path());
    let message = process.next_message_within(Duration::from_secs(60)).expect("it hangs");
    assert_eq!(message.as_deref(), Some("passed"));
    assert!(process.finish().success());
}
