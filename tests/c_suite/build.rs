//! Compiles the C tests and links them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::c_library::{built_library, c_files, package};

/// The standard and the warnings that users of the header may have switched on.
const FLAGS: [&str; 7] = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-pthread", "-g"];

/// The name that the shared library has in the programs that use it.
const SONAME: &str = "libsledstore.so.0";

/// One C file, compiled or not.
pub struct Part {
    pub name: String,
    pub object: PathBuf,
    pub outcome: Result<(), String>,
}

/// One way to link.
#[derive(Clone, Copy)]
pub struct Linkage {
    pub name: &'static str,
    arguments: fn(&Path) -> Vec<String>,
}

pub const LINKAGES: [Linkage; 2] = [
    Linkage { name: "shared", arguments: shared_arguments },
    Linkage { name: "static", arguments: static_arguments },
];

/// Compiles every C file.
pub fn compile_all() -> Vec<Part> {
    c_files().iter().map(|file| compile(file)).collect()
}

fn compile(file: &Path) -> Part {
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let object = directory().join(format!("{name}.o"));
    let mut command = compiler();
    command.args(FLAGS).arg("-I").arg(package().join("include"));
    command.arg("-c").arg(file).arg("-o").arg(&object);
    // An object that an earlier run left must not stand in for one that no longer compiles.
    let _ = fs::remove_file(&object);
    Part { name, outcome: finish(command), object }
}

/// Links all parts to one program, `c-tests-shared` or `c-tests-static`.
pub fn link(linkage: Linkage, objects: &[PathBuf]) -> Result<PathBuf, String> {
    let program = directory().join(format!("c-tests-{}", linkage.name));
    let mut command = compiler();
    // A file that did not compile is a failure of its own; the others run nevertheless.
    command.args(objects.iter().filter(|object| object.exists()));
    command.arg("-pthread").args((linkage.arguments)(directory())).arg("-o").arg(&program);
    finish(command).map(|()| program)
}

/// At run time, the loader looks for the soname; a link of that name leads to what cargo built.
fn shared_arguments(directory: &Path) -> Vec<String> {
    let library = built_library("libsledstore.so");
    let link = directory.join(SONAME);
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink(&library, &link).expect("a link can be made");
    vec![
        library.display().to_string(),
        // DT_RPATH and not DT_RUNPATH: no library path of the environment comes before it.
        format!("-Wl,--disable-new-dtags,-rpath,{}", directory.display()),
        "-Wl,--no-undefined".into(),
    ]
}

fn static_arguments(_: &Path) -> Vec<String> {
    let library = built_library("libsledstore.a").display().to_string();
    [library].into_iter().chain(system_libraries()).collect()
}

/// What a program that links the static library has to name besides it: the list that is published.
fn system_libraries() -> Vec<String> {
    let text = fs::read_to_string(package().join("sledstore.pc.in")).expect("sledstore.pc.in");
    let list = text.lines().find_map(|line| line.strip_prefix("Libs.private:"));
    let list = list.expect("sledstore.pc.in names the system's libraries");
    list.split_whitespace().map(str::to_owned).collect()
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

/// The C compiler that `cc` finds, which is told here what a build script learns from cargo.
fn compiler() -> Command {
    let target = env!("SLEDSTORE_TARGET");
    let mut build = cc::Build::new();
    // `warnings(false)` would not leave them to FLAGS, but switch them off with -w.
    build.target(target).host(target).opt_level(1).warnings(true).out_dir(directory());
    build.cargo_metadata(false).get_compiler().to_command()
}

fn finish(mut command: Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let arguments: Vec<_> = command.get_args().map(|it| it.to_string_lossy()).collect();
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program} {}\n{}\n{said}", arguments.join(" "), output.status))
}
