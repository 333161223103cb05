//! Opening, closing, what the builder takes, what the file system does, and keyspaces.

mod builder;
#[path = "../common/mod.rs"]
mod common;
mod faults;
mod keyspaces;
mod locks;
mod paths;
mod read_only;
mod temporary;
