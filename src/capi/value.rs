//! Pinned values: bytes that C reads in place.

use std::ffi::c_void;

use crate::capi::boundary::arguments::{Output, OutputArray};
use crate::capi::boundary::guard;
use crate::capi::error::Fail;
use crate::capi::handles::{self, opaque, Token, Unpublished};
use crate::capi::status::{sledstore_status as Status, sledstore_status};
use crate::{Bytes, StoreError};

/// Bytes that the library gave out: a value, or a name. They never change.
///
/// A value belongs to nothing: it stays valid when its key is overwritten or deleted and when its
/// store is closed, until it is freed with sledstore_value_free(). Any number of threads may read
/// it at once. Since 0.1.0.
#[allow(non_camel_case_types)]
pub struct sledstore_value;

/// What a value handle stands for.
pub(crate) struct ValueObject(pub(crate) Bytes);

opaque!(sledstore_value, Value, ValueObject);

/// A handle to these bytes, and NULL for None.
pub(crate) fn publish(bytes: Option<Bytes>) -> Result<*mut sledstore_value, Fail> {
    let Some(bytes) = bytes else { return Ok(std::ptr::null_mut()) };
    Ok(handles::insert::<sledstore_value>(ValueObject(bytes))?.publish())
}

/// Handles to all of these, or to none if one of them cannot be made.
pub(crate) fn publish_all(
    values: impl IntoIterator<Item = Option<Bytes>>,
) -> Result<Vec<*mut sledstore_value>, Fail> {
    let fresh = |bytes| handles::insert::<sledstore_value>(ValueObject(bytes));
    let values = values.into_iter().map(|value| value.map(fresh).transpose());
    let values: Vec<Option<Unpublished<sledstore_value>>> = values.collect::<Result<_, Fail>>()?;
    let publish =
        |value: Option<Unpublished<_>>| value.map_or(std::ptr::null_mut(), Unpublished::publish);
    Ok(values.into_iter().map(publish).collect())
}

/// Gives a value that was read, or says that there is none.
pub(crate) fn give(
    place: &Output<*mut sledstore_value>,
    found: Option<Bytes>,
) -> Result<Status, Fail> {
    place.set(publish(Some(found.ok_or(StoreError::KeyNotFound)?))?);
    Ok(Status::SLEDSTORE_OK)
}

/// Copies a value that was read into the caller's buffer, or says that there is none. A caller
/// without a buffer asks for the length alone.
pub(crate) fn copy(
    dst: &OutputArray<u8>,
    needed: &Output<usize>,
    found: Option<Bytes>,
) -> Result<Status, Fail> {
    let found = found.ok_or(StoreError::KeyNotFound)?;
    needed.set(found.len());
    match dst.is_absent() || dst.copy(&found) {
        true => Ok(Status::SLEDSTORE_OK),
        false => Err(too_small("dst", found.len(), dst.count())),
    }
}

/// The caller's buffer or array has no room for all that is needed.
pub(crate) fn too_small(what: &str, needed: usize, capacity: usize) -> Fail {
    Fail::new(
        Status::SLEDSTORE_BUFFER_TOO_SMALL,
        format!("{what}: {needed} needed, but there is room for {capacity}"),
    )
}

/// Where C finds these bytes: never NULL, and something that may be read even when it is empty.
pub(crate) fn address(bytes: &[u8]) -> *const c_void {
    static EMPTY: u8 = 0;
    if bytes.is_empty() {
        std::ptr::from_ref(&EMPTY).cast()
    } else {
        bytes.as_ptr().cast()
    }
}

fn read<R>(value: *const sledstore_value, read: impl FnOnce(&[u8]) -> R) -> Option<R> {
    let token = Token::of(value)?;
    handles::find::<sledstore_value>(token).ok().map(|value| read(&value.0))
}

/// Gives the address of a value's bytes. There is no NUL after them.
///
/// @param value  the value.
/// @return       the address of the first byte, valid until the value is freed; never NULL for a
///               live value, even if it is empty. NULL for NULL, for anything that is no live
///               value, and in the child of a fork.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn sledstore_value_data(value: *const sledstore_value) -> *const c_void {
    guard::answer(std::ptr::null(), || read(value, address))
}

/// Gives the length of a value in bytes.
///
/// @param value  the value.
/// @return       its length; 0 for NULL, for anything that is no live value, and in the child of a
///               fork.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn sledstore_value_len(value: *const sledstore_value) -> usize {
    guard::answer(0, || read(value, <[u8]>::len))
}

/// Frees a value. Its bytes are gone with it.
///
/// @param value  the value; NULL does nothing.
///
/// Statuses: SLEDSTORE_OK, also for NULL; SLEDSTORE_CLOSED: it was freed before;
/// SLEDSTORE_WRONG_HANDLE; SLEDSTORE_FORKED; SLEDSTORE_PANIC.
///
/// Threads: any. No other thread may be reading the bytes any more. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn sledstore_value_free(value: *mut sledstore_value) -> sledstore_status {
    guard::free(value)
}
