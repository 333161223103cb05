//! Lets merges come to their end that others overtake again and again.
//!
//! A merge is overtaken when the key is committed while its operator runs. Some other writer has come
//! to its end then, so there is no standstill; but a slow operator might never win against quick
//! ones. So a merge that was overtaken often says so, and others wait before they begin. They wait for a
//! bounded time, and not for the operator: no operator can keep them out.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A merge that is made for the so-many-th time is let go first.
const TOO_OFTEN: u32 = 16;

/// The longest that another one waits before it begins.
const LONGEST_WAIT: Duration = Duration::from_millis(50);

const FIRST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(2);

/// How many merges of a store were overtaken too often.
#[derive(Default)]
pub(crate) struct Turns(AtomicUsize);

/// The attempts of one merge.
pub(crate) struct Attempts<'a> {
    turns: &'a Turns,
    begun: u32,
}

impl Turns {
    pub(crate) fn attempts(&self) -> Attempts<'_> {
        Attempts { turns: self, begun: 0 }
    }

    fn is_somebody_waiting(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    fn let_others_go_first(&self) {
        let (start, mut pause) = (Instant::now(), FIRST_PAUSE);
        while self.is_somebody_waiting() && start.elapsed() < LONGEST_WAIT {
            sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

impl Attempts<'_> {
    /// To be called before each attempt, without a lock.
    pub(crate) fn begin(&mut self) {
        self.begun = self.begun.saturating_add(1);
        match self.begun {
            ..TOO_OFTEN if self.turns.is_somebody_waiting() => self.turns.let_others_go_first(),
            TOO_OFTEN => {
                self.turns.0.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

impl Drop for Attempts<'_> {
    fn drop(&mut self) {
        if self.begun >= TOO_OFTEN {
            self.turns.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_wait_for_one_that_was_overtaken_often_but_not_for_ever() {
        let turns = Turns::default();
        let time_of = |attempts: &mut Attempts<'_>| {
            let start = Instant::now();
            attempts.begin();
            start.elapsed()
        };
        let mut overtaken = turns.attempts();
        (0..TOO_OFTEN).for_each(|_| overtaken.begin());
        assert!(time_of(&mut turns.attempts()) >= LONGEST_WAIT);
        drop(overtaken);
        assert!(!turns.is_somebody_waiting());
    }
}
