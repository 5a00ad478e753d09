//! What a key must be able to do before it serves.

use turquoise_aws_iam::{IamConfig, IamProvider, Probe};
use turquoise_runtime::core::StepKind;

use crate::support::{Bench, EMULATOR, policy_of_tests};

/// Has a key list the buckets of S3 before it serves.
fn reading(bench: &Bench) -> IamProvider {
    let (service, region) = ("s3".to_owned(), "us-east-1".to_owned());
    let probe = Probe { service, region, url: format!("{}/", EMULATOR.url()), max_latency: None };
    IamProvider::new(IamConfig { probes: vec![probe], ..bench.config() }).unwrap()
}

/// All keys of a user have the user's rights, so the key in use is refused there, too: a person has to look, and until then
/// nothing is ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_sts_knows_but_its_service_refuses_never_serves() {
    let bench = Bench::new();
    let running = bench.start_with(reading(&bench), policy_of_tests()).await;
    running.reach(StepKind::Stuck, async |identity| identity.rotate().await.unwrap()).await;
    let words = running.identity.status().reason.unwrap().0;
    assert!(words.contains("AccessDenied"), "{words}");
    assert_eq!(running.serving(), bench.first.id);
    assert_eq!(bench.keys().len(), 2, "the new one is there, too");
    running.identity.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_its_service_knows_serves() {
    let bench = Bench::allowed(&["s3:ListAllMyBuckets"]);
    let running = bench.start_with(reading(&bench), policy_of_tests()).await;
    let steps = running.rotate().await;
    assert!(steps.contains(&StepKind::Promoted), "{steps:?}");
    running.identity.stop().await;
}
