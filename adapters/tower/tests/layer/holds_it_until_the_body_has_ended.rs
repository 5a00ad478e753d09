//! A rotation waits for a request as long as its response is read, and no longer.

use std::time::Duration;

use http_body_util::BodyExt as _;
use tokio::time::timeout;
use tower_layer::Layer as _;
use tower_service::Service as _;
use turquoise_runtime::core::StepKind;
use turquoise_tower::{CallError, CredentialLayer, Header};

use crate::common::{Client, get, serving, until};

#[tokio::test(start_paused = true)]
async fn a_body_that_is_read_to_its_end_or_dropped_lets_it_go() {
    let identity = serving().await;
    let held = || identity.status().current_held;
    let mut service = CredentialLayer::new(identity.credentials(), Header::Bearer).layer(Client::default());
    let (read, dropped) = (service.call(get("/")).await.unwrap(), service.call(get("/")).await.unwrap());
    assert_eq!(held(), 2);
    drop(dropped);
    assert_eq!(held(), 1);
    let mut body = read.into_body();
    let frame = body.frame().await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "never dark");
    assert_eq!(held(), 0, "this was the last frame, and the body is still there: {body:?}");
}

#[tokio::test(start_paused = true)]
async fn so_does_one_whose_end_is_not_known_before_and_one_that_breaks() {
    let identity = serving().await;
    let held = || identity.status().current_held;
    let mut service = CredentialLayer::new(identity.credentials(), Header::Bearer).layer(Client::default());
    let mut streamed = service.call(get("/streamed")).await.unwrap().into_body();
    streamed.frame().await.unwrap().unwrap();
    assert_eq!(held(), 1, "there may be more");
    assert!(streamed.frame().await.is_none() && held() == 0);
    let mut broken = service.call(get("/broken")).await.unwrap().into_body();
    assert_eq!(held(), 1);
    assert!(broken.frame().await.unwrap().is_err() && held() == 0);
}

#[tokio::test(start_paused = true)]
async fn an_empty_body_a_failure_and_a_call_that_is_dropped_hold_nothing() {
    let identity = serving().await;
    let held = || identity.status().current_held;
    let mut service = CredentialLayer::new(identity.credentials(), Header::Bearer).layer(Client::default());
    let empty = service.call(get("/empty")).await.unwrap();
    assert_eq!(held(), 0, "{empty:?} has ended already");
    let failed = service.call(get("/fails")).await;
    assert!(matches!(failed, Err(CallError::Client(_))) && held() == 0);
    let mut hanging = service.call(get("/hangs"));
    timeout(Duration::from_secs(1), &mut hanging).await.unwrap_err();
    assert_eq!(held(), 1);
    drop(hanging);
    assert_eq!(held(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_old_one_is_not_revoked_while_a_response_is_being_read() {
    let identity = serving().await;
    let mut service = CredentialLayer::new(identity.credentials(), Header::Bearer).layer(Client::default());
    let response = service.call(get("/")).await.unwrap();
    let mut progress = identity.progress();
    identity.rotate().await.unwrap();
    until(&mut progress, StepKind::ShortenIntent).await;
    timeout(Duration::from_mins(1), until(&mut progress, StepKind::RevokeIntent)).await.unwrap_err();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "never dark");
    timeout(Duration::from_secs(1), until(&mut progress, StepKind::RevokeIntent)).await.unwrap();
}
