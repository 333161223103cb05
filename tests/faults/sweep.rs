//! Each call of each kind fails in turn, once or from then on: see `life.rs` for what must hold.

use crate::common::scratch;
use crate::inject::{Fault, Kind};
use crate::life::{self, Life};

/// What an error number has to become.
fn reason_of(errno: i32) -> String {
    let reason = match errno {
        libc::ENOSPC | libc::EDQUOT => "DiskFull",
        libc::EROFS => "ReadOnlyFilesystem",
        _ => "Os",
    };
    format!("{reason} Some({errno}): ")
}

/// Lets call 1, 1 + `step`, ... fail. `told` says that each failure must have come out in some
/// answer.
#[derive(Debug, Clone, Copy)]
struct Sweep {
    kind: Kind,
    errno: i32,
    times: u64,
    flush_every: u64,
    told: bool,
    /// Whether there is a store already, closed in peace.
    reopened: bool,
}

impl Sweep {
    fn of(kind: Kind, errno: i32, times: u64) -> Self {
        Self { kind, errno, times, flush_every: 500, told: true, reopened: false }
    }

    /// At about `points` calls; at every one if that is `None`.
    fn run(self, points: Option<u64>) {
        let clean = self.live(Fault::none(self.kind));
        assert!(clean.failures.is_empty(), "{clean:?}");
        assert_eq!(clean.made, life::STEPS);
        assert!(clean.calls > 0, "nothing to fail: {clean:?}");
        let step = points.map_or(1, |points| clean.calls.div_ceil(points));
        let mut hit = 0;
        let mut runs = 0;
        for first in (1..=clean.calls).step_by(step as usize) {
            let fault = Fault { kind: self.kind, first, times: self.times, errno: self.errno };
            let life = self.live(fault);
            runs += 1;
            if life.hits == 0 {
                // The threads of the engine do not make the same calls each time.
                continue;
            }
            hit += 1;
            self.judge(fault, &life);
        }
        assert!(hit * 2 >= runs, "{hit} of {runs} runs met their fault");
        println!("{self:?}: {runs} runs for {} calls, {hit} met their fault", clean.calls);
    }

    fn live(&self, fault: Fault) -> Life {
        let directory = scratch();
        let prepared = if self.reopened { life::STEPS / 2 } else { 0 };
        if prepared > 0 {
            life::prepare(directory.path(), prepared);
        }
        life::run(directory.path(), prepared, fault, self.flush_every)
    }

    fn judge(&self, fault: Fault, life: &Life) {
        if self.told {
            assert!(!life.failures.is_empty(), "{fault:?} was told to nobody: {life:?}");
        }
        let wanted = reason_of(self.errno);
        for (what, why) in &life.failures {
            assert!(why.starts_with(&wanted), "{fault:?}: {what} answers with {why:?}");
        }
    }
}

const POINTS: Option<u64> = Some(9);

#[test]
fn a_write_to_the_log_that_fails_once_is_told_and_tears_nothing() {
    Sweep::of(Kind::Pwrite, libc::EIO, 1).run(POINTS);
}

#[test]
fn a_disk_that_takes_no_more_is_told_and_tears_nothing() {
    Sweep::of(Kind::Pwrite, libc::ENOSPC, 0).run(POINTS);
}

#[test]
fn a_quota_that_is_used_up_is_told_as_a_full_disk() {
    Sweep::of(Kind::Pwrite, libc::EDQUOT, 0).run(Some(4));
}

#[test]
fn a_disk_that_turns_read_only_is_told_as_such() {
    Sweep::of(Kind::Pwrite, libc::EROFS, 0).run(Some(4));
}

#[test]
fn a_sync_that_fails_once_is_told() {
    Sweep::of(Kind::Fsync, libc::EIO, 1).run(POINTS);
}

#[test]
fn a_sync_of_the_engines_own_that_fails_once_is_told() {
    Sweep { flush_every: 2, ..Sweep::of(Kind::Fsync, libc::EIO, 1) }.run(POINTS);
}

#[test]
fn a_disk_that_syncs_no_more_is_told_and_tears_nothing() {
    Sweep::of(Kind::Fsync, libc::EIO, 0).run(POINTS);
}

#[test]
fn a_plain_write_that_fails_is_told() {
    Sweep::of(Kind::Write, libc::ENOSPC, 0).run(POINTS);
    Sweep { reopened: true, ..Sweep::of(Kind::Write, libc::EIO, 1) }.run(Some(4));
}

#[test]
fn a_file_that_does_not_open_is_told_and_nothing_is_lost() {
    // Files are opened for different ends, and only a few times: each of them fails in turn.
    Sweep { told: false, reopened: true, ..Sweep::of(Kind::Open, libc::EMFILE, 1) }.run(None);
    // Closing looks at the log once more, only to wait for it.
    Sweep { told: false, reopened: true, ..Sweep::of(Kind::Open, libc::EIO, 0) }.run(Some(4));
}

#[test]
fn a_file_that_cannot_be_cut_is_told_and_nothing_is_lost() {
    Sweep { reopened: true, ..Sweep::of(Kind::Ftruncate, libc::EIO, 0) }.run(Some(4));
}

#[test]
fn a_rename_that_fails_is_told_and_nothing_is_lost() {
    Sweep { reopened: true, ..Sweep::of(Kind::Rename, libc::EIO, 0) }.run(Some(4));
}

#[test]
fn a_read_that_fails_once_is_told_and_nothing_is_lost() {
    Sweep { told: false, reopened: true, ..Sweep::of(Kind::Read, libc::EIO, 1) }.run(Some(14));
}

#[test]
fn a_sector_that_cannot_be_read_is_told_and_nothing_else_is_lost() {
    let sweep = Sweep { reopened: true, ..Sweep::of(Kind::Sector, libc::EIO, 0) };
    let directory = scratch();
    life::prepare(directory.path(), life::STEPS / 2);
    let length = std::fs::metadata(directory.path().join("db/db")).unwrap().len();
    assert!(length > 100_000, "{length}");
    for part in [0, 1, 2, 3, 5, 8, 10, 15] {
        // Places in the first part of the log, which has been written for sure.
        let first = 1000 + part * 10_000;
        let fault = Fault { kind: Kind::Sector, first, times: 0, errno: libc::EIO };
        let life = sweep.live(fault);
        assert!(life.hits > 0, "{fault:?} is read by nobody");
        sweep.judge(fault, &life);
    }
}

#[test]
fn a_disk_that_cannot_be_read_is_told_and_nothing_is_lost() {
    Sweep { reopened: true, ..Sweep::of(Kind::Read, libc::EIO, 0) }.run(Some(20));
}

/// Calls of this kind, once and from there on, of a new store and of one that is there: all of them,
/// or about so many of each of the four.
fn fails_in_turn(kind: Kind, points: Option<u64>) {
    // Closing opens the log once more, only to wait for it, and that may fail.
    let told = kind != Kind::Open;
    for times in [0, 1] {
        for reopened in [false, true] {
            Sweep { reopened, told, ..Sweep::of(kind, libc::EIO, times) }.run(points);
        }
    }
}

#[test]
fn every_write_to_the_log_fails_in_turn() {
    fails_in_turn(Kind::Pwrite, None);
}

#[test]
fn every_sync_fails_in_turn() {
    fails_in_turn(Kind::Fsync, None);
}

#[test]
fn every_plain_write_fails_in_turn() {
    fails_in_turn(Kind::Write, None);
}

#[test]
fn every_opening_of_a_file_fails_in_turn() {
    fails_in_turn(Kind::Open, None);
}

/// An opening makes five hundred reads, which take as long as all others together, and one is much
/// like the next.
#[test]
fn many_a_read_fails_in_turn() {
    fails_in_turn(Kind::Read, Some(40));
}

#[test]
#[ignore = "takes minutes, as five hundred reads fail in turn, four times"]
fn every_read_fails_in_turn() {
    fails_in_turn(Kind::Read, None);
}
