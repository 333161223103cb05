//! Writing rows into sled, for the checkpoint.

use std::borrow::Cow;

use super::overflow::{Change, RawStep};
use super::shield::shield;
use super::{Result, Tree};

/// One change of one key in one tree.
#[derive(Clone, Copy)]
pub(crate) struct Step<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) key: &'a [u8],
    /// `None` removes the key.
    pub(crate) value: Option<&'a [u8]>,
}

impl<'a> Step<'a> {
    /// The step that the tree itself gets. If the value is or was in pieces, the key begins to
    /// change, and the steps that belong to that are added to `extra`.
    fn cut(&self, extra: &mut Vec<RawStep<'a>>) -> sled::Result<(RawStep<'a>, Option<Change>)> {
        let Step { tree, key, value } = *self;
        let (change, own) = match &tree.pieces {
            Some(pieces) if pieces.concerns(key, value) => {
                let (change, own) = pieces.begin(key, value, extra)?;
                (Some(change), own)
            }
            _ => (None, value),
        };
        let raw =
            RawStep { tree: &tree.inner, key: Cow::Borrowed(key), value: own.map(Cow::Borrowed) };
        Ok((raw, change))
    }
}

/// Makes one change by single steps of sled's. A crash can leave some of the steps of a value in
/// pieces; the log then makes all of them again.
pub(crate) fn settle(step: Step<'_>) -> Result<()> {
    let room = &step.tree.room;
    room.may_write()?;
    let made = shield("write to", room.path(), || {
        let mut steps = Vec::new();
        let (own, change) = step.cut(&mut steps)?;
        steps.push(own);
        steps.iter().try_for_each(RawStep::make)?;
        if let Some(mut change) = change {
            change.committed();
        }
        Ok(())
    });
    room.judge(made)?;
    room.wrote();
    Ok(())
}
