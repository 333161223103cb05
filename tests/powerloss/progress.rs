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
}

/// Of each thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress(pub [Reached; MOST_THREADS]);

impl Progress {
    /// What a process that is killed leaves at least: each operation that has returned. The last one
    /// that has begun may not have.
    pub fn of_killed(self) -> Self {
        Self(self.0.map(|Reached { durable, begun }| {
            let returned = begun.saturating_sub(1);
            Reached { durable: durable.max(returned), begun }
        }))
    }

    pub fn note(&mut self, event: &Event) {
        match *event {
            Event::Mark(Mark::Begun { thread, count }) => self.0[thread].begun = count,
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
        let words = self.0.map(|Reached { durable, begun }| format!("{durable}/{begun}"));
        formatter.write_str(&words.join(","))
    }
}

impl FromStr for Progress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut words = text.split(',').map(|word| {
            let (durable, begun) = word.split_once('/')?;
            Some(Reached { durable: durable.parse().ok()?, begun: begun.parse().ok()? })
        });
        let threads = [(); MOST_THREADS].map(|()| words.next().flatten());
        match threads.iter().all(Option::is_some) && words.next().is_none() {
            true => Ok(Self(threads.map(Option::unwrap_or_default))),
            false => Err("no progress"),
        }
    }
}
