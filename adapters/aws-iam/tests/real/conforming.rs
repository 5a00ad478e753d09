//! The contract, clause by clause.

use turquoise_runtime::conformance::provider::test_all;

use crate::support::Bench;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_clause_of_the_contract_holds() {
    test_all(|| Bench::new().provider()).await;
}
