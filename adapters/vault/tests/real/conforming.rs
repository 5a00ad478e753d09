//! Each provider keeps the contract of its port, as it declares it, on a real server.

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use turquoise_runtime::conformance::provider::test_all;
use turquoise_vault::{Issued, LoginProvider, SecretIdProvider};

use crate::support::{Bench, MINUTE, text};
use crate::{logging_in, secret_ids};

#[tokio::test]
async fn a_token_that_mints_its_successors_conforms() {
    // Each check has a role of its own; the token files go with the test.
    let benches = RefCell::new(Vec::new());
    test_all(|| {
        let bench = Bench::new(&format!("conform-{}", benches.borrow().len()));
        let minted = bench.server.mint(&bench.role.to_string(), 60 * MINUTE).unwrap();
        fs::write(bench.token_file(), text(&minted.token)).unwrap();
        fs::set_permissions(bench.token_file(), fs::Permissions::from_mode(0o600)).unwrap();
        let provider = bench.provider();
        benches.borrow_mut().push(bench);
        provider
    })
    .await;
    assert!(benches.borrow().len() > 10, "the checks have run");
}

#[tokio::test]
async fn a_token_that_is_replaced_by_logging_in_conforms() {
    let desks = RefCell::new(Vec::new());
    test_all(|| {
        let desk = logging_in::Desk::new(&format!("conform-login-{}", desks.borrow().len()));
        let provider = LoginProvider::new(desk.config()).unwrap();
        desks.borrow_mut().push(desk);
        provider
    })
    .await;
    assert!(desks.borrow().len() > 10, "the checks have run");
}

#[tokio::test]
async fn a_secret_id_conforms() {
    let desks = RefCell::new(Vec::new());
    test_all(|| {
        let desk = secret_ids::Desk::new(&format!("conform-sid-{}", desks.borrow().len()));
        let provider = SecretIdProvider::new(desk.config(Issued::End)).unwrap();
        desks.borrow_mut().push(desk);
        provider
    })
    .await;
    assert!(desks.borrow().len() > 10, "the checks have run");
}
