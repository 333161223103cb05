//! Calls to the operating system that fail: see `inject.c`, which this builds and loads into
//! children.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::common::child::{self, Process};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Open,
    Read,
    /// Reads at a place of a file, as the engine reads its log.
    Pread,
    /// Such reads in the thread in which the engine flushes from time to time.
    Periodic,
    Write,
    Pwrite,
    Fsync,
    Ftruncate,
    Rename,
    /// Reads of one byte of the log: `first` is its place.
    Sector,
    /// No failure: each sync takes `first` microseconds more.
    Slow,
}

/// What goes wrong in a child.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    pub kind: Kind,
    /// Counted from 1.
    pub first: u64,
    /// 0 means every call from the first one on.
    pub times: u64,
    /// 0 lets the call wait for ever.
    pub errno: i32,
}

impl Fault {
    /// Only counts.
    pub fn none(kind: Kind) -> Self {
        Self { kind, first: u64::MAX >> 1, times: 1, errno: libc::EIO }
    }
}

/// Starts the ignored test `part` with this fault below `directory`. What the child prints to its
/// standard error goes to `complaints`.
pub fn start(
    part: &str,
    directory: &Path,
    fault: Fault,
    settings: &[(&str, &str)],
    complaints: &Path,
) -> Process {
    let mut command = Command::new(std::env::current_exe().expect("this binary has a path"));
    command.args(child::arguments(part)).envs(settings.iter().copied());
    // What is watched are paths as the kernel says them.
    let below = directory.canonicalize().expect("the directory is there");
    let kind = format!("{:?}", fault.kind).to_lowercase();
    command.env("LD_PRELOAD", library()).env("FAULT_DIRECTORY", &below).env("FAULT_KIND", kind);
    command.env("FAULT_FIRST", fault.first.to_string());
    command.env("FAULT_TIMES", fault.times.to_string());
    command.env("FAULT_ERRNO", fault.errno.to_string());
    command.stderr(Stdio::from(File::create(complaints).expect("a file for what it prints")));
    child::start_command(command, &below)
}

/// The panics that a child's standard error tells of and that did not come from inside sled.
pub fn foreign_panics(complaints: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(complaints).expect("what the child printed");
    let panics = text.lines().filter(|line| line.contains("panicked at "));
    panics.filter(|line| !line.contains("sled-0.34.7")).map(str::to_owned).collect()
}

/// In a child: how many calls of the kind there were, and how many of them were made to fail.
pub fn calls_and_hits() -> (i64, i64) {
    (ask(c"fault_calls"), ask(c"fault_hits"))
}

/// In a child: how many calls of the kind there were before something was renamed for the first time,
/// -1 if nothing was.
pub fn calls_before_rename() -> i64 {
    ask(c"fault_calls_before_rename")
}

/// In a child: the first call that fails is number `call`.
pub fn begin_with(call: i64) {
    let function = find(c"fault_begin_with");
    // SAFETY: `inject.c` defines it so.
    let begin =
        unsafe { std::mem::transmute::<*mut libc::c_void, extern "C" fn(libc::c_long)>(function) };
    begin(call);
}

/// In a child: no call fails any more, and those that wait go on.
pub fn disarm() {
    let function = find(c"fault_disarm");
    // SAFETY: `inject.c` defines it so.
    unsafe { std::mem::transmute::<*mut libc::c_void, extern "C" fn()>(function)() }
}

fn ask(name: &std::ffi::CStr) -> i64 {
    let function = find(name);
    // SAFETY: `inject.c` defines all of them so.
    unsafe { std::mem::transmute::<*mut libc::c_void, extern "C" fn() -> libc::c_long>(function)() }
}

fn find(name: &std::ffi::CStr) -> *mut libc::c_void {
    // SAFETY: the name ends with a zero byte.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    assert!(!found.is_null(), "{name:?} is not there: is inject.c loaded?");
    found
}

/// The library, built when it is first asked for.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults");
        std::fs::create_dir_all(&directory).expect("the target directory can be written to");
        let library = directory.join("inject.so");
        // Another run of this binary may be using the old one.
        let fresh = directory.join(format!("inject-{}.so", std::process::id()));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/inject.c");
        let target = env!("SLEDSTORE_TARGET");
        let mut build = cc::Build::new();
        build.target(target).host(target).opt_level(1).cargo_metadata(false).out_dir(&directory);
        let mut command = build.get_compiler().to_command();
        command.args(["-shared", "-fPIC"]).arg(source).arg("-o").arg(&fresh).arg("-ldl");
        let built = command.status().expect("the C compiler runs");
        assert!(built.success(), "inject.c is compiled");
        std::fs::rename(fresh, &library).expect("the library can be put in its place");
        library
    })
}
