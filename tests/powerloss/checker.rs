//! Opens states of the disk and judges them, in child processes: a state that makes the process
//! crash or hang is a bad one, and the next state gets another process.

use std::collections::BTreeMap;
use std::fs::File;
use std::panic;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::oracle::{contents, Cell, Contents, Expectation};
use super::progress::Progress;
use super::raw;
use super::workloads::{self, Workload};
use crate::common::child::{self, Hangs, Process};

/// Far more than the opening of any state takes; it only ends those that hang.
const LIMIT: Duration = Duration::from_secs(60);

/// What is to be known of a state to judge it.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The state of the recorded directory, as files. The checker writes to it.
    pub root: &'a Path,
    pub workload: &'a str,
    /// Whether it was raw sled that wrote it, and is to open it.
    pub raw: bool,
    pub progress: Progress,
    /// Whether to write to the store, too, and to open it once more.
    pub thorough: bool,
}

/// The child process, started when it is needed.
pub struct Checker {
    directory: PathBuf,
    process: Option<Process>,
}

impl Checker {
    /// `directory` is for what the children print.
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), process: None }
    }

    /// What is wrong with the state, if anything is.
    pub fn ask(&mut self, question: Question<'_>) -> Result<(), String> {
        let said = self.directory.join("said");
        let process = self.process.get_or_insert_with(|| start(&self.directory, &said));
        process.tell(&question.line());
        let answer = match process.next_message_within(LIMIT) {
            Ok(Some(answer)) if answer == "good" => return Ok(()),
            Ok(Some(answer)) => answer,
            Ok(None) => "the process crashed".to_owned(),
            Err(Hangs) => format!("still not open after {} s", LIMIT.as_secs()),
        };
        // After something went wrong nothing is known of the process.
        self.process = None;
        let said = std::fs::read(&said).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let said: Vec<&str> = said.lines().rev().filter(|line| !line.is_empty()).take(4).collect();
        Err(format!("{answer}\n{}", said.into_iter().rev().collect::<Vec<_>>().join("\n")))
    }
}

fn start(directory: &Path, said: &Path) -> Process {
    let binary = std::env::current_exe().expect("this binary has a path");
    let mut command = Command::new(binary);
    command.args(child::arguments("check_child"));
    command.stderr(File::create(said).expect("a file for what the child says"));
    child::start_command(command, directory)
}

impl Question<'_> {
    fn line(&self) -> String {
        let Question { root, workload, raw, progress, thorough } = self;
        format!("{workload} {raw} {progress} {thorough} {}", root.display())
    }
}

/// Panics of any thread, since the state that is judged was opened.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Whether it is plain sled that opens the state.
static PLAIN_SLED: AtomicBool = AtomicBool::new(false);

/// In a child: answers questions until there are no more.
pub fn serve() {
    panic::set_hook(Box::new(|panic| {
        eprintln!("{panic}");
        PANICS.lock().unwrap_or_else(PoisonError::into_inner).push(panic.to_string());
        if PLAIN_SLED.load(Ordering::SeqCst) {
            // It hangs while it unwinds.
            // SAFETY: this call only ends the process.
            unsafe { libc::_exit(101) };
        }
    }));
    let mut expectations: BTreeMap<String, Expectation> = BTreeMap::new();
    loop {
        let line = child::listen();
        let Some((words, root)) = split(&line) else { return };
        let [workload, raw, progress, thorough] = words;
        let question = Question {
            root: Path::new(root),
            workload,
            raw: raw == "true",
            progress: progress.parse().expect("how far each thread was"),
            thorough: thorough == "true",
        };
        let workload = workloads::named(workload);
        let expectation = expectations.entry(workload.name.to_owned());
        let expectation = expectation.or_insert_with(|| Expectation::of(workload));
        let judged = panic::catch_unwind(|| judge(&question, workload, expectation));
        let judged = judged.unwrap_or_else(|_| Err("panic".into()));
        let panics = std::mem::take(&mut *PANICS.lock().unwrap_or_else(PoisonError::into_inner));
        let answer = match (judged, panics.first()) {
            (Ok(()), None) => "good".to_owned(),
            (Ok(()), Some(panic)) => format!("a panic on the way: {panic}"),
            (Err(error), _) => error,
        };
        child::say(&answer.replace('\n', " "));
    }
}

/// `None` for an empty line: nobody asks any more.
fn split(line: &str) -> Option<([&str; 4], &str)> {
    let mut words = line.splitn(5, ' ');
    let first = [(); 4].map(|()| words.next().unwrap_or_default());
    Some((first, words.next()?))
}

fn judge(question: &Question, workload: &Workload, wanted: &Expectation) -> Result<(), String> {
    let Question { root, progress, .. } = *question;
    PLAIN_SLED.store(question.raw, Ordering::SeqCst);
    if question.raw {
        let found = raw::contents(workload, root)?;
        return wanted.judge(&found, &progress).map(drop);
    }
    let open = || workload.open(root).map_err(|error| format!("open: {error}"));
    let store = open()?;
    let mut found = contents(&store)?;
    wanted.judge(&found, &progress)?;
    if question.thorough {
        // What came through one power cut has to be a store like any other.
        let failed = |error| format!("in the store that came through: {error}");
        store.put(b"after the cut", b"written").and_then(|()| store.flush()).map_err(failed)?;
        store.close().map_err(failed)?;
        let store = open()?;
        found.insert((0, b"after the cut".to_vec()), Cell::new(b"written", None));
        same(&found, &contents(&store)?)?;
        return store.close().map_err(failed);
    }
    store.close().map_err(|error| format!("close: {error}"))
}

fn same(before: &Contents, after: &Contents) -> Result<(), String> {
    match before == after {
        true => Ok(()),
        false => Err("the store that came through does not keep what it has".into()),
    }
}
