//! At rest the journal is offered a base that stands for all that was recorded, and a successor goes on from it.

use turquoise_runtime::core::{Consumers, StepKind};
use turquoise_runtime::port::Handle;

use crate::common::{Sim, rotate, secs, until};

#[tokio::test(start_paused = true)]
async fn after_each_round_a_base_stands_for_everything_before() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    for round in 1..=3 {
        rotate(&identity).await;
        tokio::time::sleep(secs(1)).await;
        let world = sim.world();
        let base = world.base.as_ref().expect("it is at rest");
        assert_eq!(base.checkpoint.lsn.0, world.entries.len() as u64);
        assert_eq!(Some(base.checkpoint.current), identity.status().current);
        assert_eq!(base.checkpoint.mints, round + 1);
        assert_eq!(base.handle, Some(Handle(format!("accessor-{}", round + 1))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_successor_that_finds_only_the_base_serves_and_rotates() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    rotate(&identity).await;
    tokio::time::sleep(secs(1)).await;
    identity.stop().await;
    {
        let world = sim.world();
        assert_eq!(world.base.as_ref().map(|base| base.checkpoint.lsn.0), Some(world.entries.len() as u64));
    }
    let identity = sim.start(Consumers::Counted).await;
    until(&mut identity.progress(), StepKind::Recovered).await;
    rotate(&identity).await;
    sim.assert_quiet(&identity, "after a recovery from a base");
}
