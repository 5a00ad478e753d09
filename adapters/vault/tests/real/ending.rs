use std::sync::Arc;
use std::time::Duration;

use turquoise_runtime::core::Privileges;
use turquoise_runtime::memory::Secret;
use turquoise_runtime::port::{Credential, Handle, Observed, Provider};
use turquoise_vault::policy;

use crate::support::{Bench, MINUTE, applied, credential, mint, refused, start, unavailable, unknown};

#[tokio::test]
async fn a_living_token_is_observed_alive() {
    let bench = Bench::new("end-alive");
    let blue = bench.blue();
    let green = bench.green(&blue).await;
    let Observed::Alive(left) = applied(bench.provider().observe(&blue, &green).await) else { panic!("seen dead") };
    assert!(left > 59 * MINUTE);
}

#[tokio::test]
async fn a_dead_token_is_observed_dead_by_its_successor() {
    let bench = Bench::new("end-dead");
    let blue = bench.blue();
    let green = bench.green(&blue).await;
    applied(bench.provider().revoke(&blue).await);
    assert_eq!(applied(bench.provider().observe(&blue, &green).await), Observed::Dead);
}

/// Here an index from a write goes with the look; in the other test a fresh provider asks the node whether it leads.
#[tokio::test]
async fn the_provider_that_wrote_observes_the_death_too() {
    let bench = Bench::new("end-index");
    let provider = bench.provider();
    let (blue, green) = (bench.blue(), bench.blue());
    applied(provider.revoke(&blue).await);
    assert_eq!(applied(provider.observe(&blue, &green).await), Observed::Dead);
}

#[tokio::test]
async fn a_token_that_expired_is_observed_dead() {
    let bench = Bench::new("end-expired");
    let (blue, green) = (bench.blue(), bench.blue());
    applied(bench.provider().set_life(&blue, Duration::from_secs(1)).await);
    let deadline = tokio::time::Instant::now() + MINUTE;
    while applied(bench.provider().observe(&blue, &green).await) != Observed::Dead {
        assert!(tokio::time::Instant::now() < deadline, "it does not expire");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn ending_a_dead_token_is_unknown_as_its_403_is_no_proof() {
    let bench = Bench::new("end-twice");
    let blue = bench.blue();
    applied(bench.provider().revoke(&blue).await);
    unknown(bench.provider().revoke(&blue).await, "no proof of death");
}

#[tokio::test]
async fn a_dead_witness_proves_nothing() {
    let bench = Bench::new("end-witness");
    let (blue, green) = (bench.blue(), bench.blue());
    applied(bench.provider().revoke(&green).await);
    refused(bench.provider().observe(&blue, &green).await, "403 Forbidden: permission denied");
}

/// The server would look up the caller instead, and find it alive.
#[tokio::test]
async fn an_empty_token_is_never_looked_up() {
    let bench = Bench::new("end-empty");
    let nothing = Credential { mint: mint(1), handle: Handle(String::new()), secret: Secret::from("") };
    refused(bench.provider().observe(&nothing, &bench.blue()).await, "the token is empty");
}

#[tokio::test]
async fn what_only_a_name_is_left_of_is_ended_with_the_accessor_privileges() {
    let bench = Bench::new("end-named");
    let rules = policy(&bench.role, &[], Privileges::Accessor).to_string();
    bench.server.write_policy("end-named", &rules).unwrap();
    let provider = bench.provider();
    let (blue, lost) = (bench.blue(), bench.blue().handle);
    let Observed::Alive(left) = applied(provider.observe_named(&lost, &blue).await) else { panic!("seen dead") };
    assert!(left > 59 * MINUTE);
    applied(provider.revoke_named(&lost, &blue).await);
    assert_eq!(applied(provider.observe_named(&lost, &blue).await), Observed::Dead);
    applied(provider.revoke_named(&lost, &blue).await);
    assert_eq!(bench.alive(), 1);
}

#[tokio::test]
async fn a_token_whose_mint_was_not_answered_is_found() {
    let bench = Bench::new("end-found");
    let rules = policy(&bench.role, &[], Privileges::Accessor).to_string();
    let provider = bench.provider();
    let blue = bench.blue();
    refused(provider.discover(mint(2).generation, &blue).await, "permission denied");
    bench.server.write_policy("end-found", &rules).unwrap();
    assert_eq!(applied(provider.discover(mint(2).generation, &blue).await), None);
    let [lost, _] = [bench.green(&blue).await, bench.blue()];
    assert_eq!(applied(provider.discover(mint(2).generation, &blue).await), Some(lost.handle));
}

/// The server takes a token that is looked at while it is being made for one that has lost its lease, and kills it.
#[tokio::test]
async fn a_search_kills_no_token_that_is_being_made() {
    let bench = Bench::new("end-birth");
    let rules = policy(&bench.role, &[], Privileges::Accessor).to_string();
    bench.server.write_policy("end-birth", &rules).unwrap();
    let (searcher, minter) = (bench.blue(), bench.blue());
    let (searching, minting) = (bench.provider(), bench.provider());
    let search = async {
        loop {
            assert_eq!(applied(searching.discover(mint(1).generation, &searcher).await), None);
        }
    };
    let make = async {
        for number in 2..150 {
            let made = credential(number, applied(minting.issue(&minter, mint(number), MINUTE).await));
            applied(minting.revoke(&made).await);
        }
    };
    tokio::select! {
        () = search => {}
        () = make => {}
    }
}

#[tokio::test]
async fn without_the_accessor_policy_there_is_no_such_power() {
    let bench = Bench::new("end-power");
    let (blue, other) = (bench.blue(), bench.blue().handle);
    refused(bench.provider().revoke_named(&other, &blue).await, "permission denied");
    refused(bench.provider().observe_named(&other, &blue).await, "permission denied");
    assert_eq!(bench.alive(), 2);
}

#[tokio::test]
async fn a_sealed_server_is_unavailable() {
    let server = Arc::new(start());
    let bench = Bench::on(Arc::clone(&server), "sealed");
    let blue = bench.blue();
    server.seal().unwrap();
    unavailable(bench.provider().issue(&blue, mint(2), MINUTE).await, "503 Service Unavailable: Vault is sealed");
    unavailable(bench.provider().revoke(&blue).await, "sealed");
    unavailable(bench.provider().observe(&blue, &blue).await, "sealed");
}
