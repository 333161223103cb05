//! Runs one C test: a process that has to end in time.

use std::fs::File;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{fs, iter};

use libtest_mimic::{Completion, Failed};
use tempfile::TempDir;

/// Far more than any test takes; it only ends those that hang.
const LIMIT: Duration = Duration::from_secs(600);

/// The exit code of a test that cannot run on this machine (see `check_skip`).
const SKIPPED: i32 = 77;

/// The names of the tests in a program.
pub fn list(program: &Path) -> Result<Vec<String>, String> {
    let output = Command::new(program).arg("--list").output();
    let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let names: Vec<String> = said.lines().map(str::to_owned).collect();
    match output.status.success() && !names.is_empty() {
        true => Ok(names),
        false => {
            let complaint = String::from_utf8_lossy(&output.stderr);
            Err(format!("{} --list: {}\n{complaint}", program.display(), output.status))
        }
    }
}

/// Runs the test `name` of `program`.
pub fn run(program: &Path, name: &str) -> Result<Completion, Failed> {
    // Everything that the test writes goes here, and away with it whatever happens to the test.
    let directory = TempDir::new()?;
    let said = directory.path().join("output");
    let output = File::create(&said)?;
    let mut child = Command::new(program)
        .arg(name)
        .env("TMPDIR", directory.path())
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        // A group of its own, so that the end of the limit also reaches processes it started.
        .process_group(0)
        .spawn()?;
    let status = wait(&mut child)?;
    let said = String::from_utf8_lossy(&fs::read(&said)?).into_owned();
    match status {
        Some(status) if status.success() => Ok(Completion::Completed),
        Some(status) if status.code() == Some(SKIPPED) => Ok(Completion::ignored_with(said.trim())),
        Some(status) => Err(format!("{}\n{said}", describe(status)).into()),
        None => Err(format!("still running after {} s\n{said}", LIMIT.as_secs()).into()),
    }
}

/// How the process ended, or `None` if it had to be ended.
fn wait(child: &mut Child) -> io::Result<Option<ExitStatus>> {
    let start = Instant::now();
    let pauses = iter::successors(Some(1), |pause| Some((pause * 2).min(50)));
    for pause in pauses {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() > LIMIT {
            break;
        }
        sleep(Duration::from_millis(pause));
    }
    let group = -i32::try_from(child.id()).expect("process ids are positive numbers of 31 bits");
    // SAFETY: kill reads nothing but its numbers. The group exists as long as the child, which was
    // not waited for yet.
    unsafe { libc::kill(group, libc::SIGKILL) };
    child.wait()?;
    Ok(None)
}

fn describe(status: ExitStatus) -> String {
    match status.signal() {
        Some(signal) => format!("the test was ended by signal {signal}"),
        None => format!("the test failed ({status})"),
    }
}
