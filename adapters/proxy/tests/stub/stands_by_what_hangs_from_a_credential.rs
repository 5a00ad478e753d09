//! A generation is in use while a reply is read, a stream is open, or what was made with it lives.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use turquoise_proxy::Dependents;
use turquoise_runtime::Guard;

use crate::common::{Bench, Otherwise, TRIAL};

/// Keeps what it is told.
#[derive(Default)]
struct Told {
    held: Mutex<Vec<(String, Guard)>>,
    words: Mutex<Vec<String>>,
}

impl Dependents for Told {
    fn hold(&self, lease: &str, guard: Guard, life: Duration) {
        self.words.lock().unwrap().push(format!("{lease} lives {life:?} of {}", guard.handle().0));
        self.held.lock().unwrap().push((lease.to_owned(), guard));
    }

    fn renewed(&self, lease: &str, life: Duration) {
        self.words.lock().unwrap().push(format!("{lease} lives {life:?}"));
    }

    fn ended(&self, lease: &str) {
        self.words.lock().unwrap().push(format!("{lease} ended"));
        self.held.lock().unwrap().retain(|(held, _)| held != lease);
    }

    fn sweep(&self) {}
}

#[tokio::test]
async fn a_lease_holds_what_it_was_made_with_until_it_ends() {
    let told = Arc::new(Told::default());
    let bench = Bench::with(Otherwise { dependents: Some(Arc::clone(&told) as _), ..Otherwise::default() }).await;
    bench.stub.answers.lock().unwrap().extend([
        ("/v1/database/creds/app", (200, r#"{"lease_id":"database/creds/app/x","lease_duration":60,"data":{}}"#)),
        ("/v1/sys/leases/renew", (200, r#"{"lease_id":"database/creds/app/x","lease_duration":90}"#)),
        ("/v1/secret/data/app", (200, r#"{"lease_id":"","data":{"lease_id":"no"}}"#)),
    ]);
    let held = || bench.identity.status().current_held;
    bench.read("/v1/secret/data/app").await;
    assert_eq!(held(), 0);
    bench.read("/v1/database/creds/app").await;
    assert_eq!(held(), 1);
    bench.client.send(bench.post("/v1/sys/leases/renew", r#"{"lease_id":"database/creds/app/x"}"#)).await;
    bench.client.send(bench.post("/v1/sys/leases/revoke", r#"{"lease_id":"database/creds/app/x"}"#)).await;
    assert_eq!(held(), 0);
    let words = ["database/creds/app/x lives 60s of accessor-1", "database/creds/app/x lives 90s", "database/creds/app/x ended"];
    assert_eq!(*told.words.lock().unwrap(), words);
}

#[tokio::test]
async fn so_does_a_child_but_not_a_token_that_stands_alone() {
    let bench = Bench::new().await;
    bench.stub.answers.lock().unwrap().extend([
        (
            "/v1/auth/token/create",
            (200, r#"{"auth":{"client_token":"s.c","accessor":"child","orphan":false,"lease_duration":60}}"#),
        ),
        (
            "/v1/auth/token/create-orphan",
            (200, r#"{"auth":{"client_token":"s.o","accessor":"o","orphan":true,"lease_duration":60}}"#),
        ),
    ]);
    let held = || bench.identity.status().current_held;
    bench.client.send(bench.post("/v1/auth/token/create-orphan", "{}")).await;
    assert_eq!(held(), 0);
    bench.client.send(bench.post("/v1/auth/token/create", "{}")).await;
    assert_eq!(held(), 1);
    bench.client.send(bench.post("/v1/auth/token/revoke-accessor", r#"{"accessor":"child"}"#)).await;
    assert_eq!(held(), 0);
}

#[tokio::test]
async fn a_stream_stays_with_the_current_one_that_it_began_with() {
    let bench = Bench::with(Otherwise { canary: Some(TRIAL), ..Otherwise::default() }).await;
    bench.try_next().await;
    let mut stream = TcpStream::connect(bench.client.address()).await.unwrap();
    let upgrade = format!(
        "GET /v1/sys/events/subscribe/x HTTP/1.1\r\nhost: x\r\nx-vault-token: {}\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n",
        bench.local
    );
    stream.write_all(upgrade.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    stream.write_all(b"never dark").await.unwrap();
    let mut said = [0; 10];
    stream.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"never dark");
    assert_eq!((bench.stub.shown(), bench.identity.status().current_held), (vec![Some("key-1".to_owned())], 1));
    drop(stream);
    while bench.identity.status().current_held > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.read("/v1/sys/monitor").await.status(), StatusCode::OK);
    assert_eq!(bench.stub.shown()[1].as_deref(), Some("key-1"), "no candidate");
}
