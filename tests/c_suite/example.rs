//! The programs that the header and README.md begin with: compiled as they stand there, and run.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::c_library::package;
use crate::compiler::{compiler, finish, Linkage};

/// Runs the program, and then looks whether a handle is left.
const DRIVER: &str = r#"
#define main example_main
#include "example.c"
#undef main

int main(void)
{
    size_t live;
    int result = example_main();
    if (sledstore_live_handles(0, &live, NULL) != SLEDSTORE_OK || live != 0) return 99;
    return result;
}
"#;

/// A program of a document.
pub struct Example {
    pub name: &'static str,
    /// Finds it in the text of the document.
    document: &'static str,
    begin: &'static str,
    end: &'static str,
    /// What stands before each line.
    margin: &'static str,
    /// What it calls its store, what it says of a key that is missing, and what the key has later.
    store: &'static str,
    missing: &'static str,
    value: &'static str,
}

pub const EXAMPLES: [Example; 2] = [
    Example {
        name: "header",
        document: "include/sledstore.h",
        begin: " * EXAMPLE\n",
        end: " * STATUSES\n",
        margin: " *     ",
        store: "fruit.db",
        missing: "no apple yet\n",
        value: "red\n",
    },
    Example {
        name: "readme",
        document: "README.md",
        begin: "```c\n",
        end: "```",
        margin: "",
        store: "greetings",
        missing: "no greeting yet\n",
        value: "world\n",
    },
];

impl Example {
    /// Runs it on no store, on its own store, and where there can be none.
    pub fn check(&self, linkage: Linkage) -> Result<(), String> {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let program = self.build(directory.path(), linkage)?;
        let run = || {
            let output = Command::new(&program).current_dir(directory.path()).output();
            output.map_err(|error| error.to_string())
        };
        expect(&run()?, 0, self.missing, false)?;
        expect(&run()?, 0, self.value, false)?;
        let store = directory.path().join(self.store);
        fs::remove_dir_all(&store).map_err(|error| error.to_string())?;
        fs::write(&store, "in the way").map_err(|error| error.to_string())?;
        expect(&run()?, 1, "", true)
    }

    fn build(&self, directory: &Path, linkage: Linkage) -> Result<std::path::PathBuf, String> {
        let write = |name: &str, text: &str| {
            fs::write(directory.join(name), text).map_err(|error| error.to_string())
        };
        write("example.c", &self.source())?;
        write("driver.c", DRIVER)?;
        let program = directory.join("example");
        let mut command = compiler(directory);
        command.args(["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-pthread", "-I"]);
        command.arg(package().join("include")).arg(directory.join("driver.c"));
        command.args((linkage.arguments)(directory)).arg("-o").arg(&program);
        finish(command).map(|()| program)
    }

    fn source(&self) -> String {
        let text =
            fs::read_to_string(package().join(self.document)).expect("the document is there");
        let (_, rest) = text.split_once(self.begin).expect("the example begins");
        let (example, _) = rest.split_once(self.end).expect("the example ends");
        let lines = example.lines().filter_map(|line| line.strip_prefix(self.margin));
        lines.map(|line| format!("{line}\n")).collect()
    }
}

fn expect(output: &Output, code: i32, said: &str, complains: bool) -> Result<(), String> {
    let is_right = output.status.code() == Some(code)
        && output.stdout == said.as_bytes()
        && output.stderr.is_empty() != complains;
    match is_right {
        true => Ok(()),
        false => Err(format!("expected {code} and {said:?}, but: {output:?}")),
    }
}
