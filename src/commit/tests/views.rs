//! Views and plain reads see a prefix of the commits.

use super::*;
use crate::commit::filter::{Filter, KeyHash};

#[test]
fn views_and_plain_reads_agree_with_a_model_over_commits_checkpoints_and_openings() {
    for seed in 1..12 {
        let directory = tempfile::tempdir().unwrap();
        let map = Map::default();
        let mut fixture = Fixture::open(&map, options(directory.path(), 70_000)).unwrap();
        let (mut dice, mut model) = (Dice(seed * 0x9E37_79B9), Model::new());
        let mut views: Vec<(View<Map>, Model)> = Vec::new();
        for _ in 0..1500 {
            match dice.roll(40) {
                0 => views.push((fixture.committer.view(), model.clone())),
                1 if !views.is_empty() => {
                    let (view, then) = views.remove(dice.roll(views.len() as u64) as usize);
                    agrees(&fixture, &view, &then);
                }
                2 => fixture.committer.settle_all().unwrap(),
                3 if dice.roll(8) == 0 => {
                    views.clear();
                    match dice.roll(2) {
                        0 => fixture.close().unwrap(),
                        _ => fixture.kill(),
                    }
                    fixture = Fixture::open(&map, options(directory.path(), 70_000)).unwrap();
                    agrees(&fixture, &fixture.committer.view(), &model);
                }
                _ => {
                    let mut record = Record::new();
                    for _ in 0..dice.roll(6) + 1 {
                        let (keyspace, key) = (dice.roll(2) as KeyspaceId, dice.roll(40) as u8);
                        if dice.roll(12) == 0 {
                            let upper = (dice.roll(4) > 0).then(|| vec![key + dice.roll(9) as u8]);
                            let (lower, upper) = (&[key][..], upper.as_deref());
                            record.push(Change::DeleteRange { keyspace, lower, upper });
                            model.retain(|(of, key), _| {
                                *of != keyspace
                                    || key[..] < *lower
                                    || upper.is_some_and(|upper| key[..] >= *upper)
                            });
                        } else if dice.roll(4) == 0 {
                            record.push(Change::Delete { keyspace, key: &[key] });
                            model.remove(&(keyspace, vec![key]));
                        } else {
                            let value = vec![dice.roll(256) as u8; dice.roll(700) as usize];
                            let (key, value) = (&[key][..], &value[..]);
                            record.push(Change::Put { keyspace, key, value, expires_at: None });
                            model.insert((keyspace, key.to_vec()), value.to_vec());
                        }
                    }
                    fixture.committer.commit(record, Durability::Buffered, |_| Ok(())).unwrap();
                }
            }
            let key = (dice.roll(2) as KeyspaceId, vec![dice.roll(40) as u8]);
            assert_eq!(fixture.get(key.0, &key.1).map(Vec::from), model.get(&key).cloned());
        }
        views.iter().for_each(|(view, then)| agrees(&fixture, view, then));
        drop(views);
        fixture.committer.sweep_views();
        assert_eq!((fixture.committer.view_bytes(), fixture.committer.view_count()), (0, 0));
        fixture.close().unwrap();
        assert!(log::file::numbers(directory.path()).unwrap().is_empty(), "the log is gone");
        let settled: Model = map
            .rows
            .lock()
            .unwrap()
            .iter()
            .map(|(key, row)| (key.clone(), row.value.to_vec()))
            .collect();
        assert_eq!(settled, model);
    }
}

/// Each writer keeps two keys, one in each keyspace, equal; readers never see them differ, nor go back.
#[test]
fn readers_see_whole_commits_and_never_an_older_one_while_checkpoints_run() {
    let directory = tempfile::tempdir().unwrap();
    let map = Map::default();
    let fixture = Fixture::open(&map, options(directory.path(), 70_000)).unwrap();
    let done = AtomicBool::new(false);
    let newest = [AtomicU64::new(0), AtomicU64::new(0)];
    std::thread::scope(|scope| {
        let (fixture, done, newest) = (&fixture, &done, &newest);
        for key in 0..2u8 {
            scope.spawn(move || {
                for number in 1..20_000u64 {
                    let mut record = Record::new();
                    let value = number.to_be_bytes();
                    for keyspace in 0..2 {
                        let (key, value) = (&[key][..], &value[..]);
                        record.push(Change::Put { keyspace, key, value, expires_at: None });
                    }
                    fixture.committer.commit(record, Durability::Buffered, |_| Ok(())).unwrap();
                    newest[key as usize].store(number, Ordering::SeqCst);
                }
                done.store(true, Ordering::SeqCst);
            });
        }
        for reader in 0..2u8 {
            scope.spawn(move || {
                let number = |row: Option<Bytes>| {
                    row.map_or(0, |row| u64::from_be_bytes(row[..].try_into().unwrap()))
                };
                while !done.load(Ordering::SeqCst) {
                    let before = newest[reader as usize].load(Ordering::SeqCst);
                    let view = fixture.committer.view();
                    let [one, two] = [0, 1].map(|keyspace| {
                        number(view.get(keyspace, &[reader]).unwrap().map(|row| row.value))
                    });
                    assert!(one == two && one >= before, "{before} {one} {two}");
                    // A later plain read is never older than an earlier one, in any keyspace.
                    let first = number(fixture.get(0, &[reader]));
                    let second = number(fixture.get(1, &[reader]));
                    assert!(one <= first && first <= second, "{one} {first} {second}");
                    let again = number(view.get(0, &[reader]).unwrap().map(|row| row.value));
                    assert_eq!(again, one);
                }
            });
        }
    });
    fixture.close().unwrap();
}

#[test]
fn views_that_pin_too_much_end_the_oldest_first_and_writers_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { view_memory: 100_000, ..options(directory.path(), 70_000) };
    let fixture = Fixture::open(&Map::default(), options).unwrap();
    let old = fixture.committer.view();
    for number in 0..400u32 {
        fixture.put(0, &number.to_be_bytes(), &[1; 900]).unwrap();
    }
    fixture.committer.settle_all().unwrap();
    assert!(matches!(old.get(0, b"key"), Err(StoreError::CapacityExceeded)));
    assert!(fixture.committer.view_bytes() <= 100_000);
    let new = fixture.committer.view();
    assert!(new.get(0, &1u32.to_be_bytes()).unwrap().is_some());
    drop((old, new));
    fixture.close().unwrap();
}

#[test]
fn a_filter_knows_all_its_keys_and_few_others() {
    let filter = Filter::new(32 << 20);
    let hash = |number: u64| KeyHash::of(1, &number.to_be_bytes());
    (0..150_000).for_each(|number| filter.insert(hash(number)));
    assert!((0..150_000).all(|number| filter.may_have(hash(number))));
    let wrong = (150_000..250_000).filter(|number| filter.may_have(hash(*number))).count();
    assert!(wrong < 5_000, "{wrong} of 100,000");
}
