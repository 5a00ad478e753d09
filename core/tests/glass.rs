//! Who breaks the glass is told whether a login can give another credential afterwards, or says that it need not.

#[path = "common/drive.rs"]
mod drive;
#[path = "common/policy.rs"]
mod policy;

use drive::{fresh, run};
use policy::POLICY;
use turquoise_core::{Certainty, Illegal, Input, Instant, PhaseKind, Policy, Relogin};

const NOW: Instant = Instant(1_000);

fn broken(relogin: Relogin, certainty: Certainty) -> Result<(), Illegal> {
    let mut machine = fresh(&Policy { relogin, ..POLICY }, NOW);
    assert_eq!(run(&mut machine, NOW, |_| false), None);
    let before = machine;
    let told = machine.handle(NOW, Input::BreakGlass(certainty));
    assert!(told.is_ok() || machine == before, "it was refused and changed something");
    told
}

#[test]
fn it_needs_a_login_or_a_second_confirmation() {
    assert_eq!(broken(Relogin::Possible, Certainty::WithLogin), Ok(()));
    assert_eq!(broken(Relogin::Impossible, Certainty::Confirmed), Ok(()));
    assert_eq!(broken(Relogin::Possible, Certainty::Confirmed), Ok(()));
    let refused = broken(Relogin::Impossible, Certainty::WithLogin);
    assert!(matches!(refused, Err(Illegal::NotHere { phase: PhaseKind::Steady, .. })), "{refused:?}");
}
