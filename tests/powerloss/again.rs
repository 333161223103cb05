//! Does again what was recorded.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::log::{Event, Name, Node};
use super::record::mark;

/// The same effects in the same order, on the empty directory that it is made for.
pub struct Again {
    directories: BTreeMap<Node, PathBuf>,
    files: BTreeMap<Node, File>,
}

impl Again {
    pub fn new(root: &Path) -> Self {
        Self { directories: BTreeMap::from([(0, root.to_owned())]), files: BTreeMap::new() }
    }

    pub fn perform(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::CreateDirectory { node, name } => {
                let path = self.path(name);
                fs::create_dir(&path)?;
                self.directories.insert(*node, path);
            }
            Event::CreateFile { node, name } => {
                let file = File::create_new(self.path(name))?;
                self.files.insert(*node, file);
            }
            Event::Write { node, offset, data } => self.files[node].write_all_at(data, *offset)?,
            Event::Resize { node, size } => self.files[node].set_len(*size)?,
            // No directory is renamed, or its path would have to be followed.
            Event::Rename { from, to } => fs::rename(self.path(from), self.path(to))?,
            Event::Remove { name } => {
                let path = self.path(name);
                match path.is_dir() {
                    true => fs::remove_dir(path)?,
                    false => fs::remove_file(path)?,
                }
            }
            Event::Sync { node } => match self.files.get(node) {
                Some(file) => file.sync_all()?,
                None => File::open(&self.directories[node])?.sync_all()?,
            },
            Event::SyncData { node } => self.files[node].sync_data()?,
            // Promises nothing, and the engine of a store never reaches it.
            Event::SyncRange { .. } => {}
            Event::Mark(said) => mark(*said),
        }
        Ok(())
    }

    fn path(&self, (directory, name): &Name) -> PathBuf {
        self.directories[directory].join(name)
    }
}
