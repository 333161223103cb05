//! What tests of the C side share: where its files are.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// The root of the package.
pub fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A library that cargo built for this very test run, such as `libsledstore.so`.
///
/// Cargo builds all crate types of the library before the tests that depend on it, and puts them
/// beside the test's own program, in `deps`. Because a shared library is among them, the names have
/// no hash, so there is exactly one of each and it is never older than the sources. (The copies one
/// directory up come from `cargo build` and may be of any age.)
pub fn built_library(name: &str) -> PathBuf {
    let program = env::current_exe().expect("a test knows its own program");
    let path = program.parent().expect("a program is in a directory").join(name);
    assert!(path.is_file(), "cargo did not build {}", path.display());
    path
}

/// The C files of `c-tests`, by name, in order.
pub fn c_files() -> Vec<PathBuf> {
    let directory = package().join("c-tests");
    let entries = fs::read_dir(&directory).expect("c-tests can be listed");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("c-tests can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "c"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no C file in {}", directory.display());
    files
}
