//! Whole rotations, by the driver that ships.

use std::fs;
use std::time::Duration;

use turquoise_moto::KeyState;
use turquoise_runtime::core::{PhaseKind, Policy, StepKind};

use turquoise_aws_iam::{IamConfig, IamProvider};

use crate::support::{Bench, EMULATOR, policy_of_tests};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_leaves_one_new_key_and_asks_for_nothing_more_than_it_must() {
    let bench = Bench::new();
    let running = bench.start().await;
    assert_eq!(running.serving(), bench.first.id, "the key that was handed over serves");
    let steps = running.rotate().await;
    assert!(steps.contains(&StepKind::Promoted) && steps.contains(&StepKind::Died), "{steps:?}");
    let serving = running.serving();
    assert_ne!(serving, bench.first.id);
    assert_eq!(bench.keys(), [serving.as_str()]);
    assert_eq!(bench.changes(), ["TagUser", "CreateAccessKey", "DeleteAccessKey"]);
    let published = fs::read_to_string(bench.published()).unwrap();
    assert!(published.starts_with(&format!("[default]\naws_access_key_id = {serving}\naws_secret_access_key = ")), "not so");
    running.identity.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_key_serves_only_when_it_was_accepted_all_through_its_propagation() {
    let bench = Bench::new();
    let running = bench.start().await;
    let before = EMULATOR.calls(&bench.user).unwrap().len();
    let began = std::time::Instant::now();
    running.reach(StepKind::Promoted, async |identity| identity.rotate().await.unwrap()).await;
    assert!(began.elapsed() >= crate::support::DECLARED, "{:?}", began.elapsed());
    let calls = EMULATOR.calls(&bench.user).unwrap();
    let probes = calls[before..].iter().filter(|call| *call == "GetCallerIdentity").count();
    assert!(probes > usize::from(policy_of_tests().probes), "the first ones are refused, and forgiven: {probes}");
    running.identity.stop().await;
}

fn switching_off(bench: &Bench) -> (IamProvider, Policy) {
    let config = IamConfig { switched_off: Duration::from_secs(5), ..bench.config() };
    (IamProvider::new(config).unwrap(), Policy { grace: Duration::from_millis(5_300), ..policy_of_tests() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retiring_key_is_switched_off_late_in_its_grace_and_a_rollback_switches_it_on_again() {
    let bench = Bench::new();
    let (provider, policy) = switching_off(&bench);
    let running = bench.start_with(provider, policy).await;
    running.reach(StepKind::ShortenIntent, async |identity| identity.rotate().await.unwrap()).await;
    let first = || EMULATOR.keys(&bench.user).unwrap().into_iter().find(|key| key.id == bench.first.id);
    assert_eq!(first(), Some(KeyState { id: bench.first.id.clone(), active: true }), "work may use it in its grace");
    while first().is_some_and(|key| key.active) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(running.identity.status().phase, PhaseKind::Draining, "it is off, and there");
    running.reach(StepKind::RolledBack, async |identity| identity.rollback().await.unwrap()).await;
    assert_eq!(first(), Some(KeyState { id: bench.first.id.clone(), active: true }));
    assert_eq!(running.serving(), bench.first.id);
    running.identity.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_switched_off_is_ended_by_the_one_that_serves() {
    let bench = Bench::new();
    let config = IamConfig { switched_off: Duration::from_millis(800), ..bench.config() };
    let policy = Policy { grace: Duration::from_secs(1), ..policy_of_tests() };
    let running = bench.start_with(IamProvider::new(config).unwrap(), policy).await;
    running.rotate().await;
    assert_eq!(bench.changes(), ["TagUser", "CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey"]);
    assert_eq!(bench.keys(), [running.serving()]);
    running.identity.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successor_goes_on_with_the_key_that_was_kept() {
    let bench = Bench::new();
    let running = bench.start().await;
    running.rotate().await;
    let serving = running.serving();
    running.identity.stop().await;
    let running = bench.start().await;
    assert_eq!(running.serving(), serving);
    running.rotate().await;
    assert_eq!(bench.keys(), [running.serving()]);
    running.identity.stop().await;
}
