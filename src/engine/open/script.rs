//! The steps of a large batch as bytes, as older versions wrote them.
//!
//! A row of records, each of which begins with its kind:
//!
//! * `0`, length (4 bytes), name: the next tree; the first one named has the number 0.
//! * `1`, tree (4), length of the key (4), key: remove it.
//! * `2`, tree (4), length of the key (4), length of the value (4), key, value: set it.
//!
//! Numbers are little endian. The row is cut into chunks of equal length wherever that falls. The
//! reader never holds more of it than a chunk and a record.

#[cfg(test)]
pub(crate) use writer::Writer;

const TREE: u8 = 0;
const REMOVE: u8 = 1;
const SET: u8 = 2;

/// Steps after which sled's garbage is collected: each leaves some pieces behind, and sled by itself
/// frees about as many as that, and no more.
const STEPS_PER_PIN: usize = 32;

/// What is known of a whole script; written last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) chunks: u64,
    length: u64,
    sum: u32,
}

impl Head {
    /// `None` if it is damaged.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (rest, own_sum) = bytes.split_last_chunk::<4>()?;
        if rest.len() != 20 || crc32fast::hash(rest).to_le_bytes() != *own_sum {
            return None;
        }
        let long = |at: usize| u64::from_le_bytes(rest[at..at + 8].try_into().expect("8 bytes"));
        let sum = u32::from_le_bytes(rest[16..].try_into().expect("4 bytes"));
        Some(Self { chunks: long(0), length: long(8), sum })
    }
}

/// Reads a script from its chunks.
pub(crate) struct Reader<'a, I> {
    db: &'a sled::Db,
    head: Head,
    chunks: I,
    trees: Vec<sled::Tree>,
    /// What was read of the record that goes on in the next chunk.
    rest: Vec<u8>,
    length: u64,
    sum: crc32fast::Hasher,
}

impl<'a, I: Iterator<Item = sled::Result<sled::IVec>>> Reader<'a, I> {
    pub(crate) fn new(db: &'a sled::Db, head: Head, chunks: I) -> Self {
        let (trees, rest) = (Vec::new(), Vec::new());
        Self { db, head, chunks, trees, rest, length: 0, sum: crc32fast::Hasher::new() }
    }

    /// Whether the chunks are those that the head speaks of.
    pub(crate) fn finds_all(mut self) -> sled::Result<bool> {
        while self.next_chunk()?.is_some() {}
        Ok(self.is_at_the_end())
    }

    /// Makes steps of `portion` bytes in all, or a little more; says whether there are more.
    pub(crate) fn apply(&mut self, portion: usize) -> sled::Result<bool> {
        let mut made = 0;
        let mut steps = 0;
        while made < portion {
            let Some(chunk) = self.next_chunk()? else {
                let is_whole = self.rest.is_empty() && self.is_at_the_end();
                return if is_whole { Ok(false) } else { Err(damaged()) };
            };
            made += chunk.len();
            let mut bytes = std::mem::take(&mut self.rest);
            bytes.extend_from_slice(&chunk);
            drop(chunk);
            let mut at = 0;
            while let Some((record, length)) = Record::read(&bytes[at..])? {
                self.make(record)?;
                at += length;
                steps += 1;
                if steps % STEPS_PER_PIN == 0 {
                    sled::pin().flush();
                }
            }
            bytes.drain(..at);
            self.rest = bytes;
        }
        Ok(true)
    }

    fn next_chunk(&mut self) -> sled::Result<Option<sled::IVec>> {
        let Some(chunk) = self.chunks.next().transpose()? else { return Ok(None) };
        self.sum.update(&chunk);
        self.length += chunk.len() as u64;
        Ok(Some(chunk))
    }

    fn is_at_the_end(&self) -> bool {
        self.length == self.head.length && self.sum.clone().finalize() == self.head.sum
    }

    /// Each step by itself and not as a batch of sled's, which costs more and pins its epoch.
    fn make(&mut self, record: Record<'_>) -> sled::Result<()> {
        let tree = |number: u32| self.trees.get(number as usize).ok_or_else(damaged);
        match record {
            Record::Tree(name) => self.trees.push(self.db.open_tree(name)?),
            Record::Remove(number, key) => drop(tree(number)?.remove(key)?),
            Record::Set(number, key, value) => drop(tree(number)?.insert(key, value)?),
        }
        Ok(())
    }
}

fn damaged() -> sled::Error {
    sled::Error::Corruption { at: None, bt: () }
}

enum Record<'a> {
    Tree(&'a [u8]),
    Remove(u32, &'a [u8]),
    Set(u32, &'a [u8], &'a [u8]),
}

impl<'a> Record<'a> {
    /// The record at the beginning of `bytes` and its length; `None` if it goes on behind them.
    fn read(bytes: &'a [u8]) -> sled::Result<Option<(Self, usize)>> {
        let Some(kind) = bytes.first() else { return Ok(None) };
        let fields = match *kind {
            TREE => 1,
            REMOVE => 2,
            SET => 3,
            _ => return Err(damaged()),
        };
        let start = 1 + 4 * fields;
        let Some(head) = bytes.get(1..start) else { return Ok(None) };
        let field = |place: usize| {
            u32::from_le_bytes(head[4 * place..4 * place + 4].try_into().expect("4 bytes"))
        };
        let part = |start: usize, length: u32| bytes.get(start..start + length as usize);
        let found = match *kind {
            TREE => part(start, field(0)).map(|name| (Record::Tree(name), start + name.len())),
            REMOVE => {
                part(start, field(1)).map(|key| (Record::Remove(field(0), key), start + key.len()))
            }
            _ => part(start, field(1)).and_then(|key| {
                let value = part(start + key.len(), field(2))?;
                let length = start + key.len() + value.len();
                Some((Record::Set(field(0), key, value), length))
            }),
        };
        Ok(found)
    }
}

/// What older versions did.
#[cfg(test)]
mod writer {
    use super::{Head, REMOVE, SET, TREE};
    use crate::engine::rows::overflow::RawStep;

    impl Head {
        pub(crate) fn encode(&self) -> Vec<u8> {
            let numbers = [self.chunks.to_le_bytes(), self.length.to_le_bytes()].concat();
            let mut bytes = [&numbers[..], &self.sum.to_le_bytes()].concat();
            let own_sum = crc32fast::hash(&bytes);
            bytes.extend_from_slice(&own_sum.to_le_bytes());
            bytes
        }
    }

    /// Writes a script, a chunk at a time, by `put`.
    pub(crate) struct Writer<P> {
        put: P,
        chunk_length: usize,
        chunk: Vec<u8>,
        trees: Vec<sled::IVec>,
        head: Head,
        sum: crc32fast::Hasher,
    }

    impl<P: FnMut(u64, &[u8]) -> sled::Result<()>> Writer<P> {
        pub(crate) fn new(chunk_length: usize, put: P) -> Self {
            let chunk = Vec::with_capacity(chunk_length);
            let head = Head { chunks: 0, length: 0, sum: 0 };
            Self {
                put,
                chunk_length,
                chunk,
                trees: Vec::new(),
                head,
                sum: crc32fast::Hasher::new(),
            }
        }

        pub(crate) fn add(&mut self, step: &RawStep<'_>) -> sled::Result<()> {
            let tree = self.number_of(&step.tree.name())?;
            match &step.value {
                Some(value) => {
                    let lengths = [tree, length(&step.key), length(value)].map(u32::to_le_bytes);
                    self.write(&[SET])?;
                    self.write(lengths.as_flattened())?;
                    self.write(&step.key)?;
                    self.write(value)
                }
                None => {
                    let lengths = [tree, length(&step.key)].map(u32::to_le_bytes);
                    self.write(&[REMOVE])?;
                    self.write(lengths.as_flattened())?;
                    self.write(&step.key)
                }
            }
        }

        /// Writes the last chunk.
        pub(crate) fn end(mut self) -> sled::Result<Head> {
            if !self.chunk.is_empty() {
                self.put_chunk()?;
            }
            Ok(Head { sum: self.sum.finalize(), ..self.head })
        }

        fn number_of(&mut self, name: &sled::IVec) -> sled::Result<u32> {
            if let Some(known) = self.trees.iter().rposition(|tree| tree == name) {
                return Ok(known as u32);
            }
            self.write(&[TREE])?;
            self.write(&length(name).to_le_bytes())?;
            self.write(name)?;
            self.trees.push(name.clone());
            Ok(self.trees.len() as u32 - 1)
        }

        fn write(&mut self, mut bytes: &[u8]) -> sled::Result<()> {
            while !bytes.is_empty() {
                let engine_state = self.chunk_length - self.chunk.len();
                let (now, later) = bytes.split_at(engine_state.min(bytes.len()));
                self.chunk.extend_from_slice(now);
                bytes = later;
                if self.chunk.len() == self.chunk_length {
                    self.put_chunk()?;
                }
            }
            Ok(())
        }

        fn put_chunk(&mut self) -> sled::Result<()> {
            self.sum.update(&self.chunk);
            (self.put)(self.head.chunks, &self.chunk)?;
            self.head.chunks += 1;
            self.head.length += self.chunk.len() as u64;
            self.chunk.clear();
            Ok(())
        }
    }

    /// Keys and values are bounded far below 4 GiB.
    fn length(bytes: &[u8]) -> u32 {
        bytes.len() as u32
    }
}
