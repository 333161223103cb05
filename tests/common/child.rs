//! Child processes: a test starts its own binary again, running one ignored test that plays the
//! child's part. Parent and child talk in lines over the child's standard input and output.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// Tells the child which directory is its own. Without it a child's test does nothing, so that
/// running all ignored tests by hand is harmless.
const DIRECTORY: &str = "SLEDSTORE_TEST_CHILD_DIRECTORY";

/// What a message of a child begins with; the test harness prints lines of its own in between.
const MARK: char = '@';

/// Far above any honest duration, on a machine that has other things to do too: only a child that hangs takes so
/// long to say something.
const LIMIT: Duration = Duration::from_secs(600);

/// In a child: the directory that it was told to work in. `None` when this is no child.
pub fn directory() -> Option<PathBuf> {
    std::env::var_os(DIRECTORY).map(PathBuf::from)
}

/// In a child: sends the parent a message of one line.
pub fn say(message: &str) {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{MARK}{message}").expect("the parent listens");
    output.flush().expect("the parent listens");
}

/// In a child: waits for the parent's next line.
pub fn listen() -> String {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("the parent speaks");
    line.trim_end().to_string()
}

/// A running child process, seen from the parent. Dropping it kills it.
pub struct Process {
    child: Child,
    input: ChildStdin,
    messages: Receiver<String>,
}

/// Starts the ignored test `part` of this binary as a child process.
pub fn start(part: &str, directory: &Path) -> Process {
    let binary = std::env::current_exe().expect("this binary has a path");
    let mut command = Command::new(binary);
    command.args(arguments(part));
    start_command(command, directory)
}

/// What makes a test binary run the one ignored test `part` and show what it prints.
pub fn arguments(part: &str) -> [&str; 5] {
    [part, "--exact", "--ignored", "--nocapture", "--test-threads=1"]
}

/// Starts a command that ends in a child's test, for children that need something around them.
pub fn start_command(mut command: Command, directory: &Path) -> Process {
    command.env(DIRECTORY, directory).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the child process starts");
    let input = child.stdin.take().expect("a pipe to the child");
    let output = child.stdout.take().expect("a pipe from the child");
    let (sender, messages) = channel();
    // A thread reads, so that the parent can wait with a limit, and so that a child never blocks
    // on a full pipe.
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // The harness prints "test name ... " without a line end before the first message.
            if let Some((_, message)) = line.split_once(MARK) {
                if sender.send(message.to_string()).is_err() {
                    return;
                }
            }
        }
    });
    Process { child, input, messages }
}

/// A child has said nothing for so long that it never will.
#[derive(Debug)]
pub struct Hangs;

impl Process {
    /// The child's next message, `None` when it has ended.
    pub fn next_message(&mut self) -> Option<String> {
        self.next_message_within(LIMIT).expect("the child process hangs")
    }

    /// The same with a limit of the caller's own; fails when that has passed.
    pub fn next_message_within(&mut self, limit: Duration) -> Result<Option<String>, Hangs> {
        match self.messages.recv_timeout(limit) {
            Ok(message) => Ok(Some(message)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => Err(Hangs),
        }
    }

    /// Waits until the child says exactly this.
    #[track_caller]
    pub fn expect(&mut self, wanted: &str) {
        let message = self.next_message();
        assert_eq!(message.as_deref(), Some(wanted), "what the child process says");
    }

    /// Sends the child a line.
    pub fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("the child listens");
    }

    /// Kills the child with SIGKILL and returns what it said and nobody has read yet.
    pub fn kill(mut self) -> Vec<String> {
        self.child.kill().expect("the child can be killed");
        self.child.wait().expect("the child ends");
        std::iter::from_fn(|| self.next_message()).collect()
    }

    /// Waits until the child has ended by itself.
    pub fn finish(mut self) -> ExitStatus {
        while self.next_message().is_some() {}
        self.child.wait().expect("the child ends")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when the child has been waited for already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
