use std::time::Duration;

use tokio::net::TcpListener;
use turquoise_runtime::port::{Minted, Provider, Reason, Reply};
use turquoise_vault::TokenProvider;

use crate::stub::{Act, MINTED, Stub, TOKEN, answer, config, holder, mint, provider};

const LIFE: Duration = Duration::from_mins(1);

async fn issue(address: &str) -> Reply<Minted> {
    provider(address).issue(&holder(TOKEN), mint(), LIFE).await
}

/// What is known of a mint after one such act.
async fn after(act: Act) -> Reply<Minted> {
    issue(&Stub::start(vec![act]).await.address).await
}

#[track_caller]
fn unknown<T>(reply: Reply<T>) -> String {
    let Reply::Unknown(Reason(why)) = reply else { panic!("not unknown") };
    why
}

#[tokio::test]
async fn an_unreachable_server_is_unavailable_and_not_unknown() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let Reply::Unavailable(Reason(why)) = issue(&format!("http://{free}")).await else { panic!("not unavailable") };
    assert!(why.contains("Connection refused"), "{why}");
}

#[tokio::test]
async fn a_reply_that_is_cut_off_is_unknown() {
    unknown(after(Act::Cut("")).await);
    unknown(after(Act::Cut("HTTP/1.1 200 OK\r\nContent-Le")).await);
    unknown(after(Act::Cut("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"auth\":")).await);
    unknown(after(Act::Cut("HTTP/1.1 403 Forbidden\r\nContent-Length: 99\r\n\r\n{\"errors\":")).await);
}

#[tokio::test]
async fn a_call_that_is_cut_off_is_not_sent_again() {
    let stub = Stub::start(vec![answer("204 No Content", ""), Act::Cut("")]).await;
    let provider = stub.provider();
    assert!(matches!(provider.revoke(&holder(TOKEN)).await, Reply::Applied(())));
    unknown(provider.issue(&holder(TOKEN), mint(), LIFE).await);
    assert_eq!(stub.seen().len(), 2);
}

#[tokio::test]
async fn no_reply_in_time_is_unknown() {
    let stub = Stub::start(vec![Act::Silence]).await;
    let mut impatient = config(&stub.address);
    impatient.upstream.timeout = Duration::from_millis(100);
    let reply = TokenProvider::new(impatient).unwrap().issue(&holder(TOKEN), mint(), LIFE).await;
    assert!(unknown(reply).contains("no answer within 100ms"));
}

#[tokio::test]
async fn a_reply_that_makes_no_sense_is_unknown_and_is_not_quoted() {
    for body in ["", "{}", "<html>", r#"{"auth":null}"#, r#"{"auth":{"client_token":"s.new","lease_duration":"s.new"}}"#] {
        let why = unknown(after(answer("200 OK", body)).await);
        assert!(!why.contains("s.new") && !why.contains("html"), "{why}");
    }
}

#[tokio::test]
async fn a_reply_longer_than_the_limit_is_unknown() {
    let body = format!("{{\"filler\":\"{}\"}}", "x".repeat(1 << 20));
    unknown(after(answer("200 OK", &body)).await);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Stub::start(Vec::new()).await;
    let location = format!("Location: {}/v1/auth/token/create/rot\r\n", elsewhere.address);
    let why = unknown(after(Act::Answer("307 Temporary Redirect", location, String::new())).await);
    assert!(why.contains("a redirect"), "{why}");
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_secret_that_is_echoed_is_struck_out_of_the_reason() {
    let echo = format!(r#"{{"errors":["no such token: {TOKEN}, {}"]}}"#, "s.target");
    let Reply::Refused(Reason(why)) = after(answer("403 Forbidden", &echo)).await else { panic!("not refused") };
    assert!(!why.contains(TOKEN) && why.contains("no such token: (hidden)"), "{why}");
    let stub = Stub::start(vec![answer("403 Forbidden", &echo)]).await;
    let reply = stub.provider().observe(&holder("s.target"), &holder(TOKEN)).await;
    let Reply::Refused(Reason(why)) = reply else { panic!("not refused") };
    assert!(why.ends_with("no such token: (hidden), (hidden)"), "{why}");
}

#[tokio::test]
async fn a_long_reason_is_cut_short_and_no_secret_with_it() {
    for filler in 500..600 {
        let echo = format!(r#"{{"errors":["{} {TOKEN} {}"]}}"#, "x".repeat(filler), "y".repeat(999));
        let Reply::Refused(Reason(why)) = after(answer("403 Forbidden", &echo)).await else { panic!("not refused") };
        assert!(why.len() == 600 && !why.contains(&TOKEN[..4]), "{why}");
    }
}

#[tokio::test]
async fn an_unfit_token_that_is_echoed_is_struck_out_too() {
    let minted = MINTED.replace("null", r#"["mind s.new"]"#);
    let stub = Stub::start(vec![answer("200 OK", &minted), answer("204 No Content", "")]).await;
    let Reply::Refused(Reason(why)) = issue(&stub.address).await else { panic!("not refused") };
    assert!(why.ends_with("the server warned: mind (hidden)"), "{why}");
}

#[tokio::test]
async fn one_connection_serves_all_tokens() {
    let stub = Stub::start(vec![answer("204 No Content", ""), answer("204 No Content", "")]).await;
    let provider = stub.provider();
    for token in ["s.one", "s.two"] {
        assert!(matches!(provider.revoke(&holder(token)).await, Reply::Applied(())));
        let seen = stub.seen().pop().unwrap();
        assert!(seen.contains(&format!("x-vault-token: {token}\r\n")), "{seen}");
    }
    assert_eq!(stub.connections(), 1);
}

#[tokio::test]
async fn a_mint_names_its_generation_in_a_header_for_the_audit_log() {
    let stub = Stub::start(vec![answer("200 OK", MINTED)]).await;
    assert!(matches!(issue(&stub.address).await, Reply::Applied(_)));
    let seen = stub.seen().pop().unwrap();
    assert!(seen.starts_with("post /v1/auth/token/create/rot http/1.1\r\n") && seen.contains("x-rotation-id: 00000001-2\r\n"));
}
