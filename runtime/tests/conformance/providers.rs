//! A provider in memory, as it must be and as it must not be.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;
use turquoise_runtime::conformance::provider::{check_all, test_all};
use turquoise_runtime::core::{Generation, Mint};
use turquoise_runtime::memory::{ExposeSecret as _, Secret};
use turquoise_runtime::port::{
    Candidates, Contract, Credential, Handle, Limit, Lives, Minted, Minting, Observed, Provider, Reason, Reply, Siblings,
};

/// How one breaks its contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bug {
    None,
    LoginIsDead,
    LoginLivesTooLong,
    HandleIsTheSecret,
    OneHandleForAll,
    SlowerThanDeclared,
    MintEndsTheMinter,
    MintsForEver,
    LifeIsNotSet,
    LifeIsNotReadBack,
    RevokeDoesNothing,
    RevokedSlowerThanDeclared,
    DeadMayRenew,
    DeadMayMint,
    SecondRevokeIsRefused,
    Cascades,
    DoesNotCascade,
    EverybodyIsAlive,
    EverybodyIsDead,
    RefusalIsDeath,
    FewerThanDeclared,
    MoreThanDeclared,
    OneMoreEndsAnother,
    NotIdempotent,
    Idempotent,
    TakesStrangers,
    QuotesStrangers,
    NeverExpires,
    EndsAllTheSame,
    LostForGood,
    SetAllTheSame,
    Hangs,
}

struct Token {
    ends: Instant,
    accepted_from: Instant,
    parent: Option<String>,
    mint: Mint,
}

struct Memory {
    tokens: Mutex<BTreeMap<String, Token>>,
    contract: Contract,
    bug: Bug,
}

fn memory(contract: Contract, bug: Bug) -> impl Fn() -> Memory {
    move || Memory { tokens: Mutex::default(), contract, bug }
}

fn no<T>(why: &str) -> Reply<T> {
    Reply::Refused(Reason(why.to_owned()))
}

const LOGIN_LIFE: Duration = Duration::from_hours(1);
const LATE: Duration = Duration::from_secs(10);

impl Memory {
    fn remaining(&self, with: &Credential) -> Option<Duration> {
        let (tokens, now) = (self.tokens.lock().unwrap(), Instant::now());
        if self.bug == Bug::TakesStrangers && !tokens.contains_key(with.secret.expose_secret()) {
            return Some(LOGIN_LIFE);
        }
        let token = tokens.get(with.secret.expose_secret())?;
        let lives = (token.ends > now || self.bug == Bug::NeverExpires) && token.accepted_from <= now;
        lives.then(|| token.ends.saturating_duration_since(now).max(Duration::from_millis(1)))
    }

    fn make(&self, mint: Mint, parent: Option<&Credential>, life: Duration) -> Minted {
        let mut tokens = self.tokens.lock().unwrap();
        let idempotent = self.contract.minting == Minting::Idempotent && self.bug != Bug::NotIdempotent;
        let same = tokens.iter().find(|(_, token)| token.mint == mint).map(|(secret, _)| secret.clone());
        let secret = match same {
            Some(same) if idempotent || self.bug == Bug::Idempotent => same,
            _ => format!("secret-{}", tokens.len() + 1),
        };
        let late = if self.bug == Bug::SlowerThanDeclared { LATE } else { self.contract.propagation };
        let accepted_from = Instant::now() + if parent.is_some() { late } else { Duration::ZERO };
        let life = if self.bug == Bug::MintsForEver && parent.is_some() { LOGIN_LIFE } else { life };
        let life = if self.bug == Bug::LoginIsDead { Duration::ZERO } else { life };
        let parent = parent.map(|parent| parent.secret.expose_secret().to_owned());
        if let (Bug::MintEndsTheMinter, Some(parent)) = (self.bug, &parent) {
            tokens.remove(parent);
        }
        tokens.insert(secret.clone(), Token { ends: Instant::now() + life, accepted_from, parent, mint });
        let name = match self.bug {
            Bug::HandleIsTheSecret => secret.clone(),
            Bug::OneHandleForAll => "a token".to_owned(),
            _ => handle(&secret).0,
        };
        Minted { secret: Secret::from(secret), handle: Handle(name), remaining: life }
    }

    /// What a login or a change of life gives where `life` is what was asked, or what there is.
    fn granted(&self, life: Duration) -> Duration {
        let forever = self.contract.lives == Lives::UntilEnded && self.bug != Bug::EndsAllTheSame;
        if forever { Contract::FOREVER } else { life }
    }

    fn full(&self) -> bool {
        let living = self.tokens.lock().unwrap().values().filter(|token| token.ends > Instant::now()).count();
        match self.contract.live_at_once {
            Limit::AtMost(most) => living >= usize::from(most),
            Limit::None => self.bug == Bug::FewerThanDeclared && living >= 2,
        }
    }

    fn end(&self, secret: &str) {
        let mut tokens = self.tokens.lock().unwrap();
        let now = Instant::now();
        let late = if self.bug == Bug::RevokedSlowerThanDeclared { LATE } else { self.contract.revocation };
        let cascades = self.contract.siblings == Siblings::EndToo && self.bug != Bug::DoesNotCascade;
        for (own, token) in tokens.iter_mut() {
            let child = token.parent.as_deref() == Some(secret) && (cascades || self.bug == Bug::Cascades);
            if own == secret || child {
                token.ends = token.ends.min(now + late);
            }
        }
    }
}

impl Provider for Memory {
    fn contract(&self) -> Contract {
        self.contract
    }

    async fn login(&self, mint: Mint) -> Reply<Minted> {
        let life = if self.bug == Bug::LoginLivesTooLong { LOGIN_LIFE * 2 } else { LOGIN_LIFE };
        Reply::Applied(self.make(mint, None, self.granted(life)))
    }

    async fn issue(&self, with: &Credential, mint: Mint, life: Duration) -> Reply<Minted> {
        if self.bug == Bug::QuotesStrangers {
            return match self.remaining(with) {
                Some(_) => Reply::Applied(self.make(mint, Some(with), life)),
                None => no(&format!("no such token: {}", with.secret.expose_secret())),
            };
        }
        if self.remaining(with).is_none() && self.bug != Bug::DeadMayMint {
            return no("bad token");
        }
        if self.full() {
            match self.bug {
                Bug::MoreThanDeclared => {}
                Bug::OneMoreEndsAnother => {
                    self.tokens.lock().unwrap().pop_last();
                    return no("too many, so one has ended");
                }
                _ => return no("too many"),
            }
        }
        Reply::Applied(self.make(mint, Some(with), life))
    }

    async fn probe(&self, with: &Credential) -> Reply<Duration> {
        if self.bug == Bug::Hangs {
            pending::<()>().await;
        }
        self.remaining(with).map_or_else(|| no("bad token"), Reply::Applied)
    }

    async fn set_life(&self, with: &Credential, life: Duration) -> Reply<Duration> {
        let life = self.granted(life);
        if self.remaining(with).is_none() && self.bug != Bug::DeadMayRenew {
            return no("bad token");
        }
        if self.contract.lives == Lives::AsMinted && self.bug != Bug::SetAllTheSame {
            return self.probe(with).await;
        }
        if self.bug != Bug::LifeIsNotSet
            && let Some(token) = self.tokens.lock().unwrap().get_mut(with.secret.expose_secret())
        {
            token.ends = Instant::now() + life;
        }
        Reply::Applied(if self.bug == Bug::LifeIsNotReadBack { LOGIN_LIFE } else { life })
    }

    async fn revoke(&self, with: &Credential) -> Reply<()> {
        if self.remaining(with).is_none() && self.bug == Bug::SecondRevokeIsRefused {
            return no("bad token");
        }
        if self.bug != Bug::RevokeDoesNothing {
            self.end(with.secret.expose_secret());
        }
        Reply::Applied(())
    }

    async fn observe(&self, target: &Credential, witness: &Credential) -> Reply<Observed> {
        match (self.remaining(target), self.bug) {
            (_, Bug::RefusalIsDeath) if self.remaining(witness).is_none() => Reply::Applied(Observed::Dead),
            _ if self.remaining(witness).is_none() => no("bad token"),
            (_, Bug::EverybodyIsDead) => Reply::Applied(Observed::Dead),
            (_, Bug::EverybodyIsAlive) => Reply::Applied(Observed::Alive(Duration::from_secs(1))),
            (Some(remaining), _) => Reply::Applied(Observed::Alive(remaining)),
            (None, _) => Reply::Applied(Observed::Dead),
        }
    }

    async fn discover(&self, lost: Generation, _: &Credential) -> Reply<Option<Handle>> {
        let tokens = self.tokens.lock().unwrap();
        let found = tokens.iter().find(|(_, token)| token.mint.generation == lost && self.bug != Bug::LostForGood);
        Reply::Applied(found.map(|(secret, _)| handle(secret)))
    }

    async fn revoke_named(&self, target: &Handle, _: &Credential) -> Reply<()> {
        let found = self.tokens.lock().unwrap().keys().find(|secret| handle(secret) == *target).cloned();
        if let Some(secret) = found {
            self.end(&secret);
        }
        Reply::Applied(())
    }

    async fn observe_named(&self, target: &Handle, _: &Credential) -> Reply<Observed> {
        let (tokens, now) = (self.tokens.lock().unwrap(), Instant::now());
        let lives = tokens.iter().any(|(secret, token)| handle(secret) == *target && token.ends > now);
        Reply::Applied(if lives { Observed::Alive(Contract::FOREVER) } else { Observed::Dead })
    }
}

fn handle(secret: &str) -> Handle {
    Handle(format!("handle-of-{}", &secret["secret-".len()..]))
}

const PROMPT: Contract = Contract { login_life: LOGIN_LIFE, ..Contract::PROMPT };
const ENDLESS: Contract =
    Contract { lives: Lives::UntilEnded, live_at_once: Limit::AtMost(2), login_life: Duration::ZERO, ..PROMPT };
const AS_MINTED: Contract = Contract { lives: Lives::AsMinted, ..PROMPT };
const LOGGED_IN: Contract = Contract { candidates: Candidates::LoggedIn, ..PROMPT };
const FOUR: Contract = Contract { live_at_once: Limit::AtMost(4), ..PROMPT };

#[tokio::test(start_paused = true)]
async fn a_provider_as_it_declares_to_be_passes() {
    let seconds = Duration::from_secs;
    for contract in [
        PROMPT,
        FOUR,
        Contract { live_at_once: Limit::AtMost(2), ..PROMPT },
        Contract { propagation: seconds(8), revocation: seconds(7), ..PROMPT },
        Contract { siblings: Siblings::EndToo, ..PROMPT },
        Contract { minting: Minting::Idempotent, ..PROMPT },
        ENDLESS,
        AS_MINTED,
        LOGGED_IN,
    ] {
        test_all(memory(contract, Bug::None)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn each_broken_clause_is_found_by_its_check_and_named() {
    let cascading = Contract { siblings: Siblings::EndToo, ..PROMPT };
    let idempotent = Contract { minting: Minting::Idempotent, ..PROMPT };
    let broken = [
        (ENDLESS, Bug::EndsAllTheSame, "a_life_that_is_set_is_read_back", "a cut says that"),
        (ENDLESS, Bug::LostForGood, "what_is_lost_is_found_and_ended", "what is lost is found, but the answer is None"),
        (AS_MINTED, Bug::SetAllTheSame, "a_life_that_is_set_is_read_back", "a life is declared never to change"),
        (AS_MINTED, Bug::NeverExpires, "a_life_ends_by_itself", "is over by itself"),
        (LOGGED_IN, Bug::LifeIsNotSet, "a_life_that_is_set_is_read_back", "a life is set to what was asked"),
        (LOGGED_IN, Bug::NeverExpires, "a_life_ends_by_itself", "is over by itself"),
        (LOGGED_IN, Bug::Idempotent, "a_mint_asked_for_twice_is_as_declared", "declared to make another credential"),
        (PROMPT, Bug::LoginIsDead, "a_login_gives_a_credential_that_works", "a login gives a credential that lives"),
        (PROMPT, Bug::LoginLivesTooLong, "a_login_gives_a_credential_that_works", "a login gives at most"),
        (PROMPT, Bug::Hangs, "a_login_gives_a_credential_that_works", "each call ends by itself, but probe did not"),
        (PROMPT, Bug::HandleIsTheSecret, "a_handle_holds_no_secret", "must not hold the secret"),
        (PROMPT, Bug::OneHandleForAll, "a_handle_holds_no_secret", "a handle tells one credential from another"),
        (
            PROMPT,
            Bug::SlowerThanDeclared,
            "a_sibling_is_accepted_in_time_and_its_minter_still",
            "a new credential is accepted within",
        ),
        (PROMPT, Bug::MintEndsTheMinter, "a_sibling_is_accepted_in_time_and_its_minter_still", "who mints lives on"),
        (PROMPT, Bug::MintsForEver, "a_mint_lives_as_long_as_asked", "a mint lives as long as asked"),
        (PROMPT, Bug::LifeIsNotSet, "a_life_that_is_set_is_read_back", "a life is set to what was asked"),
        (PROMPT, Bug::LifeIsNotReadBack, "a_life_that_is_set_is_read_back", "but the answer says"),
        (PROMPT, Bug::RevokeDoesNothing, "a_credential_ends_itself_in_time", "what has ended is refused within"),
        (PROMPT, Bug::RevokedSlowerThanDeclared, "a_credential_ends_itself_in_time", "what has ended is refused within"),
        (PROMPT, Bug::DeadMayRenew, "the_dead_neither_mint_nor_live_on", "gets no new life"),
        (PROMPT, Bug::DeadMayMint, "the_dead_neither_mint_nor_live_on", "mints nothing"),
        (PROMPT, Bug::SecondRevokeIsRefused, "a_second_revocation_is_no_refusal", "to end what is dead is done, or unknown"),
        (PROMPT, Bug::Cascades, "the_end_of_one_is_for_its_siblings_as_declared", "declared that siblings live on"),
        (cascading, Bug::DoesNotCascade, "the_end_of_one_is_for_its_siblings_as_declared", "declared that siblings end too"),
        (PROMPT, Bug::EverybodyIsAlive, "an_observer_tells_the_living_from_the_dead", "but it is called alive"),
        (PROMPT, Bug::EverybodyIsDead, "an_observer_tells_the_living_from_the_dead", "only what is dead is called so"),
        (PROMPT, Bug::RefusalIsDeath, "a_dead_witness_proves_nothing", "a witness that is turned away has seen nothing"),
        (PROMPT, Bug::FewerThanDeclared, "as_many_live_at_once_as_declared", "4 are declared to live at once, but of 3"),
        (FOUR, Bug::MoreThanDeclared, "as_many_live_at_once_as_declared", "one more is refused, but it was minted"),
        (FOUR, Bug::OneMoreEndsAnother, "as_many_live_at_once_as_declared", "none of the others ends for it, but one did"),
        (idempotent, Bug::NotIdempotent, "a_mint_asked_for_twice_is_as_declared", "declared to be idempotent"),
        (PROMPT, Bug::Idempotent, "a_mint_asked_for_twice_is_as_declared", "declared to make another credential"),
        (PROMPT, Bug::TakesStrangers, "a_stranger_is_turned_away_and_not_quoted", "is turned away, but probe was done"),
        (PROMPT, Bug::QuotesStrangers, "a_stranger_is_turned_away_and_not_quoted", "no answer holds a secret, but that of issue"),
        (PROMPT, Bug::NeverExpires, "a_life_ends_by_itself", "is over by itself"),
    ];
    for (contract, bug, check, says) in broken {
        let breaches = check_all(memory(contract, bug)).await;
        let found = breaches.iter().find(|breach| breach.check == check);
        assert!(found.is_some_and(|breach| breach.says.contains(says)), "{bug:?}: {breaches:#?}");
    }
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "- the_end_of_one_is_for_its_siblings_as_declared: it is declared that siblings live on")]
async fn a_test_that_uses_the_kit_fails_with_the_clause() {
    test_all(memory(PROMPT, Bug::Cascades)).await;
}
