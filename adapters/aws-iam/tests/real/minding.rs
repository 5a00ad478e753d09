//! Keys that are not ours, and keys that are in use.

use std::time::Duration;

use turquoise_aws_iam::{IamConfig, IamProvider};
use turquoise_moto::Loss;
use turquoise_runtime::core::{Color, Generation, Mint, Policy, StepKind};
use turquoise_runtime::port::{Contract, Credential, Handle, Minted, Provider, Reply};

use crate::support::{Bench, EMULATOR, policy_of_tests};

fn mint(number: u32) -> Mint {
    Mint { generation: Generation { incarnation: 7, number }, slot: Color::Blue }
}

async fn adopted(provider: &IamProvider) -> Credential {
    let Reply::Applied(Minted { secret, handle, .. }) = provider.login(mint(1)).await else { panic!("no key was adopted") };
    Credential { mint: mint(1), handle, secret }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_key_is_named_and_left_alone() {
    let bench = Bench::new();
    let foreign = EMULATOR.make_key(&bench.user).unwrap();
    let running = bench.start().await;
    let steps = running.rotate().await;
    assert!(steps.contains(&StepKind::IssueRefused), "{steps:?}");
    let words = running.identity.status().reason.unwrap().0;
    assert!(words.contains(&foreign.id) && words.contains("not ours"), "{words}");
    assert!(bench.keys().contains(&foreign.id) && bench.changes().is_empty(), "{:?}", bench.changes());
    EMULATOR.delete_key(&bench.user, &foreign.id).unwrap();
    running.rotate().await;
    assert_eq!(bench.keys(), [running.serving()]);
    running.identity.stop().await;
}

/// What is said of a mint that was lost, once it is certain.
async fn found(bench: &Bench, provider: &IamProvider, lost: u32) -> Option<Handle> {
    let witness = adopted(provider).await;
    tokio::time::sleep(bench.config().late).await;
    match provider.discover(mint(lost).generation, &witness).await {
        Reply::Applied(found) => found,
        _ => panic!("it was not looked for"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_key_is_never_taken_for_a_lost_one() {
    let bench = Bench::new();
    let provider = bench.provider();
    let witness = adopted(&provider).await;
    // The mint was marked, and its request never came: then somebody made a key.
    bench.fault("CreateAccessKey", Loss::Request, 1);
    assert!(matches!(provider.issue(&witness, mint(2), Contract::FOREVER).await, Reply::Unknown(_)));
    let foreign = EMULATOR.make_key(&bench.user).unwrap();
    EMULATOR.use_key(&foreign.id).unwrap();
    let named = found(&bench, &provider, 2).await.unwrap();
    assert_ne!(named.0, foreign.id, "it was used, so it is nobody's lost key");
    assert!(matches!(provider.revoke_named(&named, &witness).await, Reply::Applied(())));
    assert!(bench.keys().contains(&foreign.id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_another_mint_is_not_the_one_that_was_lost() {
    let bench = Bench::new();
    let provider = bench.provider();
    let witness = adopted(&provider).await;
    assert!(matches!(provider.issue(&witness, mint(2), Contract::FOREVER).await, Reply::Applied(_)));
    let [_, second] = bench.keys().try_into().unwrap();
    assert_ne!(found(&bench, &provider, 3).await.unwrap().0, second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_in_use_is_not_ended_by_its_name() {
    let bench = Bench::new();
    let provider = bench.provider();
    let witness = adopted(&provider).await;
    assert!(matches!(provider.revoke_named(&witness.handle, &witness).await, Reply::Refused(_)));
    assert_eq!(bench.keys(), [bench.first.id.as_str()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_still_used_is_not_ended_until_it_is_no_more_unless_it_is_compromised() {
    for compromised in [false, true] {
        let bench = Bench::new();
        let config = IamConfig { spare: Duration::from_secs(5), ..bench.config() };
        let policy = Policy { tries_before_debt: 2, ..policy_of_tests() };
        let running = bench.start_with(IamProvider::new(config).unwrap(), policy).await;
        running.reach(StepKind::ShortenIntent, async |identity| identity.rotate().await.unwrap()).await;
        let retiring = running.identity.status().second.unwrap().generation;
        EMULATOR.use_key(&bench.first.id).unwrap();
        if compromised {
            running.reach(StepKind::Died, async |identity| identity.compromise(retiring).await.unwrap()).await;
            assert!(!bench.keys().contains(&bench.first.id), "others know it: it is not spared");
        } else {
            running.reach(StepKind::Owed, async |_| {}).await;
            let words = running.identity.status().reason.unwrap().0;
            assert!(bench.keys().contains(&bench.first.id), "it is spared");
            assert!(words.contains("still used, by s3"), "{words}");
            running.reach(StepKind::Died, async |_| {}).await;
            assert_eq!(bench.keys(), [running.serving()]);
        }
        running.identity.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_we_use_a_key_ourselves_keeps_nobody_from_ending_it() {
    let bench = Bench::new();
    let config = IamConfig { spare: Duration::from_mins(1), ..bench.config() };
    let running = bench.start_with(IamProvider::new(config).unwrap(), policy_of_tests()).await;
    let steps = running.rotate().await;
    assert!(steps.contains(&StepKind::Died) && !steps.contains(&StepKind::Owed), "{steps:?}");
    assert_eq!(bench.keys(), [running.serving()]);
    running.identity.stop().await;
}
