//! sled's `sync_file_range` is answered by our library, everybody else's by the system: in a C
//! program linked with the shared or the static library, and in a second library beside it.

use std::process::Command;

use super::log::{Event, Mark, Node};
use super::programs::build;
use super::record::record;
use crate::common::scratch_in_memory;

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
    let scratch = scratch_in_memory();
    let root = scratch.path().join("run");
    let mut command = Command::new(build(linkage, "host", "second"));
    command.arg(&root).arg(ROUNDS.to_string());
    let events = record(command, &root);

    let node = |wanted: &str| created(&events, wanted);
    let (own, second) = (node("of the program"), node("of the second library"));
    let log = node("sledstore.log.1");
    let mut ranges: Vec<Node> = events.iter().filter_map(range).collect();
    ranges.sort_unstable();
    // The real call was made for their files, each time, and for no file of the store.
    let mut wanted = [[own; ROUNDS], [second; ROUNDS]].concat();
    wanted.sort_unstable();
    assert_eq!(ranges, wanted);

    // And each flush of the store synced its log file, after the last write to it.
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
            Event::SyncData { node } if *node == log => Some("a sync"),
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
