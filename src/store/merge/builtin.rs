//! Merge operators that the library brings.

use crate::store::SledStore;
use crate::Result;

/// How the eight bytes of a 64-bit integer are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MergeInteger {
    /// Unsigned, little-endian.
    U64Le,
    /// Unsigned, big-endian.
    U64Be,
    /// Signed, little-endian.
    I64Le,
    /// Signed, big-endian.
    I64Be,
}

use MergeInteger::{I64Be, I64Le, U64Be, U64Le};

/// A merge operator that the library brings, for [`SledStore::set_builtin_merge`].
///
/// On a key that is not there, each of them makes the operand the value. Where integers are asked for,
/// a value or an operand that has not eight bytes fails the merge with
/// [`Reason::MergeFailed`](crate::Reason::MergeFailed).
///
/// ```
/// use sledstore::{BuiltinMerge, MergeInteger, SledStore};
///
/// # fn main() -> Result<(), sledstore::StoreError> {
/// let store = SledStore::open_temporary()?;
/// store.set_builtin_merge(BuiltinMerge::AddSaturating(MergeInteger::U64Le))?;
/// store.merge(b"visits", 1u64.to_le_bytes())?;
/// store.merge(b"visits", 2u64.to_le_bytes())?;
/// assert_eq!(store.get(b"visits")?.as_deref(), Some(&3u64.to_le_bytes()[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BuiltinMerge {
    /// The value, the separator, the operand. The separator may be empty.
    Append {
        /// What stands between two operands.
        separator: Vec<u8>,
    },
    /// The sum, or the nearest number that there is.
    AddSaturating(MergeInteger),
    /// The sum, which begins again at the other end of the numbers.
    AddWrapping(MergeInteger),
    /// The smaller one; by the order of keys, or of integers.
    Min(Option<MergeInteger>),
    /// The larger one; by the order of keys, or of integers.
    Max(Option<MergeInteger>),
    /// Each bit that is set in one of the two, which must have the same length, or the merge fails with
    /// [`Reason::MergeFailed`](crate::Reason::MergeFailed).
    BitOr,
}

/// What a merge answers with, or why it fails.
type Merged = Result<Vec<u8>, String>;

impl BuiltinMerge {
    fn merge(&self, old: Option<&[u8]>, operand: &[u8]) -> Merged {
        // Also the first operand has to be one that others can be merged with.
        let old = match (old, self.integer()) {
            (Some(old), _) => old,
            (None, Some(integer)) => {
                return integer.read("operand", operand).map(|_| operand.into())
            }
            (None, None) => return Ok(operand.into()),
        };
        match self {
            Self::Append { separator } => Ok([old, separator, operand].concat()),
            Self::AddSaturating(integer) => integer.add(old, operand, i128::clamp),
            Self::AddWrapping(integer) => integer.add(old, operand, |sum, _, _| sum),
            Self::Min(integer) => Ok(in_order(*integer, old, operand)?[0].into()),
            Self::Max(integer) => Ok(in_order(*integer, old, operand)?[1].into()),
            Self::BitOr => bit_or(old, operand),
        }
    }

    fn integer(&self) -> Option<MergeInteger> {
        match self {
            Self::AddSaturating(integer) | Self::AddWrapping(integer) => Some(*integer),
            Self::Min(integer) | Self::Max(integer) => *integer,
            Self::Append { .. } | Self::BitOr => None,
        }
    }
}

impl MergeInteger {
    fn read(self, what: &str, bytes: &[u8]) -> Result<i128, String> {
        let wrong = || format!("the {what} has {} bytes, and an integer has 8", bytes.len());
        let bytes: [u8; 8] = bytes.try_into().map_err(|_| wrong())?;
        Ok(match self {
            U64Le => u64::from_le_bytes(bytes).into(),
            U64Be => u64::from_be_bytes(bytes).into(),
            I64Le => i64::from_le_bytes(bytes).into(),
            I64Be => i64::from_be_bytes(bytes).into(),
        })
    }

    /// The lower 64 bits of `number`.
    fn write(self, number: i128) -> Vec<u8> {
        match self {
            U64Le | I64Le => (number as u64).to_le_bytes().into(),
            U64Be | I64Be => (number as u64).to_be_bytes().into(),
        }
    }

    /// The sum, where `fit` brings it between the smallest number and the largest.
    fn add(self, old: &[u8], operand: &[u8], fit: fn(i128, i128, i128) -> i128) -> Merged {
        let (least, most) = match self {
            U64Le | U64Be => (0, u64::MAX.into()),
            I64Le | I64Be => (i64::MIN.into(), i64::MAX.into()),
        };
        let sum = self.read("value", old)? + self.read("operand", operand)?;
        Ok(self.write(fit(sum, least, most)))
    }
}

/// The smaller one first; by the order of keys, or of integers.
fn in_order<'a>(
    integer: Option<MergeInteger>,
    old: &'a [u8],
    operand: &'a [u8],
) -> Result<[&'a [u8]; 2], String> {
    let is_in_order = match integer {
        None => old <= operand,
        Some(integer) => integer.read("value", old)? <= integer.read("operand", operand)?,
    };
    Ok(if is_in_order { [old, operand] } else { [operand, old] })
}

fn bit_or(old: &[u8], operand: &[u8]) -> Merged {
    if old.len() != operand.len() {
        let (old, operand) = (old.len(), operand.len());
        return Err(format!("the value has {old} bytes, and the operand {operand}"));
    }
    Ok(old.iter().zip(operand).map(|(old, operand)| old | operand).collect())
}

impl SledStore {
    /// As [`SledStore::set_merge_operator`], with an operator that the library brings.
    ///
    /// # Errors
    ///
    /// As [`SledStore::set_fallible_merge_operator`].
    pub fn set_builtin_merge(&self, operator: BuiltinMerge) -> Result<()> {
        self.set_fallible_merge_operator(move |_, old, operand| {
            operator.merge(old, operand).map(Some)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTEGERS: [MergeInteger; 4] = [U64Le, U64Be, I64Le, I64Be];

    fn is_signed(integer: MergeInteger) -> bool {
        matches!(integer, I64Le | I64Be)
    }

    #[test]
    fn integers_lie_in_the_bytes_that_their_names_say() {
        assert_eq!(U64Le.write(258), [2, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(U64Be.write(258), [0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(I64Le.write(-2), [254, 255, 255, 255, 255, 255, 255, 255]);
        assert_eq!(I64Be.write(-2), [255, 255, 255, 255, 255, 255, 255, 254]);
        for integer in INTEGERS {
            let least = if is_signed(integer) { -5 } else { 5 };
            assert_eq!(integer.read("value", &integer.write(least)), Ok(least));
        }
    }

    #[test]
    fn a_sum_that_is_too_large_saturates_or_wraps() {
        let sum = |operator: BuiltinMerge, integer: MergeInteger, a: i128, b: i128| {
            let sum = operator.merge(Some(&integer.write(a)), &integer.write(b)).expect("integers");
            integer.read("sum", &sum).expect("an integer")
        };
        for integer in INTEGERS {
            let saturating = |a, b| sum(BuiltinMerge::AddSaturating(integer), integer, a, b);
            let wrapping = |a, b| sum(BuiltinMerge::AddWrapping(integer), integer, a, b);
            assert_eq!((saturating(2, 3), wrapping(2, 3)), (5, 5));
            let (least, most) = match is_signed(integer) {
                true => (i128::from(i64::MIN), i128::from(i64::MAX)),
                false => (0, i128::from(u64::MAX)),
            };
            assert_eq!(saturating(most, 1), most);
            assert_eq!(wrapping(most, 1), least);
            assert_eq!(saturating(most, most), most);
            if is_signed(integer) {
                assert_eq!((saturating(least, -1), wrapping(least, -1)), (least, most));
                assert_eq!((saturating(-7, 3), wrapping(-7, 3)), (-4, -4));
            }
        }
    }

    #[test]
    fn the_smaller_and_the_larger_one_are_told_by_the_order_that_was_asked_for() {
        let (min, max) = (BuiltinMerge::Min(None), BuiltinMerge::Max(None));
        assert_eq!(min.merge(Some(b"b"), b"aa"), Ok(b"aa".to_vec()));
        assert_eq!(min.merge(Some(b"a"), b"aa"), Ok(b"a".to_vec()));
        assert_eq!(max.merge(Some(b"b"), b"aa"), Ok(b"b".to_vec()));
        assert_eq!(max.merge(Some(b""), b"aa"), Ok(b"aa".to_vec()));
        // Of little-endian bytes, and of negative numbers, the order is another one.
        let min = |integer: MergeInteger, a, b| {
            let min = BuiltinMerge::Min(Some(integer));
            min.merge(Some(&integer.write(a)), &integer.write(b))
        };
        let max = |integer: MergeInteger, a, b| {
            let max = BuiltinMerge::Max(Some(integer));
            max.merge(Some(&integer.write(a)), &integer.write(b))
        };
        for integer in INTEGERS {
            assert_eq!(min(integer, 1, 256), Ok(integer.write(1)));
            assert_eq!(max(integer, 1, 256), Ok(integer.write(256)));
            assert_eq!(min(integer, 7, 7), max(integer, 7, 7));
            if is_signed(integer) {
                assert_eq!(min(integer, -1, 1), Ok(integer.write(-1)));
                assert_eq!(max(integer, -1, 1), Ok(integer.write(1)));
            }
        }
    }

    #[test]
    fn what_is_appended_is_separated_and_bits_are_united() {
        let append = BuiltinMerge::Append { separator: b", ".to_vec() };
        assert_eq!(append.merge(None, b"a"), Ok(b"a".to_vec()));
        assert_eq!(append.merge(Some(b"a"), b"b"), Ok(b"a, b".to_vec()));
        assert_eq!(append.merge(Some(b""), b""), Ok(b", ".to_vec()));
        let plain = BuiltinMerge::Append { separator: Vec::new() };
        assert_eq!(plain.merge(Some(b"a"), b"b"), Ok(b"ab".to_vec()));
        assert_eq!(BuiltinMerge::BitOr.merge(None, &[1]), Ok(vec![1]));
        assert_eq!(BuiltinMerge::BitOr.merge(Some(&[1, 0x80]), &[2, 0x81]), Ok(vec![3, 0x81]));
    }

    #[test]
    fn a_length_that_is_not_the_operators_fails() {
        let eight = &[0; 8][..];
        for operator in [
            BuiltinMerge::AddSaturating(U64Le),
            BuiltinMerge::AddWrapping(I64Be),
            BuiltinMerge::Min(Some(U64Be)),
            BuiltinMerge::Max(Some(I64Le)),
        ] {
            for wrong in [&b""[..], &[0; 7], &[0; 9]] {
                let of = |old, operand| operator.merge(old, operand).expect_err("a wrong length");
                assert!(of(None, wrong).starts_with("the operand has"));
                assert!(of(Some(eight), wrong).starts_with("the operand has"));
                assert!(of(Some(wrong), eight).starts_with("the value has"));
            }
        }
        BuiltinMerge::BitOr.merge(Some(b"1"), b"22").expect_err("two lengths");
    }
}
