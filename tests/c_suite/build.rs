//! Compiles the C tests and links them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::c_library::{c_files, package};
use crate::compiler::{compiler, finish, Linkage};

/// The standard and the warnings that users of the header may have switched on.
const FLAGS: [&str; 7] = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-pthread", "-g"];

/// One C file, compiled or not.
pub struct Part {
    pub name: String,
    pub object: PathBuf,
    pub outcome: Result<(), String>,
}

/// Compiles every C file.
pub fn compile_all() -> Vec<Part> {
    c_files().iter().map(|file| compile(file)).collect()
}

fn compile(file: &Path) -> Part {
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let object = directory().join(format!("{name}.o"));
    let mut command = compiler(directory());
    command.args(FLAGS).arg("-I").arg(package().join("include"));
    command.arg("-c").arg(file).arg("-o").arg(&object);
    // An object that an earlier run left must not stand in for one that no longer compiles.
    let _ = fs::remove_file(&object);
    Part { name, outcome: finish(command), object }
}

/// Links all parts to one program, `c-tests-shared` or `c-tests-static`.
pub fn link(linkage: Linkage, objects: &[PathBuf]) -> Result<PathBuf, String> {
    let program = directory().join(format!("c-tests-{}", linkage.name));
    let mut command = compiler(directory());
    // A file that did not compile is a failure of its own; the others run nevertheless.
    command.args(objects.iter().filter(|object| object.exists()));
    command.arg("-pthread").args((linkage.arguments)(directory())).arg("-o").arg(&program);
    finish(command).map(|()| program)
}

/// Cargo's place for the files of this test.
fn directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("c-suite");
        fs::create_dir_all(&directory).expect("the target directory can be written to");
        directory
    })
}
