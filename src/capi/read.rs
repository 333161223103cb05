//! Reads, written once for everything that shows rows: a store, a snapshot, a transaction.

use std::ffi::c_void;

use crate::capi::boundary::arguments::{sledstore_bytes, Call, Output, OutputArray};
use crate::capi::boundary::guard;
use crate::capi::error::{sledstore_error, Fail};
use crate::capi::iterator::{self, sledstore_iter};
use crate::capi::options::sledstore_iter_options;
use crate::capi::status::{presence, sledstore_status as Status};
use crate::capi::value::{self, sledstore_value};
use crate::{Bytes, Iter, IterOptions, Result, SledSnapshot, SledStore, TransactionKeyspace};

/// A pointer of the caller's, and how many bytes or entries are there.
type Sized<P> = (P, usize);

/// One keyspace, as a store, a snapshot or a transaction shows it.
pub(crate) trait Rows {
    fn get_pinned(&self, key: &[u8]) -> Result<Option<Bytes>>;
    fn get_many_pinned(&self, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>>;
    fn contains(&self, key: &[u8]) -> Result<bool>;
    fn count(&self) -> Result<u64>;
    fn cursor(&self, options: IterOptions) -> Result<Iter>;
}

macro_rules! show_rows {
    ($($shows:ty),*) => {$(
        impl Rows for $shows {
            fn get_pinned(&self, key: &[u8]) -> Result<Option<Bytes>> {
                <$shows>::get_pinned(self, key)
            }

            fn get_many_pinned(&self, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>> {
                <$shows>::get_many_pinned(self, keys)
            }

            fn contains(&self, key: &[u8]) -> Result<bool> {
                <$shows>::contains(self, key)
            }

            fn count(&self) -> Result<u64> {
                <$shows>::count(self)
            }

            fn cursor(&self, options: IterOptions) -> Result<Iter> {
                <$shows>::cursor(self, options)
            }
        }
    )*};
}

show_rows!(SledStore, SledSnapshot, TransactionKeyspace);

/// What a read names: a handle of a store, or one of a snapshot or a transaction with one of the
/// keyspace to read in it.
pub(crate) trait Source {
    type Rows: Rows;

    /// Lets `read` see the rows that the handles stand for.
    fn read<R>(
        self,
        call: &Call,
        read: impl FnOnce(&Self::Rows) -> Result<R>,
    ) -> std::result::Result<R, Fail>;
}

pub(crate) fn get(
    source: impl Source,
    key: Sized<*const c_void>,
    value: *mut *mut sledstore_value,
    error: *mut *mut sledstore_error,
) -> Status {
    let value = Output::cleared(value);
    guard::enter(error, |call| {
        value.required("value")?;
        let key = call.bytes("key", key.0, key.1)?;
        value::give(&value, source.read(call, |rows| rows.get_pinned(key))?)
    })
}

pub(crate) fn get_into(
    source: impl Source,
    key: Sized<*const c_void>,
    dst: Sized<*mut c_void>,
    needed: *mut usize,
    error: *mut *mut sledstore_error,
) -> Status {
    let (dst, needed) = (OutputArray::buffer(dst.0, dst.1), Output::cleared(needed));
    guard::enter(error, |call| {
        dst.required("dst")?;
        needed.required("needed")?;
        let key = call.bytes("key", key.0, key.1)?;
        value::copy(&dst, &needed, source.read(call, |rows| rows.get_pinned(key))?)
    })
}

pub(crate) fn get_many(
    source: impl Source,
    keys: Sized<*const sledstore_bytes>,
    values: *mut *mut sledstore_value,
    error: *mut *mut sledstore_error,
) -> Status {
    let values = OutputArray::cleared(values, keys.1);
    guard::enter(error, |call| {
        values.required("values")?;
        let keys = call.keys(keys.0, keys.1)?;
        let found = source.read(call, |rows| rows.get_many_pinned(&keys))?;
        values.fill(value::publish_all(found)?);
        Ok(Status::SLEDSTORE_OK)
    })
}

pub(crate) fn contains(
    source: impl Source,
    key: Sized<*const c_void>,
    error: *mut *mut sledstore_error,
) -> Status {
    guard::enter(error, |call| {
        let key = call.bytes("key", key.0, key.1)?;
        Ok(presence(source.read(call, |rows| rows.contains(key))?))
    })
}

pub(crate) fn count(
    source: impl Source,
    count: *mut u64,
    error: *mut *mut sledstore_error,
) -> Status {
    guard::give(count, "count", error, |call| source.read(call, Rows::count))
}

pub(crate) fn iterate(
    source: impl Source,
    options: *const sledstore_iter_options,
    iter: *mut *mut sledstore_iter,
    error: *mut *mut sledstore_error,
) -> Status {
    guard::give(iter, "iter", error, |call| {
        let options = call.options(options)?.to_store(call)?;
        iterator::publish(source.read(call, |rows| rows.cursor(options))?)
    })
}
