//! Copying whole stores: backups, restores, dumps.
//!
//! Each reads one moment of all keyspaces ([`rows::Rows`]), and makes commits of many rows, of an
//! absolute expiry each (`write/copied.rs`). It is a [`Work`] that goes on step by step; between two
//! steps the caller is told how far it has come, and may end it.

pub(crate) mod backup;
pub(crate) mod dump;
pub(crate) mod marker;
pub(crate) mod restore;
pub(crate) mod rows;

use std::ops::ControlFlow;
use std::path::Path;

use crate::engine::{Failure, Reason, Result};
use rows::Portion;

/// How far a backup or a restore has come, over all keyspaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Progress {
    /// Rows that were copied.
    pub rows_done: u64,
    /// Rows that there are to copy. They are counted first; this grows meanwhile, while `rows_done` is 0.
    pub rows_total: u64,
    /// Bytes of keys and values that were copied.
    pub bytes_done: u64,
    /// Bytes of keys and values that there are to copy, counted with `rows_total`.
    pub bytes_total: u64,
}

impl Progress {
    /// Counts rows that are to be copied.
    fn count(&mut self, portion: &Portion) {
        self.rows_total += portion.rows.len() as u64;
        self.bytes_total += portion.bytes;
    }
}

/// What a caller wants to know, and may want to end. Called without a lock.
pub(crate) struct Observer<'a> {
    pub(crate) report: Option<&'a mut dyn FnMut(Progress) -> ControlFlow<()>>,
    /// Whether this is the child of a fork that code of the caller has made: then files, threads and
    /// locks are the parent's, and nothing may be given back.
    pub(crate) has_forked: fn() -> bool,
}

impl Observer<'_> {
    pub(crate) fn none() -> Self {
        Observer { report: None, has_forked: || false }
    }
}

/// Something long that can end after each of its steps.
trait Work {
    /// What it is, for errors.
    const OPERATION: &'static str;

    /// Makes a step; says how far it has come, or that there is no more to do.
    fn step(&mut self) -> Result<ControlFlow<(), Progress>>;
}

/// Makes all steps of `work`, which is at `path`. If it is ended it is dropped, which undoes it.
fn complete<W: Work>(mut work: W, path: &Path, observer: &mut Observer<'_>) -> Result<W> {
    loop {
        let mut step = work.step();
        let mut is_cancelled = false;
        if let (Ok(ControlFlow::Continue(progress)), Some(report)) = (&step, &mut observer.report) {
            is_cancelled = report(*progress).is_break();
        }
        if is_cancelled || (observer.has_forked)() {
            let text = "a callback has asked for the end";
            step = Err(Failure::error(W::OPERATION, path, Reason::Cancelled, text));
        }
        if (observer.has_forked)() {
            std::mem::forget(work);
            return step.map(|_| unreachable!("it has just become an error"));
        }
        if step?.is_break() {
            return Ok(work);
        }
    }
}
