//! Has a program recorded.

use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

use super::disk::Disk;
use super::image::Image;
use super::log::{self, Event, Mark};
use super::states::{state, Model};
use crate::c_library::package;
use crate::common::child;
use crate::common::random::Random;
use crate::compiler::{compiler, finish};

/// Tells a recorded child which workload is its own.
const WORKLOAD: &str = "SLEDSTORE_TEST_WORKLOAD";
const RECORDED: &str = "SLEDSTORE_RECORD_DIRECTORY";

/// What the program is recorded with: built when it is first asked for.
fn recorder() -> &'static Path {
    static RECORDER: OnceLock<PathBuf> = OnceLock::new();
    RECORDER.get_or_init(|| {
        let library = directory().join("recorder.so");
        let mut command = compiler(directory());
        command.args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-pthread"]);
        command.arg(package().join("tests/powerloss/recorder.c"));
        command.arg("-o").arg(&library).arg("-ldl");
        finish(command).expect("the recorder compiles");
        library
    })
}

/// Cargo's place for the files of this test.
pub fn directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("powerloss");
        fs::create_dir_all(&directory).expect("the target directory can be written to");
        directory
    })
}

/// The log of what is recorded in `root`.
pub fn log_of(root: &Path) -> PathBuf {
    root.with_extension("log")
}

/// Runs `command` to its end and answers with what it did below `root`, which is made.
pub fn record(mut command: Command, root: &Path) -> Vec<Event> {
    fs::create_dir(root).expect("a new directory");
    let log = log_of(root);
    command.env("LD_PRELOAD", recorder()).env(RECORDED, root).env("SLEDSTORE_RECORD_LOG", &log);
    let output = command.output().expect("the recorded program starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}\n{complaint}", output.status);
    let events = log::read(&log);
    check_completeness(&events, root);
    events
}

/// What was recorded leads to what is there, or else something went past the recorder.
fn check_completeness(events: &[Event], root: &Path) {
    let mut disk = Disk::default();
    events.iter().for_each(|event| disk.apply(event));
    let recorded = state(&disk, Model::Everything, &mut Random::new(0));
    let differences = recorded.differences(&Image::of(root));
    assert!(differences.is_empty(), "the recorder missed something: {differences:?}");
    assert!(!events.is_empty(), "nothing was recorded");
}

/// The command that runs the ignored test `part` of this binary with the workload of this name.
pub fn child_command(part: &str, workload: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("this binary has a path"));
    command.args(child::arguments(part)).env(WORKLOAD, workload);
    command
}

/// In a recorded child: the workload, and the directory for it. `None` when this is no child.
pub fn task() -> Option<(String, PathBuf)> {
    let workload = env::var(WORKLOAD).ok()?;
    Some((workload, env::var_os(RECORDED)?.into()))
}

/// In a recorded child: has the recorder note `mark`.
pub fn mark(mark: Mark) {
    static FUNCTION: OnceLock<extern "C" fn(u32, u64)> = OnceLock::new();
    let function = FUNCTION.get_or_init(|| {
        let name: &CStr = c"powerloss_mark";
        // SAFETY: `name` is a string that ends in a zero.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        assert!(!found.is_null(), "the recorder is not loaded");
        // SAFETY: the recorder, and nobody else, has a function of this name, with this signature.
        unsafe { std::mem::transmute::<*mut libc::c_void, extern "C" fn(u32, u64)>(found) }
    });
    let (kind, count) = mark.encode();
    function(kind, count);
}
