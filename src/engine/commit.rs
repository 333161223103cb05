//! Changes that are made together or not at all.

use std::path::Path;

use oxistore_core::StoreError;
use sled::transaction::{
    ConflictableTransactionResult, TransactionError, Transactional, TransactionalTree,
};

use super::room::Room;
use super::shield::{shield, translate};
use super::{Result, Tree};

const OPERATION: &str = "write to";

/// Steps of a batch from which on its garbage is worth collecting at once.
const LARGE: usize = 1000;

/// What one step leaves behind, and what one pin takes away, as measured by watching memory.
const PIECES_PER_STEP: usize = 4;
const PIECES_PER_PIN: usize = 496;

/// One change of one key in one tree.
#[derive(Clone, Copy)]
pub(crate) struct Step<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) key: &'a [u8],
    /// `None` removes the key.
    pub(crate) value: Option<&'a [u8]>,
}

/// Makes all `steps`, and after a crash either all of them are there or none. A key of a tree may
/// be named once. Answers, for each step, whether its key was there before.
pub(crate) fn commit(steps: &[Step<'_>]) -> Result<Vec<bool>> {
    match steps {
        [] => Ok(Vec::new()),
        [step] => Ok(vec![commit_one(*step)?]),
        [first, ..] => write(&first.tree.room, steps, |path| commit_together(path, steps)),
    }
}

/// The same for a single step, without an allocation.
pub(crate) fn commit_one(step: Step<'_>) -> Result<bool> {
    let tree = &step.tree.inner;
    let previous = write(&step.tree.room, &[step], |path| {
        shield(OPERATION, path, || match step.value {
            Some(value) => tree.insert(step.key, value),
            None => tree.remove(step.key),
        })
    })?;
    Ok(previous.is_some())
}

/// The same without an answer, which spares sled a look-up for each key where all steps are in one
/// tree.
pub(crate) fn commit_blind(steps: &[Step<'_>]) -> Result<()> {
    let Some(first) = steps.first() else { return Ok(()) };
    if steps.iter().any(|step| !same_tree(step.tree, first.tree)) {
        return commit(steps).map(drop);
    }
    let mut batch = sled::Batch::default();
    for step in steps {
        match step.value {
            Some(value) => batch.insert(step.key, value),
            None => batch.remove(step.key),
        }
    }
    write(&first.tree.room, steps, |path| {
        shield(OPERATION, path, || first.tree.inner.apply_batch(batch))
    })
}

/// What every write has to go through: no write after a failure, and each one is counted.
fn write<T>(room: &Room, steps: &[Step<'_>], change: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    room.may_write()?;
    let answer = room.judge(change(room.path()))?;
    let size = |step: &Step<'_>| step.key.len() + step.value.map_or(0, <[u8]>::len);
    room.wrote(steps.len(), steps.iter().map(size).sum());
    collect_garbage(steps.len());
    Ok(answer)
}

/// sled frees what a write replaced only when threads pin its epoch, a few hundred pieces at each
/// pin; a large batch is one pin. So it is pinned as often as the batch needs.
fn collect_garbage(steps: usize) {
    if steps > LARGE {
        for _ in 0..=steps * PIECES_PER_STEP / PIECES_PER_PIN {
            sled::pin().flush();
        }
    }
}

fn commit_together(path: &Path, steps: &[Step<'_>]) -> Result<Vec<bool>> {
    // Each tree once: sled gives a tree that is named twice two overlays, and one of them wins.
    let mut trees: Vec<&sled::Tree> = Vec::new();
    let mut places = Vec::with_capacity(steps.len());
    for step in steps {
        let known = trees.iter().rposition(|tree| tree.name() == step.tree.inner.name());
        places.push(known.unwrap_or_else(|| {
            trees.push(&step.tree.inner);
            trees.len() - 1
        }));
    }
    // The closure only touches the overlay that it is given: any other call into sled would wait
    // for the lock that sled holds around it.
    let stage_all = |overlay: &Vec<TransactionalTree>| stage(overlay, &places, steps);
    let result = shield(OPERATION, path, || Ok(trees[..].transaction(stage_all)))?;
    result.map_err(|error| untangle(path, error))
}

fn stage(
    overlay: &[TransactionalTree],
    places: &[usize],
    steps: &[Step<'_>],
) -> ConflictableTransactionResult<Vec<bool>, std::convert::Infallible> {
    let mut previous = Vec::with_capacity(steps.len());
    for (step, place) in steps.iter().zip(places) {
        let tree = &overlay[*place];
        let old = match step.value {
            Some(value) => tree.insert(step.key, value)?,
            None => tree.remove(step.key)?,
        };
        previous.push(old.is_some());
    }
    Ok(previous)
}

fn untangle(path: &Path, error: TransactionError<std::convert::Infallible>) -> StoreError {
    match error {
        TransactionError::Abort(never) => match never {},
        TransactionError::Storage(error) => translate(OPERATION, path, error),
    }
}

fn same_tree(left: &Tree, right: &Tree) -> bool {
    left.inner.name() == right.inner.name()
}
