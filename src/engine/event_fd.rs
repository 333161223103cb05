//! A descriptor that a thread can wait on by poll, epoll or an event loop.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd};

/// It is readable while it is raised. No call of it blocks.
#[derive(Debug)]
pub(crate) struct EventFd(File);

impl EventFd {
    /// A new one, which is lowered. Programs that this process starts do not inherit it.
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: the call takes two numbers and no pointers.
        let descriptor = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and open, and nothing else owns it.
        Ok(Self(unsafe { File::from_raw_fd(descriptor) }))
    }

    pub(crate) fn raise(&self) {
        // Its counter cannot overflow: a write of 1 comes once before each read, which resets it.
        let _ = (&self.0).write(&1_u64.to_ne_bytes());
    }

    pub(crate) fn lower(&self) {
        // Where somebody else has read it, there is nothing to read.
        let _ = (&self.0).read(&mut [0; 8]);
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
