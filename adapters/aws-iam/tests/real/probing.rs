//! What a key must be able to do before it serves.

use turquoise_aws_iam::{IamConfig, IamProvider, Probe};
use turquoise_runtime::core::StepKind;

use crate::support::{Bench, EMULATOR, policy_of_tests};

fn reading(bench: &Bench, action: &str) -> IamProvider {
    let url = format!("{}/?Action={action}&Version=2010-05-08&UserName={}", EMULATOR.url(), bench.user);
    let probe = Probe { service: "iam".to_owned(), region: "us-east-1".to_owned(), url, max_latency: None };
    IamProvider::new(IamConfig { probes: vec![probe], ..bench.config() }).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_sts_knows_but_its_service_refuses_never_serves() {
    let bench = Bench::new();
    let running = bench.start_with(reading(&bench, "ListGroups"), policy_of_tests()).await;
    let steps = running.rotate().await;
    assert!(steps.contains(&StepKind::AbandonIntent) && !steps.contains(&StepKind::Promoted), "{steps:?}");
    assert_eq!(running.serving(), bench.first.id);
    assert_eq!(bench.keys(), [bench.first.id.clone()]);
    running.identity.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_its_service_knows_serves() {
    let bench = Bench::new();
    let running = bench.start_with(reading(&bench, "ListAccessKeys"), policy_of_tests()).await;
    let steps = running.rotate().await;
    assert!(steps.contains(&StepKind::Promoted), "{steps:?}");
    running.identity.stop().await;
}
