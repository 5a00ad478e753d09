//! Time was lost while the machine slept: nothing is given to new work before the provider has been asked.

use std::time::Duration;

use turquoise_runtime::NotReady;
use turquoise_runtime::core::{Consumers, PhaseKind};

use crate::common::{Fault, Sim, secs};

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
