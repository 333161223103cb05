//! The states that a disk may be in after the power went.
//!
//! What was synced is there in every one of them. Of the rest, anything may be there that some disk
//! and some file system could have written out by themselves, sector by sector:
//!
//! * The smallest piece is a sector of 512 bytes: it is there in one of the versions that it had since
//!   the last sync of its file, the synced one included. A sector is never a mixture of versions.
//! * A file's size is one that the file had since its last sync, whatever of its data is there. Where
//!   the size is there and the data is not, there are zeros.
//! * A shrinking is a change of the file's metadata, and those happen in their order: data that was
//!   written beyond the new end later is not there without the shrinking.
//! * Names are there or not: by the strict rule each by itself, with a journal up to some moment. A
//!   removal that did not last brings the file back, with any contents that it may have had.

use std::collections::BTreeMap;

use super::boot;
use super::disk::{Change, Disk, File, NameTable};
use super::image::Image;
use crate::common::random::Random;

const SECTOR: usize = 512;

/// How a state is made of the disk at the moment of the cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Model {
    /// Nothing but what was synced; names by the sync of their directory.
    Strict,
    /// Nothing but what was synced, with the names that a journal has.
    Journal,
    /// Everything, as if the process had been killed and the power had stayed.
    Everything,
    /// Everything in the files, but only those names that were synced: the data went out first.
    DataFirst,
    /// Every name, but only that data that was synced: the names went out first.
    NamesFirst,
    /// Strict, and a random part of the rest.
    Torn,
    /// With a journal of names, and a random part of the rest.
    TornJournal,
}

impl Model {
    /// Whether the machine went on, and with it what it held for programs.
    pub fn is_kill(self) -> bool {
        self == Self::Everything
    }

    pub fn is_random(self) -> bool {
        matches!(self, Self::Torn | Self::TornJournal)
    }
}

/// What the next opening finds by `model`: after a kill in the same boot of the machine, and else in
/// another.
pub fn left(disk: &Disk, model: Model, random: &mut Random) -> Image {
    let mut image = state(disk, model, random);
    if !model.is_kill() {
        boot::end(&mut image);
    }
    image
}

/// One state of the disk by `model`.
pub fn state(disk: &Disk, model: Model, random: &mut Random) -> Image {
    let names = disk.names();
    match model {
        Model::Strict => disk.image(&names.synced, |file| file.synced.clone()),
        Model::Journal => disk.image(&names.journalled, |file| file.synced.clone()),
        Model::Everything => disk.image(&names.current, |file| file.current.clone()),
        Model::DataFirst => disk.image(&names.synced, |file| file.current.clone()),
        Model::NamesFirst => disk.image(&names.current, |file| file.synced.clone()),
        Model::Torn => {
            let kept = some_names(disk, random);
            torn(disk, &kept, random)
        }
        Model::TornJournal => {
            let kept = if random.chance(1, 2) { &names.journalled } else { &names.current };
            torn(disk, kept, random)
        }
    }
}

fn torn(disk: &Disk, names: &NameTable, random: &mut Random) -> Image {
    let luck = Luck::draw(random);
    disk.image(names, |file| torn_file(file, luck, random))
}

/// The synced names, and some of the changes since.
fn some_names(disk: &Disk, random: &mut Random) -> NameTable {
    let kept = *random.pick(&[1, 5, 9]);
    let mut names = disk.names().synced.clone();
    for change in &disk.names().pending {
        if random.chance(kept, 10) {
            change.apply_to(&mut names);
        }
    }
    names
}

/// How much of the unsynced data a state has. One draw for each state: if it were one for each file
/// or sector, nearly all states would have half of everything.
#[derive(Clone, Copy)]
struct Luck {
    /// So many of 100 pieces are there in their last version.
    last: u64,
    /// So many of 100 of the others are not there at all.
    lost: u64,
    /// The size of a piece in sectors: pages of memory are written out in one go, mostly.
    piece: usize,
    size: SizeLuck,
}

#[derive(Clone, Copy)]
enum SizeLuck {
    Old,
    Any,
    New,
}

impl Luck {
    fn draw(random: &mut Random) -> Self {
        Self {
            last: *random.pick(&[0, 5, 50, 95, 100]),
            lost: *random.pick(&[0, 50, 100]),
            piece: *random.pick(&[1, 1, 8]),
            size: *random.pick(&[SizeLuck::Old, SizeLuck::Any, SizeLuck::New, SizeLuck::New]),
        }
    }
}

type Sector = [u8; SECTOR];

/// What a file may be after a cut: what was synced of it, and what may or may not be there.
struct Versions<'a> {
    synced: &'a [u8],
    /// From here on nothing of the synced contents is left: the file was shrunk.
    cut: usize,
    /// By the number of the sector, from the oldest version to the newest.
    sectors: BTreeMap<usize, Vec<Sector>>,
    /// From the oldest to the newest.
    sizes: Vec<usize>,
    /// Writes beyond it are not there, because a shrinking before them is not.
    limit: usize,
}

fn torn_file(file: &File, luck: Luck, random: &mut Random) -> Vec<u8> {
    let mut versions = Versions::of(&file.synced);
    let mut shrinkings = random.index(versions.count_shrinkings(&file.pending) + 1);
    for change in &file.pending {
        versions.change(change, &mut shrinkings);
    }
    versions.choose(luck, random)
}

impl<'a> Versions<'a> {
    fn of(synced: &'a [u8]) -> Self {
        let sizes = vec![synced.len()];
        Self { synced, cut: usize::MAX, sectors: BTreeMap::new(), sizes, limit: usize::MAX }
    }

    fn newest_size(&self) -> usize {
        *self.sizes.last().expect("there is always one")
    }

    fn count_shrinkings(&self, changes: &[Change]) -> usize {
        let mut size = self.newest_size();
        let mut count = 0;
        for change in changes {
            match change {
                Change::Write { offset, data } => size = size.max(*offset as usize + data.len()),
                Change::Resize { size: new } => {
                    count += usize::from((*new as usize) < size);
                    size = *new as usize;
                }
            }
        }
        count
    }

    /// Goes one change further. Of the shrinkings, only the first `shrinkings` have happened.
    fn change(&mut self, change: &Change, shrinkings: &mut usize) {
        match change {
            Change::Write { offset, data } => self.write(*offset as usize, data),
            Change::Resize { size } => {
                let size = *size as usize;
                if self.limit < usize::MAX || size < self.newest_size() {
                    if *shrinkings > 0 && self.limit == usize::MAX {
                        *shrinkings -= 1;
                        self.shrink(size);
                    } else {
                        self.limit = self.limit.min(size);
                    }
                } else {
                    self.sizes.push(size);
                }
            }
        }
    }

    fn write(&mut self, offset: usize, data: &[u8]) {
        let end = offset + data.len();
        for number in offset / SECTOR..end.div_ceil(SECTOR) {
            let start = number * SECTOR;
            if start + SECTOR > self.limit {
                return;
            }
            let mut sector = self.newest(number);
            let (from, to) = (offset.max(start), end.min(start + SECTOR));
            sector[from - start..to - start].copy_from_slice(&data[from - offset..to - offset]);
            let first = self.synced_sector(number);
            self.sectors.entry(number).or_insert_with(|| vec![first]).push(sector);
        }
        if self.limit == usize::MAX && end > self.newest_size() {
            self.sizes.push(end);
        }
    }

    fn newest(&self, number: usize) -> Sector {
        let newest = self.sectors.get(&number).and_then(|versions| versions.last());
        newest.copied().unwrap_or_else(|| self.synced_sector(number))
    }

    fn synced_sector(&self, number: usize) -> Sector {
        let mut sector = [0; SECTOR];
        let start = number * SECTOR;
        let end = (start + SECTOR).min(self.synced.len()).min(self.cut);
        if start < end {
            sector[..end - start].copy_from_slice(&self.synced[start..end]);
        }
        sector
    }

    fn shrink(&mut self, size: usize) {
        self.cut = self.cut.min(size);
        self.sizes = vec![size];
        for (number, versions) in &mut self.sectors {
            let kept = size.saturating_sub(number * SECTOR).min(SECTOR);
            versions.iter_mut().for_each(|sector| sector[kept..].fill(0));
        }
    }

    fn choose(&self, luck: Luck, random: &mut Random) -> Vec<u8> {
        let size = match luck.size {
            SizeLuck::Old => self.sizes[0],
            SizeLuck::Any => *random.pick(&self.sizes),
            SizeLuck::New => self.newest_size(),
        };
        let mut contents = self.synced[..self.synced.len().min(self.cut)].to_vec();
        contents.resize(size, 0);
        let mut piece = None;
        let (mut last, mut lost) = (false, false);
        for (number, versions) in &self.sectors {
            if piece != Some(number / luck.piece) {
                piece = Some(number / luck.piece);
                last = random.chance(luck.last, 100);
                lost = random.chance(luck.lost, 100);
            }
            let chosen = match (last, lost) {
                (true, _) => versions.len() - 1,
                (false, true) => 0,
                (false, false) => random.index(versions.len()),
            };
            let start = number * SECTOR;
            let end = (start + SECTOR).min(size);
            if start < end {
                contents[start..end].copy_from_slice(&versions[chosen][..end - start]);
            }
        }
        contents
    }
}
