//! A mint whose reply is lost may exist: until it is dead for certain there is no other.

use turquoise_runtime::core::{AbandonReason, Consumers, Policy, Proof, Step};

use crate::common::{Fault, Sim, policy, rotate};

#[tokio::test(start_paused = true)]
async fn a_lost_mint_is_waited_for() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    sim.fault("issue", 2, Fault::LoseReply);
    let round = async {
        let steps = rotate(&identity).await;
        assert!(steps.iter().any(|step| matches!(step, Step::AbandonIntent { reason: AbandonReason::MintLost, .. })));
        assert!(steps.contains(&Step::Died { proof: Proof::Expired }));
    };
    let impatient = async {
        tokio::time::sleep(policy(Consumers::Counted).delta).await;
        assert_eq!(sim.world().living(), 2, "the lost one lives");
        assert!(identity.status().debt.is_some(), "one mint is in doubt");
    };
    tokio::join!(round, impatient);
    assert_eq!(sim.world().living(), 1, "it died by itself");

    rotate(&identity).await;
    let (lost, second) = (sim.asked("issue 2")[0], sim.asked("issue 3")[0]);
    let Policy { delta, probation, .. } = policy(Consumers::Counted);
    assert!(second >= lost + delta + probation, "{second:?} is too early after {lost:?}");
    sim.assert_quiet(&identity, "after the second mint");
}
