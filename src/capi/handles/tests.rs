use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{mpsc, Barrier};
use std::thread;

use super::*;
use crate::capi::batch::{sledstore_batch, BatchObject};
use crate::capi::iterator::sledstore_iter;
use crate::capi::value::sledstore_value;
use crate::Bytes;

fn new_value(text: &[u8]) -> Token {
    let object = ValueObject(Bytes::from(text));
    let fresh = insert::<sledstore_value>(object).expect("there is room");
    let token = fresh.token();
    assert_eq!(Token::of(fresh.publish().cast_const()), Some(token));
    token
}

fn value_of(token: Token) -> Result<Guard<sledstore_value>, Fail> {
    find::<sledstore_value>(token)
}

fn free_value(token: Token) -> Result<(), Fail> {
    free(token, Kind::Value)
}

fn refusal<R>(result: Result<R, Fail>) -> Option<Status> {
    result.err().map(|fail| fail.status())
}

/// Whether the object of a handle that was freed is gone, too.
fn is_dropped(token: Token) -> bool {
    let slot = slots::get(token.index()).expect("it was a handle");
    slot.word.load(Ordering::Acquire) != token.in_state(PENDING)
}

/// Numbers without an order, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 ^ self.0 >> 29
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 16) as usize % limit
    }
}

#[test]
fn a_handle_gives_its_object_until_it_is_freed() {
    let token = new_value(b"text");
    assert_eq!(value_of(token).expect("it is live").0.as_ref(), b"text");
    assert!(free_value(token).is_ok());
    assert!(is_dropped(token));
    assert_eq!(refusal(value_of(token)), Some(Status::SLEDSTORE_CLOSED));
    assert_eq!(refusal(free_value(token)), Some(Status::SLEDSTORE_CLOSED));
}

#[test]
fn a_token_is_an_address_that_cannot_be_mapped() {
    let token = new_value(b"");
    assert_eq!(token.0 >> 62, 0b10);
    assert!(free_value(token).is_ok());
}

#[test]
fn a_handle_of_another_type_is_told_by_name() {
    let token = new_value(b"");
    let fail = find::<sledstore_iter>(token).err().expect("it is no iterator");
    assert_eq!(fail.status(), Status::SLEDSTORE_WRONG_HANDLE);
    assert!(format!("{fail:?}").contains("expected an iterator, got a value"));
    assert_eq!(refusal(free(token, Kind::Batch)), Some(Status::SLEDSTORE_WRONG_HANDLE));
    assert!(free_value(token).is_ok());
}

#[test]
fn a_slot_that_is_used_again_does_not_bring_the_old_handle_back() {
    let old = new_value(b"old");
    assert!(free_value(old).is_ok());
    let batch = insert::<sledstore_batch>(BatchObject::new());
    let batch = batch.expect("there is room");
    assert_eq!(batch.token().index(), old.index(), "the slot is used again");
    assert_eq!(refusal(value_of(old)), Some(Status::SLEDSTORE_CLOSED));
    assert!(find::<sledstore_batch>(batch.token()).is_ok());
    // The tag of a live handle cannot be changed into another one.
    let forged = Token::new(Kind::Value, generation_of(batch.token().0), old.index());
    assert_eq!(refusal(value_of(forged)), Some(Status::SLEDSTORE_WRONG_HANDLE));
}

#[test]
fn an_unpublished_handle_is_freed() {
    let fresh = insert::<sledstore_value>(ValueObject(Bytes::default())).expect("room");
    let token = fresh.token();
    drop(fresh);
    assert_eq!(refusal(value_of(token)), Some(Status::SLEDSTORE_CLOSED));
}

#[test]
fn numbers_that_were_never_handles_are_refused() {
    let live = new_value(b"");
    let (generation, index) = (generation_of(live.0), live.index());
    let mut numbers = Numbers(1);
    for round in 0..500_000 {
        let number = match round % 4 {
            0 => numbers.next(),
            1 => numbers.next() >> 16,
            2 => Token::new(Kind::Value, generation + 1 + round, index).0,
            _ => Token::new(Kind::Value, 0, index).0,
        };
        assert_eq!(refusal(value_of(Token(number))), Some(Status::SLEDSTORE_WRONG_HANDLE));
        assert_eq!(refusal(free_value(Token(number))), Some(Status::SLEDSTORE_WRONG_HANDLE));
    }
    assert!(free_value(live).is_ok());
}

#[test]
fn of_two_threads_that_free_a_handle_one_does_it() {
    for _ in 0..2_000 {
        let (token, barrier) = (new_value(b"once"), Barrier::new(2));
        let race = || {
            barrier.wait();
            refusal(free_value(token))
        };
        let (one, other) = thread::scope(|scope| {
            let other = scope.spawn(race);
            (race(), other.join().expect("no panic"))
        });
        let mut answers = [one, other];
        answers.sort_by_key(Option::is_some);
        assert_eq!(answers, [None, Some(Status::SLEDSTORE_CLOSED)]);
        assert!(is_dropped(token));
    }
}

#[test]
fn the_last_user_drops_what_was_freed_meanwhile() {
    let token = new_value(b"in use");
    let (using, is_using) = mpsc::channel();
    let (stop, stopped) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let user = scope.spawn(move || {
            let guard = value_of(token).expect("it is live");
            using.send(()).expect("the test waits");
            stopped.recv().expect("the test sends");
            guard.0.to_vec()
        });
        is_using.recv().expect("the user sends");
        assert!(free_value(token).is_ok());
        assert!(!is_dropped(token), "somebody is using it");
        assert_eq!(refusal(value_of(token)), Some(Status::SLEDSTORE_CLOSED));
        assert!(!is_dropped(token), "a look-up that failed is no last user");
        stop.send(()).expect("the user waits");
        assert_eq!(user.join().expect("no panic"), b"in use");
    });
    assert!(is_dropped(token));
}

#[test]
fn a_thread_cannot_free_what_it_is_using() {
    let token = new_value(b"");
    let guard = value_of(token).expect("it is live");
    assert_eq!(refusal(free_value(token)), Some(Status::SLEDSTORE_REENTRANT));
    drop(guard);
    assert!(free_value(token).is_ok());
}

#[test]
fn handles_can_be_used_inside_each_other_to_a_certain_depth_and_left_in_any_order() {
    let token = new_value(b"deep");
    let mut guards: Vec<_> =
        (0..hazard::ENTRIES).map(|_| value_of(token).expect("there is room")).collect();
    assert_eq!(refusal(value_of(token)), Some(Status::SLEDSTORE_REENTRANT));
    guards.swap_remove(3);
    guards.swap_remove(0);
    guards.push(value_of(token).expect("there is room again"));
    assert!(guards.iter().all(|guard| guard.0.as_ref() == b"deep"));
    drop(guards);
    assert!(free_value(token).is_ok());
    assert!(is_dropped(token));
}

#[test]
fn a_slot_is_retired_after_its_last_generation() {
    let first = new_value(b"");
    assert!(free_value(first).is_ok());
    // The thread's own reserve gives this slot out next: nobody else can have it.
    let word = Token::new(Kind::Value, LAST_GENERATION - 1, first.index()).in_state(FREE);
    slots::get(first.index()).expect("it exists").word.store(word, Ordering::Release);
    let last = new_value(b"last");
    assert_eq!((last.index(), generation_of(last.0)), (first.index(), LAST_GENERATION));
    assert!(free_value(last).is_ok());
    assert!(is_dropped(last));
    let others: Vec<Token> = (0..200).map(|_| new_value(b"other")).collect();
    assert!(others.iter().all(|other| other.index() != first.index()));
    assert_eq!(refusal(value_of(last)), Some(Status::SLEDSTORE_CLOSED));
    for other in others {
        assert!(free_value(other).is_ok());
    }
}

#[test]
fn a_suspended_handle_can_be_resumed_or_ended() {
    let token = new_value(b"back again");
    suspend(token);
    assert_eq!(refusal(value_of(token)), Some(Status::SLEDSTORE_CLOSED));
    assert_eq!(refusal(free_value(token)), Some(Status::SLEDSTORE_CLOSED));
    resume(token);
    assert_eq!(value_of(token).expect("it is live").0.as_ref(), b"back again");
    suspend(token);
    end_suspended(token);
    assert!(is_dropped(token));
    resume(token);
    end_suspended(token);
    assert_eq!(refusal(value_of(token)), Some(Status::SLEDSTORE_CLOSED));
}

#[test]
fn many_threads_use_replace_and_free_the_same_handles() {
    const PLACES: usize = 16;
    const ROUNDS: usize = 40_000;
    let places: Vec<AtomicU64> =
        (0..PLACES).map(|place| AtomicU64::new(new_value(&[place as u8; 64]).0)).collect();
    let work = |seed: u64| {
        let mut numbers = Numbers(seed);
        let mut seen = 0;
        for _ in 0..ROUNDS {
            let place = &places[numbers.below(PLACES)];
            let token = Token(place.load(Ordering::Acquire));
            if numbers.below(4) == 0 {
                let new = new_value(&[numbers.next() as u8; 64]);
                let old = Token(place.swap(new.0, Ordering::AcqRel));
                assert!(free_value(old).is_ok(), "whoever takes it out frees it");
                assert_eq!(refusal(free_value(old)), Some(Status::SLEDSTORE_CLOSED));
            } else if let Ok(guard) = value_of(token) {
                let first = guard.0[0];
                assert!(guard.0.len() == 64 && guard.0.iter().all(|byte| *byte == first));
                seen += 1;
            }
        }
        seen
    };
    let seen: usize = thread::scope(|scope| {
        let threads: Vec<_> = (1..=6).map(|seed| scope.spawn(move || work(seed))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    assert!(seen > ROUNDS, "most look-ups find something");
    for place in &places {
        let token = Token(place.load(Ordering::Acquire));
        assert!(free_value(token).is_ok());
        assert!(is_dropped(token));
    }
}

#[test]
fn one_handle_freed_under_many_users_is_dropped_once_they_left() {
    for round in 0..300_u32 {
        let token = new_value(&round.to_le_bytes());
        let (barrier, freed) = (Barrier::new(4), AtomicBool::new(false));
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    barrier.wait();
                    while let Ok(guard) = value_of(token) {
                        assert_eq!(guard.0.as_ref(), round.to_le_bytes());
                    }
                    assert!(freed.load(Ordering::SeqCst), "it is live until it is freed");
                });
            }
            barrier.wait();
            freed.store(true, Ordering::SeqCst);
            assert!(free_value(token).is_ok());
        });
        assert!(is_dropped(token), "the last of them dropped it");
    }
}

#[test]
fn threads_that_end_hand_their_records_on() {
    let token = new_value(b"");
    let records: std::collections::HashSet<usize> = (0..200)
        .map(|_| {
            let thread = thread::spawn(move || {
                assert!(value_of(token).is_ok());
                ThreadRecord::current().identity()
            });
            thread.join().expect("no panic")
        })
        .collect();
    assert!(records.len() < 100, "200 threads used {} records", records.len());
    assert!(free_value(token).is_ok());
}
