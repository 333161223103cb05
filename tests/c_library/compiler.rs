//! Compiling C from a test.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::c_library::{built_library, package};

/// The name that the shared library has in the programs that use it.
const SONAME: &str = "libsledstore.so.0";

/// One way to link a program with the library.
#[derive(Clone, Copy)]
pub struct Linkage {
    pub name: &'static str,
    /// The arguments for the compiler, for a program that will be in this directory.
    pub arguments: fn(&Path) -> Vec<String>,
}

pub const LINKAGES: [Linkage; 2] = [
    Linkage { name: "shared", arguments: shared_arguments },
    Linkage { name: "static", arguments: static_arguments },
];

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

/// The C compiler that `cc` finds, which is told here what a build script learns from cargo.
pub fn compiler(directory: &Path) -> Command {
    let target = env!("SLEDSTORE_TARGET");
    let mut build = cc::Build::new();
    // `warnings(false)` would not leave them to the caller, but switch them off with -w.
    build.target(target).host(target).opt_level(1).warnings(true).out_dir(directory);
    build.cargo_metadata(false).get_compiler().to_command()
}

/// Runs a command of the compiler; the error says what it complained of.
pub fn finish(mut command: Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let arguments: Vec<_> = command.get_args().map(|it| it.to_string_lossy()).collect();
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program} {}\n{}\n{said}", arguments.join(" "), output.status))
}
