//! Taking a lock, whatever happened to its last holder.
//!
//! A panic under one of the store's locks leaves nothing half changed that matters to the next
//! holder (each place that holds one says why, or holds it for a single step), so a lock that is
//! poisoned in the sense of the standard library is taken all the same.

use std::sync::{PoisonError, RwLockReadGuard, RwLockWriteGuard, TryLockError};

// `versions.rs` has them from here, so that a test can give it others.
pub(super) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
pub(super) use std::sync::{Mutex, MutexGuard, RwLock};

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    available(mutex.try_lock())
}

pub(super) fn try_read<T>(lock: &RwLock<T>) -> Option<RwLockReadGuard<'_, T>> {
    available(lock.try_read())
}

fn available<T>(attempt: std::result::Result<T, TryLockError<T>>) -> Option<T> {
    match attempt {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
