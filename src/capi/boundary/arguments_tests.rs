use std::ptr::{dangling, null, null_mut};

use super::*;

fn refusal<R>(result: Result<R, Fail>) -> Option<Status> {
    result.err().map(|fail| fail.status())
}

const INVALID: Option<Status> = Some(Status::SLEDSTORE_INVALID_ARGUMENT);

/// The options of a program that was compiled with a later version.
#[repr(C)]
struct Later {
    known: sledstore_open_options,
    unknown: [u8; 8],
}

fn options(struct_size: usize) -> sledstore_open_options {
    sledstore_open_options { struct_size, ..Default::default() }
}

#[test]
fn bytes_may_be_null_only_if_there_are_none() {
    let call = Call::from_c();
    assert_eq!(call.bytes("key", null(), 0).ok(), Some(&b""[..]));
    assert_eq!(refusal(call.bytes("key", null(), 1)), INVALID);
    assert_eq!(call.bytes("key", b"abc".as_ptr().cast(), 2).ok(), Some(&b"ab"[..]));
}

#[test]
fn a_length_that_no_memory_has_is_refused() {
    let call = Call::from_c();
    let (byte, entry) = (b"x".as_ptr().cast(), dangling::<sledstore_bytes>());
    assert_eq!(refusal(call.bytes("key", byte, usize::MAX)), INVALID);
    assert_eq!(refusal(call.bytes("key", byte, isize::MAX as usize + 1)), INVALID);
    assert_eq!(refusal(call.keys(entry, usize::MAX / 8)), INVALID);
}

#[test]
fn options_may_be_missing_and_are_all_defaults_then() {
    let read = Call::from_c().options::<sledstore_open_options>(null());
    let read = read.expect("NULL is allowed");
    assert_eq!((read.struct_size, read.flags, read.flush_every_ms), (0, 0, 0));
}

#[test]
fn options_that_are_too_short_or_absurdly_long_are_refused() {
    let call = Call::from_c();
    for size in [0, 8, 47, LONGEST_OPTIONS + 1, usize::MAX] {
        assert_eq!(refusal(call.options(&options(size))), INVALID, "size {size}");
    }
}

#[test]
fn longer_options_are_taken_if_what_is_unknown_is_not_set() {
    let call = Call::from_c();
    let mut later = Later { known: options(size_of::<Later>()), unknown: [0; 8] };
    later.known.cache_capacity = 17;
    let pointer = std::ptr::from_ref(&later).cast::<sledstore_open_options>();
    assert_eq!(call.options(pointer).ok().map(|read| read.cache_capacity), Some(17));
    later.unknown[7] = 1;
    let pointer = std::ptr::from_ref(&later).cast::<sledstore_open_options>();
    assert_eq!(refusal(call.options(pointer)), Some(Status::SLEDSTORE_UNSUPPORTED));
}

#[test]
fn outputs_are_cleared_at_once_and_required_when_they_are() {
    let mut count = 5_usize;
    let output = Output::cleared(&mut count);
    assert_eq!(refusal(output.required("count")), None);
    assert_eq!(count, 0);
    let missing = Output::<usize>::cleared(null_mut());
    assert_eq!(refusal(missing.required("count")), INVALID);
    missing.set(3);
}

#[test]
fn arrays_are_cleared_and_filled_within_their_limits() {
    let mut numbers = [7_u64; 5];
    let array = OutputArray::cleared(&mut numbers[1], 3);
    assert_eq!(refusal(array.required("numbers")), None);
    array.fill([1, 2, 3, 4]);
    assert_eq!(numbers, [7, 1, 2, 3, 7]);
    let none = OutputArray::<u64>::cleared(null_mut(), 0);
    assert_eq!(refusal(none.required("numbers")), None);
    assert_eq!(refusal(none.required_not_empty("numbers")), INVALID);
    assert_eq!(refusal(OutputArray::<u64>::cleared(null_mut(), 1).required("numbers")), INVALID);
}

#[test]
fn a_buffer_gets_everything_or_nothing() {
    let mut buffer = [9_u8; 4];
    let output = OutputArray::buffer(buffer.as_mut_ptr().cast(), 3);
    assert!(!output.copy(b"long"));
    assert_eq!(buffer, [9; 4]);
    let output = OutputArray::buffer(buffer.as_mut_ptr().cast(), 3);
    assert!(output.copy(b"abc"));
    assert_eq!(buffer, *b"abc\x09");
    assert!(OutputArray::buffer(null_mut(), 0).copy(b""));
}
