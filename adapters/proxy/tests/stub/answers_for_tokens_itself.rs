//! What is asked about the local token is answered by the proxy, and what would end a token of ours too.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use turquoise_proxy::LocalToken;
use turquoise_runtime::memory::ExposeSecret as _;

use crate::common::{Bench, words};

#[tokio::test]
async fn the_local_token_is_looked_up_renewed_and_revoked_without_the_server() {
    let bench = Bench::new().await;
    let named = format!("{{\"token\":\"{}\"}}", bench.local);
    let accessor = r#"{"accessor":"turquoise-local-token"}"#;
    for (path, body) in [
        ("lookup-self", ""),
        ("lookup", named.as_str()),
        ("lookup", "{}"),
        ("renew-self", r#"{"increment":"1h"}"#),
        ("renew", &named),
    ] {
        let response = bench.client.send(bench.post(&format!("/v1/auth/token/{path}"), body.to_owned())).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert!(words(&response).contains(&bench.local) && !words(&response).contains("key-1"), "{path}: {response:?}");
    }
    for path in ["lookup-accessor", "renew-accessor"] {
        let response = bench.client.send(bench.post(&format!("/v1/auth/token/{path}"), accessor)).await;
        assert!(
            response.status() == StatusCode::OK && !words(&response).contains(&bench.local),
            "{path}: an accessor gives no token"
        );
    }
    for (path, body) in [("revoke-self", ""), ("revoke%2Dself", ""), ("revoke", named.as_str()), ("revoke-accessor", accessor)] {
        let response = bench.client.send(bench.post(&format!("/v1/auth/token/{path}"), body.to_owned())).await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT, "{path}");
    }
    let prefixed = bench.client.send(bench.post("/v1/team/auth/token/revoke-self", "")).await;
    assert_eq!(prefixed.status(), StatusCode::BAD_REQUEST);
    assert!(bench.stub.heard().is_empty(), "{:?}", bench.stub.heard());
    assert_eq!(bench.read("/v1/secret/data/app").await.status(), StatusCode::OK, "it is as good as before");
}

#[tokio::test]
async fn a_token_of_ours_is_neither_revoked_nor_given_another_life() {
    let bench = Bench::new().await;
    bench.read("/v1/x").await;
    let looked = r#"{"data":{"id":"key-1","accessor":"accessor-1","ttl":1234,"policies":["p"],"entity_id":"e"}}"#;
    for path in ["/v1/auth/token/lookup-self", "/v1/auth/token/lookup", "/v1/auth/token/lookup-accessor"] {
        bench.stub.answers.lock().unwrap().insert(path, (200, looked));
    }
    let ours = |path: &str, body: &'static str| {
        let request = Request::post(format!("/v1/auth/token/{path}")).header("x-vault-token", "key-1");
        let request = request.body(Full::<Bytes>::from(body)).unwrap();
        async { bench.client.send(request).await }
    };
    let accessor = r#"{"accessor":"accessor-1"}"#;
    for (path, body) in [("revoke-self", ""), ("revoke", r#"{"token":"key-1"}"#), ("revoke-accessor", accessor)] {
        assert_eq!(ours(path, body).await.status(), StatusCode::NO_CONTENT, "{path}");
    }
    let lives = |response: Response<Bytes>| words(&response).contains(r#""lease_duration":1234"#);
    assert!(lives(ours("renew-self", r#"{"increment":"1s"}"#).await));
    assert!(lives(ours("renew-accessor", accessor).await));
    assert_eq!(ours("revoke-accessor", r#"{"accessor":"another"}"#).await.status(), StatusCode::OK, "it is not ours");
    let heard: Vec<_> = bench.stub.heard().into_iter().map(|heard| (heard.method.to_string(), heard.target)).collect();
    let asked = [("GET", "/v1/x"), ("GET", "/v1/auth/token/lookup-self"), ("POST", "/v1/auth/token/lookup-accessor")];
    let last = [("POST", "/v1/auth/token/revoke-accessor")];
    let expected: Vec<_> = asked.into_iter().chain(last).map(|(method, path)| (method.to_owned(), path.to_owned())).collect();
    assert_eq!(heard, expected);
}

#[tokio::test]
async fn a_local_token_that_is_replaced_is_good_for_its_overlap_and_goes_nowhere_after_it() {
    let bench = Bench::new().await;
    let remote = bench.proxy.as_ref().unwrap().remote();
    let file = bench.folder.path().join("local");
    let read = |token: &str, path: &str| {
        let request = Request::get(path).header("x-vault-token", token).body(Full::<Bytes>::default()).unwrap();
        async { bench.client.send(request).await }
    };
    let mut tokens = vec![bench.local.clone()];
    for overlap in [Duration::from_hours(1), Duration::ZERO] {
        let next = LocalToken::replace(&file).unwrap();
        tokens.push(next.expose_secret().to_owned());
        remote.replace_local_token(next, overlap).unwrap();
        if tokens.len() == 2 {
            for token in &tokens {
                assert_eq!(read(token, "/v1/x").await.status(), StatusCode::OK);
                let looked = read(token, "/v1/auth/token/lookup-self").await;
                let other = tokens.iter().find(|other| *other != token).unwrap();
                assert!(
                    words(&looked).contains(token.as_str()) && !words(&looked).contains(other.as_str()),
                    "none tells the other"
                );
            }
        }
    }
    let heard = bench.stub.heard().len();
    for (token, status) in tokens.iter().zip([StatusCode::FORBIDDEN, StatusCode::FORBIDDEN, StatusCode::OK]) {
        assert_eq!(read(token, "/v1/x").await.status(), status);
    }
    assert_eq!(bench.stub.heard().len(), heard + 1, "no server sees one that is over");
    assert_eq!(remote.figures().unwrap().faults, 2);
}
