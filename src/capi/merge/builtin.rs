//! The numbers of the merge operators that the library brings.

use crate::capi::error::Fail;
use crate::capi::status::sledstore_status as Status;
use crate::{BuiltinMerge, MergeInteger};

/// For sledstore_set_builtin_merge(): the value, the separator, the operand. The type is
/// SLEDSTORE_MERGE_BYTES.
pub const SLEDSTORE_MERGE_APPEND: u32 = 1;
/// For sledstore_set_builtin_merge(): the sum, or the nearest number that there is. The type is one of
/// the integers.
pub const SLEDSTORE_MERGE_ADD_SATURATING: u32 = 2;
/// For sledstore_set_builtin_merge(): the sum; past the largest number it goes on with the smallest, and
/// the other way round. The type is one of the integers.
pub const SLEDSTORE_MERGE_ADD_WRAPPING: u32 = 3;
/// For sledstore_set_builtin_merge(): the smaller one. The type is any.
pub const SLEDSTORE_MERGE_MIN: u32 = 4;
/// For sledstore_set_builtin_merge(): the larger one. The type is any.
pub const SLEDSTORE_MERGE_MAX: u32 = 5;
/// For sledstore_set_builtin_merge(): each bit that is set in one of the two, which must have the same
/// length. The type is SLEDSTORE_MERGE_BYTES.
pub const SLEDSTORE_MERGE_OR: u32 = 6;

/// For sledstore_set_builtin_merge(): bytes, in the order of keys.
pub const SLEDSTORE_MERGE_BYTES: u32 = 0;
/// For sledstore_set_builtin_merge(): 8 bytes, an unsigned integer, little-endian.
pub const SLEDSTORE_MERGE_U64_LE: u32 = 1;
/// For sledstore_set_builtin_merge(): 8 bytes, an unsigned integer, big-endian.
pub const SLEDSTORE_MERGE_U64_BE: u32 = 2;
/// For sledstore_set_builtin_merge(): 8 bytes, a signed integer (two's complement), little-endian.
pub const SLEDSTORE_MERGE_I64_LE: u32 = 3;
/// For sledstore_set_builtin_merge(): 8 bytes, a signed integer (two's complement), big-endian.
pub const SLEDSTORE_MERGE_I64_BE: u32 = 4;

/// The operator in the words of the store.
pub(super) fn operator(
    operation: u32,
    operands: u32,
    separator: &[u8],
) -> Result<BuiltinMerge, Fail> {
    let integer = integer(operands)?;
    if operation != SLEDSTORE_MERGE_APPEND && !separator.is_empty() {
        return Err(Fail::invalid("separator: only SLEDSTORE_MERGE_APPEND has one"));
    }
    let wrong_type = || Fail::invalid(format!("type: {operands} is none of operation {operation}"));
    match (operation, integer) {
        (SLEDSTORE_MERGE_APPEND, None) => Ok(BuiltinMerge::Append { separator: separator.into() }),
        (SLEDSTORE_MERGE_ADD_SATURATING, Some(integer)) => Ok(BuiltinMerge::AddSaturating(integer)),
        (SLEDSTORE_MERGE_ADD_WRAPPING, Some(integer)) => Ok(BuiltinMerge::AddWrapping(integer)),
        (SLEDSTORE_MERGE_MIN, integer) => Ok(BuiltinMerge::Min(integer)),
        (SLEDSTORE_MERGE_MAX, integer) => Ok(BuiltinMerge::Max(integer)),
        (SLEDSTORE_MERGE_OR, None) => Ok(BuiltinMerge::BitOr),
        (SLEDSTORE_MERGE_APPEND..=SLEDSTORE_MERGE_OR, _) => Err(wrong_type()),
        (unknown, _) => Err(not_known("operation", unknown)),
    }
}

/// `None` for bytes.
fn integer(operands: u32) -> Result<Option<MergeInteger>, Fail> {
    Ok(Some(match operands {
        SLEDSTORE_MERGE_BYTES => return Ok(None),
        SLEDSTORE_MERGE_U64_LE => MergeInteger::U64Le,
        SLEDSTORE_MERGE_U64_BE => MergeInteger::U64Be,
        SLEDSTORE_MERGE_I64_LE => MergeInteger::I64Le,
        SLEDSTORE_MERGE_I64_BE => MergeInteger::I64Be,
        unknown => return Err(not_known("type", unknown)),
    }))
}

/// A newer version may know it.
fn not_known(what: &str, number: u32) -> Fail {
    let message = format!("{what}: this version has no {what} {number}");
    Fail::new(Status::SLEDSTORE_UNSUPPORTED, message)
}
