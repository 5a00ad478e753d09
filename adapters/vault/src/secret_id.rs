//! An AppRole's secret id.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use turquoise_runtime::core::{Generation, Mint};
use turquoise_runtime::port::{Contract, Credential, Handle, Listing, Lives, Minted, Observed, Provider, Reply};
use zeroize::Zeroizing;

use crate::config::Probe;
use crate::failure::{Failure, NO_WORDS, answer, words};
use crate::file::read;
use crate::fit::{unfit, whole_seconds};
use crate::holder::Holder;
use crate::lockout::Lockout;
use crate::name::App;
use crate::reply::{Authenticated, Listed, Origin, SecretId, SecretIdLooked, parse};
use crate::request::Request;
use crate::server::{ConfigError, Upstream};
use crate::transport::Answer;

/// What a [`SecretIdProvider`] is made from.
#[derive(Clone, Debug)]
pub struct SecretIdConfig {
    /// The server.
    pub upstream: Upstream,
    /// Whose secret id is rotated.
    pub app: App,
    /// The file that holds the role id.
    pub role_id_file: PathBuf,
    /// The file that holds the first secret id, which must have an end.
    pub secret_id_file: PathBuf,
    /// What a candidate's token is tried on.
    pub probes: Vec<Probe>,
    /// What becomes of the tokens that an old secret id was used to log in for.
    pub issued: Issued,
}

/// What becomes of the tokens that a secret id was used to log in for. They do not die with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issued {
    /// They are ended, too. For that all tokens of the namespace are listed and looked at, and it takes power over them all, and
    /// more than a second for each end and each look whether one is dead.
    /// Those of a secret id that was handed over are not told from a neighbour's, and live on.
    End,
    /// They live on, at most as long as the role's `token_max_ttl`.
    Outlive,
}

/// Rotates an AppRole's secret id: the next one is made with a token that the present one logs in for.
///
/// A candidate is proved by a real login. The old one is destroyed by its accessor. The life of a secret id is set when it is made and
/// never again, so the core's policy must have as `probation` what a secret id is to live, as `full` what of that is left at the
/// least when it has been validated, and as `period` less than half of it.
///
/// We choose the secret, not the server: so one that may have been made without our hearing of it can be looked for, and ended.
/// Each call costs a login and the end of its token beside what it is for.
pub struct SecretIdProvider {
    pub(crate) holder: Holder,
    pub(crate) app: App,
    role_id_file: PathBuf,
    secret_id_file: PathBuf,
    issued: Issued,
    lockout: Lockout,
}

/// A token to work with for the length of one call.
pub(crate) struct Worker {
    pub(crate) token: SecretString,
    pub(crate) accessor: String,
}

impl SecretIdProvider {
    /// Takes a configuration; nothing is sent or read yet, but for certificates.
    pub fn new(config: SecretIdConfig) -> Result<Self, ConfigError> {
        let SecretIdConfig { upstream, app, role_id_file, secret_id_file, probes, issued } = config;
        Ok(Self {
            holder: Holder::new(&upstream, probes)?,
            app,
            role_id_file,
            secret_id_file,
            issued,
            lockout: Lockout::default(),
        })
    }

    /// Does something with a token that a secret id logs in for, and ends that token.
    async fn with<T>(
        &self,
        secret_id: &impl ExposeSecret<str>,
        act: impl AsyncFnOnce(&Worker) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let worker = self.log_in(secret_id).await?;
        let result = act(&worker).await;
        if let Err(why) = self.holder.end(&worker.token).await {
            tracing::warn!(accessor = worker.accessor, %why, "a token that was worked with lives on to its own end");
        }
        result.map_err(|failure| failure.hide(&worker.token).hide(secret_id))
    }

    pub(crate) async fn log_in(&self, secret_id: &impl ExposeSecret<str>) -> Result<Worker, Failure> {
        let role_id = read(&self.role_id_file, "file of the role id", "write the AppRole's role id there")?;
        let request = Request::log_in_approle(&self.app.mount, &role_id, Some(secret_id));
        self.lockout.check(secret_id.expose_secret(), Instant::now())?;
        let answered = self.holder.transport.call_as_nobody(request).await;
        self.lockout.note(secret_id.expose_secret(), &answered, Instant::now());
        let answer = answered.map_err(|failure| failure.hide(secret_id))?;
        let Authenticated { mut auth, .. } = parse(&answer.body)?;
        let none = || Failure::Unknown("the reply has no token in it".to_owned());
        Ok(Worker { token: auth.secret.take().ok_or_else(none)?, accessor: auth.accessor })
    }

    /// The secret id that was handed to us.
    pub(crate) fn first(&self) -> Result<SecretString, Failure> {
        let remedy = "write the AppRole's secret id there, readable by this program alone (mode 0600)";
        read(&self.secret_id_file, "file of the secret id", remedy)
    }

    async fn adopt(&self) -> Result<Minted, Failure> {
        let secret = self.first()?;
        let (handle, remaining) = self.with(&secret, async |worker| self.look_up(&worker.token, &secret).await).await?;
        Ok(Minted { secret: secret.into(), handle, remaining })
    }

    /// What is left of a secret id that can be used again and has an end.
    pub(crate) async fn look_up(
        &self,
        token: &impl ExposeSecret<str>,
        secret_id: &impl ExposeSecret<str>,
    ) -> Result<(Handle, Duration), Failure> {
        let answer = self.holder.transport.call(token, Request::lookup_secret_id(&self.app, secret_id)).await?;
        if answer.status == StatusCode::NO_CONTENT {
            return Err(unfit("there is no such secret id any more: a use of it was its last"));
        }
        let found = parse::<SecretIdLooked>(&answer.body)?.data;
        Ok((Handle(found.accessor.clone()), remaining(&found, &answer)?))
    }

    async fn mint(&self, worker: &Worker, mint: Mint, life: Duration) -> Result<Minted, Failure> {
        let (secret, asked) = (random()?, whole_seconds(life));
        let request = Request::create_secret_id(&self.app, &secret, mint.generation, asked);
        let made = match self.holder.transport.call(&worker.token, request).await {
            Ok(answer) => parse::<SecretIdLooked>(&answer.body),
            Err(failure) => Err(failure),
        };
        let made = match made {
            Ok(made) => made,
            Err(Failure::Unknown(why)) => return self.resolve(worker, secret, &why).await,
            Err(failure) => return Err(failure.hide(&secret)),
        };
        match as_asked(&made, asked) {
            Ok(()) => {
                let remaining = Duration::from_secs(made.data.ttl);
                Ok(Minted { secret: secret.into(), handle: Handle(made.data.accessor), remaining })
            }
            Err(fault) => Err(self.discard(worker, &secret, fault).await),
        }
    }

    /// Whether a secret id was made although its answer was lost. If not, it may yet be: it is unknown, but what there is by
    /// then is ended.
    async fn resolve(&self, worker: &Worker, secret: SecretString, why: &str) -> Result<Minted, Failure> {
        if let Ok((handle, remaining)) = self.look_up(&worker.token, &secret).await {
            return Ok(Minted { secret: secret.into(), handle, remaining });
        }
        let ended = self.holder.transport.call(&worker.token, Request::destroy_secret_id(&self.app, &secret)).await;
        let ended = ended.map_or_else(|e| format!("and ending it failed ({e})"), |_| "and was not seen to be".to_owned());
        Err(Failure::Unknown(format!("it may have been made ({why}), {ended}")).hide(&secret))
    }

    async fn discard(&self, worker: &Worker, secret: &SecretString, fault: Failure) -> Failure {
        let ended = self.holder.transport.call(&worker.token, Request::destroy_secret_id(&self.app, secret)).await;
        let failure = match ended {
            Ok(_) => Failure::Unfit(format!("the new secret id is unfit and was ended: {fault}")),
            Err(why) => Failure::Unknown(format!("the new secret id is unfit ({fault}) and may live on: ending it: {why}")),
        };
        failure.hide(secret)
    }

    async fn destroy(&self, worker: &Worker, target: &Handle) -> Result<(), Failure> {
        self.holder.transport.call(&worker.token, Request::destroy_secret_id_accessor(&self.app, &target.0)).await.map(drop)
    }

    /// What is left of a secret id; nothing, if it is dead. The login just before was a write, so no node lags behind it.
    pub(crate) async fn left_of(&self, token: &impl ExposeSecret<str>, target: &Handle) -> Result<Option<Duration>, Failure> {
        let request = Request::lookup_secret_id_accessor(&self.app, &target.0);
        match self.holder.transport.call(token, request).await {
            Ok(answer) if answer.status != StatusCode::NO_CONTENT => {
                remaining(&parse::<SecretIdLooked>(&answer.body)?.data, &answer).map(Some)
            }
            // 204 of one that has expired, 404 without errors of one that was destroyed.
            Ok(_) => Ok(None),
            Err(Failure::Refused { status: StatusCode::NOT_FOUND, words }) if words == NO_WORDS => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Among the secret ids of the role: the metadata of each tell its generation.
    async fn discover_lost(&self, worker: &Worker, lost: Generation) -> Result<Option<Handle>, Failure> {
        let listed = self.holder.transport.call(&worker.token, Request::list_secret_ids(&self.app)).await?;
        let lost = lost.to_string();
        for accessor in parse::<Listed>(&listed.body)?.data.keys {
            let request = Request::lookup_secret_id_accessor(&self.app, &accessor);
            let Ok(answer) = self.holder.transport.call(&worker.token, request).await else { continue };
            let Ok(found) = parse::<SecretIdLooked>(&answer.body) else { continue };
            if found.data.metadata.as_ref().and_then(|metadata| metadata.get("rotation")) == Some(&lost) {
                return Ok(Some(Handle(accessor)));
            }
        }
        Ok(None)
    }

    /// Dead is what no node that is up to date knows, and whose tokens are dead, too. What a crash left of them is ended here.
    async fn look(&self, worker: &Worker, target: &Credential) -> Result<Observed, Failure> {
        if let Some(left) = self.left_of(&worker.token, &target.handle).await? {
            return Ok(Observed::Alive(left));
        }
        match self.end_issued(worker, target.mint.generation).await? {
            0 => Ok(Observed::Dead),
            left => Err(Failure::Unknown(format!("{left} tokens that it was used for were alive, and were ended"))),
        }
    }

    /// Ends the tokens that were logged in for with a secret id of ours; answers how many there were.
    async fn end_issued(&self, worker: &Worker, generation: Generation) -> Result<usize, Failure> {
        if self.issued == Issued::Outlive {
            return Ok(0);
        }
        let (login, generation) = (format!("auth/{}/login", self.app.mount), generation.to_string());
        let theirs = |origin: &Origin| origin.path == login && origin.rotation() == Some(&generation);
        let found = self.holder.find(&worker.token, &worker.accessor, theirs).await?;
        for accessor in &found {
            self.holder.transport.call(&worker.token, Request::revoke_accessor(accessor)).await?;
        }
        Ok(found.len())
    }
}

impl Provider for SecretIdProvider {
    /// Whose role it is may list its secret ids.
    fn contract(&self) -> Contract {
        Contract { listing: Listing::Own, lives: Lives::AsMinted, ..Contract::PROMPT }
    }

    /// Adopts the secret id in the file: it is used once to log in, and nothing about it is changed.
    async fn login(&self, _: Mint) -> Reply<Minted> {
        answer("adopting the secret id of the file", self.adopt().await)
    }

    async fn issue(&self, with: &Credential, mint: Mint, life: Duration) -> Reply<Minted> {
        let made = self.with(&with.secret, async |worker| self.mint(worker, mint, life).await).await;
        answer("making a secret id", made)
    }

    /// By a real login, and what its token can read.
    async fn probe(&self, with: &Credential) -> Reply<Duration> {
        let tried = self.with(&with.secret, async |worker| {
            self.holder.read_all(&worker.token).await?;
            self.look_up(&worker.token, &with.secret).await
        });
        answer("logging in with the secret id", tried.await.map(|(_, remaining)| remaining))
    }

    /// Nothing can be set: what is left is answered.
    async fn set_life(&self, with: &Credential, _: Duration) -> Reply<Duration> {
        let seen = self.with(&with.secret, async |worker| self.look_up(&worker.token, &with.secret).await).await;
        answer("looking the secret id up", seen.map(|(_, remaining)| remaining))
    }

    async fn revoke(&self, with: &Credential) -> Reply<()> {
        let ended = self.with(&with.secret, async |worker| {
            self.destroy(worker, &with.handle).await?;
            self.end_issued(worker, with.mint.generation).await.map(drop)
        });
        let ended = match ended.await {
            // Said of a dead secret id, but also where the role is gone for a while.
            Err(Failure::Refused { status: StatusCode::BAD_REQUEST, words }) => {
                Err(Failure::Unknown(format!("the server answered 400: {words}, which is no proof of death")))
            }
            ended => ended,
        };
        answer("destroying the secret id", ended)
    }

    async fn observe(&self, target: &Credential, witness: &Credential) -> Reply<Observed> {
        let seen = self.with(&witness.secret, async |worker| self.look(worker, target).await).await;
        answer("looking whether the secret id is dead", seen)
    }

    /// What is only named never served: it was used for nothing.
    async fn revoke_named(&self, target: &Handle, with: &Credential) -> Reply<()> {
        let ended = self.with(&with.secret, async |worker| self.destroy(worker, target).await).await;
        answer("destroying the secret id by its accessor", ended)
    }

    async fn observe_named(&self, target: &Handle, witness: &Credential) -> Reply<Observed> {
        let seen = self.with(&witness.secret, async |worker| self.left_of(&worker.token, target).await).await;
        let seen = seen.map(|found| found.map_or(Observed::Dead, Observed::Alive));
        answer("looking whether the secret id is dead by its accessor", seen)
    }

    async fn discover(&self, lost: Generation, witness: &Credential) -> Reply<Option<Handle>> {
        let found = self.with(&witness.secret, async |worker| self.discover_lost(worker, lost).await).await;
        answer("looking for a secret id whose making was not answered", found)
    }
}

pub(crate) fn as_asked(made: &SecretIdLooked, asked: u64) -> Result<(), Failure> {
    let SecretId { ttl, uses, .. } = &made.data;
    if *uses != 0 {
        return Err(unfit("its number of uses is limited: use an AppRole with `secret_id_num_uses = 0`"));
    }
    if !(1..=asked).contains(ttl) {
        return Err(Failure::Unfit(format!("it lives {ttl} s where {asked} s were asked")));
    }
    let warnings = made.warnings.as_deref().unwrap_or_default();
    if warnings.is_empty() { Ok(()) } else { Err(Failure::Unfit(format!("the server warned: {}", words(warnings)))) }
}

/// By the server's clock.
fn remaining(found: &SecretId, answer: &Answer) -> Result<Duration, Failure> {
    if found.uses != 0 {
        return Err(unfit("its number of uses is limited: use an AppRole with `secret_id_num_uses = 0`"));
    }
    if found.ttl == 0 {
        return Err(unfit("it has no end, so one that is lost would live for ever: hand one over that was made with a `ttl`"));
    }
    let nonsense = |_| Failure::Unknown("the reply does not tell when the secret id ends".to_owned());
    let end = humantime::parse_rfc3339(&found.expiration_time).map_err(nonsense)?;
    let now = answer.date.unwrap_or_else(SystemTime::now);
    Ok(end.duration_since(now).unwrap_or_default())
}

/// A secret that nobody guesses.
pub(crate) fn random() -> Result<SecretString, Failure> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes).map_err(|e| Failure::Unavailable(format!("the system gives no random bytes ({e})")))?;
    Ok(SecretString::from(BASE64_URL_SAFE_NO_PAD.encode(*bytes)))
}
