//! The rows of sled's trees: reading, moving over them, and writing them for the checkpoint.

pub(crate) mod bytes;
pub(crate) mod cursor;
pub(crate) mod overflow;
pub(crate) mod range;
pub(crate) mod row;
pub(crate) mod settle;
pub(crate) mod tree;

pub use bytes::Bytes;
pub use row::Row;

pub(crate) use cursor::Cursor;
pub(crate) use range::is_empty_range;
pub(crate) use settle::{settle, Step};
pub(crate) use tree::Tree;
