//! sled's `sync_file_range` is answered by our library, everybody else's by the system: in a C
//! program linked with the shared or the static library, and in a second library beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::log::{Event, Mark, Node};
use super::record::{directory, record};
use crate::c_library::package;
use crate::common::scratch_in_memory;
use crate::compiler::{compiler, finish, Linkage, LINKAGES};

const ROUNDS: usize = 10;

#[test]
fn a_program_with_the_shared_library_keeps_its_own_sync_file_range() {
    check("shared");
}

#[test]
fn a_program_with_the_static_library_keeps_its_own_sync_file_range() {
    check("static");
}

fn check(linkage: &str) {
    let linkage = LINKAGES.iter().find(|it| it.name == linkage).expect("a way to link");
    let program = build(*linkage);
    let scratch = scratch_in_memory();
    let root = scratch.path().join("run");
    let mut command = Command::new(program);
    command.arg(&root).arg(ROUNDS.to_string());
    let events = record(command, &root);

    let node = |wanted: &str| created(&events, wanted);
    let (own, second, log) = (node("of the program"), node("of the second library"), node("db"));
    let mut ranges: Vec<Node> = events.iter().filter_map(range).collect();
    ranges.sort_unstable();
    // The real call was made for their files, each time, and for no file of the store.
    let mut wanted = [[own; ROUNDS], [second; ROUNDS]].concat();
    wanted.sort_unstable();
    assert_eq!(ranges, wanted);

    // And each flush of the store synced its log, after the last write to it.
    let marks = events.iter().enumerate().filter_map(|(place, event)| match event {
        Event::Mark(Mark::Durable { .. }) => Some(place),
        _ => None,
    });
    let marks: Vec<usize> = marks.collect();
    assert_eq!(marks.len(), ROUNDS);
    let mut start = 0;
    for end in marks {
        let about_log = events[start..end].iter().rev().find_map(|event| match event {
            Event::Write { node, .. } if *node == log => Some("a write"),
            Event::Sync { node } if *node == log => Some("a sync"),
            _ => None,
        });
        assert_eq!(about_log, Some("a sync"), "what came last before the flush returned");
        assert!(events[start..end]
            .iter()
            .any(|event| matches!(event, Event::Write { node, .. } if *node == log)));
        start = end;
    }
}

fn range(event: &Event) -> Option<Node> {
    match event {
        Event::SyncRange { node } => Some(*node),
        _ => None,
    }
}

/// The one file that was created with this name.
fn created(events: &[Event], wanted: &str) -> Node {
    let nodes = events.iter().filter_map(|event| match event {
        Event::CreateFile { node, name: (_, name) } if name == wanted => Some(*node),
        _ => None,
    });
    let nodes: Vec<Node> = nodes.collect();
    assert_eq!(nodes.len(), 1, "how often {wanted} was created");
    nodes[0]
}

fn build(linkage: Linkage) -> PathBuf {
    let directory = directory().join(linkage.name);
    fs::create_dir_all(&directory).expect("the target directory can be written to");
    let second = directory.join("libsecond.so");
    let mut command = compile(&directory);
    command.args(["-shared", "-fPIC"]).arg(source("second.c")).arg("-o").arg(&second);
    finish(command).expect("the second library compiles");

    let program = directory.join("host");
    let mut command = compile(&directory);
    command.arg("-I").arg(package().join("include")).arg(source("host.c"));
    command.args((linkage.arguments)(&directory));
    command.arg(second).arg(format!("-Wl,-rpath,{}", directory.display()));
    command.args(["-ldl", "-pthread", "-o"]).arg(&program);
    finish(command).expect("the program compiles and links");
    program
}

fn compile(directory: &Path) -> Command {
    let mut command = compiler(directory);
    command.args(["-std=gnu11", "-Wall", "-Wextra", "-Werror"]);
    command
}

fn source(name: &str) -> PathBuf {
    package().join("tests/powerloss").join(name)
}
