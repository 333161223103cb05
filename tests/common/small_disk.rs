//! Children whose directory is a small file system of their own, in a mount namespace.

use std::path::Path;
use std::process::Command;

use super::{child, scratch};

/// Runs the ignored test `part` as a child whose directory is a file system of `megabytes`. Does
/// nothing but say so where this user may not make namespaces.
pub fn in_a_small_file_system(part: &str, megabytes: u32) {
    let directory = scratch();
    let allowed = Command::new("unshare").args(["-rm", "true"]).status();
    if !allowed.is_ok_and(|status| status.success()) {
        eprintln!("NOT TESTED, because `unshare -rm` does not work here: {part}");
        return;
    }
    let script = format!(
        "mount -t tmpfs -o size={megabytes}m sledstore-test \"$0\" && exec \"$@\" \
         || echo '@the file system could not be mounted'"
    );
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", &script]).arg(directory.path());
    command.arg(std::env::current_exe().expect("this binary has a path"));
    command.args(child::arguments(part));
    let mut process = child::start_command(command, directory.path());
    process.expect("passed");
    assert!(process.finish().success(), "the child ended badly after its last check");
}

/// In such a child: mounts the file system anew with other options.
pub fn remount(directory: &Path, options: &str) {
    let mut command = Command::new("mount");
    let status = command.args(["-o", &format!("remount,{options}")]).arg(directory).status();
    assert!(status.expect("mount runs").success(), "remount with {options}");
}
