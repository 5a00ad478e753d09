//! Whatever was certain before time was lost is asked anew, and at once: however little of it was lost.

#[path = "common/drive.rs"]
mod drive;
#[path = "common/policy.rs"]
mod policy;

use drive::{fresh, run};
use policy::POLICY;
use turquoise_core::{Effect, Input, Instant};

#[test]
fn after_a_gap_nothing_is_served_before_the_provider_has_been_asked() {
    let now = Instant(1_000);
    let mut machine = fresh(&POLICY, now);
    assert_eq!(run(&mut machine, now, |_| false), None);
    let serving = machine.serving();
    assert!(serving.is_some());
    machine.handle(now, Input::Gap).expect("it is always legal");
    assert_eq!((machine.serving(), machine.is_waking()), (None, true));
    assert_eq!(machine.phase().current().map(|lease| (lease.life.lb, lease.accepted_until)), Some((now, now)));
    let asked = run(&mut machine, now, |effect| matches!(effect, Effect::Renew { .. }));
    assert!(asked.is_some(), "it waits, although nothing is certain");
}
