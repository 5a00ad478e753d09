//! The request that extends a candidate's life, or the answer to it, is lost. Nothing that lives on probation is ever given to
//! consumers, and whatever was or was not done, one token lives in the end, for long.

use std::fs;
use std::time::Duration;

use turquoise_tests::policy;

use crate::agent::{Agent, How};
use crate::consumer::Consumer;
use crate::http::Http;
use crate::proxy::{Loss, Proxy};
use crate::site::{Site, server};

fn survive(role: &str, loss: Loss) {
    let site = Site::new(server(), role);
    let proxy = Proxy::before(&site.address);
    let mut agent = Agent::start(&site, How { address: Some(&proxy.address), ..How::default() });
    agent.until_steady();
    let consumer = Consumer::start(&site);
    // In a process that has just begun, the first to be sent.
    proxy.lose(loss, "auth/token/renew-self");
    agent.rotate();
    assert!(proxy.has_lost());

    let published = fs::read_to_string(site.sink()).unwrap();
    let (_, looked) = Http::new(&site.address).get("auth/token/lookup-self", &published).unwrap();
    let remaining = Duration::from_secs(looked["data"]["ttl"].as_u64().unwrap());
    assert!(remaining > policy().probation, "what serves has only {remaining:?} to live");
    agent.stop();
    let journalled = site.assert_quiet(server());
    assert!(journalled.has("Promoted") != journalled.has("AbandonIntent"));
    consumer.stop();
}

#[test]
fn a_lost_extension_is_not_believed() {
    survive("lost-extension", Loss::Request);
    survive("lost-answer", Loss::Answer);
}
