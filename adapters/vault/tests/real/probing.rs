use std::time::Duration;

use turquoise_runtime::port::Provider;
use turquoise_vault::{Probe, TokenConfig, TokenProvider};

use crate::support::{Bench, MINUTE, READABLE, applied, probe, refused, unreadable};

fn with(bench: &Bench, probes: Vec<Probe>) -> TokenProvider {
    TokenProvider::new(TokenConfig { probes, ..bench.config() }).unwrap()
}

#[tokio::test]
async fn a_good_candidate_passes_and_tells_what_is_left_of_its_life() {
    let bench = Bench::new("probe-good");
    let left = applied(bench.provider().probe(&bench.blue_for(MINUTE)).await);
    assert!(left > MINUTE / 2 && left <= MINUTE);
}

#[tokio::test]
async fn a_candidate_without_the_right_to_its_work_fails() {
    let bench = Bench::new("probe-denied");
    let probes = vec![Probe { path: unreadable(), max_latency: None }];
    refused(with(&bench, probes).probe(&bench.blue()).await, "reading secret/data/other: the server answered 403");
}

#[tokio::test]
async fn a_probe_of_what_is_not_there_fails() {
    let bench = Bench::new("probe-absent");
    bench.server.admin("DELETE", "secret/metadata/probe-absent", &serde_json::Value::Null).unwrap();
    bench.server.write_policy("probe-absent", r#"path "secret/*" { capabilities = ["read"] }"#).unwrap();
    let probes = vec![probe("secret/data/probe-absent")];
    refused(with(&bench, probes).probe(&bench.blue()).await, "404 Not Found");
}

#[tokio::test]
async fn a_slow_answer_fails() {
    let bench = Bench::new("probe-slow");
    let probes = vec![Probe { max_latency: Some(Duration::ZERO), ..probe(READABLE) }];
    refused(with(&bench, probes).probe(&bench.blue()).await, "longer than 0ns");
}
