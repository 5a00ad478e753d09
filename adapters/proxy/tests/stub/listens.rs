//! On TCP with TLS, on unix sockets, on what was inherited, and beside a predecessor.

use std::sync::Arc;

use http::StatusCode;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use turquoise_proxy::{At, Bound, Listener};

use crate::common::{Bench, Otherwise, exchange};

#[tokio::test]
async fn with_tls_where_it_is_given_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let at = At::Tcp(([127, 0, 0, 1], 0).into());
    let listener = Listener { tls: Some((certificate, key)), ..Listener::new(at) };
    let bench = Bench::with(Otherwise { listener, ..Otherwise::default() }).await;
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(bench.client.address()).await.unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    assert_eq!(exchange(stream, bench.get("/v1/x")).await.status(), StatusCode::OK);
    assert_eq!(bench.stub.shown(), [Some("key-1".to_owned())]);
}

#[tokio::test]
async fn on_a_unix_socket_that_goes_when_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.sock");
    let at = At::Unix { path: path.clone(), mode: 0o600, user: None, group: None };
    let mut bench = Bench::with(Otherwise { listener: Listener::new(at), ..Otherwise::default() }).await;
    assert_eq!(bench.client.at, Bound::Unix(path.clone()));
    let stream = UnixStream::connect(&path).await.unwrap();
    assert_eq!(exchange(stream, bench.get("/v1/x")).await.status(), StatusCode::OK);
    bench.proxy.take().unwrap().stop(std::time::Duration::from_secs(30)).await;
    assert!(!path.exists());
}

#[tokio::test]
async fn beside_a_predecessor_whose_connections_are_not_lost() {
    let mut old = Bench::new().await;
    let at = At::Tcp(old.client.address());
    let new = Bench::with(Otherwise { listener: Listener::new(at), ..Otherwise::default() }).await;
    old.proxy.take().unwrap().stop(std::time::Duration::from_secs(30)).await;
    for _ in 0..10 {
        assert_eq!(new.read("/v1/x").await.status(), StatusCode::OK);
    }
    assert_eq!(new.stub.heard().len(), 10);
}
