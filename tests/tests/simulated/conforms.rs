//! The simulated provider keeps the contract that it declares, whichever it declares.

use std::sync::Arc;
use std::time::Duration;

use turquoise_runtime::conformance::provider::test_all;
use turquoise_runtime::core::Privileges;
use turquoise_runtime::port::{Contract, Limit};

use crate::plan::Plan;
use crate::provider::Hands;
use crate::world::Shared;

async fn conforms(contract: Contract, privileges: Privileges) {
    test_all(|| {
        let mut plan = Plan::calm(0);
        plan.contract = Contract { login_life: plan.contract.login_life, ..contract };
        plan.policy.privileges = privileges;
        let shared = Shared::new(&plan, Arc::default());
        shared.lock().alive = Some(1);
        Hands { shared: Arc::clone(&shared), process: 1 }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_prompt() {
    conforms(Contract::PROMPT, Privileges::OnlySelf).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_lags() {
    let late = Duration::from_secs(2);
    conforms(Contract { revocation: late, propagation: late, ..Contract::PROMPT }, Privileges::OnlySelf).await;
}

#[tokio::test(start_paused = true)]
async fn one_with_power_over_others_and_room_for_three() {
    conforms(Contract { live_at_once: Limit::AtMost(3), ..Contract::PROMPT }, Privileges::Accessor).await;
}
