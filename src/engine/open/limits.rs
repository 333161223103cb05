//! What may be put into a store so that no page of sled's becomes a file of its own.
//!
//! sled does that with a page that is larger than a quarter of a segment, and never syncs or removes
//! such a file.

/// The longest value that stays in one piece, however large segments are: a larger page is slower
/// to write again when a neighbour changes.
const LONGEST_IN_ONE: usize = 64 << 10;

/// The longest key, where segments are large enough for it.
const LONGEST_KEY: usize = 4096;

/// Rows in a leaf of sled's, and keys in one of its inner pages, at most; a few more than were seen.
const ROWS_IN_LEAF: usize = 22;
const KEYS_IN_INNER_PAGE: usize = 325;

/// Bytes of keys and values between two flushes, at most.
const LONGEST_PORTION: usize = 8 << 20;
const SHORTEST_PORTION: usize = 16 << 10;

/// What is kept free for trees that no keyspace speaks of: sled's own, and the library's.
const NAMES_TO_SPARE: usize = 256;

/// The most that sled writes for the number of a page: it has 37 bits.
const PAGE_NUMBER: usize = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) segment: usize,
    pub(crate) key: usize,
    /// The longest value, and the longest piece of one, that is not cut.
    pub(crate) value: usize,
    /// The page that lists all trees, which sled writes anew whenever there is one more.
    names: usize,
    /// Bytes of keys and values after which the checkpoint flushes sled: by then sled's log has grown
    /// by about a segment. sled writes several times what it is given, and hands each full buffer to a
    /// pool of seven threads. If many of them are under way, a writer that begins a segment waits for a
    /// cut of the file that waits for a thread of the pool, all of which wait for that writer's lock.
    pub(crate) portion: usize,
}

impl Limits {
    pub(crate) fn of(segment_size: usize) -> Self {
        let page = (segment_size / 4).saturating_sub(64);
        let key = (page / KEYS_IN_INNER_PAGE).min(LONGEST_KEY);
        // The smallest segments that sled makes, and no store of ours has, have no room for
        // anything; a piece has to have some length.
        let value = (page / ROWS_IN_LEAF).saturating_sub(key + 32).clamp(1, LONGEST_IN_ONE);
        let names = page.saturating_sub(NAMES_TO_SPARE);
        let portion = (segment_size / 4).clamp(SHORTEST_PORTION, LONGEST_PORTION);
        Self { segment: segment_size, key, value, names, portion }
    }

    /// Whether the list of all trees stays small enough when there are trees of these names.
    pub(crate) fn have_room_for<'a>(&self, names: impl Iterator<Item = &'a [u8]>) -> bool {
        names.map(space_of_name).sum::<usize>() <= self.names
    }
}

/// The bytes that a tree takes in the list: its name, the length of that, and the number of a page.
fn space_of_name(name: &[u8]) -> usize {
    let length = match name.len() {
        0..=240 => 1,
        241..=2287 => 2,
        _ => 9,
    };
    length + name.len() + PAGE_NUMBER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_pages_fit_into_a_quarter_of_a_segment() {
        for shift in 16..=23 {
            let segment_size = 1 << shift;
            let limits = Limits::of(segment_size);
            let page = segment_size / 4 - 52;
            assert!(ROWS_IN_LEAF * (limits.key + limits.value) < page, "{segment_size}");
            assert!(KEYS_IN_INNER_PAGE * limits.key < page, "{segment_size}");
            assert!(limits.value > 0 && limits.key > 0, "{segment_size}");
            assert!(limits.names + NAMES_TO_SPARE < page, "{segment_size}");
        }
        let largest = Limits::of(8 << 20);
        assert_eq!((largest.key, largest.value), (LONGEST_KEY, LONGEST_IN_ONE));
    }
}
