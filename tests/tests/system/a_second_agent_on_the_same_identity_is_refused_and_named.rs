//! One process at a time: the second is told which the first is, and changes nothing.

use crate::agent::{Agent, How};
use crate::site::{Site, server};

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
