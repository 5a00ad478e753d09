//! Where there is nothing to bear, nothing is sent, and the error says why.

use tower_layer::Layer as _;
use tower_service::Service as _;
use turquoise_runtime::NotReady;
use turquoise_tower::{CallError, Cloned, CredentialLayer, Header};

use crate::common::{Client, beginning, get, serving};

#[tokio::test(start_paused = true)]
async fn before_the_first_login_and_after_the_end() {
    let client = Client::default();
    let identity = beginning("key-", None).await;
    let layer = CredentialLayer::new(identity.credentials(), Header::Bearer);
    let early = layer.clone().canary(Cloned).layer(client.clone()).call(get("/")).await.unwrap_err();
    assert!(matches!(early, CallError::NotReady(NotReady::Vacant)), "{early}");
    assert_eq!(early.to_string(), "the request was not sent: there is no credential yet: wait until one is ready");
    identity.stop().await;
    let late = layer.layer(client.clone()).call(get("/")).await.unwrap_err();
    assert!(matches!(late, CallError::NotReady(NotReady::Stopped)), "{late}");
    assert!(client.seen.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn when_the_secret_is_no_header() {
    let client = Client::default();
    let identity = beginning("two\nlines", None).await;
    identity.credentials().ready().await.unwrap();
    let mut service = CredentialLayer::new(identity.credentials(), Header::Bearer).layer(client.clone());
    let refused = service.call(get("/")).await.unwrap_err();
    assert!(matches!(refused, CallError::NotAHeader) && !refused.to_string().contains("lines"), "{refused}");
    assert!(client.seen.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_clients_own_error_is_passed_on() {
    let identity = serving().await;
    let mut service = CredentialLayer::new(identity.credentials(), Header::Bearer).layer(Client::default());
    let CallError::Client(error) = service.call(get("/fails")).await.unwrap_err() else { panic!("it is the client's") };
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}
