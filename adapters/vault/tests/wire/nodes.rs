//! Several nodes: which one a request goes to, and when another one.

use std::time::Duration;

use tokio::net::TcpListener;
use turquoise_runtime::port::{Minted, Provider, Reply};
use turquoise_vault::{TokenConfig, TokenProvider, Upstream};

use crate::stub::{Act, MINTED, Stub, TOKEN, answer, config, holder, mint};

const LOOKED_UP: &str = r#"{"data":{"accessor":"acc","ttl":60}}"#;

fn over(nodes: &[&Stub]) -> TokenProvider {
    let addresses = nodes.iter().map(|node| node.address.parse().unwrap());
    TokenProvider::new(TokenConfig { upstream: Upstream::new(addresses), ..config("http://unused") }).unwrap()
}

async fn issue(provider: &TokenProvider) -> Reply<Minted> {
    provider.issue(&holder(TOKEN), mint(), Duration::from_mins(1)).await
}

fn redirect(to: &str) -> Act {
    Act::Answer("307 Temporary Redirect", format!("Location: {to}/v1/auth/token/lookup-self\r\n"), String::new())
}

#[tokio::test]
async fn what_a_node_certainly_did_not_do_is_asked_of_the_next() {
    for not_done in [
        answer("503 Service Unavailable", r#"{"errors":["Vault is sealed"]}"#),
        answer("429 Too Many Requests", r#"{"errors":[]}"#),
        answer("473 Standby", ""),
    ] {
        let (first, second) = (Stub::start(vec![not_done]).await, Stub::start(vec![answer("200 OK", MINTED); 2]).await);
        let provider = over(&[&first, &second]);
        assert!(matches!(issue(&provider).await, Reply::Applied(_)));
        assert!(matches!(issue(&provider).await, Reply::Applied(_)), "the one that answered is asked first");
        assert_eq!((first.seen().len(), second.seen().len()), (1, 2));
    }
}

#[tokio::test]
async fn a_refusal_or_a_quota_is_the_word_of_all_nodes() {
    for said in [
        answer("403 Forbidden", r#"{"errors":["permission denied"]}"#),
        answer("429 Too Many Requests", r#"{"errors":["rate limit quota exceeded"]}"#),
    ] {
        let (first, second) = (Stub::start(vec![said]).await, Stub::start(Vec::new()).await);
        assert!(matches!(issue(&over(&[&first, &second])).await, Reply::Refused(_) | Reply::Throttled { .. }));
        assert_eq!(second.connections(), 0);
    }
}

#[tokio::test]
async fn a_mint_that_may_have_been_done_is_asked_of_nobody_else_and_the_next_call_is() {
    for in_doubt in [Act::Cut(""), answer("500 Internal Server Error", r#"{"errors":["internal error"]}"#)] {
        let (first, second) = (Stub::start(vec![in_doubt]).await, Stub::start(vec![answer("204 No Content", "")]).await);
        let provider = over(&[&first, &second]);
        assert!(matches!(issue(&provider).await, Reply::Unknown(_)));
        assert_eq!(second.seen().len(), 0);
        assert!(matches!(provider.revoke(&holder(TOKEN)).await, Reply::Applied(())));
    }
}

#[tokio::test]
async fn a_read_that_came_to_nothing_is_asked_of_the_next() {
    let (first, second) = (Stub::start(vec![Act::Cut("")]).await, Stub::start(vec![answer("200 OK", LOOKED_UP)]).await);
    assert!(matches!(over(&[&first, &second]).probe(&holder(TOKEN)).await, Reply::Applied(_)));
}

#[tokio::test]
async fn a_redirect_leads_a_read_to_an_address_that_is_configured() {
    let leader = Stub::start(vec![answer("200 OK", LOOKED_UP)]).await;
    let (first, other) = (Stub::start(vec![redirect(&leader.address)]).await, Stub::start(Vec::new()).await);
    assert!(matches!(over(&[&first, &other, &leader]).probe(&holder(TOKEN)).await, Reply::Applied(_)));
    assert_eq!((other.connections(), leader.seen().len()), (0, 1));
}

#[tokio::test]
async fn a_redirect_elsewhere_leads_nowhere() {
    let elsewhere = Stub::start(Vec::new()).await;
    let first = Stub::start(vec![redirect(&elsewhere.address)]).await;
    assert!(matches!(over(&[&first]).probe(&holder(TOKEN)).await, Reply::Unknown(_)));
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_mint_is_not_repeated_where_a_redirect_points() {
    let leader = Stub::start(vec![answer("204 No Content", "")]).await;
    let first = Stub::start(vec![redirect(&leader.address)]).await;
    let provider = over(&[&first, &leader]);
    assert!(matches!(issue(&provider).await, Reply::Unknown(_)));
    assert_eq!(leader.seen().len(), 0);
    assert!(matches!(provider.revoke(&holder(TOKEN)).await, Reply::Applied(())), "the next call goes there");
}

#[tokio::test]
async fn nobody_at_any_address_is_unavailable() {
    let free = || async { TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap() };
    let addresses = [free().await, free().await].map(|address| format!("http://{address}").parse().unwrap());
    let provider = TokenProvider::new(TokenConfig { upstream: Upstream::new(addresses), ..config("http://unused") }).unwrap();
    assert!(matches!(issue(&provider).await, Reply::Unavailable(_)));
}
