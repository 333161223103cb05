//! What a directory holds, as plain data.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Paths are relative to the directory.
#[derive(Default, PartialEq, Eq, Clone)]
pub struct Image {
    pub directories: BTreeSet<String>,
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Image {
    /// What is in `directory` now.
    pub fn of(directory: &Path) -> Self {
        let mut image = Self::default();
        image.collect(directory, "");
        image
    }

    fn collect(&mut self, directory: &Path, prefix: &str) {
        for entry in fs::read_dir(directory).expect("a directory to read") {
            let entry = entry.expect("an entry of a directory");
            let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.file_type().expect("the type of an entry").is_dir() {
                self.directories.insert(path.clone());
                self.collect(&entry.path(), &(path + "/"));
            } else {
                let contents = fs::read(entry.path()).expect("a file to read");
                self.files.insert(path, contents);
            }
        }
    }

    /// Makes it real in the new directory `directory`.
    pub fn write(&self, directory: &Path) {
        fs::create_dir(directory).expect("a new directory");
        // In ascending order, so that a directory comes before what is in it.
        for path in &self.directories {
            fs::create_dir(directory.join(path)).expect("a new directory");
        }
        for (path, contents) in &self.files {
            fs::write(directory.join(path), contents).expect("a new file");
        }
    }

    /// Adds it to the directory `directory`, and syncs all of it.
    pub fn add_durably(&self, directory: &Path) -> io::Result<()> {
        for path in &self.directories {
            fs::create_dir(directory.join(path))?;
        }
        for (path, contents) in &self.files {
            let mut file = File::create_new(directory.join(path))?;
            file.write_all(contents)?;
            file.sync_all()?;
        }
        for path in &self.directories {
            File::open(directory.join(path))?.sync_all()?;
        }
        File::open(directory)?.sync_all()
    }

    /// What `other` has differently, in words.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for path in self.directories.symmetric_difference(&other.directories) {
            found.push(format!("the directory {path} is in one only"));
        }
        let paths: BTreeSet<&String> = self.files.keys().chain(other.files.keys()).collect();
        for path in paths {
            match (self.files.get(path), other.files.get(path)) {
                (Some(ours), Some(theirs)) if ours == theirs => {}
                (Some(ours), Some(theirs)) => {
                    let place = ours.iter().zip(theirs).position(|(a, b)| a != b);
                    let sizes = (ours.len(), theirs.len());
                    found.push(format!("{path} differs at {place:?}, its sizes are {sizes:?}"));
                }
                _ => found.push(format!("the file {path} is in one only")),
            }
        }
        found
    }
}
