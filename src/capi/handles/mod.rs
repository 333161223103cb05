//! The handle table. What C holds is a token: a number that is looked up here and never followed as
//! a pointer, so a freed, forged or mistaken handle gives a status and not undefined behaviour.
//!
//! ```text
//!  63 62 | 61 .. 58 | 57 .. 30   | 29 .. 0
//!  state | kind     | generation | index of the slot
//! ```
//!
//! The word of a slot has the same layout. In a token the state is always `LIVE` = binary 10, which
//! makes it an address that no process can have mapped. The word of a slot equals the token exactly
//! while the handle is live: one comparison checks everything. Every use of a slot has a generation
//! of its own, so no word ever comes back; a slot whose generations are used up is not used again.
//!
//! `FREE` -> `LIVE` -> `PENDING` -> `FREE`, and `LIVE` <-> `SUSPENDED` -> `PENDING` while a store is
//! being closed. `PENDING` means freed, with the object still in place because a thread may be using
//! it. Whoever finds that nobody does (see `hazard.rs`) moves the word on to `FREE`. Only one
//! thread can succeed in that, and it owns the object from there on.

pub(crate) mod hazard;
pub(crate) mod slots;
pub(crate) mod store_handles;

use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::Ordering;

use crate::capi::batch::BatchObject;
use crate::capi::changes::ChangesObject;
use crate::capi::error::{ErrorObject, Fail};
use crate::capi::handles::hazard::ThreadRecord;
use crate::capi::handles::slots::Slot;
use crate::capi::iterator::IteratorObject;
use crate::capi::library;
use crate::capi::merge::operator::SinkObject;
use crate::capi::snapshot::SnapshotObject;
use crate::capi::status::sledstore_status as Status;
use crate::capi::store::StoreObject;
use crate::capi::transaction::TransactionObject;
use crate::capi::value::ValueObject;
use crate::capi::watch::WatchObject;

#[cfg(not(target_pointer_width = "64"))]
compile_error!("a handle is a 64-bit token, so the C ABI needs a 64-bit target");

const LIVE: u64 = 0b10;
const SUSPENDED: u64 = 0b01;
const PENDING: u64 = 0b11;
const FREE: u64 = 0b00;

const STATE_SHIFT: u32 = 62;
const KIND_SHIFT: u32 = 58;
const GENERATION_SHIFT: u32 = 30;
const GENERATION_BITS: u32 = KIND_SHIFT - GENERATION_SHIFT;
const LAST_GENERATION: u64 = (1 << GENERATION_BITS) - 1;
const INDEX_MASK: u64 = (1 << GENERATION_SHIFT) - 1;

/// The types of handles, with their numbers in the ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Store = library::SLEDSTORE_KIND_STORE as u8,
    Batch = library::SLEDSTORE_KIND_BATCH as u8,
    Iterator = library::SLEDSTORE_KIND_ITER as u8,
    Value = library::SLEDSTORE_KIND_VALUE as u8,
    Error = library::SLEDSTORE_KIND_ERROR as u8,
    Snapshot = library::SLEDSTORE_KIND_SNAPSHOT as u8,
    Transaction = library::SLEDSTORE_KIND_TXN as u8,
    Watch = library::SLEDSTORE_KIND_WATCH as u8,
    Changes = library::SLEDSTORE_KIND_CHANGES as u8,
    Sink = library::SLEDSTORE_KIND_SINK as u8,
}

pub(crate) const KINDS: [Kind; 10] = [
    Kind::Store,
    Kind::Batch,
    Kind::Iterator,
    Kind::Value,
    Kind::Error,
    Kind::Snapshot,
    Kind::Transaction,
    Kind::Watch,
    Kind::Changes,
    Kind::Sink,
];

impl Kind {
    pub(crate) fn from_number(number: u64) -> Option<Kind> {
        KINDS.into_iter().find(|kind| *kind as u64 == number)
    }

    /// With its article, for messages.
    fn name(self) -> &'static str {
        match self {
            Kind::Store => "a store",
            Kind::Batch => "a batch",
            Kind::Iterator => "an iterator",
            Kind::Value => "a value",
            Kind::Error => "an error",
            Kind::Snapshot => "a snapshot",
            Kind::Transaction => "a transaction",
            Kind::Watch => "a watch",
            Kind::Changes => "a feed of changes",
            Kind::Sink => "a sink",
        }
    }
}

/// What a handle stands for. Small, because a value is made for every read.
pub(crate) enum Object {
    Store(StoreObject),
    Batch(BatchObject),
    Iterator(Box<IteratorObject>),
    Value(ValueObject),
    Error(ErrorObject),
    Snapshot(Box<SnapshotObject>),
    Transaction(Box<TransactionObject>),
    Watch(Box<WatchObject>),
    Changes(Box<ChangesObject>),
    Sink(SinkObject),
}

/// The opaque types of the header, each with the object behind it.
pub(crate) trait Opaque {
    type Object: 'static;
    const KIND: Kind;
    fn wrap(object: Self::Object) -> Object;
    fn inside(object: &Object) -> Option<&Self::Object>;
}

/// Says which object stands behind an opaque type: `opaque!(type, kind, object)`.
macro_rules! opaque {
    ($opaque:ty, $kind:ident, $object:ty) => {
        impl $crate::capi::handles::Opaque for $opaque {
            type Object = $object;
            const KIND: $crate::capi::handles::Kind = $crate::capi::handles::Kind::$kind;

            fn wrap(object: $object) -> $crate::capi::handles::Object {
                $crate::capi::handles::Object::$kind(object.into())
            }

            fn inside(object: &$crate::capi::handles::Object) -> Option<&$object> {
                match object {
                    $crate::capi::handles::Object::$kind(inside) => Some(inside),
                    _ => None,
                }
            }
        }
    };
}
pub(crate) use opaque;

/// A handle as C holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Token(u64);

impl Token {
    /// None for NULL.
    pub(crate) fn of<T: Opaque>(handle: *const T) -> Option<Token> {
        (!handle.is_null()).then(|| Token(handle.addr() as u64))
    }

    pub(crate) fn from_bits(bits: u64) -> Token {
        Token(bits)
    }

    pub(crate) fn to_pointer<T: Opaque>(self) -> *mut T {
        std::ptr::without_provenance_mut(self.0 as usize)
    }

    /// The error of every call in the child of a fork, where nothing may be made. No handle has the
    /// generation 0.
    pub(crate) const FORKED: Token = Token::new(Kind::Error, 0, 0);

    const fn new(kind: Kind, generation: u64, index: u32) -> Token {
        let kind = (kind as u64) << KIND_SHIFT;
        Token(LIVE << STATE_SHIFT | kind | generation << GENERATION_SHIFT | index as u64)
    }

    /// The word of this token's slot in another state.
    fn in_state(self, state: u64) -> u64 {
        self.0 & !(0b11 << STATE_SHIFT) | state << STATE_SHIFT
    }

    fn index(self) -> u32 {
        (self.0 & INDEX_MASK) as u32
    }

    /// The slot that this token names, if it can be a handle of this kind at all.
    fn slot(self, expected: Kind) -> Result<&'static Slot, Fail> {
        let kind = (self.0 >> STATE_SHIFT == LIVE).then(|| Kind::from_number(kind_of(self.0)));
        match kind.flatten() {
            Some(kind) if kind == expected => slots::get(self.index()).ok_or_else(never_a_handle),
            Some(kind) => Err(Fail::new(
                Status::SLEDSTORE_WRONG_HANDLE,
                format!("expected {}, got {}", expected.name(), kind.name()),
            )),
            None => Err(never_a_handle()),
        }
    }
}

fn kind_of(word: u64) -> u64 {
    word >> KIND_SHIFT & 0b1111
}

fn generation_of(word: u64) -> u64 {
    word >> GENERATION_SHIFT & LAST_GENERATION
}

fn never_a_handle() -> Fail {
    Fail::new(Status::SLEDSTORE_WRONG_HANDLE, "this is no handle of the library")
}

/// Why `token` is not the word of its slot.
fn explain(token: Token, word: u64, kind: Kind) -> Fail {
    let (asked, newest) = (generation_of(token.0), generation_of(word));
    let handed_out = asked < newest || asked == newest && kind_of(word) == kind_of(token.0);
    if asked == 0 || !handed_out {
        return never_a_handle();
    }
    let why = if word == token.in_state(SUSPENDED) {
        "its store is being closed"
    } else {
        "it was freed before, or its store was closed"
    };
    // What ends a transaction frees its handle, and has a status of its own.
    let status = match kind {
        Kind::Transaction if word != token.in_state(SUSPENDED) => Status::SLEDSTORE_TXN_OVER,
        _ => Status::SLEDSTORE_CLOSED,
    };
    Fail::new(status, format!("{} that is gone: {why}", kind.name()))
}

/// A new handle that C does not know yet. Dropped without `publish`, it is freed.
pub(crate) struct Unpublished<T: Opaque> {
    token: Token,
    kind: PhantomData<T>,
}

impl<T: Opaque> Unpublished<T> {
    pub(crate) fn token(&self) -> Token {
        self.token
    }

    /// The handle to give to C, which has to free it from now on.
    pub(crate) fn publish(self) -> *mut T {
        let token = self.token;
        std::mem::forget(self);
        token.to_pointer()
    }
}

impl<T: Opaque> Drop for Unpublished<T> {
    fn drop(&mut self) {
        // Nobody else knows the token, so nothing can be in the way.
        let _ = free(self.token, T::KIND);
    }
}

/// Puts an object into the table.
pub(crate) fn insert<T: Opaque>(object: T::Object) -> Result<Unpublished<T>, Fail> {
    let index = slots::take();
    let slot = index.and_then(slots::get);
    let (Some(index), Some(slot)) = (index, slot) else {
        return Err(Fail::new(Status::SLEDSTORE_TOO_MANY_HANDLES, "too many live handles"));
    };
    let generation = generation_of(slot.word.load(Ordering::Relaxed)) + 1;
    let token = Token::new(T::KIND, generation, index);
    ThreadRecord::current().count(T::KIND as usize, 1);
    slot.object.store(Box::into_raw(Box::new(T::wrap(object))), Ordering::Relaxed);
    // Release: whoever reads this word also sees the object.
    slot.word.store(token.0, Ordering::Release);
    Ok(Unpublished { token, kind: PhantomData })
}

/// The right to use an object. While it exists, the object does.
pub(crate) struct Guard<T: Opaque> {
    token: Token,
    slot: &'static Slot,
    record: &'static ThreadRecord,
    entry: usize,
    // The entry belongs to this thread's record: a raw pointer keeps the guard on its thread.
    kind: PhantomData<*const T>,
}

/// Looks a handle up.
pub(crate) fn find<T: Opaque>(token: Token) -> Result<Guard<T>, Fail> {
    let slot = token.slot(T::KIND)?;
    // A handle that is gone already is not even announced: whoever waits until nobody uses it, as a
    // close does, would wait for those too who only find that out.
    let word = slot.word.load(Ordering::Acquire);
    if word != token.0 {
        return Err(explain(token, word, T::KIND));
    }
    let record = ThreadRecord::current();
    let entry = record.publish(token.0).ok_or_else(|| {
        Fail::new(Status::SLEDSTORE_REENTRANT, "calls from inside callbacks are nested too deeply")
    })?;
    // From here on `guard` retracts what was published, whatever happens.
    let guard = Guard { token, slot, record, entry, kind: PhantomData };
    let word = slot.word.load(Ordering::Acquire);
    if word == token.0 {
        Ok(guard)
    } else {
        Err(explain(token, word, T::KIND))
    }
}

impl<T: Opaque> Deref for Guard<T> {
    type Target = T::Object;

    fn deref(&self) -> &T::Object {
        let object = self.slot.object.load(Ordering::Relaxed);
        // SAFETY: a guard is only handed out by `find`, after the word was seen to equal the
        // published token. The object was stored before that word, comes from `Box::into_raw`, and
        // is not taken away while the token is published (see `hazard.rs`).
        let object = unsafe { &*object };
        T::inside(object).expect("the kind in the word is the kind of the object")
    }
}

impl<T: Opaque> Drop for Guard<T> {
    fn drop(&mut self) {
        self.record.retract(self.entry);
        // Somebody may have freed the handle meanwhile, and left the rest to its last user.
        reclaim(self.slot, self.token);
    }
}

/// Frees a handle. If other threads are using the object, the last of them drops it.
pub(crate) fn free(token: Token, kind: Kind) -> Result<(), Fail> {
    let slot = token.slot(kind)?;
    let record = ThreadRecord::current();
    if record.holds(token.0) {
        return Err(Fail::new(
            Status::SLEDSTORE_REENTRANT,
            format!("{} cannot be freed from inside a call that uses it", kind.name()),
        ));
    }
    end(slot, token, LIVE).map_err(|word| explain(token, word, kind))
}

/// Moves a slot from `state` to `PENDING` and drops the object unless it is in use.
fn end(slot: &'static Slot, token: Token, state: u64) -> Result<(), u64> {
    let (from, to) = (token.in_state(state), token.in_state(PENDING));
    slot.word.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)?;
    ThreadRecord::current().count(kind_of(token.0) as usize, -1);
    reclaim(slot, token);
    Ok(())
}

/// Drops the object of a freed handle, unless somebody is using it or has dropped it already.
fn reclaim(slot: &'static Slot, token: Token) {
    let (pending, free) = (token.in_state(PENDING), token.in_state(FREE));
    if slot.word.load(Ordering::Acquire) != pending || hazard::in_use(token.0) {
        return;
    }
    let moved = slot.word.compare_exchange(pending, free, Ordering::AcqRel, Ordering::Relaxed);
    if moved.is_err() {
        return;
    }
    let object = slot.object.swap(std::ptr::null_mut(), Ordering::AcqRel);
    // SAFETY: it comes from `Box::into_raw` in `insert`. This thread alone moved the word from
    // `PENDING` to `FREE`, and nobody uses the slot until its index is put back below.
    let object = unsafe { Box::from_raw(object) };
    drop_quietly(object);
    if generation_of(token.0) < LAST_GENERATION {
        slots::put_back(token.index());
    }
}

/// Drops an object; a panic in that ends here. It may run while another panic is under way, and a
/// slot has to be put back in any case.
fn drop_quietly(object: Box<Object>) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(object))) {
        // Dropping a payload may panic again.
        std::mem::forget(payload);
    }
}

/// Makes a handle answer CLOSED until `resume`, if it is live.
pub(crate) fn suspend(token: Token) {
    change(token, LIVE, SUSPENDED);
}

/// Takes `suspend` back.
pub(crate) fn resume(token: Token) {
    change(token, SUSPENDED, LIVE);
}

fn change(token: Token, from: u64, to: u64) {
    if let Some(slot) = slots::get(token.index()) {
        let (from, to) = (token.in_state(from), token.in_state(to));
        // An error means that the slot was in another state, and is to stay in it.
        let _ = slot.word.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed);
    }
}

/// Frees a suspended handle.
pub(crate) fn end_suspended(token: Token) {
    if let Some(slot) = slots::get(token.index()) {
        // An error means that it was not suspended, and then it is not ours to free.
        let _ = end(slot, token, SUSPENDED);
    }
}

/// How many handles of a kind are live. Exact while no other thread creates or frees any.
pub(crate) fn live(kind: Kind) -> usize {
    usize::try_from(hazard::total(kind as usize)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
