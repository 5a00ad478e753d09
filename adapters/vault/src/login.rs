//! A token that is replaced by logging in again.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use secrecy::SecretString;
use tokio::time::Instant;
use turquoise_runtime::core::Mint;
use turquoise_runtime::port::{Candidates, Contract, Credential, Ending, Handle, Minted, Observed, Provider, Reply};

use crate::config::Probe;
use crate::dependents::Dependents;
use crate::entity::Entity;
use crate::failure::{Failure, answer, shorten, words};
use crate::file::Mark;
use crate::fit::{fit, unfit};
use crate::holder::Holder;
use crate::lockout::{Lockout, Retry};
use crate::method::{Attempt, Method, Secrets};
use crate::reply::{Authenticated, SecretIdLooked, Token, parse};
use crate::request::Request;
use crate::server::{ConfigError, Upstream};
use crate::transport::Answer;

/// What a [`LoginProvider`] is made from.
#[derive(Clone, Debug)]
pub struct LoginConfig {
    /// The server.
    pub upstream: Upstream,
    /// How to log in.
    pub method: Method,
    /// What a candidate is tried on.
    pub probes: Vec<Probe>,
    /// The policies that a new token must have, no more and no fewer; unchecked if absent.
    pub policies: Option<BTreeSet<String>>,
    /// What a new token's life is cut to as soon as it is there: one that is lost then dies by itself.
    pub probation: Duration,
    /// The most that the role may give: a login whose reply is lost lives so long, for nothing is left to cut it short with.
    /// A token that comes with more is ended and refused. The core's policy must have the same as its `login_life`.
    pub login_life: Duration,
}

impl LoginConfig {
    /// No probes, no expected policies, a probation of a minute, and at most an hour for what is lost.
    pub fn new(upstream: Upstream, method: Method) -> Self {
        let (probation, login_life) = (Duration::from_mins(1), Duration::from_hours(1));
        Self { upstream, method, probes: Vec::new(), policies: None, probation, login_life }
    }
}

const NUMBERED: &str = "the secret id is good for a number of logins only, and each rotation is one: \
                        use an AppRole with `secret_id_num_uses = 0`";

/// Rotates a token by logging in a second time with the same method: nothing has to be changed on the server, and the new
/// token belongs to the same entity.
///
/// The core's policy must mint with [`Via::Login`], and a login can be repeated: [`Relogin::Possible`]. A new token's life is
/// cut to its probation at once, later extended, and at last it ends itself.
///
/// What would defeat that is refused with its reason: batch tokens and those that cannot be renewed, that have a period or a
/// number of uses; secret ids with a number of uses; a role that gives more life than was declared. After two refused logins in
/// a row none is tried for ten minutes, unless the files that it logs in with change or [`Retry`] says so: more would lock the
/// role for everybody.
///
/// A rotation costs five requests and the probes: the login, renew-self to extend its life and to shorten that of the old one,
/// revoke-self, and the lookup by which the new one sees that the old one is dead. Where the role gives more life than the
/// probation it costs one more, a renew-self that cuts it: have the role's `token_ttl` be the probation.
///
/// [`Via::Login`]: turquoise_runtime::core::Via::Login
/// [`Relogin::Possible`]: turquoise_runtime::core::Relogin::Possible
pub struct LoginProvider {
    pub(crate) holder: Holder,
    pub(crate) method: Method,
    policies: Option<BTreeSet<String>>,
    pub(crate) probation: Duration,
    login_life: Duration,
    lockout: Lockout,
    /// Whom the first token belonged to.
    entity: Entity,
    /// What was last found to be good for more than one login.
    lasting: Mutex<Option<Vec<Mark>>>,
}

/// What a login gave.
pub(crate) struct LoggedIn {
    pub(crate) auth: Token,
    pub(crate) secret: SecretString,
    pub(crate) handle: Handle,
}

impl LoginProvider {
    /// Takes a configuration; nothing is sent or read yet, but for certificates.
    pub fn new(config: LoginConfig) -> Result<Self, ConfigError> {
        let LoginConfig { upstream, method, probes, policies, probation, login_life } = config;
        for (name, value) in [("probation", probation), ("login_life", login_life)] {
            if value.is_zero() {
                return Err(ConfigError::Zero { name });
            }
        }
        if matches!(method, Method::Certificate { .. }) && upstream.tls.client.is_none() {
            return Err(ConfigError::NoCertificate);
        }
        let holder = Holder::new(&upstream, probes)?;
        let lockout = Lockout::default();
        let (entity, lasting) = (Entity::default(), Mutex::default());
        Ok(Self { holder, method, policies, probation, login_life, lockout, entity, lasting })
    }

    /// What an operator has logins tried again with; keep it before the provider is given away.
    #[must_use]
    pub fn retry(&self) -> Retry {
        self.lockout.retry()
    }

    /// What hangs from the tokens that it makes; keep it before the provider is given away.
    #[must_use]
    pub fn dependents(&self) -> Dependents {
        self.holder.dependents.clone()
    }

    /// For one that takes the place of another in an identity that goes on: with that one's list of what hangs from its tokens.
    #[must_use]
    pub fn keeping(self, dependents: &Dependents) -> Self {
        Self { holder: self.holder.keeping(dependents), ..self }
    }

    async fn log_in(&self, mint: Mint) -> Result<Minted, Failure> {
        let marks = self.method.marks();
        self.lockout.check(&marks, Instant::now())?;
        let result = match self.method.attempt()? {
            Attempt::Adopt(file) => self.holder.adopt(file).await.map(|(minted, _)| minted),
            Attempt::LogIn(request, secrets) => return self.log_in_with(mint, request, secrets, &marks).await,
        };
        self.lockout.note(&marks, &result, Instant::now());
        result
    }

    async fn log_in_with(&self, mint: Mint, request: Request, secrets: Secrets, marks: &[Mark]) -> Result<Minted, Failure> {
        let LoggedIn { auth, secret, handle } = self.send(mint, request, &secrets, marks).await?;
        match self.admit(&auth, &secret, &handle).await {
            Ok(remaining) => Ok(Minted { secret: secret.into(), handle, remaining }),
            // What it was logged in with was looked up, too.
            Err(fault) => Err(secrets.hide_in(self.holder.discard(&secret, fault).await)),
        }
    }

    async fn send(&self, mint: Mint, request: Request, secrets: &Secrets, marks: &[Mark]) -> Result<LoggedIn, Failure> {
        let request = Request { rotation: Some(mint.generation), ..request };
        let answered = self.holder.transport.call_as_nobody(request).await;
        self.lockout.note(marks, &answered, Instant::now());
        let answer = answered.map_err(|failure| secrets.hide_in(failure))?;
        let Authenticated { mut auth, warnings } = parse(&answer.body)?;
        let none = || Failure::Unknown("the reply has no token in it".to_owned());
        let secret = auth.secret.take().ok_or_else(none)?;
        let handle = Handle(std::mem::take(&mut auth.accessor));
        for warning in warnings.unwrap_or_default() {
            let warning = secrets.hide_in(Failure::Unfit(words(&[warning])).hide(&secret));
            tracing::warn!(handle = handle.0, warning = shorten(&warning.to_string()), "logged in, but");
        }
        Ok(LoggedIn { auth, secret, handle })
    }

    /// Logs in and takes what comes, whether it is as declared or not. Nothing, where there is no login.
    pub(crate) async fn try_login(&self, mint: Mint) -> Result<Option<LoggedIn>, Failure> {
        match self.method.attempt()? {
            Attempt::Adopt(_) => Ok(None),
            Attempt::LogIn(request, secrets) => self.send(mint, request, &secrets, &self.method.marks()).await.map(Some),
        }
    }

    /// Takes a new token on, on probation, or says why not. Answers what is left of its life.
    async fn admit(&self, auth: &Token, secret: &SecretString, handle: &Handle) -> Result<Duration, Failure> {
        self.as_declared(auth)?;
        self.check_uses(secret).await?;
        let given = Duration::from_secs(auth.ttl);
        if given <= self.probation {
            return Ok(given);
        }
        let cut = self.holder.renew(secret, handle, self.probation).await?;
        is_cut(cut, self.probation)?;
        Ok(cut)
    }

    /// Whether a new token is what was declared, and fit to be rotated.
    pub(crate) fn as_declared(&self, auth: &Token) -> Result<(), Failure> {
        fit(auth)?;
        let (given, most) = (Duration::from_secs(auth.ttl), self.login_life);
        if given > most {
            let text =
                "a login that is lost would live longer than declared: lower `token_ttl` of the role, or raise `login_life`";
            return Err(Failure::Unfit(format!("it lives {given:?} where at most {most:?} were declared, and {text}")));
        }
        let got = auth.policies.iter().flatten().cloned().collect();
        if let Some(expected) = self.policies.as_ref().filter(|expected| **expected != got) {
            return Err(Failure::Unfit(format!("its policies are {got:?} where {expected:?} were expected")));
        }
        self.entity.check(&auth.entity_id)
    }

    /// Once for each secret.
    async fn check_uses(&self, token: &SecretString) -> Result<(), Failure> {
        let marks = Some(self.method.marks());
        if *self.lasting.lock().unwrap_or_else(PoisonError::into_inner) == marks {
            return Ok(());
        }
        let Some(request) = self.method.uses()? else { return Ok(()) };
        match self.holder.transport.call(token, request).await {
            Ok(answer) => lasts(&answer)?,
            Err(Failure::Refused { status: StatusCode::FORBIDDEN, .. }) => {
                tracing::warn!("whether the secret id can be used again is not known: its lookup is not allowed");
            }
            Err(failure) => return Err(failure),
        }
        *self.lasting.lock().unwrap_or_else(PoisonError::into_inner) = marks;
        Ok(())
    }
}

/// Whether a secret id that was looked up is good for any number of logins.
pub(crate) fn lasts(looked_up: &Answer) -> Result<(), Failure> {
    // It was there a moment ago: our own login has used it up.
    if looked_up.status == StatusCode::NO_CONTENT || parse::<SecretIdLooked>(&looked_up.body)?.data.uses != 0 {
        return Err(unfit(NUMBERED));
    }
    Ok(())
}

/// Whether a life was cut to what was asked, as servers count.
pub(crate) fn is_cut(left: Duration, asked: Duration) -> Result<(), Failure> {
    if left <= asked.max(Duration::from_secs(1)) + Duration::from_secs(1) {
        return Ok(());
    }
    Err(Failure::Unfit(format!("its life cannot be cut, {left:?} are left: the role must have no `token_period`")))
}

impl Provider for LoginProvider {
    /// As with a [`TokenProvider`](crate::TokenProvider); but a login that is lost lives as long as the role gives.
    fn contract(&self) -> Contract {
        let adopts = matches!(self.method, Method::TokenFile { .. });
        let login_life = if adopts { Duration::ZERO } else { self.login_life };
        Contract { login_life, candidates: Candidates::LoggedIn, ..Contract::PROMPT }
    }

    async fn login(&self, mint: Mint) -> Reply<Minted> {
        answer("logging in", self.log_in(mint).await)
    }

    /// Refused: nothing could be promised of a login that is lost, for its first life is the role's and not the one asked.
    async fn issue(&self, _: &Credential, _: Mint, _: Duration) -> Reply<Minted> {
        answer("minting", Err(unfit("these tokens come by logging in: have the policy mint with `Via::Login`")))
    }

    async fn probe(&self, with: &Credential) -> Reply<Duration> {
        self.holder.probe(&with.secret).await
    }

    /// In whole seconds, rounded up, at least one.
    async fn set_life(&self, with: &Credential, life: Duration) -> Reply<Duration> {
        answer("renewing the token", self.holder.renew(&with.secret, &with.handle, life).await)
    }

    async fn revoke(&self, with: &Credential) -> Reply<()> {
        answer("ending the token", self.holder.retire(with, with, Ending::Ordinary).await)
    }

    /// By itself; the leases that hang from it before, by the witness, which outlives it.
    async fn revoke_beside(&self, target: &Credential, witness: &Credential, ending: Ending) -> Reply<()> {
        answer("ending the token", self.holder.retire(target, witness, ending).await)
    }

    async fn observe(&self, target: &Credential, witness: &Credential) -> Reply<Observed> {
        answer("looking whether the token is dead", self.holder.look(target, witness).await)
    }

    async fn revoke_named(&self, target: &Handle, with: &Credential) -> Reply<()> {
        answer("ending the token by its accessor", self.holder.end_by_accessor(target, with).await)
    }

    async fn observe_named(&self, target: &Handle, witness: &Credential) -> Reply<Observed> {
        answer("looking whether the token is dead by its accessor", self.holder.look_by_accessor(target, witness).await)
    }
}
