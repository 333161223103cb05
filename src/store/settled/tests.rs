//! The write path over sled: processes that are killed at any moment.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::*;
use crate::commit::{self, Change, Committer, Durability, Now, Record};
use crate::engine::{Options, SledMode};

const KILLS: u64 = 25;
/// So many commits at least, over all rounds.
const COMMITS: u64 = 1_000;
const KEYS: u64 = 30;
const NAMES: [&[u8]; 2] = [b"default", b"other"];

/// Tells the part that is killed which directory is its own.
const DIRECTORY: &str = "SLEDSTORE_TEST_KILLED_DIRECTORY";

struct Store {
    committer: Arc<Committer<SettledRows>>,
    ids: [KeyspaceId; 2],
}

impl Store {
    fn open(directory: &Path) -> Result<Self> {
        let options = Options {
            cache_capacity: Some(16 << 20),
            compression: false,
            mode: SledMode::LowSpace,
            // Small, so that values in pieces are frequent.
            segment_size: Some(64 << 10),
            temporary: false,
            read_only: false,
            must_exist: false,
            must_create: false,
            lock_timeout: Duration::from_secs(10),
            salvage: false,
            patience: Duration::from_secs(60),
        };
        let mut log = None;
        let mut check = |directory: &Path, mark: &Tree| {
            log = Some(check_log(directory, mark, false)?);
            Ok(())
        };
        let rows = SettledRows::new(Engine::open(Some(directory), &options, &mut check)?)?;
        let (log, store) = (log.expect("it was checked"), rows.store_number()?);
        let ids = [rows.keyspace(NAMES[0])?, rows.keyspace(NAMES[1])?];
        let directory = directory.to_path_buf();
        let options = commit::Options {
            directory,
            store,
            memtable: 80_000,
            read_only: false,
            view_memory: u64::MAX,
            portion: 16 << 10,
            patience: Duration::from_secs(60),
            keep_log: 0,
            now: Now(Arc::new(|| 0)),
        };
        let committer = Committer::open(rows, options, log)?;
        committer.start(Some(Duration::from_millis(20))).expect("threads");
        Ok(Self { committer, ids })
    }

    fn close(self) -> Result<()> {
        self.committer.close()?;
        let committer = Arc::into_inner(self.committer).expect("nobody else has it");
        committer.into_settled().close()
    }
}

type Model = BTreeMap<(usize, u64), RowImage>;

/// The commit `number`, the same in the part that is killed and in the one that looks.
fn commit_of(number: u64) -> Vec<(usize, u64, Option<RowImage>)> {
    let mut dice = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut roll = |below: u64| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice % below
    };
    let change = |_| {
        let (keyspace, key) = (roll(2) as usize, roll(KEYS));
        let length = if roll(40) == 0 { 9_000 } else { 8 + roll(600) };
        let row = RowImage {
            value: number
                .to_le_bytes()
                .iter()
                .copied()
                .cycle()
                .take(length as usize)
                .collect::<Vec<_>>()
                .into(),
            expires_at: (roll(3) == 0).then_some(1 << 50 | number),
        };
        (keyspace, key, (roll(4) > 0).then_some(row))
    };
    (0..1 + number % 5).map(change).collect()
}

fn apply(model: &mut Model, number: u64) {
    for (keyspace, key, row) in commit_of(number) {
        match row {
            Some(row) => drop(model.insert((keyspace, key), row)),
            None => drop(model.remove(&(keyspace, key))),
        }
    }
}

/// What the killed part acknowledged, in a file, which outlives it.
fn acknowledged(file: &File) -> u64 {
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, 0).map_or(0, |()| u64::from_le_bytes(bytes))
}

#[test]
#[ignore = "a part of the next test"]
fn the_part_that_is_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let acks =
        File::options().read(true).write(true).open(Path::new(&directory).join("acks")).unwrap();
    let store = Store::open(&Path::new(&directory).join("store")).expect("it opens");
    for number in acknowledged(&acks) + 1.. {
        let mut record = Record::new();
        let changes = commit_of(number);
        for (keyspace, key, row) in &changes {
            let (keyspace, key) = (store.ids[*keyspace], &key.to_be_bytes()[..]);
            record.push(match row {
                Some(RowImage { value, expires_at }) => {
                    Change::Put { keyspace, key, value, expires_at: *expires_at }
                }
                None => Change::Delete { keyspace, key },
            });
        }
        let durability = if number % 50 == 0 { Durability::Synced } else { Durability::Buffered };
        store.committer.commit(record, durability, |_| Ok(())).expect("it commits");
        acks.write_all_at(&number.to_le_bytes(), 0).unwrap();
        if number % 997 == 0 {
            store.committer.settle_all().expect("it settles");
        }
    }
}

fn kill_after(directory: &Path, time: Duration) {
    let binary = std::env::current_exe().expect("this binary has a path");
    let name = "store::settled::tests::the_part_that_is_killed";
    let mut child = Command::new(binary)
        .args([name, "--exact", "--ignored", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    std::thread::sleep(time);
    assert!(child.try_wait().unwrap().is_none(), "it has ended by itself");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_kill_at_any_moment_leaves_all_acknowledged_commits_and_at_most_one_more_whole_one() {
    let directory = tempfile::tempdir().unwrap();
    let acks = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(directory.path().join("acks"))
        .unwrap();
    let (mut model, mut last) = (Model::new(), 0);
    // A busy machine gets more rounds, and longer ones.
    for round in 0.. {
        if round >= KILLS && last >= COMMITS {
            break;
        }
        assert!(round < 10 * KILLS, "only {last} commits");
        // The short ones end in the opening and the replay.
        let time = Duration::from_millis(20 + (round * 37) % 240 + round / KILLS * 200);
        kill_after(directory.path(), time);
        let store = Store::open(&directory.path().join("store")).expect("it opens");
        let acked = acknowledged(&acks);
        (last + 1..=acked).for_each(|number| apply(&mut model, number));
        let found = content(&store);
        last = acked;
        if found != model {
            // The one that was under way.
            last += 1;
            apply(&mut model, last);
            assert_eq!(found, model, "round {round}, {acked} acknowledged");
            acks.write_all_at(&last.to_le_bytes(), 0).unwrap();
        }
        if round % 4 == 0 {
            store.committer.settle_all().unwrap();
            assert_eq!(content(&store), model, "settled");
        }
        store.close().unwrap();
    }
}

fn content(store: &Store) -> Model {
    let mut found = Model::new();
    for keyspace in 0..2 {
        for key in 0..KEYS {
            let row = store.committer.get(store.ids[keyspace], &key.to_be_bytes()).unwrap().0;
            found.extend(row.map(|row| ((keyspace, key), row)));
        }
    }
    found
}
