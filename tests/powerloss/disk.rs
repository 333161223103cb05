//! A disk with a cache that forgets: what files and directories hold for programs, what of that was
//! synced, and what is in between.

use std::collections::BTreeMap;

use super::image::Image;
use super::log::{Event, Name, Node};

/// Everything below the recorded directory.
#[derive(Default)]
pub struct Disk {
    files: BTreeMap<Node, File>,
    directories: Vec<Node>,
    names: Names,
}

/// A file's contents.
#[derive(Default)]
pub struct File {
    /// What programs read.
    pub current: Vec<u8>,
    /// What was synced, by `fsync` or `fdatasync`.
    pub synced: Vec<u8>,
    /// What leads from `synced` to `current`.
    pub pending: Vec<Change>,
}

/// A change of a file.
pub enum Change {
    Write { offset: u64, data: Vec<u8> },
    Resize { size: u64 },
}

pub type NameTable = BTreeMap<Name, Node>;

/// The names of all files and directories.
///
/// What makes a name durable differs. POSIX promises it only for an `fsync` of the directory that
/// the name is in: `synced` holds what survives by that rule alone. A file system with a journal of
/// its names, such as ext4 and XFS, writes the journal in order, and writes it at every `fsync`,
/// whatever the file: `journalled` holds what survives there.
#[derive(Default)]
pub struct Names {
    pub current: NameTable,
    pub synced: NameTable,
    /// What leads from `synced` to `current`; each change is about one directory.
    pub pending: Vec<NameChange>,
    pub journalled: NameTable,
}

#[derive(Clone)]
pub enum NameChange {
    Add { name: Name, node: Node },
    Remove { name: Name },
    Rename { from: Name, to: Name, node: Node },
}

impl Disk {
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::CreateFile { node, name } => {
                self.files.insert(*node, File::default());
                self.names.change(NameChange::Add { name: name.clone(), node: *node });
            }
            Event::CreateDirectory { node, name } => {
                self.directories.push(*node);
                self.names.change(NameChange::Add { name: name.clone(), node: *node });
            }
            Event::Write { node, offset, data } => {
                self.file(*node).change(Change::Write { offset: *offset, data: data.clone() });
            }
            Event::Resize { node, size } => self.file(*node).change(Change::Resize { size: *size }),
            Event::Rename { from, to } => {
                let node = self.names.current[from];
                let (from, to) = (from.clone(), to.clone());
                self.names.change(NameChange::Rename { from, to, node });
            }
            Event::Remove { name } => self.names.change(NameChange::Remove { name: name.clone() }),
            Event::Sync { node } => self.sync(*node),
            // It need not write what is not needed to read the data, so no names.
            Event::SyncData { node } => self.file(*node).sync(),
            Event::SyncRange { .. } | Event::Mark(_) => {}
        }
    }

    fn file(&mut self, node: Node) -> &mut File {
        self.files.get_mut(&node).expect("the recorder knows every file from its creation on")
    }

    fn sync(&mut self, node: Node) {
        match self.files.get_mut(&node) {
            Some(file) => file.sync(),
            None => self.names.sync(node),
        }
        self.names.journalled.clone_from(&self.names.current);
    }

    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The disk with these names, where each file holds what `contents` makes of it.
    pub fn image(&self, names: &NameTable, mut contents: impl FnMut(&File) -> Vec<u8>) -> Image {
        let mut image = Image::default();
        // A directory that lost its name is gone with everything in it.
        let mut open = vec![(0, String::new())];
        while let Some((directory, path)) = open.pop() {
            for ((_, name), node) in
                names.range((directory, String::new())..(directory + 1, String::new()))
            {
                let path = format!("{path}{name}");
                if self.directories.contains(node) {
                    image.directories.insert(path.clone());
                    open.push((*node, path + "/"));
                } else {
                    image.files.insert(path, contents(&self.files[node]));
                }
            }
        }
        image
    }
}

impl File {
    fn change(&mut self, change: Change) {
        change.apply_to(&mut self.current);
        self.pending.push(change);
    }

    fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply_to(&mut self.synced);
        }
    }
}

impl Change {
    fn apply_to(&self, contents: &mut Vec<u8>) {
        match self {
            Change::Write { offset, data } => {
                let start = *offset as usize;
                let end = start + data.len();
                if contents.len() < end {
                    contents.resize(end, 0);
                }
                contents[start..end].copy_from_slice(data);
            }
            Change::Resize { size } => contents.resize(*size as usize, 0),
        }
    }
}

impl Names {
    fn change(&mut self, change: NameChange) {
        change.apply_to(&mut self.current);
        self.pending.push(change);
    }

    /// Makes what happened to the names in `directory` durable.
    fn sync(&mut self, directory: Node) {
        let is_there = |change: &NameChange| change.directory() == directory;
        for change in self.pending.iter().filter(|change| is_there(change)) {
            change.apply_to(&mut self.synced);
        }
        self.pending.retain(|change| !is_there(change));
    }
}

impl NameChange {
    fn directory(&self) -> Node {
        match self {
            NameChange::Add { name, .. } | NameChange::Remove { name } => name.0,
            NameChange::Rename { from, .. } => from.0,
        }
    }

    pub fn apply_to(&self, names: &mut NameTable) {
        match self {
            NameChange::Add { name, node } => {
                names.insert(name.clone(), *node);
            }
            NameChange::Remove { name } => {
                names.remove(name);
            }
            NameChange::Rename { from, to, node } => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
        }
    }
}
