//! The operations that a run consists of, and two ways to make them up: from a seed for long
//! runs, and through proptest for short runs that shrink.

use std::fmt;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::common::random::Random;

/// The keyspaces of a run; the first is the default one.
pub const KEYSPACES: [&str; 4] = ["default", "alpha", "beta", "alphabet"];

/// Bytes of which a failure report shows only the beginning.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(pub Vec<u8>);

impl fmt::Debug for Text {
    fn fmt(&self, output: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() > 8 {
            write!(output, "{} bytes of {:#04x}", self.0.len(), self.0[0])
        } else {
            write!(output, "{:02x?}", self.0)
        }
    }
}

/// What a compare operation expects to find.
#[derive(Clone, Debug)]
pub enum Expected {
    /// What the model says is there, or nothing: the operation succeeds.
    Current,
    Nothing,
    Value(Text),
}

#[derive(Clone, Copy, Debug)]
pub enum Read {
    Get,
    GetPinned,
    GetRef,
    GetMany,
    GetManyPinned,
    GetWithTtl,
    Contains,
    Ttl,
}

pub const READS: [Read; 8] = [
    Read::Get,
    Read::GetPinned,
    Read::GetRef,
    Read::GetMany,
    Read::GetManyPinned,
    Read::GetWithTtl,
    Read::Contains,
    Read::Ttl,
];

#[derive(Clone, Debug)]
pub enum Change {
    Put(Text),
    PutWithTtl(Text, Duration),
    Delete,
    /// From the key on.
    DeleteRange(Option<Text>),
    /// If the key is there; `None` is for ever.
    Expire(Option<Duration>),
    Merge(Text),
}

/// One change of a batch; `None` is the keyspace that the batch is applied to.
#[derive(Clone, Debug)]
pub struct BatchItem {
    pub keyspace: Option<usize>,
    pub key: Text,
    pub change: Change,
}

#[derive(Clone, Debug)]
pub enum Edge {
    Unbounded,
    Included(Text),
    Excluded(Text),
}

#[derive(Clone, Debug)]
pub struct CursorPlan {
    pub lower: Edge,
    pub upper: Edge,
    pub prefix: Text,
    pub keys_only: bool,
    pub reverse: bool,
    pub moves: Vec<Move>,
}

#[derive(Clone, Debug)]
pub enum Move {
    First,
    Last,
    Seek(Text),
    SeekForPrev(Text),
    Next,
    Prev,
    /// `Iterator::next`, which walks down when the cursor is a reverse one.
    IteratorNext,
}

#[derive(Clone, Debug)]
pub enum Action {
    Read(Read, Vec<Text>),
    Change(Text, Change),
    CompareAndSwap(Text, Expected, Text),
    CompareAndDelete(Text, Expected),
    Expire(Text, Duration),
    Persist(Text),
    PurgeExpired,
    BatchWrite(Vec<(Text, Text)>),
    BatchDelete(Vec<Text>),
    Apply(Vec<BatchItem>),
    Range { lower: Text, upper: Text, reverse: bool },
    PrefixScan(Text),
    Iter,
    Keys,
    Count,
    Cursor(CursorPlan),
    Clear,
    DropKeyspace,
    Names,
    Advance(u64),
    Flush,
    Reopen { close: bool },
}

/// One step: an action on one of the keyspaces.
#[derive(Clone, Debug)]
pub struct Step {
    pub keyspace: usize,
    pub action: Action,
}

/// The bytes that keys are made of: few, so that keys meet and are prefixes of one another.
const SYMBOLS: [u8; 4] = [0x00, b'a', b'b', 0xff];

const TTLS: [Duration; 9] = [
    Duration::ZERO,
    Duration::from_nanos(1),
    Duration::from_micros(999),
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(10),
    Duration::from_millis(100),
    Duration::from_secs(3_600),
    Duration::MAX,
];

fn value_of(choice: u64, fill: u8) -> Text {
    let length = match choice {
        0 => 0,
        1 => 1,
        2 => 22,
        3 => 23,
        4 => 300,
        _ => 5,
    };
    Text(vec![fill; length])
}

fn random_key(random: &mut Random) -> Text {
    let length = *random.pick(&[0, 1, 1, 2, 2, 2, 3]);
    Text((0..length).map(|_| *random.pick(&SYMBOLS)).collect())
}

fn random_keys(random: &mut Random) -> Vec<Text> {
    (0..random.below(5)).map(|_| random_key(random)).collect()
}

fn random_value(random: &mut Random) -> Text {
    value_of(random.below(8), random.below(4) as u8)
}

fn random_expected(random: &mut Random) -> Expected {
    match random.below(4) {
        0 => Expected::Nothing,
        1 => Expected::Value(random_value(random)),
        _ => Expected::Current,
    }
}

fn random_change(random: &mut Random) -> Change {
    match random.below(14) {
        0..=3 => Change::Put(random_value(random)),
        4..=6 => Change::PutWithTtl(random_value(random), *random.pick(&TTLS)),
        7 => Change::DeleteRange(random.chance(4, 5).then(|| random_key(random))),
        8 => Change::Expire(random.chance(1, 2).then(|| *random.pick(&TTLS))),
        9..=10 => Change::Merge(random_value(random)),
        _ => Change::Delete,
    }
}

fn random_batch(random: &mut Random) -> Vec<BatchItem> {
    let item = |random: &mut Random| BatchItem {
        keyspace: random.chance(1, 2).then(|| random.index(KEYSPACES.len())),
        key: random_key(random),
        change: random_change(random),
    };
    (0..random.below(8)).map(|_| item(random)).collect()
}

fn random_edge(random: &mut Random) -> Edge {
    match random.below(3) {
        0 => Edge::Unbounded,
        1 => Edge::Included(random_key(random)),
        _ => Edge::Excluded(random_key(random)),
    }
}

fn random_move(random: &mut Random) -> Move {
    match random.below(12) {
        0 => Move::First,
        1 => Move::Last,
        2 => Move::Seek(random_key(random)),
        3 => Move::SeekForPrev(random_key(random)),
        4..=6 => Move::Next,
        7..=9 => Move::Prev,
        _ => Move::IteratorNext,
    }
}

fn random_cursor(random: &mut Random) -> CursorPlan {
    CursorPlan {
        lower: random_edge(random),
        upper: random_edge(random),
        prefix: if random.chance(1, 2) { Text(Vec::new()) } else { random_key(random) },
        keys_only: random.chance(1, 3),
        reverse: random.chance(1, 2),
        moves: (0..random.below(20)).map(|_| random_move(random)).collect(),
    }
}

/// The next step of a long run. Reopening and dropping keyspaces are rare, so that there is
/// something to lose when they happen.
pub fn random_step(random: &mut Random) -> Step {
    let keyspace = random.index(KEYSPACES.len());
    let action = match random.below(1000) {
        0..=249 => Action::Read(*random.pick(&READS), random_keys(random)),
        250..=549 => Action::Change(random_key(random), random_change(random)),
        550..=609 => Action::CompareAndSwap(
            random_key(random),
            random_expected(random),
            random_value(random),
        ),
        610..=639 => Action::CompareAndDelete(random_key(random), random_expected(random)),
        640..=689 => Action::Expire(random_key(random), *random.pick(&TTLS)),
        690..=719 => Action::Persist(random_key(random)),
        720..=724 => Action::PurgeExpired,
        725..=739 => Action::BatchWrite(
            random_keys(random).into_iter().map(|key| (key, random_value(random))).collect(),
        ),
        740..=744 => Action::BatchDelete(random_keys(random)),
        745..=784 => Action::Apply(random_batch(random)),
        785..=824 => Action::Range {
            lower: random_key(random),
            upper: random_key(random),
            reverse: random.chance(1, 2),
        },
        825..=839 => Action::PrefixScan(random_key(random)),
        840..=844 => Action::Iter,
        845..=849 => Action::Keys,
        850..=879 => Action::Count,
        880..=919 => Action::Cursor(random_cursor(random)),
        920 => Action::DropKeyspace,
        921 => Action::Clear,
        922..=924 => Action::Names,
        925..=994 => Action::Advance(*random.pick(&[0, 1, 1, 2, 5, 50])),
        995 => Action::Flush,
        996 => Action::Reopen { close: random.chance(1, 2) },
        _ => Action::Count,
    };
    Step { keyspace, action }
}

fn key() -> impl Strategy<Value = Text> {
    vec(select(&SYMBOLS[..]), 0..3).prop_map(Text)
}

fn value() -> impl Strategy<Value = Text> {
    (0..8_u64, 0..4_u8).prop_map(|(choice, fill)| value_of(choice, fill))
}

fn ttl() -> impl Strategy<Value = Duration> {
    select(&TTLS[..])
}

fn expected() -> impl Strategy<Value = Expected> {
    prop_oneof![Just(Expected::Nothing), Just(Expected::Current), value().prop_map(Expected::Value)]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        value().prop_map(Change::Put),
        (value(), ttl()).prop_map(|(value, ttl)| Change::PutWithTtl(value, ttl)),
        Just(Change::Delete),
        prop::option::of(key()).prop_map(Change::DeleteRange),
        prop::option::of(ttl()).prop_map(Change::Expire),
        value().prop_map(Change::Merge),
    ]
}

fn batch_item() -> impl Strategy<Value = BatchItem> {
    (prop::option::of(0..KEYSPACES.len()), key(), change())
        .prop_map(|(keyspace, key, change)| BatchItem { keyspace, key, change })
}

fn edge() -> impl Strategy<Value = Edge> {
    prop_oneof![
        Just(Edge::Unbounded),
        key().prop_map(Edge::Included),
        key().prop_map(Edge::Excluded)
    ]
}

fn cursor_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        Just(Move::First),
        Just(Move::Last),
        Just(Move::Next),
        Just(Move::Prev),
        Just(Move::IteratorNext),
        key().prop_map(Move::Seek),
        key().prop_map(Move::SeekForPrev),
    ]
}

fn cursor() -> impl Strategy<Value = CursorPlan> {
    (edge(), edge(), key(), any::<bool>(), any::<bool>(), vec(cursor_move(), 0..12)).prop_map(
        |(lower, upper, prefix, keys_only, reverse, moves)| CursorPlan {
            lower,
            upper,
            prefix,
            keys_only,
            reverse,
            moves,
        },
    )
}

/// Any step, for proptest; a failing run shrinks towards few steps with short keys.
pub fn any_step() -> impl Strategy<Value = Step> {
    let reading = prop_oneof![
        (select(&READS[..]), vec(key(), 0..4)).prop_map(|(read, keys)| Action::Read(read, keys)),
        (key(), key(), any::<bool>()).prop_map(|(lower, upper, reverse)| Action::Range {
            lower,
            upper,
            reverse
        }),
        key().prop_map(Action::PrefixScan),
        Just(Action::Iter),
        Just(Action::Keys),
        Just(Action::Count),
        cursor().prop_map(Action::Cursor),
        Just(Action::Names),
    ];
    let writing = prop_oneof![
        4 => (key(), change()).prop_map(|(key, change)| Action::Change(key, change)),
        1 => (key(), expected(), value())
            .prop_map(|(key, expected, value)| Action::CompareAndSwap(key, expected, value)),
        1 => (key(), expected()).prop_map(|(key, old)| Action::CompareAndDelete(key, old)),
        2 => (key(), ttl()).prop_map(|(key, ttl)| Action::Expire(key, ttl)),
        1 => key().prop_map(Action::Persist),
        1 => Just(Action::PurgeExpired),
        1 => vec((key(), value()), 0..4).prop_map(Action::BatchWrite),
        1 => vec(key(), 0..4).prop_map(Action::BatchDelete),
        2 => vec(batch_item(), 0..6).prop_map(Action::Apply),
    ];
    let running = prop_oneof![
        6 => (0..20_u64).prop_map(Action::Advance),
        1 => Just(Action::DropKeyspace),
        1 => Just(Action::Clear),
        1 => Just(Action::Flush),
        1 => any::<bool>().prop_map(|close| Action::Reopen { close }),
    ];
    let action = prop_oneof![3 => reading, 4 => writing, 1 => running];
    (0..KEYSPACES.len(), action).prop_map(|(keyspace, action)| Step { keyspace, action })
}
