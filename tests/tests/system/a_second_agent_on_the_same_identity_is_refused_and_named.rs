//! One process at a time: the second is told which the first is, and changes nothing.

use std::time::Duration;

use crate::agent::{Agent, How};
use crate::site::{Site, server};

/// A token that lives so long is renewed before long.
const BRIEF: Duration = Duration::from_secs(10);

#[test]
fn a_second_agent_on_the_same_identity_is_refused_and_named() {
    let site = Site::new(server(), "twice");
    let mut first = Agent::start(&site, How::default());
    first.until_steady();

    let mut second = Agent::start(&site, How::default());
    assert_eq!(second.wait().code(), Some(1));
    let said = second.log();
    let named = format!("is in use by process {};", first.pid());
    assert!(said.contains(&named), "{named:?} is not in {said:?}");
    assert_eq!(second.said, [] as [&str; 0], "it did something");

    first.rotate();
    first.stop();
    let journalled = site.assert_quiet(server());
    assert!(journalled.has("Promoted") && !journalled.has("Recovered"), "the first was disturbed");
}

/// With a journal of its own nothing keeps a second one from taking over the same first token. The one that rotates first ends
/// that token; the other says that it needs a person, and harms nothing.
#[test]
fn a_second_agent_with_another_journal_loses_the_token_and_says_so() {
    let site = Site::with_life(server(), "thrice", BRIEF);
    let elsewhere = site.beside();
    let (mut first, mut second) = (Agent::start(&site, How::default()), Agent::start(&elsewhere, How::default()));
    first.until_steady();
    second.until_steady();
    first.rotate();
    second.until_step("Stuck");
    first.rotate();
    second.kill();
    first.stop();
    assert!(!elsewhere.journalled().has("IssueIntent"), "it minted");
    let said = elsewhere.logs();
    assert!(said.contains("stuck: an operator is needed") && said.contains("find out who revoked it"), "{said}");
    site.assert_quiet(server());
}
