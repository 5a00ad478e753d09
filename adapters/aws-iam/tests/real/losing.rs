//! Requests and replies that get lost, throttled requests, and processes that die.

use std::time::{Duration, Instant};

use turquoise_moto::Loss;
use turquoise_runtime::core::StepKind;

use crate::support::{Bench, EMULATOR};

/// After whatever befell it, the next rotation is as any other.
async fn next_rotation_is_good(bench: &Bench, running: &crate::support::Running) {
    let steps = running.rotate().await;
    assert!(steps.contains(&StepKind::Promoted), "{steps:?}");
    assert_eq!(bench.keys(), [running.serving()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_whose_making_was_not_answered_is_found_and_deleted_and_never_the_one_in_use() {
    let bench = Bench::new();
    let running = bench.start().await;
    bench.fault("CreateAccessKey", Loss::Reply, 1);
    let steps = running.rotate().await;
    assert!(steps.contains(&StepKind::AbandonIntent) && steps.contains(&StepKind::Died), "{steps:?}");
    assert_eq!(bench.keys(), [bench.first.id.as_str()]);
    assert_eq!(running.serving(), bench.first.id);
    next_rotation_is_good(&bench, &running).await;
    running.identity.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_was_never_made_is_given_up_when_no_request_can_make_it_any_more() {
    let bench = Bench::new();
    let running = bench.start().await;
    bench.fault("CreateAccessKey", Loss::Request, 1);
    let began = Instant::now();
    let steps = running.rotate().await;
    assert!(steps.contains(&StepKind::Died), "{steps:?}");
    assert!(began.elapsed() >= bench.config().late, "it might still have come: {:?}", began.elapsed());
    assert_eq!(bench.keys(), [bench.first.id.as_str()]);
    next_rotation_is_good(&bench, &running).await;
    running.identity.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_died_over_a_mint_leaves_a_key_that_its_successor_ends() {
    let bench = Bench::new();
    let running = bench.start().await;
    bench.fault("CreateAccessKey", Loss::Reply, 1);
    running.reach(StepKind::AbandonIntent, async |identity| identity.rotate().await.unwrap()).await;
    running.identity.stop().await;
    let running = bench.start().await;
    while bench.keys().len() > 1 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(bench.keys(), [bench.first.id.as_str()]);
    running.identity.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_replies_and_throttled_requests_of_every_kind_only_take_time() {
    let bench = Bench::new();
    let running = bench.start().await;
    for action in ["GetCallerIdentity", "ListAccessKeys", "DeleteAccessKey"] {
        bench.fault(action, Loss::Throttled, 1);
        bench.fault(action, Loss::Reply, 1);
        bench.fault(action, Loss::Request, 1);
    }
    // Some of them end an attempt: the next one is asked for.
    let mut rotations = 0;
    while running.serving() == bench.first.id {
        rotations += 1;
        assert!(rotations < 8, "no rotation is good: {:?}", running.identity.status());
        running.rotate().await;
    }
    assert_eq!(bench.keys(), [running.serving()]);
    running.identity.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_key_counts_as_dead_only_when_it_is_refused() {
    let bench = Bench::new();
    let running = bench.start().await;
    running.rotate().await;
    let calls = EMULATOR.calls(&bench.user).unwrap();
    let deleted = calls.iter().rposition(|call| call == "DeleteAccessKey").unwrap();
    let looked = calls[deleted..].iter().filter(|call| *call == "ListAccessKeys").count();
    assert!(looked > 1, "it was honoured for a while, and looked at again: {calls:?}");
    running.identity.stop().await;
}
