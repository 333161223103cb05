//! Each call of each kind fails in turn, once or from then on, on the files of the log and on those
//! of the engine: see `life.rs` for what must hold.

use crate::common::scratch;
use crate::inject::{Fault, Files, Kind};
use crate::life::{self, Habits, Life};

/// What an error number has to become.
fn reason_of(errno: i32) -> String {
    let reason = match errno {
        libc::ENOSPC | libc::EDQUOT => "DiskFull",
        libc::EROFS => "ReadOnlyFilesystem",
        _ => "Os",
    };
    format!("{reason} Some({errno}): ")
}

#[derive(Debug, Clone, Copy)]
struct Sweep {
    kind: Kind,
    files: Files,
    errno: i32,
    times: u64,
    /// Whether each failure must have come out in some answer.
    told: bool,
    habits: Habits,
}

/// What came of a sweep.
#[derive(Debug, Default)]
struct Sum {
    runs: u64,
    /// Runs that met their fault.
    hit: u64,
    /// Runs in which a write was refused and a later one was made.
    revived: u64,
}

impl Sweep {
    /// Calls of `kind` fail once.
    fn once(kind: Kind, errno: i32) -> Self {
        let (files, habits) = (Files::All, Habits::default());
        Self { kind, files, errno, times: 1, told: true, habits }
    }

    /// They fail from one on.
    fn for_ever(kind: Kind, errno: i32) -> Self {
        Self { times: 0, ..Self::once(kind, errno) }
    }

    fn of(self, files: Files) -> Self {
        Self { files, ..self }
    }

    /// The store is there already, closed in peace.
    fn reopened(mut self) -> Self {
        self.habits.prepared = life::STEPS / 2;
        self
    }

    /// A failure may be told to nobody, if nothing comes of it.
    fn silent(self) -> Self {
        Self { told: false, ..self }
    }

    /// Lets about `points` calls fail, each in a life of its own; every one if that is `None`.
    fn run(self, points: Option<u64>) -> Sum {
        let clean = self.live(Fault::none(self.kind).of(self.files));
        assert!(clean.failures.is_empty(), "{clean:?}");
        assert_eq!(clean.made, life::STEPS);
        assert!(clean.calls > 0, "nothing to fail: {clean:?}");
        let step = points.map_or(1, |points| clean.calls.div_ceil(points));
        let mut sum = Sum::default();
        for first in (1..=clean.calls).step_by(step as usize) {
            let fault = Fault {
                kind: self.kind,
                first,
                times: self.times,
                errno: self.errno,
                files: self.files,
            };
            let life = self.live(fault);
            sum.runs += 1;
            if life.hits == 0 {
                // The threads do not make the same calls each time.
                continue;
            }
            sum.hit += 1;
            sum.revived += u64::from(life.revivals > 0);
            self.judge(fault, &life);
        }
        println!("{self:?}: {} calls, {sum:?}", clean.calls);
        assert!(sum.hit * 2 >= sum.runs, "{sum:?}");
        sum
    }

    fn live(&self, fault: Fault) -> Life {
        let directory = scratch();
        if self.habits.prepared > 0 {
            life::prepare(directory.path(), self.habits.prepared);
        }
        life::run(directory.path(), self.habits, fault)
    }

    fn judge(&self, fault: Fault, life: &Life) {
        if self.told {
            assert!(!life.failures.is_empty(), "{fault:?} was told to nobody: {life:?}");
        }
        let wanted = reason_of(self.errno);
        for (what, why) in &life.failures {
            assert!(why.starts_with(&wanted), "{fault:?}: {what} answers with {why:?}");
            assert!(why.contains("/db"), "{fault:?}: {what} names no path: {why:?}");
        }
    }
}

const POINTS: Option<u64> = Some(6);

#[test]
fn a_write_to_the_log_that_fails_once_is_refused_and_the_store_goes_on() {
    let sum = Sweep::once(Kind::Pwrite, libc::EIO).of(Files::Log).run(POINTS);
    assert!(sum.revived * 2 > sum.hit, "{sum:?}");
}

#[test]
fn a_write_to_the_log_that_fails_in_its_middle_is_refused_and_the_store_goes_on() {
    let mut sweep = Sweep::once(Kind::Pwrite, libc::ENOSPC).of(Files::Log);
    sweep.habits.by_halves = true;
    let sum = sweep.run(POINTS);
    assert!(sum.revived * 2 > sum.hit, "{sum:?}");
    // What is left of the last write stays in the file then.
    Sweep { times: 0, ..sweep }.run(POINTS);
}

#[test]
fn a_log_that_cannot_grow_is_a_full_disk_and_the_store_goes_on_when_there_is_room() {
    let sweep = Sweep::once(Kind::Fallocate, libc::ENOSPC);
    // A file that was to be made in advance is made when it is needed, if that fails.
    let sum = Sweep { times: 3, ..sweep }.silent().run(POINTS);
    assert!(sum.revived > 0, "{sum:?}");
    Sweep { times: 0, ..sweep }.run(POINTS);
}

#[test]
fn a_write_to_the_engine_that_fails_once_is_told_and_tears_nothing() {
    Sweep::once(Kind::Pwrite, libc::EIO).of(Files::Engine).run(POINTS);
}

#[test]
fn a_disk_that_takes_no_more_is_told_and_tears_nothing() {
    Sweep::for_ever(Kind::Pwrite, libc::ENOSPC).run(POINTS);
}

#[test]
fn a_quota_that_is_used_up_is_told_as_a_full_disk() {
    Sweep::for_ever(Kind::Pwrite, libc::EDQUOT).run(Some(2));
}

#[test]
fn a_disk_that_turns_read_only_is_told_as_such() {
    Sweep::for_ever(Kind::Pwrite, libc::EROFS).run(Some(2));
}

#[test]
fn a_sync_of_the_log_that_fails_once_is_told_and_is_the_end() {
    // It is the kernel's right to forget what it could not write: nothing is acknowledged after it.
    let sum = Sweep::once(Kind::Fdatasync, libc::EIO).of(Files::Log).run(Some(7));
    // But where it was the head of a new file, nothing was in that file: the commit is refused, the file
    // is removed, and the store goes on with another.
    assert!(sum.revived < sum.hit, "{sum:?}");
    Sweep::once(Kind::Fdatasync, libc::ENOSPC).of(Files::Log).reopened().run(Some(4));
}

#[test]
fn a_sync_of_the_engine_that_fails_once_is_told() {
    Sweep::once(Kind::Fsync, libc::EIO).of(Files::Engine).run(POINTS);
    Sweep::once(Kind::Fdatasync, libc::EIO).of(Files::Engine).run(Some(4));
}

#[test]
fn a_new_file_of_the_log_that_cannot_be_synced_is_no_loss() {
    Sweep::once(Kind::Fsync, libc::EIO).of(Files::Log).silent().run(POINTS);
}

#[test]
fn a_disk_that_syncs_no_more_is_told_and_tears_nothing() {
    Sweep::for_ever(Kind::Fsync, libc::EIO).run(POINTS);
    Sweep::for_ever(Kind::Fdatasync, libc::EIO).run(Some(4));
}

#[test]
fn a_plain_write_that_fails_is_told() {
    Sweep::for_ever(Kind::Write, libc::ENOSPC).run(POINTS);
    Sweep::once(Kind::Write, libc::EIO).reopened().run(Some(4));
}

#[test]
fn a_file_that_does_not_open_is_told_and_nothing_is_lost() {
    Sweep::once(Kind::Open, libc::EMFILE).reopened().silent().run(Some(8));
    Sweep::for_ever(Kind::Open, libc::EIO).reopened().silent().run(Some(3));
}

#[test]
fn a_file_that_cannot_be_cut_is_told_and_nothing_is_lost() {
    Sweep::for_ever(Kind::Ftruncate, libc::EIO).reopened().run(Some(4));
}

#[test]
fn a_rename_that_fails_is_told_and_nothing_is_lost() {
    Sweep::for_ever(Kind::Rename, libc::EIO).reopened().run(Some(4));
}

#[test]
fn a_settled_file_that_cannot_be_removed_does_no_harm() {
    Sweep::once(Kind::Unlink, libc::EIO).reopened().silent().run(POINTS);
    Sweep::for_ever(Kind::Unlink, libc::EIO).of(Files::Log).silent().run(Some(4));
}

#[test]
fn a_read_that_fails_once_is_told_and_nothing_is_lost() {
    Sweep::once(Kind::Read, libc::EIO).reopened().silent().run(Some(7));
}

#[test]
fn a_sector_that_cannot_be_read_is_told_and_nothing_else_is_lost() {
    let sweep = Sweep::for_ever(Kind::Sector, libc::EIO).reopened();
    let directory = scratch();
    life::prepare(directory.path(), life::STEPS / 2);
    let length = std::fs::metadata(directory.path().join("db/db")).unwrap().len();
    assert!(length > 100_000, "{length}");
    for part in [0, 1, 3, 8, 12] {
        // Places in the first part of the engine's log, which has been written for sure.
        let fault = Fault { first: 1000 + part * 8_000, times: 0, ..Fault::none(Kind::Sector) };
        let life = sweep.live(fault);
        assert!(life.hits > 0, "{fault:?} is read by nobody");
        sweep.judge(fault, &life);
    }
}

#[test]
fn a_disk_that_cannot_be_read_is_told_and_nothing_is_lost() {
    Sweep::for_ever(Kind::Read, libc::EIO).reopened().run(Some(4));
}

/// Calls of this kind, once and from there on, of a new store and of one that is there: all of them,
/// or about so many of each of the four.
fn fails_in_turn(kind: Kind, points: Option<u64>) {
    // Some failures come to nothing: closing opens the engine's log once more, only to wait for it, and a
    // file of the log that cannot be made in advance is made later.
    let told = !matches!(kind, Kind::Open | Kind::Fallocate | Kind::Unlink | Kind::Fsync);
    for times in [0, 1] {
        for prepared in [0, life::STEPS / 2] {
            let habits = Habits { prepared, ..Habits::default() };
            let errno = if times == 0 { libc::ENOSPC } else { libc::EIO };
            Sweep { times, told, habits, ..Sweep::once(kind, errno) }.run(points);
        }
    }
}

#[test]
fn many_a_write_fails_in_turn() {
    fails_in_turn(Kind::Pwrite, Some(6));
}

#[test]
fn many_a_sync_fails_in_turn() {
    fails_in_turn(Kind::Fsync, Some(4));
}

#[test]
fn many_a_plain_write_fails_in_turn() {
    fails_in_turn(Kind::Write, Some(8));
}

#[test]
fn many_an_opening_of_a_file_fails_in_turn() {
    fails_in_turn(Kind::Open, Some(4));
}

#[test]
fn many_a_read_fails_in_turn() {
    fails_in_turn(Kind::Read, Some(4));
}

#[test]
#[ignore = "takes minutes"]
fn every_write_fails_in_turn() {
    fails_in_turn(Kind::Pwrite, None);
    for files in [Files::Log, Files::Engine] {
        let mut sweep = Sweep::once(Kind::Pwrite, libc::ENOSPC).of(files);
        sweep.run(None);
        sweep.habits.by_halves = true;
        sweep.run(None);
    }
}

#[test]
#[ignore = "takes minutes"]
fn every_sync_fails_in_turn() {
    fails_in_turn(Kind::Fsync, None);
    fails_in_turn(Kind::Fdatasync, None);
}

#[test]
#[ignore = "takes minutes"]
fn every_other_change_fails_in_turn() {
    [Kind::Write, Kind::Fallocate, Kind::Unlink]
        .into_iter()
        .for_each(|kind| fails_in_turn(kind, None));
}

#[test]
#[ignore = "takes minutes"]
fn every_opening_of_a_file_fails_in_turn() {
    fails_in_turn(Kind::Open, None);
}

#[test]
#[ignore = "takes minutes, as five hundred reads fail in turn, four times"]
fn every_read_fails_in_turn() {
    fails_in_turn(Kind::Read, None);
}
