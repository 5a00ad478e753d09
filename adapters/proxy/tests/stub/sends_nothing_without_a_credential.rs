//! Where nothing serves, or no server is there, the answer is 503 and says when to come back.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use turquoise_proxy::Limits;

use crate::common::{Bench, Otherwise, words};

#[tokio::test]
async fn when_nothing_serves_nothing_is_sent() {
    let limits = Limits { wait: Duration::ZERO, ..Limits::default() };
    let mut bench = Bench::with(Otherwise { limits, ..Otherwise::default() }).await;
    let Bench { identity, client, stub, local, .. } = &mut bench;
    let request = Request::get("/v1/x").header("x-vault-token", local.as_str()).body(Full::<Bytes>::default()).unwrap();
    identity.shutdown(turquoise_runtime::core::AtStop::Revoke, Duration::from_secs(30)).await.unwrap();
    let response = client.send(request).await;
    assert_eq!((response.status(), &response.headers()["retry-after"]), (StatusCode::SERVICE_UNAVAILABLE, &"1".parse().unwrap()));
    assert!(words(&response).starts_with(r#"{"errors":["turquoise: "#) && stub.heard().is_empty(), "{response:?}");
    let own = Request::get("/v1/x").header("x-vault-token", "s.own").body(Full::<Bytes>::default()).unwrap();
    assert_eq!(client.send(own).await.status(), StatusCode::OK, "others need nothing of ours");
}

#[tokio::test]
async fn a_dead_server_is_told_at_once_and_another_node_is_gone_to() {
    let nobody = || "http://127.0.0.1:1".to_owned();
    let bench = Bench::with(Otherwise { upstream: Some(vec![nobody(), nobody()]), ..Otherwise::default() }).await;
    let began = Instant::now();
    let response = bench.read("/v1/x").await;
    assert_eq!((response.status(), &response.headers()["retry-after"]), (StatusCode::SERVICE_UNAVAILABLE, &"1".parse().unwrap()));
    assert!(began.elapsed() < Duration::from_secs(5), "within the time that a connection may take");
    let there = crate::common::Stub::default();
    let nodes = vec![nobody(), format!("http://{}", there.listen().await)];
    let bench = Bench::with(Otherwise { upstream: Some(nodes), ..Otherwise::default() }).await;
    assert_eq!(bench.client.send(bench.post("/v1/x", "{}")).await.status(), StatusCode::OK, "nothing was sent to the first");
    assert_eq!(there.heard().len(), 1);
}
