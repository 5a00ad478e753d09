//! Taking a credential, reporting on it and letting it go allocates nothing: not the first time on a thread either, nor
//! after a switch.

#[path = "driver/common.rs"]
#[expect(dead_code, reason = "the world of the driver's tests; only a steady identity is needed")]
mod common;

use std::hint::black_box;

use allocation_counter::{AllocationInfo, measure};
use turquoise_runtime::core::Consumers;
use turquoise_runtime::{Credentials, Report};

use crate::common::{Sim, rotate};

fn take(credentials: &Credentials) -> AllocationInfo {
    measure(|| drop(black_box(credentials.acquire().expect("it serves"))))
}

#[tokio::test(start_paused = true)]
async fn an_acquisition_allocates_nothing_even_the_first_on_a_thread() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let credentials = identity.credentials();
    let named = credentials.named("ingest");
    let on_a_new_thread =
        |credentials: &Credentials| std::thread::scope(|scope| scope.spawn(|| take(credentials)).join().expect("it takes one"));
    assert_eq!(on_a_new_thread(&credentials).count_total, 0);
    assert_eq!((take(&credentials).count_total, take(&named).count_total), (0, 0));
    rotate(&identity).await;
    assert_eq!((take(&credentials).count_total, on_a_new_thread(&named).count_total), (0, 0), "after a switch");
    let canary = measure(|| credentials.acquire_canary().expect("it serves").report(Report::Ok));
    assert_eq!(canary.count_total, 0);
}

#[test]
fn an_allocation_would_be_counted() {
    assert_eq!(measure(|| drop(black_box(Box::new(7)))).count_total, 1);
}
