//! Keys and values of the program's own types, stored as JSON.

use std::borrow::Borrow;
use std::marker::PhantomData;
use std::path::Path;

use oxistore_core::StoreError;
use serde::de::DeserializeOwned;
use serde::Serialize;

use crate::engine::Result;
use crate::store::SledStore;

/// A store whose keys and values are of the program's own types, in the form of oxistore-kv-sled: both are
/// stored as JSON. The order of the keys is that of their JSON, which is the one of strings for strings, and
/// not the one of numbers for numbers. Needs the feature `typed`.
///
/// ```
/// use sledstore::TypedSledStore;
///
/// # fn main() -> Result<(), sledstore::StoreError> {
/// let counters: TypedSledStore<String, u64> = TypedSledStore::open_temporary()?;
/// counters.put_typed("visits".to_owned(), &42)?;
/// assert_eq!(counters.get_typed("visits".to_owned())?, Some(42));
/// # Ok(())
/// # }
/// ```
pub struct TypedSledStore<K, V> {
    inner: SledStore,
    types: PhantomData<fn(&K) -> V>,
}

impl<K: Serialize + DeserializeOwned, V: Serialize + DeserializeOwned> TypedSledStore<K, V> {
    /// As [`SledStore::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        SledStore::open(path).map(Self::over)
    }

    /// As [`SledStore::open_temporary`].
    pub fn open_temporary() -> Result<Self> {
        SledStore::open_temporary().map(Self::over)
    }

    /// The same over one keyspace of a store that is open.
    pub fn over(inner: SledStore) -> Self {
        Self { inner, types: PhantomData }
    }

    /// Sets `key` to `value`.
    ///
    /// # Errors
    ///
    /// As [`SledStore::put`]; [`StoreError::Other`] if one of the two has no JSON.
    pub fn put_typed(&self, key: impl Borrow<K>, value: &V) -> Result<()> {
        self.inner.put(&to_json("key", key.borrow())?, &to_json("value", value)?)
    }

    /// The value of `key`, or `None` if the key is not there or has expired.
    ///
    /// # Errors
    ///
    /// As [`SledStore::get`]; [`StoreError::Other`] if the value is not the JSON of a `V`.
    pub fn get_typed(&self, key: impl Borrow<K>) -> Result<Option<V>> {
        let Some(json) = self.inner.get_pinned(&to_json("key", key.borrow())?)? else {
            return Ok(None);
        };
        let value = serde_json::from_slice(&json);
        value.map(Some).map_err(|error| StoreError::Other(format!("cannot read a value: {error}")))
    }

    /// Removes `key`, which need not be there.
    pub fn delete_typed(&self, key: impl Borrow<K>) -> Result<()> {
        self.inner.delete(&to_json("key", key.borrow())?)
    }

    /// Whether `key` is there and has not expired.
    pub fn contains_typed(&self, key: impl Borrow<K>) -> Result<bool> {
        self.inner.contains(&to_json("key", key.borrow())?)
    }

    /// As [`SledStore::flush`].
    pub fn flush(&self) -> Result<()> {
        self.inner.flush()
    }

    /// The store below, for everything else.
    pub fn inner(&self) -> &SledStore {
        &self.inner
    }
}

fn to_json(what: &str, value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value)
        .map_err(|error| StoreError::Other(format!("cannot write a {what}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_rows_are_json_and_come_back() {
        let store: TypedSledStore<(String, u8), Vec<f64>> =
            TypedSledStore::open_temporary().unwrap();
        let key = ("a".to_owned(), 1);
        assert_eq!(store.get_typed(&key).unwrap(), None);
        store.put_typed(&key, &vec![0.5]).unwrap();
        assert_eq!(store.get_typed(&key).unwrap(), Some(vec![0.5]));
        assert_eq!(store.inner().get(b"[\"a\",1]").unwrap().as_deref(), Some(&b"[0.5]"[..]));
        assert!(store.contains_typed(&key).unwrap());
        store.flush().unwrap();
        store.delete_typed(key.clone()).unwrap();
        assert!(!store.contains_typed(key).unwrap());
    }

    #[test]
    fn what_is_no_json_of_the_type_is_an_error_and_stays() {
        let store: TypedSledStore<String, u64> = TypedSledStore::open_temporary().unwrap();
        store.inner().put(b"\"a\"", b"not a number").unwrap();
        let error = store.get_typed("a".to_owned()).expect_err("no number");
        assert!(matches!(error, StoreError::Other(_)), "{error:?}");
        assert_eq!(store.inner().count().unwrap(), 1);
        let floats: TypedSledStore<String, f64> = TypedSledStore::over(store.inner().clone());
        floats.put_typed("nan".to_owned(), &f64::NAN).expect("JSON has null for it");
        floats.get_typed("nan".to_owned()).expect_err("null is no number");
    }
}
