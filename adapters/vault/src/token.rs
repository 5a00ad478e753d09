//! A token that mints its own successors through a token role.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;
use turquoise_runtime::core::Mint;
use turquoise_runtime::memory::Secret;
use turquoise_runtime::port::{Contract, Credential, Handle, Minted, Observed, Provider, Reply};
use zeroize::Zeroizing;

use crate::config::{ConfigError, Probe, Role, TokenConfig};
use crate::reply::{Authenticated, Failure, Leadership, Looked, Token, answer, parse, shorten, words};
use crate::request::Request;
use crate::transport::{Transport, check};

/// Rotates a token by its siblings: parentless tokens minted through a role, so that the end of one is not the end of
/// the next.
///
/// What would defeat that is refused with its reason, at login and again at each mint: root tokens, batch tokens,
/// children of other tokens, tokens that cannot be renewed, that have a period or a number of uses.
pub struct TokenProvider {
    transport: Transport,
    role: Role,
    token_file: PathBuf,
    probes: Vec<Probe>,
    policies: Option<BTreeSet<String>>,
}

impl TokenProvider {
    /// Takes a configuration; nothing is sent or read yet.
    pub fn new(config: TokenConfig) -> Result<Self, ConfigError> {
        let transport = Transport::new(&config)?;
        let TokenConfig { role, token_file, probes, policies, .. } = config;
        Ok(Self { transport, role, token_file, probes, policies })
    }

    async fn adopt(&self) -> Result<Minted, Failure> {
        let secret = self.read_token()?;
        let facts = self.look_up_self(&secret).await?;
        fit(&facts)?;
        if facts.period != 0 {
            return Err(unfit("it has a period, so its life cannot be set: hand over a token that has none"));
        }
        if facts.explicit_max_ttl != 0 {
            tracing::warn!(seconds = facts.explicit_max_ttl, "the adopted token has a maximum life: rotate well before");
        }
        Ok(Minted { secret, handle: Handle(facts.accessor), remaining: Duration::from_secs(facts.ttl) })
    }

    fn read_token(&self) -> Result<Secret, Failure> {
        const LONGEST: usize = 8 << 10;
        let path = self.token_file.display();
        let remedy = "write the token there, on one line, readable by this program alone (mode 0600)";
        let fault = |what: &str| Failure::Unavailable(format!("the token file {path} {what}: {remedy}"));
        let mut bytes = Zeroizing::new(Vec::with_capacity(2 * LONGEST));
        File::open(&self.token_file)
            .and_then(|file| file.take(LONGEST as u64).read_to_end(&mut bytes))
            .map_err(|e| fault(&format!("cannot be read ({e})")))?;
        match str::from_utf8(bytes.trim_ascii_end()) {
            Ok("") => Err(fault("is empty")),
            Ok(text) => Ok(Secret::from(text)),
            Err(_) => Err(fault("holds something else than text")),
        }
    }

    async fn look_up_self(&self, token: &Secret) -> Result<Token, Failure> {
        let answer = self.transport.call(token, Request::lookup_self()).await?;
        Ok(parse::<Looked>(&answer.body)?.data)
    }

    async fn mint(&self, with: &Credential, mint: Mint, life: Duration) -> Result<Minted, Failure> {
        let asked = whole_seconds(life);
        let request = Request::create(&self.role, mint.generation, asked);
        let answer = self.transport.call(&with.secret, request).await?;
        let Authenticated { mut auth, warnings } = parse(&answer.body)?;
        let none = || Failure::Unknown("the reply has no token in it".to_owned());
        let secret = Secret::from(auth.secret.take().ok_or_else(none)?);
        if let Err(fault) = self.as_asked(&auth, &warnings.unwrap_or_default(), asked) {
            return Err(self.discard(secret, fault).await.hide(&with.secret));
        }
        Ok(Minted { secret, handle: Handle(auth.accessor), remaining: Duration::from_secs(auth.ttl) })
    }

    fn as_asked(&self, auth: &Token, warnings: &[String], asked: u64) -> Result<(), Failure> {
        fit(auth)?;
        if !(1..=asked).contains(&auth.ttl) {
            let got = auth.ttl;
            let text = format!("it lives {got} s where {asked} s were asked: the role must have no `token_period`");
            return Err(Failure::Unfit(text));
        }
        let got = auth.policies.iter().flatten().cloned().collect();
        if let Some(expected) = self.policies.as_ref().filter(|expected| **expected != got) {
            return Err(Failure::Unfit(format!("its policies are {got:?} where {expected:?} were expected")));
        }
        // A policy that does not exist is a mere warning to the server, and a token without rights to its holder.
        if warnings.is_empty() { Ok(()) } else { Err(Failure::Unfit(format!("the server warned: {}", words(warnings)))) }
    }

    /// Ends a token that may not be used. Short of a clean answer it may live on, until its own end.
    async fn discard(&self, token: Secret, fault: Failure) -> Failure {
        let failure = match self.end(&token).await {
            Ok(()) => Failure::Unfit(format!("the new token is unfit and was ended: {fault}")),
            Err(why) => Failure::Unknown(format!("the new token is unfit ({fault}) and may live on: ending it: {why}")),
        };
        failure.hide(&token)
    }

    async fn end(&self, token: &Secret) -> Result<(), Failure> {
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

    async fn read(&self, token: &Secret, probe: &Probe) -> Result<(), Failure> {
        let start = Instant::now();
        self.transport.call(token, Request::read(&probe.path)).await?;
        match probe.max_latency.filter(|limit| start.elapsed() > *limit) {
            Some(limit) => Err(Failure::Unfit(format!("the answer took longer than {limit:?}"))),
            None => Ok(()),
        }
    }

    async fn renew(&self, with: &Credential, life: Duration) -> Result<Duration, Failure> {
        let answer = self.transport.call(&with.secret, Request::renew_self(whole_seconds(life))).await?;
        let Authenticated { auth, warnings } = parse(&answer.body)?;
        for warning in warnings.unwrap_or_default() {
            let warning = Failure::Unfit(words(&[warning])).hide(&with.secret);
            tracing::warn!(handle = with.handle.0, warning = shorten(&warning.to_string()), "renewed, but");
        }
        Ok(Duration::from_secs(auth.ttl))
    }

    async fn look(&self, target: &Credential, witness: &Credential) -> Result<Observed, Failure> {
        check(&target.secret)?;
        let consistent = self.transport.is_consistent();
        match self.transport.call(&witness.secret, Request::lookup(&target.secret)).await {
            Ok(answer) => Ok(Observed::Alive(Duration::from_secs(parse::<Looked>(&answer.body)?.data.ttl))),
            Err(Failure::Refused { status: StatusCode::FORBIDDEN, words }) if words == "bad token" => {
                if !consistent {
                    self.ask_for_the_lead(witness).await?;
                }
                Ok(Observed::Dead)
            }
            Err(failure) => Err(failure.hide(&target.secret)),
        }
    }

    /// A standby that lags says `bad token` of living tokens. Without an index to hold it to, only a leader's word counts.
    async fn ask_for_the_lead(&self, witness: &Credential) -> Result<(), Failure> {
        let answer = self.transport.call(&witness.secret, Request::leader()).await?;
        match parse(&answer.body)? {
            Leadership { ha_enabled: true, is_self: false } => {
                Err(Failure::Unknown("a standby said `bad token`, which is no proof until a write was answered".to_owned()))
            }
            Leadership { .. } => Ok(()),
        }
    }
}

impl Provider for TokenProvider {
    /// A server is asked for its own state, and one that lags says so: nothing is late. Siblings have no parent.
    fn contract(&self) -> Contract {
        Contract::PROMPT
    }

    /// Adopts the token in the file: it is looked up, and nothing about it is changed.
    async fn login(&self, _: Mint) -> Reply<Minted> {
        answer("adopting the token of the token file", self.adopt().await)
    }

    async fn issue(&self, with: &Credential, mint: Mint, life: Duration) -> Reply<Minted> {
        answer(&format!("minting through the role {}", self.role), self.mint(with, mint, life).await)
    }

    async fn probe(&self, with: &Credential) -> Reply<Duration> {
        for probe in &self.probes {
            if let Err(failure) = self.read(&with.secret, probe).await {
                return answer(&format!("reading {}", probe.path), Err(failure));
            }
        }
        let seen = self.look_up_self(&with.secret).await;
        answer("looking the token up", seen.map(|token| Duration::from_secs(token.ttl)))
    }

    /// In whole seconds, rounded up, at least one.
    async fn set_life(&self, with: &Credential, life: Duration) -> Reply<Duration> {
        answer("renewing the token", self.renew(with, life).await)
    }

    async fn revoke(&self, with: &Credential) -> Reply<()> {
        answer("ending the token", self.end(&with.secret).await)
    }

    async fn observe(&self, target: &Credential, witness: &Credential) -> Reply<Observed> {
        answer("looking whether the token is dead", self.look(target, witness).await)
    }
}

/// Whether a token can be rotated at all.
fn fit(token: &Token) -> Result<(), Failure> {
    if token.policies.iter().flatten().any(|policy| policy == "root") {
        return Err(unfit("it is a root token, which nothing should hold for long: use one with a policy of its own"));
    }
    if token.kind != "service" {
        let kind = &token.kind;
        let text = format!("it is a {kind} token, and only service tokens can be renewed and ended: set `token_type = service`");
        return Err(Failure::Unfit(text));
    }
    if !token.orphan {
        return Err(unfit("it is another token's child and dies with it: use a role with `orphan = true`"));
    }
    if !token.renewable {
        return Err(unfit("it cannot be renewed: use a role with `renewable = true`"));
    }
    if token.num_uses != 0 {
        return Err(unfit("its number of uses is limited: use a role with `token_num_uses = 0`"));
    }
    Ok(())
}

fn unfit(why: &str) -> Failure {
    Failure::Unfit(why.to_owned())
}

/// Servers count in seconds, and take none to mean a default of their own.
fn whole_seconds(life: Duration) -> u64 {
    life.as_secs().saturating_add(u64::from(life.subsec_nanos() > 0)).max(1)
}
