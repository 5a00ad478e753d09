//! A candidate is tried on requests that can be sent again, no caller notices when it is refused, and what is reported decides.

use http::{Request, StatusCode};
use http_body_util::Full;
use tokio::sync::broadcast::Receiver;
use tower_layer::Layer as _;
use tower_service::Service as _;
use turquoise_runtime::core::{AbandonReason, Shortage, Step};
use turquoise_runtime::{Identity, Progress};
use turquoise_tower::{Cloned, CredentialLayer, Empty, Header, Replay};

use crate::common::{Answers, Client, get, trying};

/// Sends three requests that can be sent again, to a client that answers so; tells how they were answered.
async fn work<R: Replay<Full<bytes::Bytes>> + Clone + Send + 'static>(
    identity: &Identity,
    replay: R,
    answers: &[(&'static str, StatusCode)],
) -> (Vec<StatusCode>, Vec<String>) {
    let client = Client { answers: answers.iter().copied().collect::<Answers>(), ..Client::default() };
    let layer = CredentialLayer::new(identity.credentials(), Header::VaultToken).canary(replay);
    let mut service = layer.layer(client.clone());
    let mut answered = Vec::new();
    for _ in 0..3 {
        answered.push(service.call(get("/")).await.unwrap().status());
    }
    (answered, client.borne())
}

/// How the trial ends.
async fn outcome(progress: &mut Receiver<Progress>) -> Result<(), AbandonReason> {
    loop {
        let Progress::Recorded(recorded) = progress.recv().await.unwrap() else { continue };
        match recorded.record.step {
            Step::Promoted { .. } => return Ok(()),
            Step::AbandonIntent { reason, .. } => return Err(reason),
            _ => {}
        }
    }
}

const OK: StatusCode = StatusCode::OK;

#[tokio::test(start_paused = true)]
async fn one_that_serves_is_promoted_for_it() {
    let (identity, mut progress) = trying(Shortage::Abandon).await;
    let (answered, borne) = work(&identity, Empty, &[("key-2", StatusCode::NOT_FOUND)]).await;
    assert_eq!((answered, borne), (vec![StatusCode::NOT_FOUND; 3], vec!["key-2".to_owned(); 3]));
    assert_eq!(outcome(&mut progress).await, Ok(()), "what is not there was not refused");
}

#[tokio::test(start_paused = true)]
async fn one_that_is_refused_goes_and_its_requests_are_sent_again_with_the_current_one() {
    for refusal in [StatusCode::FORBIDDEN, StatusCode::UNAUTHORIZED] {
        let (identity, mut progress) = trying(Shortage::ProbesSuffice).await;
        let (answered, borne) = work(&identity, Cloned, &[("key-2", refusal)]).await;
        assert_eq!(answered, [OK; 3]);
        assert_eq!(borne[..2], ["key-2", "key-1"], "until the report is heard");
        assert_eq!(outcome(&mut progress).await, Err(AbandonReason::CanaryRefused));
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_current_one_is_refused_too_is_not_held_against_a_candidate() {
    let (identity, mut progress) = trying(Shortage::ProbesSuffice).await;
    let refused = StatusCode::FORBIDDEN;
    let (answered, borne) = work(&identity, Empty, &[("key-1", refused), ("key-2", refused)]).await;
    assert_eq!((answered, borne), (vec![refused; 3], ["key-2", "key-1"].repeat(3).iter().map(ToString::to_string).collect()));
    assert_eq!(outcome(&mut progress).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_server_in_trouble_says_nothing_of_a_candidate() {
    for trouble in [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS] {
        let (identity, mut progress) = trying(Shortage::Abandon).await;
        let (answered, borne) = work(&identity, Empty, &[("key-2", trouble)]).await;
        assert_eq!((answered, borne), (vec![trouble; 3], vec!["key-2".to_owned(); 3]));
        assert_eq!(outcome(&mut progress).await, Err(AbandonReason::CanaryTooFew));
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sent_again_bears_the_current_one() {
    let (identity, _progress) = trying(Shortage::ProbesSuffice).await;
    let client = Client::default();
    let layer = CredentialLayer::new(identity.credentials(), Header::VaultToken);
    layer.clone().layer(client.clone()).call(get("/")).await.unwrap();
    let post = || Request::post("/").body(Full::from("a change")).unwrap();
    layer.clone().canary(Empty).layer(client.clone()).call(post()).await.unwrap();
    layer.canary(Cloned).layer(client.clone()).call(post()).await.unwrap();
    assert_eq!(client.borne(), ["key-1", "key-1", "key-2"]);
}
