//! No secret in a log, however detailed, nor in what anybody may print. Every other test of this program checks its log too, when
//! it ends; here everything else that can be printed is, and it is seen that the search finds what is there.

use std::error::Error;
use std::fmt::Debug;
use std::iter::successors;
use std::marker::PhantomData;

use secrecy::ExposeSecret as _;
use turquoise_runtime::core::{AtStop, Consumers, Generation, Resolution};
use turquoise_runtime::port::{Credential, Handle, Minted, StoreError};
use turquoise_runtime::{NotReady, Setup};

use crate::common::leak::forms;
use crate::common::said::Ear;
use crate::common::{Fault, Sim, rotate, secs};

/// An error as anybody may show it.
fn shown(error: &(dyn Error + 'static)) -> String {
    let chain = successors(Some(error), |error: &&(dyn Error + 'static)| (*error).source());
    chain.map(|error| format!("{error} {error:?} {error:#?}")).collect::<Vec<_>>().join("\n")
}

#[tokio::test(start_paused = true)]
async fn a_planted_secret_is_never_printed() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let mut progress = identity.progress();
    let late = identity.credentials().named("ingest").acquire().expect("it serves");
    rotate(&identity).await;
    drop(late);
    sim.fault("probe", 3, Fault::Refuse);
    rotate(&identity).await;
    sim.fault("probe", 4, Fault::Panic);
    rotate(&identity).await;
    let guard = identity.credentials().acquire().expect("it serves");
    let leaks = sim.leaks();
    assert!(leaks.find(guard.secret().expose_secret().as_bytes()).is_some(), "what is looked for is what is held");

    let errors = [
        shown(&identity.abort().await.expect_err("nothing is under way")),
        shown(&identity.rollback().await.expect_err("nothing is under way")),
        shown(&identity.resolve(Resolution::Keep).await.expect_err("nothing is contradicted")),
        shown(&identity.compromise(Generation { incarnation: 0, number: 9 }).await.expect_err("there is no such generation")),
        shown(&identity.shutdown(AtStop::Revoke, secs(1)).await.expect_err("work holds it")),
        shown(&NotReady::Expired),
        shown(&StoreError("no".to_owned())),
    ]
    .concat();
    let told: Vec<_> = std::iter::from_fn(|| progress.try_recv().ok()).collect();
    assert!(told.len() > 10, "there was something to tell");
    let (credentials, status, entries) = (identity.credentials(), identity.status(), sim.world().entries.clone());
    let printed = format!("{errors} {identity:?} {credentials:?} {guard:?} {:?} {status:?} {told:?} {entries:?}", guard.secret());
    let pretty = format!("{identity:#?} {credentials:#?} {guard:#?} {:#?} {status:#?}", guard.secret());
    assert_eq!([printed, pretty].map(|printed| leaks.find(printed.as_bytes())), [None, None]);
    identity.stop().await;

    let logged = sim.ear.lines().join("\n");
    for expected in [
        "in rotation generation=",
        "handle=accessor-2",
        "step=Promoted",
        "permission denied",
        "holders=ingest 1, unnamed 0",
        "the adapter panicked",
        "INFO stopped",
    ] {
        assert!(logged.contains(expected), "{expected} is missing in {logged}");
    }
    assert_eq!(leaks.find(logged.as_bytes()), None, "logged");
}

/// In whatever way it is written, and in whatever part of what is said.
#[tokio::test(start_paused = true)]
async fn what_is_planted_into_a_log_is_found() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let guard = identity.credentials().acquire().expect("it serves");
    let (leaks, secret) = (sim.leaks(), guard.secret().expose_secret());
    let mut ear = Ear::new();
    ear.expect("a message");
    let within = |plant: &dyn Fn()| {
        let before = ear.lines().len();
        ear.span.in_scope(plant);
        leaks.find(ear.lines()[before..].concat().as_bytes())
    };
    for (form, text) in forms(secret.as_bytes()).into_iter().chain(forms(&secret.as_bytes()[5..17])) {
        assert!(within(&|| tracing::trace!(text, "a message")).is_some(), "{form}: {text}");
    }
    assert_eq!(within(&|| tracing::error!(generation = %guard.mint().generation, "a message")), None);
    assert!(within(&|| tracing::info!("a message with {secret}")).is_some());
    assert!(within(&|| tracing::debug_span!("a span", secret).in_scope(|| tracing::debug!("a message"))).is_some());
    let recorded = || {
        let span = tracing::debug_span!("a span", secret = tracing::field::Empty);
        span.record("secret", secret);
        span.in_scope(|| tracing::debug!("a message"));
    };
    assert!(within(&recorded).is_some());
}

/// Whether a type has a `Debug`.
struct Prints<T>(PhantomData<T>);

trait Silent {
    const AT_ALL: bool = false;
}

impl<T> Silent for Prints<T> {}

impl<T: Debug> Prints<T> {
    const AT_ALL: bool = true;
}

#[test]
fn what_owns_a_secret_cannot_be_printed() {
    let owners = [Prints::<Credential>::AT_ALL, Prints::<Minted>::AT_ALL, Prints::<Setup<Sim, Sim, Sim>>::AT_ALL];
    assert_eq!((owners, Prints::<Handle>::AT_ALL), ([false; 3], true));
}
