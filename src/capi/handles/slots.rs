//! Where the slots of the handle table live: chunks that are never freed, and the stock of indices
//! that are free to be used.

use std::cell::RefCell;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::capi::boundary::fork;
use crate::capi::handles::Object;

/// One entry of the handle table.
///
/// A cache line of its own: a store's slot is read by every call of every thread, and its neighbour
/// may be the slot of a value that is created and freed a million times a second.
#[repr(align(64))]
pub(crate) struct Slot {
    /// State, kind and generation; see `handle.rs`.
    pub(crate) word: AtomicU64,
    /// The object, from `Box::into_raw`; null while there is none.
    pub(crate) object: AtomicPtr<Object>,
}

/// The first chunk has 1024 slots, and every further one twice as many as the one before.
const FIRST_CHUNK_BITS: u32 = 10;
const CHUNKS: usize = 20;

/// How many slots there can be.
const CAPACITY: u32 = (1 << (FIRST_CHUNK_BITS + CHUNKS as u32)) - (1 << FIRST_CHUNK_BITS);

/// A thread takes this many indices from the common stock at a time, and keeps at most twice as
/// many to itself.
const BATCH: usize = 32;

static DIRECTORY: [AtomicPtr<Slot>; CHUNKS] =
    [const { AtomicPtr::new(std::ptr::null_mut()) }; CHUNKS];

static STOCK: Mutex<FreeList> = Mutex::new(FreeList { returned: Vec::new(), unused: 0 });

/// The indices that no thread has reserved.
struct FreeList {
    /// Used before, and free again.
    returned: Vec<u32>,
    /// This index and all after it were never used.
    unused: u32,
}

/// The indices that one thread has reserved, so that creating a handle takes no lock.
struct Reserve(RefCell<Vec<u32>>);

thread_local! {
    static RESERVE: Reserve = const { Reserve(RefCell::new(Vec::new())) };
}

impl Drop for Reserve {
    fn drop(&mut self) {
        // In the child of a fork the lock may be held by a thread that no longer exists.
        if !fork::happened() {
            stock().returned.append(self.0.get_mut());
        }
    }
}

/// The slot with this index; None if its chunk does not exist.
pub(crate) fn get(index: u32) -> Option<&'static Slot> {
    if index >= CAPACITY {
        return None;
    }
    let (chunk, offset) = locate(index);
    let first = DIRECTORY[chunk].load(Ordering::Acquire);
    if first.is_null() {
        return None;
    }
    // SAFETY: `first` is the start of a leaked slice of `chunk_len(chunk)` slots, and `locate`
    // gives an offset below that. The memory is never freed and only reached by shared reference.
    Some(unsafe { &*first.add(offset) })
}

/// Takes an index out of the stock; None when all are in use.
pub(crate) fn take() -> Option<u32> {
    let reserved = RESERVE.try_with(|reserve| {
        let mut reserve = reserve.0.borrow_mut();
        if reserve.is_empty() {
            stock().hand_out(&mut reserve, BATCH);
        }
        reserve.pop()
    });
    // The thread is ending and its reserve is gone already.
    reserved.unwrap_or_else(|_| {
        let mut one = Vec::new();
        stock().hand_out(&mut one, 1);
        one.pop()
    })
}

/// Gives an index back.
pub(crate) fn put_back(index: u32) {
    let kept = RESERVE.try_with(|reserve| {
        let mut reserve = reserve.0.borrow_mut();
        reserve.push(index);
        if reserve.len() > 2 * BATCH {
            let surplus = reserve.drain(..BATCH);
            stock().returned.extend(surplus);
        }
    });
    if kept.is_err() {
        stock().returned.push(index);
    }
}

impl FreeList {
    fn hand_out(&mut self, to: &mut Vec<u32>, count: usize) {
        for _ in 0..count {
            let Some(index) = self.returned.pop().or_else(|| self.first_use()) else { return };
            to.push(index);
        }
    }

    fn first_use(&mut self) -> Option<u32> {
        let index = self.unused;
        if index >= CAPACITY {
            return None;
        }
        let (chunk, offset) = locate(index);
        if offset == 0 {
            DIRECTORY[chunk].store(new_chunk(chunk), Ordering::Release);
        }
        self.unused += 1;
        Some(index)
    }
}

fn stock() -> MutexGuard<'static, FreeList> {
    // The stock is whole after every step, so a panic under the lock leaves nothing half done.
    STOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

fn new_chunk(chunk: usize) -> *mut Slot {
    let slot = || Slot { word: AtomicU64::new(0), object: AtomicPtr::default() };
    let slots: Vec<Slot> = std::iter::repeat_with(slot).take(chunk_len(chunk)).collect();
    Box::leak(slots.into_boxed_slice()).as_mut_ptr()
}

const fn chunk_len(chunk: usize) -> usize {
    1 << (FIRST_CHUNK_BITS as usize + chunk)
}

/// The chunk of an index and the place in it.
const fn locate(index: u32) -> (usize, usize) {
    let shifted = index + (1 << FIRST_CHUNK_BITS);
    let chunk = shifted.ilog2() - FIRST_CHUNK_BITS;
    (chunk as usize, (shifted - (1 << shifted.ilog2())) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_has_its_own_place() {
        assert_eq!(locate(0), (0, 0));
        assert_eq!(locate(1023), (0, 1023));
        assert_eq!(locate(1024), (1, 0));
        assert_eq!(locate(3071), (1, 2047));
        assert_eq!(locate(3072), (2, 0));
        assert_eq!(locate(CAPACITY - 1), (CHUNKS - 1, chunk_len(CHUNKS - 1) - 1));
    }

    #[test]
    fn an_index_outside_of_every_chunk_has_no_slot() {
        assert!(get(CAPACITY).is_none());
        assert!(get(u32::MAX).is_none());
    }
}
