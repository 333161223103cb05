//! Writers that let a key live on which would expire.
//!
//! A writer that finds a key live and lengthens its life says that the key was never absent. So no
//! reader may find the key expired after the writer has looked at the clock. The writer holds the
//! commit lock from its look at the clock until its commit is published, and counts before and
//! after that. A reader that finds a key expired counts too:
//!
//! * If a writer has begun before the reader's second count and not ended before its first one, the
//!   reader reads again.
//! * Otherwise each such writer either had published before the reader read, or looks at the clock
//!   after the reader did. The clock does not go back, so that writer finds the key expired as well.

use super::sync::{fence, Ordering};
use super::under_way::{UnderWay, Work};

/// Readers try so often beside the writers, and then keep them out.
const TRIES: usize = 4;

#[derive(Default)]
pub(super) struct Revivals(UnderWay);

impl Revivals {
    /// The caller holds the commit lock, looks at the clock after this, and drops the answer after its
    /// commit is published.
    pub(super) fn begin(&self) -> Work<'_> {
        let revival = self.0.begin();
        // Of this one and the reader's, one comes first: either the reader sees the number, or this
        // writer sees a clock that is not behind the reader's.
        fence(Ordering::SeqCst);
        revival
    }

    /// Lets `look` read, and then look at the clock, while no such writer is under way.
    /// `between_commits` keeps writers out until its answer is dropped.
    pub(super) fn look_between<T, G>(
        &self,
        between_commits: impl FnOnce() -> G,
        mut look: impl FnMut() -> T,
    ) -> T {
        for _ in 0..TRIES {
            let ended = self.0.ended();
            let found = look();
            fence(Ordering::SeqCst);
            if self.0.begun() == ended {
                return found;
            }
        }
        let _kept_out = between_commits();
        look()
    }
}
