//! Runs the C tests of `c-tests`, once linked to the shared and once to the static library. Each is
//! shown by its name, such as `shared::store::reopened_store_has_everything`, and is a process
//! of its own with a time limit.

#[path = "c_suite/build.rs"]
mod build;
#[path = "c_library/mod.rs"]
mod c_library;
#[path = "c_library/compiler.rs"]
mod compiler;
#[path = "c_suite/example.rs"]
mod example;
#[path = "c_suite/process.rs"]
mod process;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    libtest_mimic::run(&arguments, trials()).exit_code()
}

/// Everything has to be built before it is known which tests there are.
fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    let mut objects = Vec::new();
    for part in build::compile_all() {
        objects.push(part.object);
        trials.push(outcome(format!("compile::{}", part.name), part.outcome));
    }
    for linkage in compiler::LINKAGES {
        trials.extend(example::EXAMPLES.iter().map(|example| {
            let name = format!("{}::example::{}", linkage.name, example.name);
            Trial::test(name, move || example.check(linkage).map_err(Failed::from))
        }));
        let program = build::link(linkage, &objects);
        let names = program.as_ref().map_err(Clone::clone).and_then(|it| process::list(it));
        if let (Ok(program), Ok(names)) = (program, &names) {
            trials.extend(names.iter().map(|name| c_test(linkage.name, program.clone(), name)));
        }
        trials.push(outcome(format!("link::{}", linkage.name), names.map(drop)));
    }
    trials
}

/// A trial for what was done already.
fn outcome(name: String, outcome: Result<(), String>) -> Trial {
    Trial::test(name, move || outcome.map_err(Failed::from))
}

fn c_test(linkage: &str, program: std::path::PathBuf, name: &str) -> Trial {
    let test = name.to_owned();
    Trial::ignorable_test(format!("{linkage}::{name}"), move || process::run(&program, &test))
}
