//! The lock-free part of the handle in every order in which its threads can run: the very files of the library, compiled
//! over loom. They are not the library with `--cfg loom`, because tokio, on which the rest depends, does not compile so; and
//! this way every `cargo test` compiles and runs them.

#![expect(unreachable_pub, reason = "in the library it is public")]
#![expect(dead_code, reason = "what only the driver asks for is tested with the driver")]

mod sync;

#[path = "../../src/board.rs"]
mod board;
#[path = "../../src/inbox.rs"]
mod inbox;
#[path = "../../src/post.rs"]
mod post;

use std::sync::Arc;
use std::time::Duration;

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use turquoise_core::{Color, Generation, Mint, Verdict};
use turquoise_runtime::port;

use crate::board::{Board, Side, Tried};
use crate::inbox::{Inbox, Note};
use crate::port::{Credential, Handle};
use crate::post::{Lane, NotReady};
use crate::sync::{Sown, Strong, on_lane, sow};

fn credential(number: u32) -> Arc<Credential> {
    let mint = Mint { generation: Generation { incarnation: 1, number }, slot: Color::Blue };
    Arc::new(Credential { mint, handle: Handle(number.to_string()), secret: "x".into() })
}

fn generation(lane: &Lane) -> Generation {
    lane.slot.credential.mint.generation
}

/// In every order, or, where those are too many, in every order in which a thread is interrupted at most so many times where
/// it would not wait by itself.
fn check(interruptions: Option<usize>, test: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = interruptions;
    model.check(test);
}

/// Work that takes twice: the second time it remembers the first posting, if that still stands.
fn idleness_is_final() {
    let (old, new) = (credential(1), credential(2));
    let gone = old.mint.generation;
    let board = Arc::new(Board::new());
    board.serve(&old, None);
    let told = Arc::new(AtomicBool::new(false));
    let work = thread::spawn({
        let (board, told) = (Arc::clone(&board), Arc::clone(&told));
        move || {
            for _ in 0..2 {
                let was_told = told.load(Ordering::Acquire);
                let slot = board.take().expect("something serves at every time");
                if generation(&slot) == gone {
                    assert!(!was_told, "taken after it was told idle");
                    assert!(!board.is_idle(gone), "told idle while it is held");
                }
            }
        }
    });
    board.serve(&new, None);
    if board.is_idle(gone) {
        told.store(true, Ordering::Release);
    }
    work.join().expect("the work ends");
    assert!(board.is_idle(gone), "an idleness was lost");
    assert_eq!(board.bell.rung(), 1, "told once");
    assert_eq!(generation(&board.take().expect("the new one serves")), new.mint.generation);
}

/// Other work keeps the old one, and its lane, alive, so that only the second look can refuse it.
fn the_old_one_is_not_taken_after_the_switch() {
    let (old, new) = (credential(1), credential(2));
    let gone = old.mint.generation;
    let board = Arc::new(Board::new());
    board.serve(&old, None);
    let held = board.take().expect("it serves");
    let work = thread::spawn({
        let board = Arc::clone(&board);
        move || board.take().expect("something serves at every time")
    });
    board.serve(&new, None);
    let counted = board.held(gone) - 1;
    let taken = work.join().expect("the work ends");
    assert!(generation(&taken) != gone || counted == 1, "given out after its switch was over");
    drop(held);
    assert_eq!(board.is_idle(gone), generation(&taken) != gone);
    drop(taken);
    assert!(board.is_idle(gone));
    assert_eq!(board.bell.rung(), 1, "told once");
}

/// One sees the new one; from then on nobody is given the old one.
fn the_new_one_is_not_given_out_before_its_switch() {
    let (old, new) = (credential(1), credential(2));
    let board = Arc::new(Board::new());
    board.serve(&old, None);
    let seen = Arc::new(AtomicBool::new(false));
    let work = |tells: bool| {
        let (board, seen, new) = (Arc::clone(&board), Arc::clone(&seen), new.mint.generation);
        thread::spawn(move || {
            on_lane(usize::from(tells));
            let first = generation(&board.take().expect("something serves at every time"));
            if tells {
                seen.store(first == new, Ordering::Release);
            } else if seen.load(Ordering::Acquire) {
                let second = board.take().expect("something serves at every time");
                assert_eq!(generation(&second), new, "the old one after the new one");
            }
        })
    };
    let (one, other) = (work(true), work(false));
    board.serve(&new, None);
    one.join().expect("the work ends");
    other.join().expect("the work ends");
}

fn what_was_done_with_it_was_done_before_it_is_idle() {
    let (old, new) = (credential(1), credential(2));
    let board = Arc::new(Board::new());
    board.serve(&old, None);
    let first = board.take().expect("it serves");
    let second = thread::spawn({
        let board = Arc::clone(&board);
        move || {
            on_lane(1);
            board.take().expect("it serves")
        }
    });
    let second = second.join().expect("the work ends");
    let done = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
    let work = |lane, place: usize| {
        let done = Arc::clone(&done);
        thread::spawn(move || {
            done[place].store(true, Ordering::Relaxed);
            drop::<Strong<Lane>>(lane);
        })
    };
    let (one, other) = (work(first, 0), work(second, 1));
    board.serve(&new, None);
    if board.is_idle(old.mint.generation) {
        assert!(done.iter().all(|done| done.load(Ordering::Relaxed)), "idle before its work was done");
    }
    one.join().expect("the work ends");
    other.join().expect("the work ends");
}

fn what_serves_again_is_the_same_slot() {
    let (old, new) = (credential(1), credential(2));
    let board = Arc::new(Board::new());
    board.serve(&old, None);
    let held = board.take().expect("it serves");
    let work = thread::spawn({
        let board = Arc::clone(&board);
        move || {
            on_lane(1);
            drop(board.take().expect("something serves at every time"));
        }
    });
    board.serve(&new, None);
    board.serve(&old, None);
    let again = board.take().expect("it serves again");
    assert!(Strong::ptr_eq(&held.slot, &again.slot), "work from before counts on");
    work.join().expect("the work ends");
    assert_eq!(board.held(old.mint.generation), 2);
    assert!(board.is_idle(new.mint.generation));
    assert_eq!(board.bell.rung(), 1, "only the new one ended");
}

/// The last work of the old one ends just when it is to serve again.
fn a_rollback_meets_the_last_drop() {
    let (old, new) = (credential(1), credential(2));
    let board = Arc::new(Board::new());
    board.serve(&old, None);
    let held = board.take().expect("it serves");
    let end = Arc::clone(&held.slot.end);
    board.serve(&new, None);
    let work = thread::spawn(move || drop(held));
    board.serve(&old, None);
    let again = board.take().expect("it serves again");
    assert_eq!(generation(&again), old.mint.generation);
    work.join().expect("the work ends");
    let is_same = Arc::ptr_eq(&end, &again.slot.end);
    assert_eq!(end.has_come(), !is_same, "what serves has not ended, and what ended does not serve");
    assert_eq!(board.held(old.mint.generation), 1);
    board.withdraw(NotReady::Closing);
    assert!(!board.is_idle(old.mint.generation));
    assert_eq!(board.held(old.mint.generation), 1);
    drop(again);
    assert!(board.is_idle(old.mint.generation) && board.is_idle(new.mint.generation));
    assert_eq!(board.bell.rung(), if is_same { 2 } else { 3 }, "each end once");
}

fn a_promoted_candidate_is_the_same_slot() {
    let (old, new) = (credential(1), credential(2));
    let board = Arc::new(Board::new());
    board.serve(&old, Some((&new, 10_000)));
    let (held, _) = board.take_in_trial().expect("it is tried");
    let work = thread::spawn({
        let board = Arc::clone(&board);
        move || board.take_in_trial().expect("something serves at every time")
    });
    board.serve(&new, None);
    assert!(Strong::ptr_eq(&held.slot, &board.take().expect("it serves").slot), "work of the trial counts on");
    let (taken, tried) = work.join().expect("the work ends");
    let is_candidate = tried.is_some_and(|tried| tried.side == Side::Candidate);
    assert!(!is_candidate || Strong::ptr_eq(&held.slot, &taken.slot));
    let others = usize::from(Strong::ptr_eq(&held.slot, &taken.slot));
    assert_eq!(board.held(new.mint.generation), 1 + others);
    assert_eq!(board.is_idle(old.mint.generation), others == 1);
    drop(taken);
    assert!(board.is_idle(old.mint.generation));
    assert_eq!(board.bell.rung(), 1, "the new one has not ended");
}

fn a_candidate_whose_trial_is_over_is_not_taken_any_more() {
    let (old, new) = (credential(1), credential(2));
    let gone = new.mint.generation;
    let board = Arc::new(Board::new());
    board.serve(&old, Some((&new, 10_000)));
    let told = Arc::new(AtomicBool::new(false));
    let work = thread::spawn({
        let (board, told) = (Arc::clone(&board), Arc::clone(&told));
        move || {
            let was_told = told.load(Ordering::Acquire);
            let (slot, _) = board.take_in_trial().expect("something serves at every time");
            assert!(generation(&slot) != gone || !(was_told || board.is_idle(gone)), "taken after it was told idle");
        }
    });
    board.serve(&old, None);
    if board.is_idle(gone) {
        told.store(true, Ordering::Release);
    }
    work.join().expect("the work ends");
    assert!(board.is_idle(gone), "an idleness was lost");
    assert_eq!(board.bell.rung(), 1, "told once");
}

fn nothing_is_taken_after_the_end() {
    let only = credential(1);
    let board = Arc::new(Board::new());
    board.serve(&only, None);
    let over = Arc::new(AtomicBool::new(false));
    let work = thread::spawn({
        let (board, over) = (Arc::clone(&board), Arc::clone(&over));
        move || {
            let first = board.take();
            let was_over = over.load(Ordering::Acquire);
            let second = board.take();
            assert!(!was_over || second.as_ref().err() == Some(&NotReady::Stopped), "taken after the end");
            assert!(first.is_ok() || second.is_err(), "there is no return");
        }
    });
    board.withdraw(NotReady::Stopped);
    over.store(true, Ordering::Release);
    work.join().expect("the work ends");
    assert!(board.is_idle(only.mint.generation));
    assert_eq!((board.bell.rung(), board.take().err()), (1, Some(NotReady::Stopped)));
}

fn a_report_arrives_or_is_counted_as_lost() {
    let inbox = Arc::new(Inbox::new());
    let report = |trial| Note {
        tried: Tried { trial, side: Side::Candidate },
        verdict: Verdict::Served { took: Duration::from_micros(7) },
    };
    let work = thread::spawn({
        let inbox = Arc::clone(&inbox);
        move || inbox.put(report(1))
    });
    inbox.put(report(2));
    inbox.put(report(3));
    let mut arrived: Vec<_> = inbox.take().into_iter().collect();
    work.join().expect("the work ends");
    arrived.extend(std::iter::from_fn(|| inbox.take()));
    assert!(arrived.iter().all(|note| *note == report(note.tried.trial)), "a report is torn");
    assert_eq!(arrived.len() as u64 + inbox.lost(), 3);
    assert_eq!(inbox.take(), None);
}

/// Each test, as it must hold.
mod holds {
    macro_rules! holds {
        ($interruptions:expr, $($test:ident),*) => { $(
            #[test]
            fn $test() {
                super::check($interruptions, super::$test);
            }
        )* };
    }
    holds![
        None,
        idleness_is_final,
        the_old_one_is_not_taken_after_the_switch,
        what_was_done_with_it_was_done_before_it_is_idle,
        what_serves_again_is_the_same_slot,
        a_rollback_meets_the_last_drop,
        a_candidate_whose_trial_is_over_is_not_taken_any_more,
        nothing_is_taken_after_the_end,
        a_report_arrives_or_is_counted_as_lost
    ];
    holds![Some(4), the_new_one_is_not_given_out_before_its_switch, a_promoted_candidate_is_the_same_slot];
}

/// Bugs sown on purpose: each is noticed, or the test that must notice it says nothing.
mod notices {
    macro_rules! notices {
        ($($sown:ident as $name:ident: $test:ident, $words:literal);* $(;)?) => { $(
            #[test]
            #[should_panic(expected = $words)]
            fn $name() {
                super::sow(super::Sown::$sown);
                super::check(None, super::$test);
            }
        )* };
    }
    notices![
        NoSecondLook as no_second_look: the_old_one_is_not_taken_after_the_switch, "given out after its switch was over";
        ServesAnew as a_rollback_to_a_new_slot: what_serves_again_is_the_same_slot, "work from before counts on";
        ServesAnew as a_promotion_to_a_new_slot: a_promoted_candidate_is_the_same_slot, "work of the trial counts on";
        ToldAtOnce as idleness_told_at_the_switch: idleness_is_final, "told once";
        WritesOver as a_report_written_over_another: a_report_arrives_or_is_counted_as_lost, "left == right";
    ];
}
