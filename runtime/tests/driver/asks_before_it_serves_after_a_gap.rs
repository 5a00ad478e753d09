//! Time was lost while the machine slept: nothing is given to new work before the provider has been asked.

use std::time::Duration;

use turquoise_runtime::core::{Budget, Consumers, PhaseKind, StepKind};
use turquoise_runtime::{Load, NotReady};

use crate::common::{Fault, Sim, secs, until};

#[tokio::test(start_paused = true)]
async fn what_still_lives_serves_on_once_it_was_renewed() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    *sim.drift.lock().expect("nobody panicked") += secs(60);
    tokio::time::sleep(secs(11)).await;
    assert!(sim.asked("live 1 to 60s")[0] <= secs(11), "half of its life is not yet over: {:?}", sim.log_from(0));
    assert!(sim.serves(&identity));
}

#[tokio::test(start_paused = true)]
async fn nothing_serves_while_the_provider_does_not_answer() {
    let mut sim = Sim::new();
    // Depending on when the gap is seen, that is long enough for it.
    sim.ear.allow("dark: the current credential may be dead");
    let identity = sim.ready(Consumers::Counted).await;
    sim.fault("live", 1, Fault::Hang);
    *sim.drift.lock().expect("nobody panicked") += secs(60);
    tokio::time::sleep(secs(11)).await;
    assert_eq!(identity.status().phase, PhaseKind::Steady);
    assert_eq!(identity.credentials().acquire().err(), Some(NotReady::Vacant));
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_is_due_when_it_wakes_up_is_asked_for_after_the_gap() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    tokio::time::sleep(Duration::from_millis(29_900)).await;
    *sim.drift.lock().expect("nobody panicked") += secs(60);
    tokio::time::sleep(secs(1)).await;
    assert_eq!(sim.asked("live 1 to 60s").len(), 1, "half of its life is over: {:?}", sim.log_from(0));
    assert!(sim.serves(&identity));
}

/// It was decided on what was known before: a revocation on evidence that is too old by now would be one too early.
#[tokio::test(start_paused = true)]
async fn a_call_that_waited_for_its_turn_while_the_machine_slept_is_not_sent() {
    let mut sim = Sim::new();
    sim.load = Load::new(Budget { every: Duration::from_millis(400), burst: 1 });
    let identity = sim.ready(Consumers::Counted).await;
    let mut progress = identity.progress();
    tokio::time::sleep(secs(1)).await;
    identity.rotate().await.expect("it is steady");
    until(&mut progress, StepKind::Persisted).await;
    *sim.drift.lock().expect("nobody panicked") += secs(60);
    let slept = sim.world().log.len();
    tokio::time::sleep(secs(3)).await;
    let asked = sim.log_from(slept);
    assert_eq!(asked[0], "live 1 to 60s", "{asked:?}");
}
