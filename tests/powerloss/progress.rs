//! How far a recorded program was, by what it said of itself.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use super::log::{Event, Mark};

/// No workload has more threads that write.
pub const MOST_THREADS: usize = 3;

/// Of one thread: its first so many operations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reached {
    /// They are durable by promise.
    pub durable: u64,
    /// They have begun, or had at some moment.
    pub begun: u64,
    /// They have returned, and no power cut came since.
    returned: u64,
}

/// Of each thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress(pub [Reached; MOST_THREADS]);

impl Progress {
    /// How far it is where the process is killed, which takes nothing that has returned.
    pub fn of_killed(self) -> Self {
        Self(self.0.map(|it| Reached { durable: it.durable.max(it.returned), ..it }))
    }

    pub fn note(&mut self, event: &Event) {
        match *event {
            Event::Mark(Mark::Begun { thread, count }) => {
                // A thread does one operation after the other.
                self.0[thread].returned = count - 1;
                self.0[thread].begun = count;
            }
            Event::Mark(Mark::Left { thread, count }) => self.0[thread].begun = count,
            Event::Mark(Mark::Durable { thread, count }) => {
                // Of two flushes at once, the one that promises less may say so later.
                let durable = &mut self.0[thread].durable;
                *durable = count.max(*durable);
            }
            _ => {}
        }
    }
}

/// One word, for children.
impl Display for Progress {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let words = self.0.map(|Reached { durable, begun, .. }| format!("{durable}/{begun}"));
        formatter.write_str(&words.join(","))
    }
}

impl FromStr for Progress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut words = text.split(',').map(|word| {
            let (durable, begun) = word.split_once('/')?;
            let (durable, begun) = (durable.parse().ok()?, begun.parse().ok()?);
            Some(Reached { durable, begun, returned: 0 })
        });
        let threads = [(); MOST_THREADS].map(|()| words.next().flatten());
        match threads.iter().all(Option::is_some) && words.next().is_none() {
            true => Ok(Self(threads.map(Option::unwrap_or_default))),
            false => Err("no progress"),
        }
    }
}
