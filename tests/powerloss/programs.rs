//! C programs that are linked with our library and with a second one of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::record::directory;
use crate::c_library::package;
use crate::compiler::{compiler, finish, LINKAGES};

/// Builds the program `program`.c, linked with our library in the way that is called `linkage`, and
/// with the shared library `second`.c.
pub fn build(linkage: &str, program: &str, second: &str) -> PathBuf {
    let linkage = LINKAGES.iter().find(|it| it.name == linkage).expect("a way to link");
    let directory = directory().join(format!("{program}-{}", linkage.name));
    fs::create_dir_all(&directory).expect("the target directory can be written to");
    let library = directory.join(format!("lib{second}.so"));
    let mut command = compile(&directory);
    command.args(["-shared", "-fPIC"]).arg(source(second)).arg("-o").arg(&library);
    finish(command).expect("the second library compiles");

    let built = directory.join(program);
    let mut command = compile(&directory);
    command.arg("-I").arg(package().join("include")).arg(source(program));
    command.args((linkage.arguments)(&directory));
    command.arg(library).arg(format!("-Wl,-rpath,{}", directory.display()));
    command.args(["-ldl", "-pthread", "-o"]).arg(&built);
    finish(command).expect("the program compiles and links");
    built
}

fn compile(directory: &Path) -> Command {
    let mut command = compiler(directory);
    command.args(["-std=gnu11", "-Wall", "-Wextra", "-Werror"]);
    command
}

fn source(name: &str) -> PathBuf {
    package().join("tests/powerloss").join(name).with_extension("c")
}
