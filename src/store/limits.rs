//! How large things may be; checked before the engine sees them.

use oxistore_core::StoreError;

use crate::engine::Result;

/// The longest key, in bytes, of a store whose segments have 8 MiB, as they have by default. Smaller
/// segments allow less: a 1,300th of them, which is 403 bytes for those of 512 KiB. The empty key is
/// legal.
pub const MAX_KEY_LEN: usize = 4096;

/// The longest value, in bytes. The empty value is legal, and is not the same as no value.
pub const MAX_VALUE_LEN: usize = 1 << 30;

/// The longest name of a keyspace, in bytes.
pub const MAX_KEYSPACE_NAME_LEN: usize = 255;

/// `longest` is what the store allows, if it is known already.
pub(crate) fn check_key(key: &[u8], longest: Option<usize>) -> Result<()> {
    check("a key", key.len(), longest.unwrap_or(MAX_KEY_LEN).min(MAX_KEY_LEN))
}

pub(crate) fn check_value(value: &[u8]) -> Result<()> {
    check("a value", value.len(), MAX_VALUE_LEN)
}

pub(crate) fn check_name(name: &[u8]) -> Result<()> {
    let refuse = |why: &str| {
        let name = name.escape_ascii();
        Err(StoreError::Unsupported(format!("\"{name}\" cannot be a keyspace's name: {why}")))
    };
    if name.is_empty() {
        return refuse("it is empty");
    }
    if name.starts_with(b"__") {
        return refuse("names that start with two underscores are the library's own");
    }
    check("the name of a keyspace", name.len(), MAX_KEYSPACE_NAME_LEN)
}

fn check(what: &str, len: usize, maximum: usize) -> Result<()> {
    if len <= maximum {
        return Ok(());
    }
    Err(StoreError::Unsupported(format!("{what} has {len} bytes, the most is {maximum}")))
}
