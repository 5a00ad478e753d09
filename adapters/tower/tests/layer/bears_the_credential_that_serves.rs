//! Each request bears what serves when it is sent, in the header that was chosen.

use http::header::{AUTHORIZATION, HeaderName};
use tower_layer::Layer as _;
use tower_service::Service as _;
use turquoise_runtime::core::StepKind;
use turquoise_tower::{CredentialLayer, Header};

use crate::common::{Client, get, serving, until};

#[tokio::test(start_paused = true)]
async fn in_each_header_marked_sensitive_and_in_place_of_what_was_there() {
    let identity = serving().await;
    let named = HeaderName::from_static("x-api-key");
    for (header, name, value) in [
        (Header::Bearer, "authorization", "Bearer key-1"),
        (Header::VaultToken, "x-vault-token", "key-1"),
        (Header::Named(named), "x-api-key", "key-1"),
    ] {
        let client = Client::default();
        let mut service = CredentialLayer::new(identity.credentials(), header).layer(client.clone());
        let mut request = get("/");
        request.headers_mut().append(name, "of the caller".parse().unwrap());
        request.headers_mut().append(name, "twice".parse().unwrap());
        service.call(request).await.unwrap();
        let seen = client.seen.lock().unwrap();
        let values: Vec<_> = seen[0].get_all(name).iter().collect();
        assert_eq!(values, [value]);
        assert!(values[0].is_sensitive() && !format!("{:?}", seen[0]).contains("key-1"));
    }
}

#[tokio::test(start_paused = true)]
async fn and_the_next_one_from_the_switch_on() {
    let (identity, client) = (serving().await, Client::default());
    let mut service = CredentialLayer::new(identity.credentials(), Header::VaultToken).layer(client.clone());
    service.call(get("/")).await.unwrap();
    let late = service.call(get("/"));
    let mut progress = identity.progress();
    identity.rotate().await.unwrap();
    until(&mut progress, StepKind::Promoted).await;
    service.call(get("/")).await.unwrap();
    late.await.unwrap();
    assert_eq!(client.borne(), ["key-1", "key-2", "key-2"], "a call that nobody has awaited yet has not been sent");
    assert!(client.seen.lock().unwrap().iter().all(|headers| !headers.contains_key(AUTHORIZATION)));
}
