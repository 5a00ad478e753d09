//! A candidate is tried on what can be sent again, nobody is refused for it, and it is blamed only for what the current one can do.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use tokio::time::timeout;
use turquoise_proxy::Limits;
use turquoise_runtime::core::{Phase, StepKind};
use turquoise_runtime::{Identity, Progress};

use crate::common::{Bench, Otherwise, TRIAL};

async fn trying() -> Bench {
    let limits = Limits { replayable: 8, ..Limits::default() };
    let bench = Bench::with(Otherwise { canary: Some(TRIAL), limits, ..Otherwise::default() }).await;
    bench.try_next().await;
    bench
}

fn is_tried(identity: &Identity) -> bool {
    identity.status().phase == turquoise_runtime::core::PhaseKind::Validating
}

#[tokio::test]
async fn a_refusal_of_the_candidate_alone_is_its_fault_and_the_client_does_not_notice() {
    let bench = trying().await;
    bench.stub.refused.lock().unwrap().insert("key-2", r#"{"errors":["permission denied"]}"#);
    let mut progress = bench.identity.progress();
    let response = bench.client.send(bench.post("/v1/w", "body")).await;
    assert_eq!(response.status(), StatusCode::OK);
    let heard = bench.stub.heard();
    assert!(heard.iter().all(|heard| heard.body == "body") && heard[0].method == heard[1].method);
    assert_eq!(bench.stub.shown(), [Some("key-2".to_owned()), Some("key-1".to_owned())]);
    let abandoned = async {
        loop {
            if let Progress::Recorded(recorded) = progress.recv().await.unwrap()
                && recorded.record.step.kind() == StepKind::AbandonIntent
            {
                return matches!(recorded.phase, Phase::Abandoning(_));
            }
        }
    };
    assert!(timeout(Duration::from_secs(10), abandoned).await.unwrap());
}

#[tokio::test]
async fn where_both_are_refused_the_current_ones_answer_is_passed_on_and_nobody_is_blamed() {
    let bench = trying().await;
    let (green, blue) = (r#"{"errors":["green"]}"#, r#"{"errors":["1 error occurred: blue"]}"#);
    bench.stub.refused.lock().unwrap().extend([("key-2", green), ("key-1", blue)]);
    let response = bench.read("/v1/denied").await;
    assert_eq!((response.status(), response.body()), (StatusCode::FORBIDDEN, &Bytes::from(blue)));
    assert!(is_tried(&bench.identity));
}

#[tokio::test]
async fn only_a_403_is_sent_again_and_a_body_that_is_not_kept_bears_the_current_one() {
    let bench = trying().await;
    bench.stub.answers.lock().unwrap().extend([("/v1/busy", (500, "{}")), ("/v1/quota", (429, "{}"))]);
    assert_eq!(bench.client.send(bench.post("/v1/busy", "")).await.status(), 500);
    assert_eq!(bench.client.send(bench.post("/v1/quota", "")).await.status(), 429);
    assert_eq!(bench.client.send(bench.post("/v1/long", "123456789")).await.status(), 200);
    let shown: Vec<_> = bench.stub.shown().into_iter().flatten().collect();
    assert_eq!(shown, ["key-2", "key-2", "key-1"]);
    assert!(is_tried(&bench.identity), "none of that was a report against the candidate");
}

#[tokio::test]
async fn replays_come_out_of_a_budget_and_without_it_nobody_bears_a_candidate() {
    let bench = trying().await;
    // Refused everywhere: so it is tried on and on.
    bench.stub.refused.lock().unwrap().extend([("key-2", "{}"), ("key-1", r#"{"errors":["1 error occurred"]}"#)]);
    for _ in 0..70 {
        bench.read("/v1/denied").await;
    }
    let shown: Vec<_> = bench.stub.shown().into_iter().flatten().collect();
    let replays = shown.iter().filter(|token| *token == "key-2").count();
    assert!((50..60).contains(&replays), "{replays} of 70");
}

#[tokio::test]
async fn a_current_one_that_the_server_turned_against_is_replaced_and_the_request_sent_again() {
    let bench = Bench::new().await;
    assert_eq!(bench.read("/v1/x").await.status(), StatusCode::OK);
    bench.revoke("key-1");
    assert_eq!(bench.read("/v1/x").await.status(), StatusCode::OK, "with the next one");
    assert_eq!(bench.stub.shown().last().unwrap().as_deref(), Some("key-2"));
    assert_eq!(bench.stub.heard().len(), 4, "one look at the token itself in between");
}

#[tokio::test]
async fn a_refusal_that_is_the_requests_own_has_nobody_wait() {
    let bench = Bench::new().await;
    bench.stub.answers.lock().unwrap().insert("/v1/denied", (403, r#"{"errors":["permission denied"]}"#));
    for _ in 0..3 {
        assert_eq!(bench.read("/v1/denied").await.status(), StatusCode::FORBIDDEN);
    }
    let looks = bench.stub.heard().iter().filter(|heard| heard.target == "/v1/auth/token/lookup-self").count();
    assert!((1..=2).contains(&looks), "{looks} looks: one a second at most");
    assert_eq!(bench.stub.shown().last().unwrap().as_deref(), Some("key-1"), "nothing was replaced");
}
