//! An embedded, persistent, ordered key-value store.
