//! Bytes that share the engine's buffer.

use std::fmt;
use std::ops::Deref;

/// A key or a value read from the store, without a copy.
///
/// It shares the engine's buffer (short ones are stored in place), never changes, is cheap to
/// clone, may go to other threads, and stays valid after the store is closed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(sled::IVec);

impl Bytes {
    pub(super) fn into_inner(self) -> sled::IVec {
        self.0
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, formatter)
    }
}

impl From<sled::IVec> for Bytes {
    fn from(inner: sled::IVec) -> Self {
        Self(inner)
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(sled::IVec::from(bytes))
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(sled::IVec::from(bytes))
    }
}

impl From<Bytes> for Vec<u8> {
    fn from(bytes: Bytes) -> Self {
        bytes.to_vec()
    }
}
