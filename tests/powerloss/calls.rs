//! Each name that sled is stood in for keeps libc's meaning for everybody else: for a C program with
//! a store open, linked with the shared or the static library, and for a second library beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use object::{Object, ObjectSymbol};

use super::log::{Event, Node};
use super::programs::build;
use super::record::record;
use crate::common::scratch_in_memory;

/// What there are stand-ins for, in order.
const NAMES: [&str; 8] =
    ["flock", "fsync", "ftruncate64", "pread64", "pwrite64", "rename", "sync_file_range", "unlink"];

/// What `calls.h` does to its files, in words; the calls for locks and for reading leave no trace.
const DEEDS: &[&str] = &[
    "make blobs",
    "make db",
    "write 2 bytes at 0 of db",
    "make file",
    "write 4 bytes at 0 of file",
    "write 4 bytes at 3 of file",
    "write 3 bytes at 9 of file",
    "cut file to 2",
    "cut file to 5",
    "sync file",
    "sync file",
    "sync .",
    "sync a range of file",
    "sync a range of file",
    "make old",
    "write 3 bytes at 0 of old",
    "make replaced",
    "write 8 bytes at 0 of replaced",
    "rename old to new",
    "rename new to replaced",
    "rename replaced to replaced",
    "make snap.1.generating",
    "write 17 bytes at 0 of snap.1.generating",
    "make snap.2",
    "write 6 bytes at 0 of snap.2",
    "rename snap.1.generating to snap.1",
    "rename snap.1 to snap.2",
    "make snap.3",
    "write 12 bytes at 0 of snap.3",
    "rename snap.3 to snap.4",
    "remove snap.4",
    "make gone",
    "write 4 bytes at 0 of gone",
    "remove gone",
    "remove snap.2",
    "make 17",
    "write 8 bytes at 0 of 17",
    "remove 17",
];

#[test]
fn a_program_with_the_shared_library_keeps_every_call_of_its_own() {
    // Its calls have no way to ours.
    assert_eq!(check("shared"), BTreeSet::new());
}

#[test]
fn a_program_with_the_static_library_keeps_every_call_of_its_own() {
    // Its calls do go through ours.
    assert_eq!(check("static"), NAMES.map(str::to_owned).into());
}

/// Answers with those of the names that the program has a function of its own for.
fn check(linkage: &str) -> BTreeSet<String> {
    let program = build(linkage, "calls_program", "calls_library");
    let scratch = scratch_in_memory();
    let root = scratch.path().join("run");
    let mut command = Command::new(&program);
    command.arg(&root);
    let events = record(command, &root);
    let mut all = BTreeMap::new();
    for caller in ["program", "library", "afterwards"] {
        let files = files_in(&events, caller);
        assert_eq!(deeds(&events, &files), DEEDS, "what was done in the directory `{caller}`");
        all.extend(files);
    }
    let of_the_store = events.iter().find(|event| match event {
        Event::SyncRange { node } => !all.contains_key(node),
        _ => false,
    });
    assert!(of_the_store.is_none(), "{of_the_store:?} reached the system");
    defined(&program)
}

/// The files and directories in the directory `name`, and that directory, with the names that they
/// were made under.
fn files_in<'a>(events: &'a [Event], name: &str) -> BTreeMap<Node, &'a str> {
    let mut files = BTreeMap::new();
    for event in events {
        match event {
            Event::CreateDirectory { node, name: (0, found) } if found == name => {
                files.insert(*node, ".");
            }
            Event::CreateDirectory { node, name: (parent, name) }
            | Event::CreateFile { node, name: (parent, name) }
                if files.contains_key(parent) =>
            {
                files.insert(*node, name);
            }
            _ => {}
        }
    }
    files
}

/// What happened to these files, in words.
fn deeds(events: &[Event], files: &BTreeMap<Node, &str>) -> Vec<String> {
    let deed = |event: &Event| match event {
        Event::CreateFile { name: (parent, name), .. }
        | Event::CreateDirectory { name: (parent, name), .. } => {
            files.get(parent).map(|_| format!("make {name}"))
        }
        Event::Write { node, offset, data } => {
            files.get(node).map(|name| format!("write {} bytes at {offset} of {name}", data.len()))
        }
        Event::Resize { node, size } => files.get(node).map(|name| format!("cut {name} to {size}")),
        Event::Rename { from: (parent, from), to: (_, to) } => {
            files.get(parent).map(|_| format!("rename {from} to {to}"))
        }
        Event::Remove { name: (parent, name) } => {
            files.get(parent).map(|_| format!("remove {name}"))
        }
        Event::Sync { node } => files.get(node).map(|name| format!("sync {name}")),
        Event::SyncData { node } => files.get(node).map(|name| format!("sync the data of {name}")),
        Event::SyncRange { node } => files.get(node).map(|name| format!("sync a range of {name}")),
        Event::Mark(_) => None,
    };
    events.iter().filter_map(deed).collect()
}

/// Which of the names are functions inside the program.
fn defined(program: &Path) -> BTreeSet<String> {
    let bytes = std::fs::read(program).expect("the program can be read");
    let file = object::File::parse(&*bytes).expect("the program can be parsed");
    let names = file.symbols().filter(|symbol| symbol.is_definition());
    let names = names.filter_map(|symbol| symbol.name().ok()).filter(|name| NAMES.contains(name));
    names.map(str::to_owned).collect()
}
