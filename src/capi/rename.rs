//! Renaming a keyspace.

use std::ffi::c_void;

use crate::capi::boundary::guard;
use crate::capi::error::sledstore_error;
use crate::capi::status::sledstore_status;
use crate::capi::store::sledstore;

/// Gives a keyspace another name, with all its rows and their expiries, at one moment, for a crash
/// too. To its handles, iterators, snapshots and transactions the keyspace of the old name is dropped,
/// see sledstore_drop_keyspace(): open the new one.
///
/// The rows are copied, so it takes as long as writing all of them, and as much more room on the disk
/// until it is done. Other keyspaces can be read and written meanwhile.
///
/// @param store    any handle of the store.
/// @param old      the name of the keyspace.
/// @param old_len  its length in bytes.
/// @param name     the new name, as in sledstore_open_keyspace().
/// @param name_len its length in bytes.
/// @param error    see sledstore_error; may be NULL.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_NOT_FOUND: there is no keyspace of the old name;
/// SLEDSTORE_ALREADY_EXISTS: there is one of the new name; SLEDSTORE_UNSUPPORTED: the old one is the
/// default keyspace, a name is not allowed, or there would be one keyspace too many while it is copied;
/// SLEDSTORE_INVALID_ARGUMENT: old or name is NULL and its length is not 0; the handle statuses; the
/// engine statuses. After a failure nothing has changed, unless it is one of the disk: then the
/// keyspace may have either name when the store is opened again.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_rename_keyspace(
    store: *const sledstore,
    old: *const c_void,
    old_len: usize,
    name: *const c_void,
    name_len: usize,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::enter(error, |call| {
        let (old, name) = (call.bytes("old", old, old_len)?, call.bytes("name", name, name_len)?);
        Ok(match call.object(store)?.keyspace.rename_keyspace(old, name)? {
            true => sledstore_status::SLEDSTORE_OK,
            false => sledstore_status::SLEDSTORE_NOT_FOUND,
        })
    })
}
