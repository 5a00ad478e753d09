use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::net::TcpListener;
use turquoise_runtime::core::Privileges;
use turquoise_runtime::port::Provider;
use turquoise_vault::{Address, ConfigError, Tls, TlsError, TokenConfig, TokenProvider, Upstream, policy};

use crate::certify::{Authority, secure};
use crate::support::{Bench, MINUTE, READABLE, applied, mint, probe, refused, unavailable};

fn through(bench: &Bench, upstream: Upstream) -> TokenProvider {
    TokenProvider::new(TokenConfig { upstream, ..bench.config() }).unwrap()
}

/// A rotation's calls.
async fn works(bench: &Bench, upstream: Upstream) {
    let provider = through(bench, upstream);
    let blue = bench.blue();
    applied(provider.probe(&blue).await);
    let green = crate::support::credential(2, applied(provider.issue(&blue, mint(2), MINUTE).await));
    applied(provider.revoke(&blue).await);
    applied(provider.observe(&blue, &green).await);
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

#[tokio::test]
async fn tls_and_sockets_are_ways_to_a_server_and_nobody_else_is_trusted() {
    let (secure, stranger) = (secure(), Authority::new());
    let bench = Bench::on(Arc::clone(&secure.server), "reach");
    works(&bench, Upstream::new([address(&format!("unix://{}", secure.server.socket().unwrap().display()))])).await;

    let good = secure.upstream().tls;
    let upstream = |tls: Tls| Upstream { tls, ..secure.upstream() };
    works(&bench, upstream(good.clone())).await;
    works(&bench, upstream(Tls { server_name: Some("bao.test".to_owned()), ..good.clone() })).await;

    let blue = bench.blue();
    let faults = [
        (Tls { authority: Some(stranger.certificate()), ..good.clone() }, "invalid peer certificate"),
        (Tls { server_name: Some("other.test".to_owned()), ..good.clone() }, "not valid for name"),
        (Tls { client: None, ..good.clone() }, "CertificateRequired"),
        (Tls { client: Some(stranger.client()), ..good.clone() }, "received fatal alert"),
    ];
    for (tls, saying) in faults {
        unavailable(through(&bench, upstream(tls)).issue(&blue, mint(2), MINUTE).await, saying);
    }
    assert_eq!(bench.alive(), 4, "what could not be sent was not done");

    let missing = Tls { authority: Some("/nowhere/ca.pem".into()), ..good };
    let config = TokenConfig { upstream: upstream(missing), ..bench.config() };
    assert!(matches!(
        TokenProvider::new(config).err(),
        Some(ConfigError::Tls(TlsError::File { what: "the certificate of the authority", .. }))
    ));
}

#[tokio::test]
async fn a_node_that_is_down_is_passed_over_and_remembered() {
    let bench = Bench::new("reach-down");
    let down = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let nodes = [address(&format!("http://{down}")), address(bench.server.address())];
    works(&bench, Upstream::new(nodes)).await;
}

/// Packets to it vanish: only the time to connect ends that.
#[tokio::test]
async fn a_node_that_cannot_be_connected_to_in_time_is_passed_over() {
    let bench = Bench::new("reach-void");
    // Of a full backlog nothing more is answered.
    let full = socket_with_full_backlog().await;
    let nodes = [address(&format!("http://{}", full.address)), address(bench.server.address())];
    let connect_timeout = Duration::from_millis(200);
    let provider = through(&bench, Upstream { connect_timeout, ..Upstream::new(nodes) });
    let blue = bench.blue();
    applied(provider.issue(&blue, mint(2), MINUTE).await);
    let alone = Upstream { connect_timeout, ..Upstream::new([address(&format!("http://{}", full.address))]) };
    let began = Instant::now();
    unavailable(through(&bench, alone).issue(&blue, mint(3), MINUTE).await, "no connection within 200ms");
    assert!(began.elapsed() >= connect_timeout);
    assert_eq!(bench.alive(), 2);
}

#[tokio::test]
async fn a_namespace_goes_with_every_request() {
    let bench = Bench::new("reach-space");
    bench.server.admin("POST", "sys/namespaces/team", &json!({})).unwrap();
    let rules = policy(&bench.role, &[probe(READABLE)], Privileges::OnlySelf).to_string();
    bench.server.admin("POST", "team/sys/policies/acl/reach-space", &json!({"policy": rules})).unwrap();
    let role =
        json!({"orphan": true, "allowed_policies": ["reach-space"], "token_no_default_policy": true, "token_type": "service"});
    bench.server.admin("POST", "team/auth/token/roles/reach-space", &role).unwrap();
    let minted = bench.server.admin("POST", "team/auth/token/create/reach-space", &json!({"ttl": "1h"})).unwrap();
    let token = minted["auth"]["client_token"].as_str().unwrap();
    std::fs::write(bench.token_file(), token).unwrap();

    let inside = Upstream { namespace: Some("team".parse().unwrap()), ..bench.upstream() };
    let provider = through(&bench, inside);
    let blue = crate::support::credential(1, applied(provider.login(mint(1)).await));
    applied(provider.issue(&blue, mint(2), MINUTE).await);
    let outside = through(&bench, bench.upstream()).issue(&blue, mint(3), MINUTE).await;
    refused(outside, "permission denied");
}

#[tokio::test]
async fn an_upstream_without_an_address_or_a_time_is_not_taken() {
    let bench = Bench::new("reach-nothing");
    let new = |upstream: Upstream| TokenProvider::new(TokenConfig { upstream, ..bench.config() }).err();
    assert_eq!(new(Upstream::new([])), Some(ConfigError::NoAddress));
    assert_eq!(new(Upstream { timeout: Duration::ZERO, ..bench.upstream() }), Some(ConfigError::Zero { name: "timeout" }));
}

struct Full {
    address: std::net::SocketAddr,
    _listener: std::net::TcpListener,
    _connected: Vec<tokio::net::TcpStream>,
}

/// Nobody accepts here, and no more fit into the queue.
async fn socket_with_full_backlog() -> Full {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap().into_std().unwrap();
    let address = listener.local_addr().unwrap();
    let mut connected = Vec::new();
    while let Ok(stream) = tokio::time::timeout(Duration::from_secs(1), tokio::net::TcpStream::connect(address)).await {
        connected.push(stream.unwrap());
    }
    Full { address, _listener: listener, _connected: connected }
}
