//! A token that mints its own successors.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use turquoise_runtime::core::{Generation, Mint};
use turquoise_runtime::port::{Contract, Credential, Ending, Handle, Minted, Observed, Provider, Reply};

use crate::config::{Through, TokenConfig};
use crate::dependents::Dependents;
use crate::entity::Entity;
use crate::failure::{Failure, answer, words};
use crate::fit::{fit, whole_seconds};
use crate::holder::Holder;
use crate::reply::{Authenticated, Origin, Token, parse};
use crate::request::Request;
use crate::server::ConfigError;

/// Rotates a token by its siblings: parentless tokens, so that the end of one is not the end of
/// the next.
///
/// What would defeat that is refused with its reason, at login and again at each mint: root tokens, batch tokens,
/// children of other tokens, tokens that cannot be renewed, that have a period or a number of uses.
pub struct TokenProvider {
    pub(crate) holder: Holder,
    pub(crate) through: Through,
    pub(crate) token_file: PathBuf,
    policies: Option<BTreeSet<String>>,
    pub(crate) entity_alias: Option<String>,
    entity: Entity,
}

impl TokenProvider {
    /// Takes a configuration; nothing is sent or read yet.
    pub fn new(config: TokenConfig) -> Result<Self, ConfigError> {
        let TokenConfig { upstream, through, token_file, probes, policies, entity_alias } = config;
        let holder = Holder::new(&upstream, probes)?;
        Ok(Self { holder, through, token_file, policies, entity_alias, entity: Entity::default() })
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

    async fn adopt(&self) -> Result<Minted, Failure> {
        let (minted, entity) = self.holder.adopt(&self.token_file).await?;
        match (&self.entity_alias, entity.as_str()) {
            (_, "") => {}
            (Some(_), entity) => self.entity.check(entity)?,
            (None, entity) => tracing::warn!(
                entity,
                next = "name an alias of it, which the role allows, as `entity_alias`",
                "the adopted token has an entity, and its successors will not have its rights"
            ),
        }
        Ok(minted)
    }

    async fn mint(&self, with: &Credential, mint: Mint, life: Duration) -> Result<Minted, Failure> {
        let asked = whole_seconds(life);
        let request = Request::create(&self.through, mint.generation, asked, self.entity_alias.clone());
        let answer = self.holder.transport.call(&with.secret, request).await?;
        let Authenticated { mut auth, warnings } = parse(&answer.body)?;
        let none = || Failure::Unknown("the reply has no token in it".to_owned());
        let secret = auth.secret.take().ok_or_else(none)?;
        if let Err(fault) = self.as_asked(&auth, &warnings.unwrap_or_default(), asked) {
            return Err(self.holder.discard(&secret, fault).await.hide(&with.secret));
        }
        Ok(Minted { secret: secret.into(), handle: Handle(auth.accessor), remaining: Duration::from_secs(auth.ttl) })
    }

    /// Whether a new token is what was asked for, and fit to be rotated.
    pub(crate) fn as_asked(&self, auth: &Token, warnings: &[String], asked: u64) -> Result<(), Failure> {
        fit(auth)?;
        if !(1..=asked).contains(&auth.ttl) {
            let got = auth.ttl;
            let text = format!("it lives {got} s where {asked} s were asked: the role must have no `token_period`");
            return Err(Failure::Unfit(text));
        }
        if self.entity_alias.is_some() {
            self.entity.check(&auth.entity_id)?;
        }
        let got = auth.policies.iter().flatten().cloned().collect();
        if let Some(expected) = self.policies.as_ref().filter(|expected| **expected != got) {
            return Err(Failure::Unfit(format!("its policies are {got:?} where {expected:?} were expected")));
        }
        // A policy that does not exist is a mere warning to the server, and a token without rights to its holder.
        if warnings.is_empty() { Ok(()) } else { Err(Failure::Unfit(format!("the server warned: {}", words(warnings)))) }
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
        answer(&format!("minting by {}", self.through.path()), self.mint(with, mint, life).await)
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

    /// Among all tokens of the namespace: the metadata of each tell its generation.
    async fn discover(&self, lost: Generation, witness: &Credential) -> Reply<Option<Handle>> {
        let (path, generation) = (self.through.path(), lost.to_string());
        let theirs = |origin: &Origin| origin.path == path && origin.rotation() == Some(&generation);
        let found = self.holder.find(&witness.secret, &witness.handle.0, theirs).await;
        answer("looking for a token whose mint was not answered", found.map(|found| found.into_iter().next().map(Handle)))
    }

    async fn observe_named(&self, target: &Handle, witness: &Credential) -> Reply<Observed> {
        answer("looking whether the token is dead by its accessor", self.holder.look_by_accessor(target, witness).await)
    }
}
