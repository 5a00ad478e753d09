//! A client that sends over a wire: hyper's.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tower_layer::Layer as _;
use tower_service::Service as _;
use turquoise_tower::{CredentialLayer, Empty, Header};

use crate::common::serving;

#[tokio::test]
async fn the_server_is_shown_the_credential_and_the_rest_of_the_body_keeps_it_in_use() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let identity = serving().await;
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let mut client = CredentialLayer::new(identity.credentials(), Header::Bearer).canary(Empty).layer(client);
    let request = Request::get(format!("http://{}/", server.local_addr().unwrap())).body(Full::default()).unwrap();
    let asked = async { client.call(request).await.unwrap() };
    let answered = async {
        let (mut stream, _) = server.accept().await.unwrap();
        let mut seen = vec![0; 4096];
        let length = stream.read(&mut seen).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nnever").await.unwrap();
        (stream, String::from_utf8_lossy(&seen[..length]).into_owned())
    };
    let (response, (mut stream, seen)) = tokio::join!(asked, answered);
    assert!(response.status() == StatusCode::OK && seen.contains("authorization: Bearer key-1\r\n"), "{seen}");
    assert_eq!(identity.status().current_held, 1, "half of it is to come");
    stream.write_all(b" dark").await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "never dark");
    assert_eq!(identity.status().current_held, 0);
}
