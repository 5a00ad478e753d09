//! What the holder of a token can do with it, however it came by it: try it, set its life, end it, and look whether another is
//! dead.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use turquoise_runtime::port::{Credential, Ending, Handle, Minted, Observed, Reply};

use crate::config::Probe;
use crate::dependents::Dependents;
use crate::failure::{Failure, answer, shorten, words};
use crate::file::read;
use crate::fit::{fit, unfit, whole_seconds};
use crate::reply::{Authenticated, Leadership, Listed, Looked, Origin, Token, Traced, parse};
use crate::request::Request;
use crate::server::{Address, ConfigError, Upstream};
use crate::transport::{Transport, check};

/// Longer than the making of a token takes, from where it is listed to where it has its lease.
const BIRTH: Duration = Duration::from_secs(1);

pub(crate) struct Holder {
    pub(crate) transport: Arc<Transport>,
    pub(crate) probes: Vec<Probe>,
    pub(crate) dependents: Dependents,
}

impl Holder {
    pub(crate) fn new(upstream: &Upstream, probes: Vec<Probe>) -> Result<Self, ConfigError> {
        let transport = Arc::new(Transport::new(upstream)?);
        Ok(Self { dependents: Dependents::new(Arc::clone(&transport)), transport, probes })
    }

    /// With the list of what hangs from the tokens of one that this takes the place of.
    pub(crate) fn keeping(self, dependents: &Dependents) -> Self {
        Self { dependents: dependents.by(Arc::clone(&self.transport)), ..self }
    }

    /// Takes over the token in a file: it is looked up, and nothing about it is changed. Answers its entity, too.
    pub(crate) async fn adopt(&self, file: &Path) -> Result<(Minted, String), Failure> {
        let secret = handed_over(file)?;
        let facts = self.look_up_self(&secret).await?;
        fit_to_adopt(&facts)?;
        if facts.explicit_max_ttl != 0 {
            tracing::warn!(seconds = facts.explicit_max_ttl, "the adopted token has a maximum life: rotate well before");
        }
        let remaining = Duration::from_secs(facts.ttl);
        Ok((Minted { secret: secret.into(), handle: Handle(facts.accessor), remaining }, facts.entity_id))
    }

    pub(crate) async fn look_up_self(&self, token: &impl ExposeSecret<str>) -> Result<Token, Failure> {
        let answer = self.transport.call(token, Request::lookup_self()).await?;
        Ok(parse::<Looked>(&answer.body)?.data)
    }

    pub(crate) async fn probe(&self, token: &impl ExposeSecret<str>) -> Reply<Duration> {
        if let Err(failure) = self.read_all(token).await {
            return answer("trying the token", Err(failure));
        }
        let seen = self.look_up_self(token).await;
        answer("looking the token up", seen.map(|token| Duration::from_secs(token.ttl)))
    }

    /// Reads all that a token must be able to read.
    pub(crate) async fn read_all(&self, token: &impl ExposeSecret<str>) -> Result<(), Failure> {
        for probe in &self.probes {
            self.read(token, probe).await.map_err(|failure| failure.at(&probe.path))?;
        }
        Ok(())
    }

    pub(crate) async fn read(&self, token: &impl ExposeSecret<str>, probe: &Probe) -> Result<(), Failure> {
        let start = Instant::now();
        self.transport.call(token, Request::read(&probe.path)).await?;
        match probe.max_latency.filter(|limit| start.elapsed() > *limit) {
            Some(limit) => Err(Failure::Unfit(format!("the answer took longer than {limit:?}"))),
            None => Ok(()),
        }
    }

    /// Sets what is left of the token's life: in whole seconds, rounded up, at least one.
    pub(crate) async fn renew(
        &self,
        token: &impl ExposeSecret<str>,
        handle: &Handle,
        life: Duration,
    ) -> Result<Duration, Failure> {
        let answer = self.transport.call(token, Request::renew_self(whole_seconds(life))).await?;
        let Authenticated { auth, warnings } = parse(&answer.body)?;
        for warning in warnings.unwrap_or_default() {
            let warning = Failure::Unfit(words(&[warning])).hide(token);
            tracing::warn!(handle = handle.0, warning = shorten(&warning.to_string()), "renewed, but");
        }
        Ok(Duration::from_secs(auth.ttl))
    }

    /// Ends a token, and before it what hangs from it: one by one, by `by`, which may be that token itself. Where others know the
    /// secret nothing is waited for: the token takes its leases with it.
    pub(crate) async fn retire(&self, target: &Credential, by: &Credential, ending: Ending) -> Result<(), Failure> {
        let generation = target.mint.generation;
        if ending == Ending::Ordinary {
            self.dependents.revoke_all(generation, &by.secret).await?;
        }
        self.end(&target.secret).await?;
        self.dependents.forget(generation);
        Ok(())
    }

    pub(crate) async fn end(&self, token: &impl ExposeSecret<str>) -> Result<(), Failure> {
        let status = match self.transport.call(token, Request::revoke_self()).await {
            Ok(answer) => answer.status,
            // Said of a dead token, but also of one whose entity is disabled, and that can be undone.
            Err(Failure::Refused { status: StatusCode::FORBIDDEN, words }) => {
                return Err(Failure::Unknown(format!("the server answered 403: {words}, which is no proof of death")));
            }
            Err(failure) => return Err(failure),
        };
        match status {
            StatusCode::NO_CONTENT => Ok(()),
            other => Err(Failure::Unknown(format!("the server answered {other} where 204 was due"))),
        }
    }

    /// Ends a token by what names it. That a node knows none of that name is no proof: it may lag.
    pub(crate) async fn end_by_accessor(&self, target: &Handle, with: &Credential) -> Result<(), Failure> {
        self.transport.call(&with.secret, Request::revoke_accessor(&target.0)).await.map(drop)
    }

    /// The accessors of all tokens that come from where is wanted, but that of the token which looks. Takes more than a second.
    ///
    /// **To look at a token that is just being made kills it**: the server takes it for one that has lost its lease (measured: 112
    /// of 750 that others minted meanwhile, and none once what is listed is left alone for a second).
    pub(crate) async fn find(
        &self,
        token: &impl ExposeSecret<str>,
        own: &str,
        wanted: impl Fn(&Origin) -> bool,
    ) -> Result<Vec<String>, Failure> {
        // Of no other token can a lack of rights be told from its death.
        self.transport.call(token, Request::lookup_accessor(own)).await?;
        let listed = self.transport.call(token, Request::list_accessors()).await?;
        tokio::time::sleep(BIRTH).await;
        let mut found = Vec::new();
        for accessor in parse::<Listed>(&listed.body)?.data.keys.into_iter().filter(|accessor| accessor != own) {
            match self.transport.call(token, Request::lookup_accessor(&accessor)).await {
                Ok(answer) if wanted(&parse::<Traced>(&answer.body)?.data) => found.push(accessor),
                // It died meanwhile, or never was one.
                Ok(_) | Err(Failure::Refused { .. }) => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(found)
    }

    /// Ends a token that may not be used. Short of a clean answer it may live on, until its own end.
    pub(crate) async fn discard(&self, token: &SecretString, fault: Failure) -> Failure {
        let failure = match (self.end(token).await, fault) {
            (Ok(()), fault @ (Failure::Refused { .. } | Failure::Unfit(_))) => {
                Failure::Unfit(format!("the new token is unfit and was ended: {fault}"))
            }
            (Ok(()), fault) => Failure::Unavailable(format!("the new token could not be made ready and was ended: {fault}")),
            (Err(why), fault) => Failure::Unknown(format!("the new token is unfit ({fault}) and may live on: ending it: {why}")),
        };
        failure.hide(token)
    }

    /// Looks by value: needs no power over others.
    pub(crate) async fn look(&self, target: &Credential, witness: &Credential) -> Result<Observed, Failure> {
        check(&target.secret)?;
        let dead = |status, words: &str| status == StatusCode::FORBIDDEN && words == "bad token";
        self.look_with(|| Request::lookup(&target.secret), dead, witness).await.map_err(|failure| failure.hide(&target.secret))
    }

    /// Looks by accessor: for what only its name is left of.
    pub(crate) async fn look_by_accessor(&self, target: &Handle, witness: &Credential) -> Result<Observed, Failure> {
        let dead = |status, words: &str| status == StatusCode::BAD_REQUEST && words == "1 error occurred: * invalid accessor";
        self.look_with(|| Request::lookup_accessor(&target.0), dead, witness).await
    }

    async fn look_with(
        &self,
        request: impl Fn() -> Request,
        dead: impl Fn(StatusCode, &str) -> bool,
        witness: &Credential,
    ) -> Result<Observed, Failure> {
        let before = if self.transport.is_consistent() { None } else { Some(self.leads(witness).await?) };
        match self.transport.call(&witness.secret, request()).await {
            Ok(answer) => Ok(Observed::Alive(Duration::from_secs(parse::<Looked>(&answer.body)?.data.ttl))),
            Err(Failure::Refused { status, words }) if dead(status, &words) => match before {
                None => Ok(Observed::Dead),
                Some(Lead::Yes(node)) if self.leads(witness).await? == Lead::Yes(node.clone()) => Ok(Observed::Dead),
                Some(_) => Err(Failure::Unknown(format!(
                    "a node said `{words}` that may lag behind the leader, which is no proof until a write was answered"
                ))),
            },
            Err(failure) => Err(failure),
        }
    }

    /// A standby that lags calls living tokens dead. Without an index to hold it to, only the word of the leader counts, and
    /// only at an address that is known to be its own: behind one of a balancer every request may meet another node.
    async fn leads(&self, witness: &Credential) -> Result<Lead, Failure> {
        let answer = self.transport.call(&witness.secret, Request::leader()).await?;
        let Leadership { ha_enabled, is_self, leader_address } = parse(&answer.body)?;
        let address = self.transport.address();
        let own = leader_address.parse::<Address>().is_ok_and(|leader| leader == *address);
        Ok(if !ha_enabled || (is_self && own) { Lead::Yes(address.clone()) } else { Lead::No })
    }
}

/// The token in a file.
pub(crate) fn handed_over(file: &Path) -> Result<SecretString, Failure> {
    read(file, "token file", "write the token there, on one line, readable by this program alone (mode 0600)")
}

/// Whether a token that others made can be rotated.
pub(crate) fn fit_to_adopt(token: &Token) -> Result<(), Failure> {
    fit(token)?;
    match token.period {
        0 => Ok(()),
        _ => Err(unfit("it has a period, so its life cannot be set: hand over a token that has none")),
    }
}

/// Whether the node that was asked is known to lead.
#[derive(PartialEq, Eq)]
enum Lead {
    Yes(Address),
    No,
}
