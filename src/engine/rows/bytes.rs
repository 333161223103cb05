//! Bytes that share the engine's buffer.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// A key or a value read from the store, without a copy.
///
/// It shares the engine's buffer (short ones are stored in place), never changes, is cheap to
/// clone, may go to other threads, and stays valid after the store is closed.
#[derive(Clone)]
pub struct Bytes(Kind);

#[derive(Clone)]
enum Kind {
    Engine(sled::IVec),
    /// Put together from pieces; not to be copied once more for that.
    Whole(Arc<Vec<u8>>),
}

impl Bytes {
    pub(crate) fn whole(bytes: Vec<u8>) -> Self {
        Self(Kind::Whole(Arc::new(bytes)))
    }

    pub(crate) fn into_inner(self) -> sled::IVec {
        match self.0 {
            Kind::Engine(bytes) => bytes,
            Kind::Whole(bytes) => sled::IVec::from(&bytes[..]),
        }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Kind::Engine(bytes) => bytes,
            Kind::Whole(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Default for Bytes {
    fn default() -> Self {
        Self(Kind::Engine(sled::IVec::default()))
    }
}

// Two are equal if their bytes are, wherever those are kept.
impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Bytes {}

impl PartialOrd for Bytes {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Bytes {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (**self).cmp(&**other)
    }
}

impl Hash for Bytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, formatter)
    }
}

impl From<sled::IVec> for Bytes {
    fn from(inner: sled::IVec) -> Self {
        Self(Kind::Engine(inner))
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(Kind::Engine(sled::IVec::from(bytes)))
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Kind::Engine(sled::IVec::from(bytes)))
    }
}

impl From<Bytes> for Vec<u8> {
    fn from(bytes: Bytes) -> Self {
        match bytes.0 {
            Kind::Engine(bytes) => bytes.to_vec(),
            Kind::Whole(bytes) => Arc::unwrap_or_clone(bytes),
        }
    }
}
