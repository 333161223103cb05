//! What the library says about itself.

use std::ffi::{c_char, CStr};

use crate::capi::boundary::arguments::Call;
use crate::capi::boundary::guard;
use crate::capi::error::{sledstore_error, Fail};
use crate::capi::handles::{self, Kind, KINDS};
use crate::capi::status::sledstore_status;

/// Handles of the type sledstore, for sledstore_live_handles().
pub const SLEDSTORE_KIND_STORE: i32 = 1;
/// Handles of the type sledstore_batch, for sledstore_live_handles().
pub const SLEDSTORE_KIND_BATCH: i32 = 2;
/// Handles of the type sledstore_iter, for sledstore_live_handles().
pub const SLEDSTORE_KIND_ITER: i32 = 3;
/// Handles of the type sledstore_value, for sledstore_live_handles().
pub const SLEDSTORE_KIND_VALUE: i32 = 4;
/// Handles of the type sledstore_error, for sledstore_live_handles().
pub const SLEDSTORE_KIND_ERROR: i32 = 5;
/// Handles of the type sledstore_snapshot, for sledstore_live_handles().
pub const SLEDSTORE_KIND_SNAPSHOT: i32 = 6;
/// Handles of the type sledstore_txn, for sledstore_live_handles().
pub const SLEDSTORE_KIND_TXN: i32 = 7;
/// Handles of the type sledstore_watch, for sledstore_live_handles().
pub const SLEDSTORE_KIND_WATCH: i32 = 8;
/// Handles of the type sledstore_changes, for sledstore_live_handles().
pub const SLEDSTORE_KIND_CHANGES: i32 = 9;
/// Handles of the type sledstore_sink, for sledstore_live_handles().
pub const SLEDSTORE_KIND_SINK: i32 = 10;

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");

const BUILD_INFO: &str = concat!(
    "sledstore ",
    env!("CARGO_PKG_VERSION"),
    ", engine sled 0.34.7, ",
    env!("SLEDSTORE_TARGET"),
    ", ",
    env!("SLEDSTORE_PROFILE"),
    "\0"
);

const VERSION_NUMBER: u32 = number(env!("CARGO_PKG_VERSION_MAJOR")) * 1_000_000
    + number(env!("CARGO_PKG_VERSION_MINOR")) * 1_000
    + number(env!("CARGO_PKG_VERSION_PATCH"));

const fn number(text: &str) -> u32 {
    match u32::from_str_radix(text, 10) {
        Ok(number) => number,
        Err(_) => panic!("the parts of the version are numbers"),
    }
}

/// What this build can do. A name that is not here is a feature that it does not have.
const FEATURES: [(&CStr, bool); 9] = [
    (c"batch", true),
    (c"compression", false),
    (c"iterators", true),
    (c"keyspaces", true),
    (c"merge", true),
    (c"snapshots", true),
    (c"transactions", true),
    (c"ttl", true),
    (c"watches", true),
];

/// Gives the version of the library that is running, such as "0.1.0". Compare it with
/// SLEDSTORE_VERSION_STRING, the version of the header that the program was compiled with.
///
/// @return  a string that is never NULL and lives as long as the program; do not free it.
///
/// Threads: any number at once; also in the child of a fork. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn sledstore_version() -> *const c_char {
    VERSION.as_ptr().cast()
}

/// Gives the version of the library that is running as one number: major * 1000000 + minor * 1000
/// + patch, as in SLEDSTORE_VERSION_NUMBER. A later version has a larger number.
///
/// @return  that number.
///
/// Threads: any number at once; also in the child of a fork. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn sledstore_version_number() -> u32 {
    VERSION_NUMBER
}

/// Describes this build for a bug report: version, engine, target and kind of build. For people,
/// not for programs: the wording may change.
///
/// @return  a string that is never NULL and lives as long as the program; do not free it.
///
/// Threads: any number at once; also in the child of a fork. Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn sledstore_build_info() -> *const c_char {
    BUILD_INFO.as_ptr().cast()
}

/// Says whether this build has a feature.
///
/// @param name  its name: "batch", "compression", "iterators", "keyspaces",
///              "snapshots", "transactions", "ttl" or "watches".
/// @return      true if it is there; false if it is not, for an unknown name and for NULL.
///
/// Threads: any number at once; also in the child of a fork. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_has_feature(name: *const c_char) -> bool {
    guard::plain(false, || {
        let call = Call::from_c();
        let name = call.string(name)?;
        FEATURES.iter().find(|(known, _)| *known == name).map(|(_, built_in)| *built_in)
    })
}

/// Counts the handles that exist: created, and not yet freed, released or closed. For tests: tools
/// that look for leaks cannot see a handle that was forgotten.
///
/// @param kind   one of the SLEDSTORE_KIND_ numbers, or 0 for all of them together.
/// @param count  receives the number; 0 on failure. It is exact while no other thread creates or
///               frees a handle.
/// @param error  see sledstore_error; may be NULL. The error that this call itself creates is not
///               counted.
///
/// Statuses: SLEDSTORE_OK; SLEDSTORE_UNSUPPORTED: this version does not know the kind;
/// SLEDSTORE_INVALID_ARGUMENT: count is NULL; SLEDSTORE_FORKED; SLEDSTORE_PANIC.
///
/// Threads: any number at once. Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sledstore_live_handles(
    kind: i32,
    count: *mut usize,
    error: *mut *mut sledstore_error,
) -> sledstore_status {
    guard::give(count, "count", error, |_| live(kind))
}

fn live(kind: i32) -> Result<usize, Fail> {
    if kind == 0 {
        return Ok(KINDS.into_iter().map(handles::live).sum());
    }
    u64::try_from(kind).ok().and_then(Kind::from_number).map(handles::live).ok_or_else(|| {
        let message = format!("kind: this version has no kind {kind}");
        Fail::new(sledstore_status::SLEDSTORE_UNSUPPORTED, message)
    })
}
