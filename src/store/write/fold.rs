//! Changes of expiries in a batch, of keys that the same batch has written before.

use std::collections::HashMap;
use std::time::Duration;

use crate::commit::KeyspaceId;
use crate::engine::Bytes;
use crate::store::write::{KeyWrite, Write};

/// What a write of a batch comes to.
enum Folded {
    Stays,
    Becomes(Write<Bytes>),
    /// It changes a key that is absent by then, or is overtaken by a later one.
    Nothing,
}

/// Lets `apply` see the writes of a batch so that every change of an expiry that is left is one of a key
/// as the store has it.
pub(crate) fn folded<T>(
    writes: Vec<KeyWrite<'_, Bytes>>,
    apply: impl FnOnce(&[KeyWrite<'_, Bytes>]) -> T,
) -> T {
    if !writes.iter().any(|write| matches!(write.write, Write::Expire(_))) {
        return apply(&writes);
    }
    let folded = fold(&writes);
    let kept = writes.iter().zip(&folded).filter_map(|(write, folded)| match folded {
        Folded::Stays => Some(KeyWrite { ..*write }),
        Folded::Becomes(made) => Some(KeyWrite { write: made, ..*write }),
        Folded::Nothing => None,
    });
    apply(&kept.collect::<Vec<_>>())
}

fn fold(writes: &[KeyWrite<'_, Bytes>]) -> Vec<Folded> {
    let mut last: HashMap<(KeyspaceId, &[u8]), usize> = HashMap::new();
    let mut ranges: Vec<usize> = Vec::new();
    let mut folded: Vec<Folded> = Vec::with_capacity(writes.len());
    for (place, write) in writes.iter().enumerate() {
        let key = (write.keyspace.id(), write.key);
        let own = last.get(&key).copied();
        let becomes = match write.write {
            Write::Put(..) | Write::PutUntil(..) | Write::Delete | Write::Merge(_) => Folded::Stays,
            Write::DeleteRange(_) => {
                ranges.push(place);
                folded.push(Folded::Stays);
                continue;
            }
            Write::Expire(ttl) => {
                let mut later = ranges.iter().filter(|range| own.is_none_or(|own| **range > own));
                match own {
                    _ if later.any(|range| writes[*range].deletes(write)) => Folded::Nothing,
                    None => Folded::Stays,
                    Some(own) => expire(&writes[own], &mut folded[own], *ttl),
                }
            }
        };
        if !matches!(becomes, Folded::Nothing) {
            last.insert(key, place);
        }
        folded.push(becomes);
    }
    folded
}

/// What the change of an expiry comes to after the write `own` of the same key.
fn expire(own: &KeyWrite<'_, Bytes>, folded: &mut Folded, ttl: Option<Duration>) -> Folded {
    let before = match folded {
        Folded::Becomes(made) => &*made,
        Folded::Stays | Folded::Nothing => own.write,
    };
    match before {
        Write::Put(_, Some(Duration::ZERO)) | Write::Expire(Some(Duration::ZERO)) => {
            Folded::Nothing
        }
        Write::Put(value, _) | Write::PutUntil(value, _) => {
            Folded::Becomes(Write::Put(value.clone(), ttl))
        }
        Write::Expire(_) => {
            // Both would begin from the row that the store has.
            *folded = Folded::Nothing;
            Folded::Stays
        }
        Write::Delete | Write::DeleteRange(_) | Write::Merge(_) => Folded::Nothing,
    }
}

impl KeyWrite<'_, Bytes> {
    /// Whether this deletes a range of which the key of `other` is.
    pub(super) fn deletes(&self, other: &Self) -> bool {
        match self.write {
            Write::DeleteRange(upper) => {
                self.keyspace.id() == other.keyspace.id()
                    && self.key <= other.key
                    && upper.as_ref().is_none_or(|upper| *other.key < upper[..])
            }
            _ => false,
        }
    }
}
