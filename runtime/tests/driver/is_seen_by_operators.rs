//! Who operates an identity sees it and asks it for things, and keeps nothing alive.

use turquoise_runtime::core::{Consumers, Phase, PhaseKind, StepKind};
use turquoise_runtime::{AskError, NotReady, Wish};

use crate::common::{Sim, until};

#[tokio::test(start_paused = true)]
async fn they_ask_as_its_owner_does_and_see_what_comes_of_it() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let operator = identity.operator();
    let before = operator.serving().expect("it serves");
    let refused = operator.ask(Wish::Abort).await.expect_err("there is nothing to call off");
    assert!(matches!(refused, AskError::Illegal(_)), "{refused}");
    let mut progress = operator.progress().expect("it is there");
    operator.ask(Wish::Rotate).await.expect("a rotation may begin");
    until(&mut progress, StepKind::Cleared).await;
    assert_ne!(operator.serving(), Ok(before));

    let status = operator.status();
    assert_eq!((status.phase, status.debt_ends), (PhaseKind::Steady, None));
    let Phase::Steady(steady) = status.state else { panic!("{:?}", status.state) };
    assert_eq!(Some(steady.current.mint), status.current);
    let count = |call: &str, outcome: &str| {
        status.calls.iter().find(|(name, how, _)| (*name, *how) == (call, outcome)).map(|found| found.2)
    };
    assert_eq!(["login", "issue", "extend", "revoke"].map(|call| count(call, "applied")), [Some(1); 4]);
    assert_eq!((count("issue", "unknown"), count("issue", "not_applied")), (Some(0), Some(0)));
    sim.assert_quiet(&identity, "after a rotation that an operator asked for");
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_its_owner_whoever_looks() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let operator = identity.operator();
    assert!(operator.is_alive());
    drop(identity);
    operator.ended().await;
    assert!(!operator.is_alive() && operator.progress().is_none());
    assert_eq!(operator.serving(), Err(NotReady::Stopped));
    assert!(matches!(operator.ask(Wish::Rotate).await, Err(AskError::Stopped)));
    assert_eq!(sim.world().journals_open, 0);
}
