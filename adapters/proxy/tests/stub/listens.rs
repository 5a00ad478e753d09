//! On TCP with TLS, on unix sockets, before anybody is let in, and beside a predecessor.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use turquoise_proxy::{At, Bound, Door, Limits, Listener, Stopped};

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
    bench.proxy.take().unwrap().stop(Duration::from_secs(30)).await;
    assert!(!path.exists());
}

#[tokio::test]
async fn beside_a_predecessor_whose_connections_are_not_lost() {
    let mut old = Bench::new().await;
    let at = At::Tcp(old.client.address());
    let new = Bench::with(Otherwise { listener: Listener::new(at), ..Otherwise::default() }).await;
    old.proxy.take().unwrap().stop(Duration::from_secs(30)).await;
    for _ in 0..10 {
        assert_eq!(new.read("/v1/x").await.status(), StatusCode::OK);
    }
    assert_eq!(new.stub.heard().len(), 10);
}

#[tokio::test]
async fn who_comes_before_it_is_started_is_served_when_it_is() {
    let door = Door::open(&Listener::new(At::Tcp(([127, 0, 0, 1], 0).into()))).unwrap();
    let Bound::Tcp(address) = *door.bound() else { panic!("it is TCP") };
    let early = TcpStream::connect(address).await.unwrap();
    let bench = Bench::with(Otherwise { door: Some(door), ..Otherwise::default() }).await;
    assert_eq!(exchange(early, bench.get("/v1/x")).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_kept_connection_ends_with_its_next_answer_or_when_it_has_lingered() {
    for (linger, brings_more) in [(30_000, true), (20, false)] {
        let limits = Limits { linger: Duration::from_millis(linger), ..Limits::default() };
        let mut bench = Bench::with(Otherwise { limits, ..Otherwise::default() }).await;
        let stream = TcpStream::connect(bench.client.address()).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let kept = sender.send_request(bench.get("/v1/x")).await.unwrap();
        assert!(!kept.headers().contains_key("connection"));
        kept.into_body().collect().await.unwrap();
        let stopping = tokio::spawn(bench.proxy.take().unwrap().stop(Duration::from_secs(30)));
        // It has begun to stop when nobody new is let in.
        while TcpStream::connect(bench.client.address()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if brings_more {
            let last = sender.send_request(bench.get("/v1/x")).await.unwrap();
            assert_eq!((last.status(), &last.headers()["connection"]), (StatusCode::OK, &"close".parse().unwrap()));
            last.into_body().collect().await.unwrap();
        }
        assert_eq!(stopping.await.unwrap(), Stopped::Drained);
        connection.await.unwrap().unwrap();
    }
}
