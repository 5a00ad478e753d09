//! Who shows the local token is given the credential that serves; everybody else's passes.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use turquoise_proxy::AutoAuth;

use crate::common::{Bench, Otherwise, Stub, words};

#[tokio::test]
async fn for_the_local_token_in_either_header_and_nothing_else_of_the_clients() {
    let bench = Bench::new().await;
    let bearer = format!("Bearer {}", bench.local);
    let request = || Request::get("/v1/secret/data/app?version=2").header("connection", "close, x-vault-token");
    for (name, value) in [("x-vault-token", &bench.local), ("authorization", &bearer)] {
        let request = request().header(name, value).header("x-vault-namespace", "team").body(Full::default()).unwrap();
        assert_eq!(bench.client.send(request).await.status(), StatusCode::OK);
    }
    for heard in bench.stub.heard() {
        assert_eq!((heard.token(), heard.target.as_str()), (Some("key-1"), "/v1/secret/data/app?version=2"));
        assert_eq!(heard.headers["x-vault-namespace"], "team");
        assert!(!heard.headers.contains_key("authorization") && !heard.headers.contains_key("connection"), "{heard:?}");
        assert_ne!(heard.headers["host"], "localhost", "the server's own name");
    }
}

#[tokio::test]
async fn a_token_of_the_clients_own_passes_untouched_unless_it_is_forced() {
    let own = || Request::get("/v1/x").header("x-vault-token", "s.own").body(Full::default()).unwrap();
    let none = || Request::get("/v1/x").body(Full::<Bytes>::default()).unwrap();
    for (auto_auth, shown) in [
        (AutoAuth::Off, [Some("s.own"), None]),
        (AutoAuth::On, [Some("s.own"), Some("key-1")]),
        (AutoAuth::Force, [Some("key-1"), Some("key-1")]),
    ] {
        let bench = Bench::with(Otherwise { auto_auth, ..Otherwise::default() }).await;
        bench.client.send(own()).await;
        bench.client.send(none()).await;
        assert_eq!(bench.stub.shown(), shown.map(|token| token.map(str::to_owned)), "{auto_auth:?}");
    }
}

#[tokio::test]
async fn the_local_token_is_refused_wherever_else_it_is() {
    let bench = Bench::new().await;
    let (local, own) = (&bench.local, "s.own");
    let body = format!("{{\"token\":\"{local}\"}}");
    for request in [
        Request::get(format!("/v1/x?token={local}")).body(Full::default()),
        Request::get("/v1/x").header("x-vault-token", own).header("x-other", local).body(Full::default()),
        Request::post("/v1/sys/wrapping/unwrap").header("x-vault-token", own).body(body.into()),
    ] {
        let response = bench.client.send(request.unwrap()).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{}", words(&response));
    }
    assert!(bench.stub.heard().is_empty());
}

#[tokio::test]
async fn to_configured_nodes_alone() {
    let (here, there) = (Stub::default(), Stub::default());
    let (first, second) = (here.listen().await, there.listen().await);
    let nodes = vec![format!("http://{first}"), format!("http://{second}")];
    let bench = Bench::with(Otherwise { upstream: Some(nodes), ..Otherwise::default() }).await;
    let lead = |to: String| *here.lead.lock().unwrap() = to;
    lead("http://192.0.2.1:8200/v1/led".to_owned());
    let stranger = bench.read("/v1/led").await;
    assert_eq!(stranger.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(!stranger.headers().contains_key("location"));
    lead("/ui/".to_owned());
    assert_eq!(bench.read("/v1/led").await.headers()["location"], "/ui/", "on the same server");
    lead(format!("http://{second}/v1/led"));
    *there.lead.lock().unwrap() = "/there".to_owned();
    let write = bench.client.send(bench.post("/v1/led", "{}")).await;
    assert_eq!((write.status().as_u16(), write.headers()["location"].to_str().unwrap()), (307, "/v1/led"), "asked again, here");
    assert_eq!(there.heard().len(), 0, "a write is the client's to repeat");
    assert_eq!(bench.read("/v1/led").await.headers()["location"], "/there", "the next one goes there at once");
    assert_eq!(there.shown(), [Some("key-1".to_owned())]);
}
