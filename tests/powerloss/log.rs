//! Reads what `recorder.c` wrote.

use std::fs;
use std::path::Path;

/// A file or directory, by the number that the recorder gave it. 0 is the recorded directory.
pub type Node = u32;

/// A name and the directory that it is in.
pub type Name = (Node, String);

/// One effect on the recorded directory, or one mark of the program.
#[derive(Debug)]
pub enum Event {
    CreateFile {
        node: Node,
        name: Name,
    },
    CreateDirectory {
        node: Node,
        name: Name,
    },
    Write {
        node: Node,
        offset: u64,
        data: Vec<u8>,
    },
    Resize {
        node: Node,
        size: u64,
    },
    Rename {
        from: Name,
        to: Name,
    },
    Remove {
        name: Name,
    },
    /// `fsync`.
    Sync {
        node: Node,
    },
    /// `fdatasync`.
    SyncData {
        node: Node,
    },
    /// `sync_file_range`, which promises nothing.
    SyncRange {
        node: Node,
    },
    Mark(Mark),
}

/// What the program said of itself. Its threads write, each in an order of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The operations of this thread up to this number, without it, have begun.
    Begun { thread: usize, count: u64 },
    /// The operations of this thread up to this number, without it, are durable by promise.
    Durable { thread: usize, count: u64 },
    /// The operations of this thread up to this number, without it, had begun before an earlier power
    /// cut, which may have taken any that were not durable.
    Left { thread: usize, count: u64 },
}

impl Mark {
    /// The mark as the arguments of the recorder's `powerloss_mark`.
    pub fn encode(self) -> (u32, u64) {
        let (kind, thread, count) = match self {
            Mark::Begun { thread, count } => (1, thread, count),
            Mark::Durable { thread, count } => (2, thread, count),
            Mark::Left { thread, count } => (3, thread, count),
        };
        (kind + ((thread as u32) << 8), count)
    }

    fn decode(code: u32, count: u64) -> Self {
        let thread = (code >> 8) as usize;
        match code & 0xff {
            1 => Mark::Begun { thread, count },
            2 => Mark::Durable { thread, count },
            3 => Mark::Left { thread, count },
            kind => panic!("a mark of the unknown kind {kind}"),
        }
    }
}

/// All events, in the order in which they took effect.
pub fn read(path: &Path) -> Vec<Event> {
    let log = fs::read(path).expect("the recorder's log can be read");
    let mut rest = &log[..];
    let mut events = Vec::new();
    while !rest.is_empty() {
        events.push(event(&mut rest));
    }
    events
}

fn event(rest: &mut &[u8]) -> Event {
    let [operation, node, parent, text_length] = [(); 4].map(|()| number(rest, 4) as u32);
    let [offset, _length, data_length] = [(); 3].map(|()| number(rest, 8));
    let text = take(rest, text_length as usize);
    let text = String::from_utf8(text.to_vec()).expect("a name in UTF-8");
    let data = take(rest, data_length as usize).to_vec();
    let name = |text: &str| (parent, text.to_owned());
    match char::from_u32(operation) {
        Some('C') => Event::CreateFile { node, name: name(&text) },
        Some('D') => Event::CreateDirectory { node, name: name(&text) },
        Some('W') => Event::Write { node, offset, data },
        Some('T') => Event::Resize { node, size: offset },
        Some('N') => {
            let (from, to) = text.split_once('/').expect("two names");
            // No call that is atomic for a single directory's sync is for two directories.
            assert_eq!(parent, node, "a rename from one directory to another: {text}");
            Event::Rename { from: name(from), to: name(to) }
        }
        Some('U') => Event::Remove { name: name(&text) },
        Some('S') => Event::Sync { node },
        Some('F') => Event::SyncData { node },
        Some('R') => Event::SyncRange { node },
        Some('M') => Event::Mark(Mark::decode(node, offset)),
        _ => panic!("the recorder's log has an unknown record: {operation}"),
    }
}

fn number(rest: &mut &[u8], length: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes[..length].copy_from_slice(take(rest, length));
    u64::from_le_bytes(bytes)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, left) =
        rest.split_at_checked(length).expect("the recorder's log ends amid a record");
    *rest = left;
    taken
}
