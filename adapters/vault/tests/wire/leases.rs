//! What hangs from a token that is to end.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use turquoise_runtime::core::{Jitter, Mint, Policy};
use turquoise_runtime::port::{
    Contract, Credential, Ending, Entry, Handle, History, Journal, Minted, NotDurable, Observed, Provider, Reason, Reply, Store,
    StoreError,
};
use turquoise_runtime::{Guard, Identity, Setup};
use turquoise_vault::{Dependents, Due, Full, LeaseError, Leases, Path, TokenProvider, User};

use crate::stub::{Act, Stub, answer, holder, provider};

const LIFE: Duration = Duration::from_mins(5);

/// Three leases of a token, the second of which work holds.
struct Scene {
    _identity: Identity,
    guard: Guard,
    stub: Stub,
    provider: TokenProvider,
}

impl Scene {
    async fn set(script: Vec<Act>) -> Self {
        let (identity, stub) = (given().await, Stub::start(script).await);
        let guard = identity.credentials().acquire().unwrap();
        let provider = stub.provider();
        let dependents = provider.dependents();
        for number in 1..=3 {
            hold(&dependents, &identity, number, LIFE).unwrap();
        }
        dependents.let_go(&lease(1));
        dependents.let_go(&lease(3));
        Self { _identity: identity, guard, stub, provider }
    }

    /// Ends the token that they hang from.
    async fn end(&self, ending: Ending) -> Reply<()> {
        let target = Credential { mint: self.guard.mint(), ..holder("s.old-old-old") };
        self.provider.revoke_beside(&target, &holder("s.new-new-new"), ending).await
    }

    /// What was asked, and with which token.
    fn asked(&self) -> Vec<(String, bool)> {
        let path = |request: &String| request.split(' ').nth(1).unwrap().trim_start_matches("/v1/").to_owned();
        self.stub.seen().iter().map(|request| (path(request), request.contains("s.new-new-new"))).collect()
    }
}

fn lease(number: usize) -> turquoise_vault::LeaseId {
    format!("database/creds/app/{number}").parse().unwrap()
}

fn hold(dependents: &Dependents, identity: &Identity, number: usize, life: Duration) -> Result<(), Full> {
    dependents.hold(lease(number), identity.credentials().acquire().unwrap(), life)
}

fn revoked(number: usize) -> (String, bool) {
    (format!("sys/leases/revoke/{}", lease(number)), true)
}

fn ended() -> (String, bool) {
    ("auth/token/revoke-self".to_owned(), false)
}

fn done() -> Act {
    answer("204 No Content", "")
}

#[tokio::test]
async fn each_is_revoked_by_its_id_with_the_token_that_stays_and_then_its_own_ends() {
    let scene = Scene::set(vec![done(), done(), done(), done(), done()]).await;
    assert!(matches!(scene.end(Ending::Ordinary).await, Reply::Applied(())));
    assert_eq!(scene.asked(), [revoked(1), revoked(2), revoked(3), ended()]);
    assert!(matches!(scene.end(Ending::Ordinary).await, Reply::Applied(())));
    assert_eq!(scene.asked()[4..], [ended()], "nothing is asked twice");
}

#[tokio::test]
async fn one_that_cannot_be_revoked_ends_with_its_token() {
    let down = answer("400 Bad Request", r#"{"errors":["failed to revoke entry: connection refused"]}"#);
    let scene = Scene::set(vec![done(), down, done(), done()]).await;
    assert!(matches!(scene.end(Ending::Ordinary).await, Reply::Applied(())));
    assert_eq!(scene.asked(), [revoked(1), revoked(2), revoked(3), ended()]);
}

#[tokio::test]
async fn where_nothing_can_be_asked_the_end_is_put_off_and_later_gone_on_with() {
    let sealed = answer("503 Service Unavailable", r#"{"errors":["Vault is sealed"]}"#);
    let scene = Scene::set(vec![done(), sealed, done(), done(), done()]).await;
    let Reply::Unavailable(Reason(why)) = scene.end(Ending::Ordinary).await else { panic!("not put off") };
    assert!(why.contains("sealed"), "{why}");
    assert!(matches!(scene.end(Ending::Ordinary).await, Reply::Applied(())));
    assert_eq!(scene.asked(), [revoked(1), revoked(2), revoked(2), revoked(3), ended()]);
}

#[tokio::test]
async fn where_others_know_the_secret_nothing_is_waited_for() {
    let scene = Scene::set(vec![done(), done()]).await;
    assert!(matches!(scene.end(Ending::Compromised).await, Reply::Applied(())));
    assert!(matches!(scene.end(Ending::Ordinary).await, Reply::Applied(())));
    assert_eq!(scene.asked(), [ended(), ended()]);
}

#[tokio::test]
async fn there_is_room_for_so_many_that_live() {
    let (identity, dependents) = (given().await, provider("http://127.0.0.1:1").dependents());
    for number in 0..1024 {
        hold(&dependents, &identity, number, if number < 2 { Duration::ZERO } else { LIFE }).unwrap();
    }
    hold(&dependents, &identity, 1024, LIFE).unwrap();
    assert_eq!(identity.status().current_held, 1023, "what has expired is let go of");
    hold(&dependents, &identity, 1025, LIFE).unwrap();
    assert_eq!(hold(&dependents, &identity, 1026, LIFE), Err(Full));
    dependents.ended(&lease(7));
    hold(&dependents, &identity, 1026, LIFE).unwrap();
    assert_eq!(identity.status().current_held, 1024);
}

/// What a server answers who gives or renews a lease.
fn leased(id: &str, seconds: u64, renewable: &str) -> Act {
    let data = r#""data":{"username":"v-app","password":"pass-word"}"#;
    let body = format!(r#"{{"lease_id":"{id}","lease_duration":{seconds},"renewable":{renewable},{data}}}"#);
    answer("200 OK", &body)
}

/// Leases at a server that answers by a script; the identity goes last.
async fn leases(script: Vec<Act>) -> (Leases, Stub, Identity) {
    let (identity, stub) = (given().await, Stub::start(script).await);
    (stub.provider().dependents().leases(identity.credentials()), stub, identity)
}

fn paths(stub: &Stub) -> Vec<String> {
    let of = |request: &String| request.split(' ').nth(1).unwrap().trim_start_matches("/v1/").to_owned();
    stub.seen().iter().inspect(|request| assert!(request.contains("s.given"), "{request}")).map(of).collect()
}

fn creds() -> Path {
    "database/creds/app".parse().unwrap()
}

#[tokio::test]
async fn a_lease_is_renewed_at_half_of_its_life_until_it_cannot_be() {
    let gone = || answer("400 Bad Request", r#"{"errors":["lease not found"]}"#);
    let id = "database/creds/app/1";
    let script = vec![leased(id, 1, "true"), leased(id, 1, "true"), gone(), done()];
    let (leases, stub, identity) = leases(script).await;
    let mut lease = leases.take(&creds()).await.unwrap();
    assert_eq!((lease.id(), identity.status().current_held), (&self::lease(1), 1));
    let User { username, password } = lease.user().unwrap();
    assert_eq!((username.as_str(), password.expose_secret()), ("v-app", "pass-word"));
    assert_eq!(lease.due().await, Due::Ending);
    lease.release().await.unwrap();
    assert_eq!(identity.status().current_held, 0);
    let renew = format!("sys/leases/renew/{id}");
    assert_eq!(paths(&stub), ["database/creds/app", &renew, &renew, &format!("sys/leases/revoke/{id}")]);
}

#[tokio::test]
async fn a_lease_that_cannot_be_renewed_or_only_for_less_is_due_at_half_of_its_life() {
    let (first, second) = ("database/creds/app/1", "database/creds/app/2");
    let script = vec![leased(first, 1, "false"), leased(second, 2, "true"), leased(second, 1, "true")];
    let (leases, stub, identity) = leases(script).await;
    assert_eq!(leases.take(&creds()).await.unwrap().due().await, Due::Ending);
    assert_eq!(leases.take(&creds()).await.unwrap().due().await, Due::Ending);
    assert_eq!(paths(&stub)[2..], [format!("sys/leases/renew/{second}")]);
    identity.stop().await;
    assert!(matches!(leases.take(&creds()).await, Err(LeaseError::NotReady(_))));
}

#[tokio::test]
async fn what_is_not_leased_or_has_a_name_that_leads_elsewhere_is_not_taken() {
    let elsewhere = ["secret/1", "database/creds/app/../../../auth/token/revoke-self", "database/creds/application/1"];
    let script = std::iter::once("").chain(elsewhere).map(|id| leased(id, 60, "true")).collect();
    let (leases, stub, identity) = leases(script).await;
    assert!(matches!(leases.take(&creds()).await, Err(LeaseError::Refused(_))));
    for id in elsewhere {
        assert!(matches!(leases.take(&creds()).await, Err(LeaseError::Unknown(_))), "{id}");
    }
    assert_eq!((paths(&stub).len(), identity.status().current_held), (4, 0));
}

#[tokio::test]
async fn a_lease_that_there_is_no_room_for_is_revoked_at_once() {
    let (identity, stub) = (given().await, Stub::start(vec![leased("database/creds/app/x", 60, "true"), done()]).await);
    let dependents = stub.provider().dependents();
    (0..1024).for_each(|number| hold(&dependents, &identity, number, LIFE).unwrap());
    let taken = dependents.leases(identity.credentials()).take(&creds()).await;
    assert_eq!(taken.err(), Some(LeaseError::Full(Full)));
    assert_eq!(paths(&stub), ["database/creds/app", "sys/leases/revoke/database/creds/app/x"]);
    assert_eq!(identity.status().current_held, 1024);
}

/// An identity with a credential that nothing ever happens to.
async fn given() -> Identity {
    let history = History::default();
    let setup = Setup::new(Given, Forgetful, history, Forgetful).unwrap();
    // It is not one of many that are started together.
    let policy = Policy { jitter: Jitter::None, ..setup.policy };
    let identity = Identity::start(Setup { policy, ..setup }).await.unwrap();
    identity.credentials().ready().await.unwrap();
    identity
}

struct Forgetful;

impl Journal for Forgetful {
    fn append(&mut self, _: &Entry) -> Result<(), NotDurable> {
        Ok(())
    }
}

impl Store for Forgetful {
    fn load(&mut self) -> Result<Vec<Credential>, StoreError> {
        Ok(Vec::new())
    }

    fn persist(&mut self, _: &Credential) -> Result<(), StoreError> {
        Ok(())
    }

    fn publish(&mut self, _: &Credential) -> Result<(), StoreError> {
        Ok(())
    }

    fn clear(&mut self, _: Mint) -> Result<(), StoreError> {
        Ok(())
    }
}

struct Given;

impl Provider for Given {
    fn contract(&self) -> Contract {
        Contract::PROMPT
    }

    async fn login(&self, _: Mint) -> Reply<Minted> {
        Reply::Applied(Minted { secret: "s.given".into(), handle: Handle("given".to_owned()), remaining: LIFE })
    }

    async fn issue(&self, _: &Credential, _: Mint, _: Duration) -> Reply<Minted> {
        Reply::Refused(Reason("there is but one".to_owned()))
    }

    async fn probe(&self, _: &Credential) -> Reply<Duration> {
        Reply::Applied(LIFE)
    }

    async fn set_life(&self, _: &Credential, life: Duration) -> Reply<Duration> {
        Reply::Applied(life)
    }

    async fn revoke(&self, _: &Credential) -> Reply<()> {
        Reply::Applied(())
    }

    async fn observe(&self, _: &Credential, _: &Credential) -> Reply<Observed> {
        Reply::Applied(Observed::Dead)
    }
}
