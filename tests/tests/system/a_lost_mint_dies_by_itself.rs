//! The server mints, and its answer is lost: nobody holds the secret of a token that lives. No other is minted before it is
//! dead by itself, and that is soon, as it was minted on probation.

use std::thread;
use std::time::{Duration, Instant};

use turquoise_audit::By;
use turquoise_tests::{Command, Told, policy};

use crate::agent::{Agent, How};
use crate::audit;
use crate::consumer::Consumer;
use crate::proxy::{Fault, Proxy, Which};
use crate::site::{Site, lives, server};

const ROLE: &str = "lost";

#[test]
fn a_lost_mint_dies_by_itself() {
    let site = Site::new(server(), ROLE);
    let proxy = Proxy::before(&site.address);
    let mut agent = Agent::start(&site, How { addresses: &[&proxy.address], ..How::default() });
    agent.until_steady();
    let consumer = Consumer::start(&site);

    proxy.strike(Fault::LostAnswer, Which::To("POST /v1/auth/token/create/"));
    let sent = Instant::now();
    agent.order(Command::Rotate);
    agent.until("it is abandoned", |told| {
        matches!(told, Told::Record { step, phase, reason, .. }
        if step == "AbandonIntent" && phase == "Abandoning" && reason.as_ref().is_some_and(|why| why.contains("no answer")))
    });
    let minted = |which: usize| audit::minted(&audit::read(server()), ROLE).get(which).copied().map(str::to_owned);
    let lost = minted(1).unwrap();
    assert_eq!(server().live_tokens(ROLE).unwrap(), 2, "the lost token lives");

    // What is asked for now waits until the lost one is dead.
    agent.until_step("Owed");
    agent.order(Command::Rotate);
    let limit = policy().probation + Duration::from_secs(2);
    while server().live_tokens(ROLE).unwrap() > 1 {
        assert!(sent.elapsed() < limit, "it outlives its probation");
        thread::sleep(Duration::from_millis(100));
    }
    assert!(sent.elapsed() > policy().probation.mul_f32(0.5), "something ended it before its time");
    assert_eq!(minted(2), None, "a second mint before the first was dead");

    agent.until("its death is certain", |told| matches!(told, Told::Record { step, .. } if step == "Died"));
    assert!(sent.elapsed() >= policy().probation + policy().delta, "too early to be certain");
    assert!(!lives(server(), &lost), "believed dead, and alive");
    agent.until_step("IssueIntent");
    agent.until_steady();
    agent.stop();
    let journalled = site.assert_quiet(server());
    assert!(journalled.has("Promoted"));
    consumer.stop();
    let judgement = audit::judge(server(), ROLE, &journalled);
    let [_, second, _] = judgement.credentials.as_slice() else {
        panic!("the first, the lost, and the one that serves: {judgement}")
    };
    assert_eq!((second.accessor.as_deref(), second.ended_by), (Some(lost.as_str()), Some(By::Time)), "{judgement}");
    assert_eq!((second.worked, second.refused), (0, 0), "somebody had the secret of the lost token");
}
