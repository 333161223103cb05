//! What C passes in and gets back: every conversion has its one home here.
//!
//! The functions here are safe to call although they follow pointers, because only pointers that a
//! C caller passed reach them: exported functions are the only users, they pass their parameters on
//! unchanged, and the manual (the header) says what these have to point to. The `SAFETY` lines
//! name the sentence of the manual that they rely on. What is borrowed from the caller is borrowed
//! from the [`Call`], so it cannot be kept beyond it.

use std::ffi::{c_char, c_void, CStr, OsStr};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::capi::changes::sledstore_change;
use crate::capi::error::Fail;
use crate::capi::handles::{self, Guard, Opaque, Token};
use crate::capi::merge::operator::sledstore_merge_operator;
use crate::capi::options::{
    sledstore_iter_options, sledstore_open_options, sledstore_watch_options,
};
use crate::capi::stats::sledstore_stats_info;
use crate::capi::status::sledstore_status as Status;
use crate::capi::transaction::callback::sledstore_txn_callback;
use crate::capi::verify::sledstore_finding_callback;
use crate::capi::watch::sledstore_event;

/// Bytes that somebody else owns: a pointer and a length, in and out.
///
/// As a parameter: data may be NULL if len is 0; the bytes are read during the call only. As a
/// result: data is never NULL, and the function that gives it says how long it is valid. No NUL
/// stands after the bytes. Since 0.1.0.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct sledstore_bytes {
    /// The first byte.
    pub data: *const c_void,
    /// How many there are.
    pub len: usize,
}

/// A key and its value. Since 0.1.0.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct sledstore_pair {
    /// The key.
    pub key: sledstore_bytes,
    /// The value.
    pub value: sledstore_bytes,
}

/// Types whose memory may be all zeros: numbers, pointers, and structs of these.
///
/// # Safety
///
/// All bytes zero is a valid value of the type, and so is every other pattern of bytes.
pub(crate) unsafe trait Pod: Copy {}

// SAFETY: numbers and pointers have no forbidden patterns, nor have structs of them.
unsafe impl Pod for u8 {}
// SAFETY: as above.
unsafe impl Pod for i32 {}
// SAFETY: as above.
unsafe impl Pod for usize {}
// SAFETY: as above.
unsafe impl Pod for u64 {}
// SAFETY: as above.
unsafe impl<T> Pod for *mut T {}
// SAFETY: as above.
unsafe impl Pod for sledstore_bytes {}
// SAFETY: as above.
unsafe impl Pod for sledstore_pair {}
// SAFETY: as above.
unsafe impl Pod for sledstore_event {}
// SAFETY: as above.
unsafe impl Pod for sledstore_change {}
// SAFETY: as above.
unsafe impl Pod for sledstore_open_options {}
// SAFETY: as above.
unsafe impl Pod for sledstore_iter_options {}
// SAFETY: as above.
unsafe impl Pod for sledstore_watch_options {}
// SAFETY: as above; a function that may be NULL has no forbidden pattern either.
unsafe impl Pod for sledstore_txn_callback {}
// SAFETY: as above.
unsafe impl Pod for sledstore_finding_callback {}
// SAFETY: as above.
unsafe impl Pod for sledstore_merge_operator {}

/// An options struct of the caller: it starts with its size, and later versions may append to it.
///
/// # Safety
///
/// `repr(C)`, starts with a `usize` that is its size, and has no padding.
pub(crate) unsafe trait Options: Pod {
    /// Its size when it was first published.
    const FIRST_SIZE: usize;
    /// The C name, for messages.
    const NAME: &'static str;
}

// SAFETY: `repr(C)`, the size first; the size is asserted to be the sum of the members.
unsafe impl Options for sledstore_open_options {
    const FIRST_SIZE: usize = 80;
    const NAME: &'static str = "sledstore_open_options";
}

// SAFETY: as above.
unsafe impl Options for sledstore_iter_options {
    const FIRST_SIZE: usize = 64;
    const NAME: &'static str = "sledstore_iter_options";
}

// SAFETY: as above.
unsafe impl Options for sledstore_watch_options {
    const FIRST_SIZE: usize = 24;
    const NAME: &'static str = "sledstore_watch_options";
}

// SAFETY: as above.
unsafe impl Options for sledstore_txn_callback {
    const FIRST_SIZE: usize = 32;
    const NAME: &'static str = "sledstore_txn_callback";
}

// SAFETY: as above.
unsafe impl Options for sledstore_finding_callback {
    const FIRST_SIZE: usize = 32;
    const NAME: &'static str = "sledstore_finding_callback";
}

// SAFETY: as above.
unsafe impl Options for sledstore_merge_operator {
    const FIRST_SIZE: usize = 32;
    const NAME: &'static str = "sledstore_merge_operator";
}

// SAFETY: numbers have no forbidden patterns.
unsafe impl Pod for sledstore_stats_info {}

// SAFETY: as above.
unsafe impl Options for sledstore_stats_info {
    const FIRST_SIZE: usize = 152;
    const NAME: &'static str = "sledstore_stats_info";
}

// Padding could hide a later member that is shorter than it.
const _: () = assert!(size_of::<sledstore_open_options>() == 8 + 6 * 8 + 4 * 4 + 8);
const _: () = assert!(size_of::<sledstore_iter_options>() == 8 + 8 + 3 * 16);
const _: () = assert!(size_of::<sledstore_watch_options>() == 3 * 8);
const _: () = assert!(size_of::<sledstore_txn_callback>() == 4 * 8);
const _: () = assert!(size_of::<sledstore_finding_callback>() == 4 * 8);
const _: () = assert!(size_of::<sledstore_merge_operator>() == 4 * 8);
const _: () = assert!(size_of::<sledstore_stats_info>() == 19 * 8);

/// No options struct will ever be longer: a larger size is a mistake.
const LONGEST_OPTIONS: usize = 4096;

/// A key and a value of the caller's.
type KeyAndValue<'call> = (&'call [u8], &'call [u8]);

/// One call from C. What it borrows from the caller lives as long as this does.
pub(crate) struct Call(());

impl Call {
    /// Only for the guard, which every exported function goes through.
    pub(crate) fn from_c() -> Call {
        Call(())
    }

    /// The object behind a handle.
    pub(crate) fn object<T: Opaque>(&self, handle: *const T) -> Result<Guard<T>, Fail> {
        let token = Token::of(handle).ok_or_else(|| Fail::invalid("the handle is NULL"))?;
        handles::find(token)
    }

    /// Like `object`, for a handle that may be NULL.
    pub(crate) fn object_or_null<T: Opaque>(
        &self,
        handle: *const T,
    ) -> Result<Option<Guard<T>>, Fail> {
        Token::of(handle).map(handles::find).transpose()
    }

    /// An array of the caller's, borrowed for the call.
    fn slice<T: Pod>(&self, what: &str, first: *const T, count: usize) -> Result<&[T], Fail> {
        if count == 0 {
            return Ok(&[]);
        }
        check_array(what, first, count)?;
        // SAFETY: the manual: "a pointer with a length points to that many readable bytes (or
        // entries), which do not change during the call". Not NULL and the size were checked.
        Ok(unsafe { std::slice::from_raw_parts(first, count) })
    }

    /// Bytes of the caller's.
    pub(crate) fn bytes(&self, what: &str, data: *const c_void, len: usize) -> Result<&[u8], Fail> {
        self.slice(what, data.cast::<u8>(), len)
    }

    pub(crate) fn byte_struct(&self, what: &str, bytes: sledstore_bytes) -> Result<&[u8], Fail> {
        self.bytes(what, bytes.data, bytes.len)
    }

    /// A `sledstore_bytes` that may be NULL.
    pub(crate) fn bytes_or_null(
        &self,
        what: &str,
        bytes: *const sledstore_bytes,
    ) -> Result<Option<&[u8]>, Fail> {
        if bytes.is_null() {
            return Ok(None);
        }
        let bytes = self.slice(what, bytes, 1)?[0];
        self.byte_struct(what, bytes).map(Some)
    }

    /// An array of keys.
    pub(crate) fn keys(
        &self,
        keys: *const sledstore_bytes,
        count: usize,
    ) -> Result<Vec<&[u8]>, Fail> {
        let keys = self.slice("keys", keys, count)?;
        keys.iter().map(|key| self.byte_struct("a key", *key)).collect()
    }

    /// An array of keys with their values.
    pub(crate) fn pairs(
        &self,
        pairs: *const sledstore_pair,
        count: usize,
    ) -> Result<Vec<KeyAndValue<'_>>, Fail> {
        let pair = |pair: &sledstore_pair| {
            let key = self.byte_struct("a key", pair.key)?;
            Ok((key, self.byte_struct("a value", pair.value)?))
        };
        self.slice("pairs", pairs, count)?.iter().map(pair).collect()
    }

    /// A string of the caller's; None for NULL.
    pub(crate) fn string(&self, text: *const c_char) -> Option<&CStr> {
        // SAFETY: the manual: "strings end with a NUL". Not NULL was checked.
        (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })
    }

    /// A path: any bytes that the file system knows, not necessarily UTF-8.
    pub(crate) fn path(&self, path: *const c_char) -> Result<&Path, Fail> {
        let path = self.string(path).ok_or_else(|| Fail::invalid("path: the pointer is NULL"))?;
        Ok(Path::new(OsStr::from_bytes(path.to_bytes())))
    }

    /// An options struct; NULL means all defaults, which are zeros.
    pub(crate) fn options<T: Options>(&self, options: *const T) -> Result<T, Fail> {
        let mut copy = MaybeUninit::<T>::zeroed();
        if !options.is_null() {
            let given = self.options_bytes::<T>(options)?;
            let known = given.len().min(size_of::<T>());
            // SAFETY: `known` bytes are there to read and to write, in different places.
            unsafe {
                std::ptr::copy_nonoverlapping(given.as_ptr(), copy.as_mut_ptr().cast(), known)
            };
        }
        // SAFETY: `Pod` types may hold any bytes; those not copied are zero.
        Ok(unsafe { copy.assume_init() })
    }

    fn options_bytes<T: Options>(&self, options: *const T) -> Result<&[u8], Fail> {
        let name = T::NAME;
        let size = self.slice(name, options.cast::<usize>(), 1)?[0];
        if size < T::FIRST_SIZE || size > LONGEST_OPTIONS {
            return Err(Fail::invalid(format!(
                "{name}: struct_size is {size}; start from its _INIT macro"
            )));
        }
        // The manual: "struct_size is the size of the struct".
        let bytes = self.slice(name, options.cast::<u8>(), size)?;
        match bytes.iter().skip(size_of::<T>()).any(|byte| *byte != 0) {
            false => Ok(bytes),
            true => Err(Fail::new(
                Status::SLEDSTORE_UNSUPPORTED,
                format!("{name}: it sets an option that this version does not have"),
            )),
        }
    }
}

/// No process has more bytes than this, so nothing that is larger is an array: the widest user
/// addresses of today's processors have 56 bits.
const ADDRESS_SPACE: usize = 1 << 56;

fn check_array<T>(what: &str, first: *const T, count: usize) -> Result<(), Fail> {
    if first.is_null() {
        return Err(Fail::invalid(format!("{what}: the pointer is NULL, but there are {count}")));
    }
    if !first.is_aligned() {
        return Err(Fail::invalid(format!("{what}: the pointer is not aligned")));
    }
    match count.checked_mul(size_of::<T>()) {
        Some(bytes) if bytes <= ADDRESS_SPACE => Ok(()),
        _ => Err(Fail::invalid(format!("{what}: a length of {count} is not possible"))),
    }
}

/// A place of the caller's for one result.
pub(crate) struct Output<T: Pod>(*mut T);

impl<T: Pod> Output<T> {
    /// Sets the place to zero, so that it is defined whatever happens next.
    pub(crate) fn cleared(place: *mut T) -> Self {
        let output = Output(place);
        // SAFETY: zeros are a value of every `Pod` type.
        output.set(unsafe { MaybeUninit::zeroed().assume_init() });
        output
    }

    pub(crate) fn is_wanted(&self) -> bool {
        !self.0.is_null() && self.0.is_aligned()
    }

    /// Fails if the caller gave no place. To be asked before anything is done.
    pub(crate) fn required(&self, what: &str) -> Result<(), Fail> {
        match self.is_wanted() {
            true => Ok(()),
            false => Err(Fail::invalid(format!("{what}: there is no place for the result"))),
        }
    }

    /// Stores the result, if there is a place for it.
    pub(crate) fn set(&self, value: T) {
        if self.is_wanted() {
            // SAFETY: the manual: "a pointer to a result points to a variable of that type, which
            // no other thread uses during the call". `is_wanted` checked the rest.
            unsafe { self.0.write(value) };
        }
    }
}

/// A place of the caller's for several results.
pub(crate) struct OutputArray<T: Pod> {
    first: *mut T,
    count: usize,
    kind: PhantomData<T>,
}

impl<T: Pod> OutputArray<T> {
    /// Sets the whole array to zero, if it is one.
    pub(crate) fn cleared(first: *mut T, count: usize) -> Self {
        if count > 0 && check_array("", first, count).is_ok() {
            // SAFETY: the manual: "an array for results has room for as many entries as the call
            // says, and no other thread uses it during the call".
            unsafe { std::ptr::write_bytes(first, 0, count) };
        }
        OutputArray { first, count, kind: PhantomData }
    }

    pub(crate) fn required(&self, what: &str) -> Result<(), Fail> {
        match self.count {
            0 => Ok(()),
            count => check_array(what, self.first, count),
        }
    }

    /// Whether the caller gave no place at all, and so asks how large it has to be.
    pub(crate) fn is_absent(&self) -> bool {
        self.first.is_null() && self.count == 0
    }

    pub(crate) fn required_not_empty(&self, what: &str) -> Result<(), Fail> {
        match self.count {
            0 => Err(Fail::invalid(format!("{what}: there is no place for a result"))),
            _ => self.required(what),
        }
    }

    /// Stores results, as many as there are and fit. `required` has succeeded before.
    pub(crate) fn fill(&self, values: impl IntoIterator<Item = T>) {
        for (place, value) in values.into_iter().take(self.count).enumerate() {
            // SAFETY: `place` is below the count, and the manual's promise as in `cleared`.
            unsafe { self.first.add(place).write(value) };
        }
    }
}

/// A struct of the caller's for results: it starts with its size, and later versions may append to it.
pub(crate) struct OutputStruct<T: Options> {
    place: *mut T,
    /// What the caller says; 0 if there is no struct.
    size: usize,
}

impl<T: Options> OutputStruct<T> {
    /// Sets all members but the size to zero, if the size can be one.
    pub(crate) fn cleared(place: *mut T) -> Self {
        let mut output = OutputStruct { place, size: 0 };
        if !place.is_null() && place.is_aligned() {
            // SAFETY: the manual: "structs begin with their size"; not NULL and aligned were checked.
            output.size = unsafe { place.cast::<usize>().read() };
        }
        if output.has_size() {
            let rest = output.size - size_of::<usize>();
            // SAFETY: the manual: "struct_size is the size of the struct", and the promise of `Output::set`.
            unsafe { std::ptr::write_bytes(place.cast::<usize>().add(1).cast::<u8>(), 0, rest) };
        }
        output
    }

    fn has_size(&self) -> bool {
        (T::FIRST_SIZE..=LONGEST_OPTIONS).contains(&self.size)
    }

    pub(crate) fn required(&self, what: &str) -> Result<(), Fail> {
        if self.has_size() {
            return Ok(());
        }
        let (name, size) = (T::NAME, self.size);
        Err(Fail::invalid(format!(
            "{what}: no {name}, or its struct_size is {size}; start from its _INIT macro"
        )))
    }

    /// Stores those members of `value` that the caller's struct has, and leaves its size. `required` has
    /// succeeded before.
    pub(crate) fn set(&self, value: T) {
        let (head, known) = (size_of::<usize>(), self.size.min(size_of::<T>()));
        let from = (&raw const value).cast::<u8>();
        // SAFETY: `known` bytes are there to read, and to write as in `cleared`; `T` has no padding.
        unsafe {
            let to = self.place.cast::<u8>().add(head);
            std::ptr::copy_nonoverlapping(from.add(head), to, known - head);
        }
    }
}

impl OutputArray<u8> {
    /// The caller's buffer: not cleared, because only whole results are written.
    pub(crate) fn buffer(first: *mut c_void, capacity: usize) -> Self {
        OutputArray { first: first.cast(), count: capacity, kind: PhantomData }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Copies all bytes, or none and returns false.
    pub(crate) fn copy(&self, bytes: &[u8]) -> bool {
        let fits = bytes.len() <= self.count;
        if fits && !bytes.is_empty() {
            // SAFETY: the manual's promise as in `cleared`; `copy` allows the caller to give a
            // buffer that overlaps what it copies from.
            unsafe { std::ptr::copy(bytes.as_ptr(), self.first, bytes.len()) };
        }
        fits
    }
}

#[cfg(test)]
#[path = "arguments_tests.rs"]
mod tests;
