//! Log files tell of which boot of the machine they are. A power cut ends a boot, and the states are
//! opened in the one that they were recorded in, so their log files are made to tell of another.

use super::image::Image;

/// What the names of log files begin with; see `src/commit/log/file.rs` for what is in them.
pub const LOG_FILE: &str = "sledstore.log.";

const MAGIC: &[u8] = b"sledlog1";

/// The head of a file without its checksum, the place of the boot in it, and its length.
const SUMMED: usize = 44;
const BOOT: usize = 32;
const HEAD: usize = 48;

/// No boot that is.
const EARLIER: u64 = 12345;

/// Makes `image` one that the next boot of the machine finds.
pub fn end(image: &mut Image) {
    let is_log = |path: &str| path.rsplit('/').next().is_some_and(|it| it.starts_with(LOG_FILE));
    for (_, bytes) in image.files.iter_mut().filter(|(path, _)| is_log(path)) {
        // A file that is not in use has no head, and whether a head is whole is for the store to see.
        let is_head = bytes.len() >= HEAD && bytes.starts_with(MAGIC) && has_sum(bytes);
        if is_head {
            bytes[BOOT..BOOT + 8].copy_from_slice(&EARLIER.to_le_bytes());
            let sum = crc32fast::hash(&bytes[..SUMMED]);
            bytes[SUMMED..HEAD].copy_from_slice(&sum.to_le_bytes());
        }
    }
}

fn has_sum(bytes: &[u8]) -> bool {
    crc32fast::hash(&bytes[..SUMMED]).to_le_bytes() == bytes[SUMMED..HEAD]
}
