//! Calls to the operating system that fail: see `inject.c`, which this builds and loads into
//! children.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use crate::common::child::{self, Process};
use crate::common::scratch;

/// Far above what any child of these tests takes, on a machine that has other things to do too.
const HANG: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Open,
    Read,
    /// Reads at a place of a file, as the engine reads its log.
    Pread,
    Write,
    Pwrite,
    /// What gives a file of the store's log its room.
    Fallocate,
    Fsync,
    /// What the store's log is synced with.
    Fdatasync,
    Ftruncate,
    Rename,
    Unlink,
    /// Reads of one byte of the log: `first` is its place.
    Sector,
    /// No failure: each sync takes `first` microseconds more.
    Slow,
}

/// Which files it goes wrong with, of a store in the directory `db` below the one that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    All,
    /// Those of the store's log.
    Log,
    /// The engine's log, which the checkpoint writes to.
    Engine,
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
    pub files: Files,
}

impl Fault {
    /// Only counts.
    pub fn none(kind: Kind) -> Self {
        let files = Files::All;
        Self { kind, first: u64::MAX >> 1, times: 1, errno: libc::EIO, files }
    }

    /// The same for a call that never comes back, where nothing fails before `begin_with`.
    pub fn hang(kind: Kind) -> Self {
        Self { errno: 0, times: 0, ..Self::none(kind) }
    }

    pub fn of(self, files: Files) -> Self {
        Self { files, ..self }
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
    command.env(
        "FAULT_FILES",
        match fault.files {
            Files::All => "",
            Files::Log => "db/sledstore.log.",
            Files::Engine => "db/db",
        },
    );
    command.stderr(Stdio::from(File::create(complaints).expect("a file for what it prints")));
    child::start_command(command, &below)
}

/// The panics that a child's standard error tells of and that did not come from inside sled: children that
/// use sled alone print those.
pub fn foreign_panics(complaints: &Path) -> Vec<String> {
    let panics = printed_panics(complaints).into_iter();
    panics.filter(|line| !line.contains("sled-0.34.7")).collect()
}

/// The panics that a child's standard error tells of.
pub fn printed_panics(complaints: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(complaints).expect("what the child printed");
    text.lines().filter(|line| line.contains("panicked at ")).map(str::to_owned).collect()
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

/// In a child: the next call of the kind fails, and those after it that are to fail.
pub fn begin() {
    begin_with(calls_and_hits().0 + 1);
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

/// In a child: waits until a call was made to fail, or hangs.
pub fn wait_for_a_hit() {
    while calls_and_hits().1 == 0 {
        std::thread::yield_now();
    }
}

/// Runs the child `part` in a directory of its own until it says that it has passed.
#[track_caller]
pub fn passes(part: &str, fault: Fault) {
    passes_with(part, fault, &[]);
}

/// The same with settings for the child.
#[track_caller]
pub fn passes_with(part: &str, fault: Fault, settings: &[(&str, &str)]) {
    let (directory, notes) = (scratch(), scratch());
    let complaints = notes.path().join("stderr");
    let mut process = start(part, directory.path(), fault, settings, &complaints);
    let message = process.next_message_within(HANG);
    let printed = std::fs::read_to_string(&complaints).expect("what the child printed");
    let message = message.unwrap_or_else(|_| panic!("{part} hangs\n{printed}"));
    assert_eq!(message.as_deref(), Some("passed"), "{part}\n{printed}");
    assert!(process.finish().success(), "{part} ended badly after its last check");
    assert_eq!(foreign_panics(&complaints), [""; 0]);
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
