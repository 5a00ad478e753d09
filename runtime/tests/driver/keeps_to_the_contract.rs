//! A provider that cannot be rotated without an outage is refused at the start, and says what to change.

use std::time::Duration;

use turquoise_runtime::StartError;
use turquoise_runtime::core::{Consumers, PolicyError, Relogin};
use turquoise_runtime::port::{Candidates, Contract, ContractError, Limit, Lives, Siblings};

use crate::common::{Sim, policy, secs};

async fn start(contract: Contract) -> Result<(), StartError> {
    let mut sim = Sim::new();
    sim.contract = contract;
    let started = sim.try_start(Consumers::Counted).await;
    let asked = sim.world().log.len();
    assert!(started.is_ok() || asked == 0, "it was refused, and something was done");
    started.map(drop)
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_rotated_is_refused() {
    let refused = [
        (Contract { live_at_once: Limit::AtMost(1), ..Contract::PROMPT }, ContractError::OneAtATime { live: 1 }),
        (Contract { live_at_once: Limit::AtMost(2), ..Contract::PROMPT }, ContractError::TooMany { policy: 3, contract: 2 }),
        (Contract { siblings: Siblings::EndToo, ..Contract::PROMPT }, ContractError::Cascades),
        (Contract { propagation: secs(4), ..Contract::PROMPT }, ContractError::ProbesTooClose { propagation: secs(4) }),
        (Contract { lives: Lives::UntilEnded, ..Contract::PROMPT }, ContractError::NeverEnd),
        (Contract { candidates: Candidates::LoggedIn, ..Contract::PROMPT }, ContractError::OnlyLogsIn),
        (
            Contract { lives: Lives::AsMinted, ..Contract::PROMPT },
            ContractError::NeverExtended { needed: secs(60) + policy(Consumers::Counted).worst_validation() },
        ),
        (
            Contract { propagation: secs(5), ..Contract::PROMPT },
            ContractError::ValidationTooShort { propagation: secs(5), needed: secs(5) + 2 * Duration::from_millis(200) },
        ),
    ];
    for (contract, expected) in refused {
        match start(contract).await {
            Err(StartError::Contract(error)) => assert_eq!(error, expected),
            other => panic!("{expected:?}: {other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_only_late_is_taken() {
    let late = Contract {
        revocation: secs(60),
        propagation: Duration::from_millis(200),
        live_at_once: Limit::AtMost(3),
        ..Contract::PROMPT
    };
    start(late).await.expect("it can be rotated");
}

#[test]
fn the_policy_that_goes_with_a_contract_keeps_the_promise_with_it() {
    let hour = secs(3600);
    for contract in [
        Contract::PROMPT,
        Contract { login_life: hour, ..Contract::PROMPT },
        Contract { live_at_once: Limit::AtMost(2), ..Contract::PROMPT },
        Contract { live_at_once: Limit::AtMost(9), ..Contract::PROMPT },
        Contract { propagation: secs(1), revocation: hour, ..Contract::PROMPT },
        Contract { propagation: 50 * hour, ..Contract::PROMPT },
        Contract { lives: Lives::AsMinted, ..Contract::PROMPT },
        Contract { lives: Lives::UntilEnded, ..Contract::PROMPT },
        Contract { candidates: Candidates::LoggedIn, login_life: hour, ..Contract::PROMPT },
    ] {
        let policy = contract.policy();
        assert_eq!((policy.check(), contract.check(&policy)), (Ok(()), Ok(())), "{contract:?}");
        let repeats = if contract.login_life.is_zero() { Relogin::Impossible } else { Relogin::Possible };
        assert_eq!((policy.relogin, policy.login_life), (repeats, contract.login_life));
        assert!(policy.period.is_some(), "it rotates unasked");
    }
    let one = Contract { live_at_once: Limit::AtMost(1), ..Contract::PROMPT };
    assert_eq!(one.policy().check(), Err(PolicyError::OneAtATime));
    assert_ne!(one.policy().jitter, one.policy().jitter, "no two identities wait alike");
}
