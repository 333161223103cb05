//! Changes that are made together or not at all.

use std::borrow::Cow;
use std::path::Path;

use oxistore_core::StoreError;
use sled::transaction::{
    ConflictableTransactionResult, TransactionError, Transactional, TransactionalTree,
};

use super::pieces::{Change, RawStep};
use super::room::Room;
use super::shield::{shield, translate};
use super::{turns, Result, Tree};

const OPERATION: &str = "write to";

/// Steps of a write from which on its garbage is worth collecting at once. One value can come to so
/// many, in pieces.
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

impl<'a> Step<'a> {
    /// Whether the value is, or the one before it was, in pieces.
    pub(crate) fn concerns_pieces(&self) -> bool {
        let pieces = self.tree.pieces.as_ref();
        pieces.is_some_and(|pieces| pieces.concerns(self.key, self.value))
    }

    /// What the caller counts: key and value.
    pub(super) fn size(&self) -> usize {
        self.key.len() + self.value.map_or(0, <[u8]>::len)
    }

    /// The step that the tree itself gets. If the value is or was in pieces, the key begins to
    /// change, and what belongs to that is added to `extra` and to `changes`.
    pub(super) fn cut(
        &self,
        extra: &mut Vec<RawStep<'a>>,
        changes: &mut Vec<Change>,
    ) -> sled::Result<RawStep<'a>> {
        let Step { tree, key, value } = *self;
        let mut own = value;
        if let Some(pieces) = tree.pieces.as_ref().filter(|pieces| pieces.concerns(key, value)) {
            let begun = pieces.begin(key, value, extra)?;
            changes.push(begun.0);
            own = begun.1;
        }
        Ok(RawStep { tree: &tree.inner, key: Cow::Borrowed(key), value: own.map(Cow::Borrowed) })
    }
}

/// Makes all `steps`, and after a crash either all of them are there or none. A key of a tree may
/// be named once. Answers, for each step, whether its key was there before.
pub(crate) fn commit(steps: &[Step<'_>]) -> Result<Vec<bool>> {
    match steps {
        [] => Ok(Vec::new()),
        [step] => Ok(vec![commit_one(*step)?]),
        _ => commit_cut(steps),
    }
}

/// The same for a single step, without an allocation.
pub(crate) fn commit_one(step: Step<'_>) -> Result<bool> {
    if step.concerns_pieces() {
        return Ok(commit_cut(&[step])?[0]);
    }
    let tree = &step.tree.inner;
    let previous = write(&step.tree.room, &[step], 1, |path| {
        shield(OPERATION, path, || match step.value {
            Some(value) => tree.insert(step.key, value),
            None => tree.remove(step.key),
        })
    })?;
    Ok(previous.is_some())
}

/// Makes one change by single steps of sled's, for the checkpoint: a crash can leave some of the
/// steps of a value in pieces, and the log makes all of them again.
pub(crate) fn settle(step: Step<'_>) -> Result<()> {
    if !step.concerns_pieces() {
        return commit_one(step).map(drop);
    }
    let mut changes = Vec::new();
    write(&step.tree.room, &[step], 1, |path| {
        shield(OPERATION, path, || {
            let mut steps = Vec::new();
            let own = step.cut(&mut steps, &mut changes)?;
            steps.push(own);
            steps.iter().try_for_each(|raw| match &raw.value {
                Some(value) => raw.tree.insert(&raw.key[..], &value[..]).map(drop),
                None => raw.tree.remove(&raw.key[..]).map(drop),
            })
        })
    })?;
    changes.iter_mut().for_each(Change::committed);
    Ok(())
}

/// As [`commit`], without an answer, which spares sled a look-up for each key where all steps are in one
/// tree.
pub(crate) fn commit_blind(steps: &[Step<'_>]) -> Result<()> {
    // A single step is no batch: it takes no turn, and waits for no flush.
    let [first, _, ..] = steps else { return commit(steps).map(drop) };
    let is_simple = |step: &Step<'_>| same_tree(step.tree, first.tree) && !step.concerns_pieces();
    if !steps.iter().all(is_simple) {
        return commit(steps).map(drop);
    }
    let mut batch = sled::Batch::default();
    for step in steps {
        match step.value {
            Some(value) => batch.insert(step.key, value),
            None => batch.remove(step.key),
        }
    }
    write(&first.tree.room, steps, steps.len(), |path| {
        shield(OPERATION, path, || first.tree.inner.apply_batch(batch))
    })
}

/// Makes all steps, and those that belong to them because values are in pieces. There is one step at
/// least.
fn commit_cut(steps: &[Step<'_>]) -> Result<Vec<bool>> {
    let room = &steps[0].tree.room;
    // Before anything of the pieces is begun: a batch that may not begin has changed nothing.
    let turn = room.may_write_batch()?;
    let (mut raw, mut extra, mut changes) = (Vec::new(), Vec::new(), Vec::new());
    for step in steps {
        let cut = shield(OPERATION, room.path(), || step.cut(&mut extra, &mut changes));
        raw.push(room.judge(cut).inspect_err(|_| changes.iter_mut().for_each(Change::abandoned))?);
    }
    let pieces = extra.len();
    extra.append(&mut raw);
    let count = extra.len();
    let previous = in_turn(room, steps, count, Some(turn), |path| commit_together(path, &extra))?;
    changes.iter_mut().for_each(Change::committed);
    Ok(previous[pieces..].to_vec())
}

/// What every write has to go through: no write after a failure, and each one is counted. `count`
/// is the number of sled's steps that `steps` come to.
fn write<T>(
    room: &Room,
    steps: &[Step<'_>],
    count: usize,
    change: impl FnOnce(&Path) -> Result<T>,
) -> Result<T> {
    let turn = match count {
        1 => room.may_write().map(|()| None)?,
        _ => room.may_write_batch().map(Some)?,
    };
    in_turn(room, steps, count, turn, change)
}

/// The same for a caller who may write already.
fn in_turn<T>(
    room: &Room,
    steps: &[Step<'_>],
    count: usize,
    turn: Option<turns::Batch>,
    change: impl FnOnce(&Path) -> Result<T>,
) -> Result<T> {
    let answer = room.judge(change(room.path())).inspect_err(|_| {
        // sled may hold some of the steps and not others. A single one it has or has not.
        if count > 1 {
            room.gate().doubt(steps.iter().map(|step| (&step.tree.inner, step.key)));
        }
    })?;
    drop(turn);
    room.wrote(count, steps.iter().map(Step::size).sum());
    collect_garbage(count);
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

fn commit_together(path: &Path, steps: &[RawStep<'_>]) -> Result<Vec<bool>> {
    // Each tree once: sled gives a tree that is named twice two overlays, and one of them wins.
    let mut trees: Vec<&sled::Tree> = Vec::new();
    let mut places = Vec::with_capacity(steps.len());
    for step in steps {
        let known = trees.iter().rposition(|tree| tree.name() == step.tree.name());
        places.push(known.unwrap_or_else(|| {
            trees.push(step.tree);
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
    steps: &[RawStep<'_>],
) -> ConflictableTransactionResult<Vec<bool>, std::convert::Infallible> {
    let mut previous = Vec::with_capacity(steps.len());
    for (step, place) in steps.iter().zip(places) {
        let tree = &overlay[*place];
        let old = match &step.value {
            Some(value) => tree.insert(&step.key[..], &value[..])?,
            None => tree.remove(&step.key[..])?,
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Engine, Options};
    use super::*;

    const OPTIONS: Options = Options {
        cache_capacity: None,
        compression: false,
        high_throughput: false,
        segment_size: None,
        temporary: true,
        must_exist: false,
        must_create: true,
        lock_timeout: Duration::ZERO,
        salvage: false,
        patience: Duration::from_secs(20),
    };

    /// A call of sled's that fails when the first of two steps is made.
    fn fail_in_the_middle(tree: &Tree) -> StoreError {
        let step = |key| Step { tree, key, value: Some(b"new") };
        let steps = [step(b"one"), step(b"two")];
        let change = |path: &Path| {
            shield(OPERATION, path, || {
                tree.inner.insert("one", "new")?;
                Err(sled::Error::Io(std::io::Error::from_raw_os_error(libc::EIO)))
            })
        };
        write::<()>(&tree.room, &steps, 2, change).expect_err("it fails")
    }

    #[test]
    fn the_keys_of_a_step_that_failed_in_its_middle_are_shown_to_nobody_and_others_are() {
        let engine = Engine::open(None, &OPTIONS).expect("an engine");
        let tree = engine.tree(b"tree").expect("a tree");
        let other = engine.tree(b"other").expect("a tree");
        for key in [b"one", b"two", b"six"] {
            commit_one(Step { tree: &tree, key, value: Some(b"old") }).expect("it writes");
            commit_one(Step { tree: &other, key, value: Some(b"old") }).expect("it writes");
        }
        let first = fail_in_the_middle(&tree).to_string();
        for key in [b"one", b"two"] {
            assert_eq!(tree.get(key).expect_err("in doubt").to_string(), first);
            assert_eq!(tree.contains(key).expect_err("in doubt").to_string(), first);
            assert_eq!(other.get(key).expect("another tree").as_deref(), Some(&b"old"[..]));
        }
        assert_eq!(tree.get(b"six").expect("another key").as_deref(), Some(&b"old"[..]));
        let late = Step { tree: &other, key: b"six", value: None };
        assert_eq!(commit_one(late).expect_err("no write any more").to_string(), first);
        drop((tree, other));
        assert_eq!(engine.close().expect_err("the first error").to_string(), first);
    }
}
