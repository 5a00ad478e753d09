//! The contract, clause by clause.

use std::sync::Mutex;

use turquoise_runtime::conformance::provider::test_all;

use crate::support::Bench;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_clause_of_the_contract_holds() {
    // The first key is read from a file of each.
    let benches = Mutex::new(Vec::new());
    test_all(|| {
        let bench = Bench::new();
        let provider = bench.provider();
        benches.lock().unwrap().push(bench);
        provider
    })
    .await;
}
