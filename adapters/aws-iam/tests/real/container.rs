//! The endpoint that clients ask: who is answered, what, and who is not.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use turquoise_aws_iam::{Container, ContainerError};
use turquoise_runtime::Credentials;
use turquoise_runtime::memory::ExposeSecret as _;

use crate::support::Bench;

const TOKEN: &str = "a-token-that-was-chosen-by-chance";
const EXPIRES_IN: Duration = Duration::from_mins(20);

/// Serves until the runtime of the test ends.
async fn serve(credentials: Credentials) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(Container::new(listener, credentials, TOKEN.into(), EXPIRES_IN).unwrap().serve());
    address
}

/// All that is answered to a request with these headers.
async fn ask(address: SocketAddr, line: &str, headers: &[(&str, &str)]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut request = format!("{line} HTTP/1.1\r\nHost: {address}\r\n");
    for (name, value) in headers {
        write!(request, "{name}: {value}\r\n").unwrap();
    }
    request += "\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn ask_well(address: SocketAddr) -> String {
    ask(address, "GET /", &[("Authorization", TOKEN)]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_shows_the_token_is_given_the_key_that_serves_and_when_to_ask_again() {
    let bench = Bench::new();
    let running = bench.start().await;
    let address = serve(running.identity.credentials()).await;
    for rotations in 0..2 {
        let answer = ask_well(address).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("no-store") && head.contains("close"), "{head}");
        let told: Value = serde_json::from_str(body).unwrap();
        assert_eq!(told["AccessKeyId"], running.serving());
        let guard = running.identity.credentials().acquire().unwrap();
        assert_eq!(told["SecretAccessKey"], guard.secret().expose_secret());
        assert!(told["Token"] == "" && told["Expiration"].as_str().unwrap().ends_with('Z'), "{told}");
        drop(guard);
        if rotations == 0 {
            running.rotate().await;
        }
    }
    running.identity.stop().await;
    assert!(ask_well(address).await.starts_with("HTTP/1.1 503"), "nothing serves any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_show_it_is_told_nothing() {
    let bench = Bench::new();
    let running = bench.start().await;
    let address = serve(running.identity.credentials()).await;
    let almost = &TOKEN[1..];
    let other = TOKEN.replace('a', "b");
    for headers in [
        &[][..],
        &[("Authorization", "")],
        &[("Authorization", almost)],
        &[("Authorization", &other)],
        &[("X-Authorization", TOKEN)],
        &[("Authorization", TOKEN), ("Authorization", TOKEN)],
    ] {
        for line in ["GET /", "GET /other", "POST /"] {
            let answer = ask(address, line, headers).await;
            assert!(answer.starts_with("HTTP/1.1 401") && !answer.contains(&bench.first.id), "{line} {headers:?}: {answer}");
        }
    }
    let status = async |line: &str| ask(address, line, &[("Authorization", TOKEN)]).await[9..12].to_owned();
    assert_eq!([status("POST /").await, status("GET /other").await, status("GET /?a=b").await], ["405", "404", "200"]);
    running.identity.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_no_key_serves_a_client_is_told_when_to_ask_again() {
    let bench = Bench::new();
    let (there, away) = (bench.folder.path().join("profile"), bench.folder.path().join("away"));
    std::fs::rename(&there, &away).unwrap();
    let identity = bench.begin().await;
    let address = serve(identity.credentials()).await;
    let answer = ask_well(address).await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 1"), "{answer}");
    std::fs::rename(&away, &there).unwrap();
    identity.credentials().ready().await.unwrap();
    assert!(ask_well(address).await.contains(&bench.first.id));
    identity.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_too_much_or_nothing_at_all_does_not_keep_others_from_being_answered() {
    let bench = Bench::new();
    let running = bench.start().await;
    let address = serve(running.identity.credentials()).await;
    let (long, authorized) = ("x".repeat(9000), ("Authorization", TOKEN));
    let much = ask(address, "GET /", &[authorized, ("X-Long", &long)]).await;
    let many: Vec<_> = std::iter::once(authorized).chain([("X-Many", "x"); 40]).collect();
    for answer in [much, ask(address, "GET /", &many).await] {
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    assert!(ask_well(address).await.starts_with("HTTP/1.1 200"), "they were cut off");
    running.identity.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_listens_where_others_could_hear_or_guess() {
    let bench = Bench::new();
    let running = bench.start().await;
    let open = async |address: &str, token: &str, expires_in| {
        let listener = TcpListener::bind(address).await.unwrap();
        Container::new(listener, running.identity.credentials(), token.into(), expires_in).map(drop)
    };
    assert!(matches!(open("0.0.0.0:0", TOKEN, EXPIRES_IN).await, Err(ContainerError::NotLoopback(_))));
    for weak in ["", "short", "a token that has blanks in it", "a-token-with-a-newline\n"] {
        assert!(matches!(open("127.0.0.1:0", weak, EXPIRES_IN).await, Err(ContainerError::Token)), "{weak:?}");
    }
    assert!(matches!(open("127.0.0.1:0", TOKEN, Duration::ZERO).await, Err(ContainerError::Zero)));
    assert!(open("127.0.0.1:0", TOKEN, EXPIRES_IN).await.is_ok());
    running.identity.stop().await;
}
