//! What is over a limit is answered and not kept; what does not get on is ended.

use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::Full;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use turquoise_proxy::{At, Limits, Listener, Quit, RequestHeader, Role, Stopped};

use crate::common::{Bench, Otherwise, words};

async fn limited(limits: Limits) -> Bench {
    Bench::with(Otherwise { limits, ..Otherwise::default() }).await
}

/// What is answered to these bytes before the connection ends.
async fn raw(bench: &Bench, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(bench.client.address()).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    // A connection that is reset has said what it had to say.
    let _ = timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.expect("it is ended");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn requests_that_can_be_read_in_two_ways_are_refused() {
    let bench = Bench::new().await;
    for odd in [
        "POST /v1/x HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabc",
        "POST /v1/x HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "GET /v1/x HTTP/1.1\r\nhost : x\r\n\r\n",
        "CONNECT evil:80 HTTP/1.1\r\nhost: evil\r\n\r\n",
        "GET /v1/../sys HTTP/1.1\r\nhost: x\r\n\r\n",
    ] {
        let answer = raw(&bench, odd.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{odd:?} was answered {answer:?}");
    }
    assert!(bench.stub.heard().is_empty());
    let (length, chunked) = ("content-length: 5\r\n", "transfer-encoding: chunked\r\n");
    for both in [format!("{length}{chunked}"), format!("{chunked}{length}")] {
        let hidden = "GET /v1/hidden HTTP/1.1\r\nhost: x\r\n\r\n";
        let answer = raw(&bench, format!("POST /v1/x HTTP/1.1\r\nhost: x\r\n{both}\r\n0\r\n\r\n{hidden}").as_bytes()).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "the connection ends with the first: {answer:?}");
    }
    let heard: Vec<_> = bench.stub.heard().into_iter().map(|heard| (heard.target, heard.body.len())).collect();
    assert_eq!(heard, [("/v1/x".to_owned(), 0), ("/v1/x".to_owned(), 0)], "there is one way to read what goes on");
}

#[tokio::test]
async fn long_heads_and_bodies_are_refused() {
    let bench = limited(Limits { head: 8 << 10, headers: 10, body: 100, replayable: 10, ..Limits::default() }).await;
    let long = format!("GET /v1/x HTTP/1.1\r\nhost: x\r\nlong: {}\r\n\r\n", "x".repeat(9_000));
    assert!(raw(&bench, long.as_bytes()).await.starts_with("HTTP/1.1 431 "));
    let many = format!("GET /v1/x HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(20));
    assert!(raw(&bench, many.as_bytes()).await.starts_with("HTTP/1.1 431 "));
    assert_eq!(bench.client.send(bench.post("/v1/x", vec![0; 101])).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(bench.stub.heard().is_empty());
    assert_eq!(bench.client.send(bench.post("/v1/x", vec![0; 100])).await.status(), StatusCode::OK, "passed on as it comes");
    assert_eq!(bench.stub.heard()[0].body.len(), 100);
    let chunked = format!(
        "POST /v1/x HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n14\r\n{0}\r\n64\r\n{1}\r\n",
        "x".repeat(20),
        "x".repeat(100)
    );
    let answer = raw_head(&bench, chunked.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 ") || answer.starts_with("HTTP/1.1 502 "), "{answer}");
}

/// The first line of the answer, from a connection that need not end.
async fn raw_head(bench: &Bench, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(bench.client.address()).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = vec![0; 4_096];
    let length = timeout(Duration::from_secs(10), stream.read(&mut answer)).await.expect("it answers").unwrap();
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

#[tokio::test]
async fn who_sends_a_head_too_slowly_is_cut_off_and_others_are_served() {
    let bench = limited(Limits { head_time: Duration::from_millis(100), connections: 3, ..Limits::default() }).await;
    let mut slow = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(bench.client.address()).await.unwrap();
        stream.write_all(b"GET /v1/x HT").await.unwrap();
        slow.push(stream);
    }
    for stream in &mut slow {
        let mut rest = Vec::new();
        let ended = timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await.expect("it is cut off");
        assert!(ended.is_err() || rest.is_empty());
    }
    assert_eq!(bench.read("/v1/x").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn floods_are_told_to_come_back() {
    let bench = limited(Limits { in_flight: 1, connections: 2, ..Limits::default() }).await;
    let held = tokio::spawn({
        let (client, request) = (bench.client.clone(), bench.get("/v1/held"));
        async move { client.send(request).await }
    });
    while bench.stub.heard().is_empty() {
        tokio::task::yield_now().await;
    }
    let crowded = bench.read("/v1/x").await;
    assert_eq!((crowded.status(), &crowded.headers()["retry-after"]), (StatusCode::TOO_MANY_REQUESTS, &"1".parse().unwrap()));
    let _idle = TcpStream::connect(bench.client.address()).await.unwrap();
    let full = loop {
        let answer = bench.read("/v1/x").await;
        if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
            break answer;
        }
    };
    assert!(words(&full).contains("connections") && full.headers()["connection"] == "close", "{full:?}");
    bench.stub.bell.notify_one();
    assert_eq!(held.await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn it_ends_when_what_is_under_way_is_finished_or_the_time_is_over() {
    for (within, rung, end) in [(30_000, true, Stopped::Drained), (100, false, Stopped::Cut)] {
        let mut bench = Bench::new().await;
        let (client, request) = (bench.client.clone(), bench.get("/v1/held"));
        let address = client.address();
        let held = tokio::spawn(async move { tokio::spawn(async move { client.send(request).await }).await });
        while bench.stub.heard().is_empty() {
            tokio::task::yield_now().await;
        }
        let stopping = tokio::spawn(bench.proxy.take().unwrap().stop(Duration::from_millis(within)));
        while TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if rung {
            bench.stub.bell.notify_one();
        }
        assert_eq!(stopping.await.unwrap(), end);
        assert_eq!(held.await.unwrap().is_ok_and(|response| response.status() == StatusCode::OK), rung);
        assert_eq!(bench.identity.status().current_held, 0, "nothing is in use any more");
    }
}

#[tokio::test]
async fn a_listener_serves_what_its_role_says_and_ends_us_only_where_it_may() {
    let at = || At::Tcp(([127, 0, 0, 1], 0).into());
    let listener = Listener { role: Role::MetricsOnly, ..Listener::new(at()) };
    let bench = Bench::with(Otherwise { listener: listener.clone(), ..Otherwise::default() }).await;
    for path in ["/agent/v1/metrics", "/proxy/v1/metrics"] {
        let text = bench.read(path).await;
        assert!(words(&text).contains("turquoise_proxy_requests_total "), "{text:?}");
    }
    let of_the_program = Bench::with(Otherwise { listener, metrics: true, ..Otherwise::default() }).await;
    for path in ["/agent/v1/metrics", "/metrics"] {
        assert_eq!(words(&of_the_program.read(path).await), "of_the_program 1\n");
    }
    assert_eq!(words(&of_the_program.read("/healthz").await), "ok\n");
    let ready = of_the_program.read("/readyz").await;
    assert_eq!((ready.status(), words(&ready)), (StatusCode::SERVICE_UNAVAILABLE, "not yet\n"));
    for path in ["/v1/x", "/agent/v1/quit", "/agent/v1/cache-clear"] {
        assert_eq!(bench.read(path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let post = |path: &str| Request::post(path).body(Full::default()).unwrap();
    let listener = Listener { quit: Quit::Enabled, request_header: RequestHeader::Required, ..Listener::new(at()) };
    let bench = Bench::with(Otherwise { listener, ..Otherwise::default() }).await;
    assert_eq!(bench.client.send(post("/proxy/v1/cache-clear")).await.status(), StatusCode::OK);
    assert_eq!(bench.read("/agent/v1/quit").await.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(bench.client.send(post("/agent/v1/quit")).await.status(), StatusCode::OK);
    timeout(Duration::from_secs(10), bench.hooks.quit.notified()).await.expect("it is rung");
    assert_eq!(bench.read("/v1/x").await.status(), StatusCode::PRECONDITION_FAILED);
    let mut meant = bench.get("/v1/x");
    meant.headers_mut().insert("x-vault-request", "true".parse().unwrap());
    assert_eq!(bench.client.send(meant).await.status(), StatusCode::OK);
}
