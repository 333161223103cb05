//! Writing rows into sled, for the checkpoint.

use std::borrow::Cow;

use crate::engine::catch_sled::catch_sled;
use crate::engine::rows::overflow::{Change, RawStep};
use crate::engine::{Result, Tree};

/// One change of one key in one tree.
#[derive(Clone, Copy)]
pub(crate) struct Step<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) key: &'a [u8],
    /// `None` removes the key.
    pub(crate) value: Option<&'a [u8]>,
}

impl<'a> Step<'a> {
    /// The steps of sled's that make it, in their order. If the value is or was in pieces, the key
    /// begins to change.
    fn cut(&self) -> sled::Result<(Vec<RawStep<'a>>, Option<Change>)> {
        let Step { tree, key, value } = *self;
        let (mut steps, mut last) = (Vec::new(), Vec::new());
        let (change, own) = match &tree.pieces {
            Some(pieces) if pieces.concerns(key, value) => {
                let (change, own) = pieces.begin(key, value, &mut steps, &mut last)?;
                (Some(change), own)
            }
            _ => (None, value),
        };
        let (key, value) = (Cow::Borrowed(key), own.map(Cow::Borrowed));
        steps.push(RawStep { tree: &tree.inner, key, value });
        steps.append(&mut last);
        Ok((steps, change))
    }
}

/// Makes one change by single steps of sled's. A crash can leave some of the steps of a value in
/// pieces; the log then makes all of them again.
pub(crate) fn settle(step: Step<'_>) -> Result<()> {
    let engine_state = &step.tree.engine_state;
    engine_state.check_healthy()?;
    let made = catch_sled("write to", engine_state.path(), || {
        let (steps, change) = step.cut()?;
        steps.iter().try_for_each(RawStep::make)?;
        if let Some(mut change) = change {
            change.committed();
        }
        Ok(())
    });
    engine_state.poison_on_error(made)?;
    engine_state.record_write();
    Ok(())
}
