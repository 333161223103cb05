//! System calls of the write-ahead log that the standard library does not offer, or that it sends
//! through the symbols which `interpose/mod.rs` intercepts for sled's log.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// The names of log files are this and a number. A directory in which there are some holds a store.
pub(crate) const LOG_FILES: &str = "sledstore.log.";

/// Gives `file` the bytes `from` to `to` on the disk, all zero, where it has those before. Where the
/// file system cannot reserve space, the zeros are written.
pub(crate) fn preallocate(file: &File, from: u64, to: u64) -> io::Result<()> {
    let (offset, length) = (from as libc::off_t, (to - from) as libc::off_t);
    // SAFETY: the descriptor is open as long as `file` lives, and the call takes no pointers.
    let result = unsafe { libc::fallocate(file.as_raw_fd(), 0, offset, length) };
    if result == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EOPNOTSUPP | libc::ENOSYS) => fill_with_zeros(file, from, to),
        _ => Err(error),
    }
}

fn fill_with_zeros(file: &File, mut from: u64, to: u64) -> io::Result<()> {
    let zeros = [0; 64 << 10];
    while from < to {
        let part = (to - from).min(zeros.len() as u64);
        write_all_at(file, &zeros[..part as usize], from)?;
        from += part;
    }
    Ok(())
}

/// Writes all of `bytes` at `offset`.
pub(crate) fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let start = bytes.as_ptr().cast();
        // SAFETY: `start` points to `bytes.len()` bytes that live through the call, and the descriptor
        // is open as long as `file` lives.
        let written =
            unsafe { libc::pwrite(file.as_raw_fd(), start, bytes.len(), offset as libc::off_t) };
        match written {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            1.. => {
                bytes = &bytes[written as usize..];
                offset += written as u64;
            }
            _ => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn a_new_file_is_full_of_zeros_and_takes_what_is_written() {
        let file = tempfile::tempfile().expect("a temporary file");
        preallocate(&file, 0, 100_000).expect("space");
        write_all_at(&file, b"bytes", 70_000).expect("writing");
        let mut found = vec![1; 100_000];
        file.read_exact_at(&mut found, 0).expect("reading");
        assert_eq!(&found[70_000..70_005], b"bytes");
        assert!(found[..70_000].iter().chain(&found[70_005..]).all(|byte| *byte == 0));
        fill_with_zeros(&file, 0, 100_000).expect("writing");
        file.read_exact_at(&mut found, 0).expect("reading");
        assert!(found.iter().all(|byte| *byte == 0));
    }
}
