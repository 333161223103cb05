//! What watches promise: every change of every commit, in order, without holding anybody up.

mod changes;
#[path = "../common/mod.rs"]
mod common;
mod endings;
mod events;
mod losses;
mod model;
mod ranges;
mod subscriber;
mod waiting;

use std::time::Duration;

use sledstore::{KeyChange, KeyChangeKind, Watch, WatchEvent};

/// Longer than anything here takes, so that a mistake is a failure and not a hang.
const LONG: Duration = Duration::from_secs(60);

/// The events that are there already.
fn ready(watch: &Watch) -> Vec<WatchEvent> {
    std::iter::from_fn(|| watch.try_next().expect("a watch that goes on")).collect()
}

/// The same, where nothing may be lost.
fn changes(watch: &Watch) -> Vec<KeyChange> {
    let change = |event| match event {
        WatchEvent::Changed(change) => change,
        WatchEvent::Lost { .. } => panic!("{event:?}"),
    };
    ready(watch).into_iter().map(change).collect()
}

/// What happened, the key, the value.
type Told = (KeyChangeKind, String, Option<String>);

fn told(changes: &[KeyChange]) -> Vec<Told> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let told = |it: &KeyChange| (it.kind, text(&it.key), it.value.as_deref().map(text));
    changes.iter().map(told).collect()
}

fn insert(key: &str, value: &str) -> Told {
    (KeyChangeKind::Insert, key.into(), Some(value.into()))
}

fn update(key: &str, value: &str) -> Told {
    (KeyChangeKind::Update, key.into(), Some(value.into()))
}

fn remove(key: &str) -> Told {
    (KeyChangeKind::Remove, key.into(), None)
}

fn expire(key: &str) -> Told {
    (KeyChangeKind::Expire, key.into(), None)
}
