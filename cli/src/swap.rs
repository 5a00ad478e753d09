//! Providers that can be replaced under a rotation that runs: with other probes, other files to log in with, certificates that
//! were renewed.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use turquoise::aws_iam::IamProvider;
use turquoise::core::{Generation, Mint};
use turquoise::memory::ExposeSecret as _;
use turquoise::port::{Contract, Credential, Ending, Handle, Minted, Observed, Provider, Reason, Reply};
use turquoise::vault::{Dependents, LoginProvider, SecretIdProvider, TokenProvider};
use turquoise::{Credentials, Load};

use crate::file;
use crate::fleet::Failed;

/// A provider, and the one that comes after it.
pub(crate) struct Swap<P>(Arc<RwLock<Arc<P>>>);

/// The provider of a rotation.
pub(crate) enum Provided {
    Login(Swap<LoginProvider>),
    Token(Swap<TokenProvider>),
    SecretId(Swap<SecretIdProvider>),
    Keys(Swap<IamProvider>),
}

/// Why a provider is not replaced.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreplaced {
    /// It would promise something else.
    #[error("what its provider promises has changed")]
    Contract,
    /// It cannot be made.
    #[error("{0}")]
    Failed(#[from] Failed),
}

impl Provided {
    pub(crate) fn new(config: &file::Provider) -> Result<Self, Failed> {
        Ok(match config {
            file::Provider::Login(config) => Self::Login(Swap::new(LoginProvider::new(config.clone())?)),
            file::Provider::Token(config) => Self::Token(Swap::new(TokenProvider::new(config.clone())?)),
            file::Provider::SecretId(config) => Self::SecretId(Swap::new(SecretIdProvider::new(config.clone())?)),
            file::Provider::Keys(config) => Self::Keys(Swap::new(IamProvider::new((**config).clone())?)),
        })
    }

    /// Calls under way end with the provider that they began with. What hangs from its tokens hangs from the next one's.
    pub(crate) fn replace(&self, config: &file::Provider) -> Result<(), Unreplaced> {
        match (self, config) {
            (Self::Login(swap), file::Provider::Login(config)) => {
                let next = LoginProvider::new(config.clone()).map_err(Failed::from)?;
                swap.replace(next.keeping(&swap.current().dependents()))
            }
            (Self::Token(swap), file::Provider::Token(config)) => {
                let next = TokenProvider::new(config.clone()).map_err(Failed::from)?;
                swap.replace(next.keeping(&swap.current().dependents()))
            }
            (Self::SecretId(swap), file::Provider::SecretId(config)) => {
                swap.replace(SecretIdProvider::new(config.clone()).map_err(Failed::from)?)
            }
            (Self::Keys(swap), file::Provider::Keys(config)) => {
                swap.replace(IamProvider::new((**config).clone()).map_err(Failed::from)?)
            }
            _ => Err(Unreplaced::Contract),
        }
    }

    /// The list of what hangs from its tokens, which one that is put in its place goes on with.
    pub(crate) fn dependents(&self) -> Option<Dependents> {
        match self {
            Self::Login(swap) => Some(swap.current().dependents()),
            Self::Token(swap) => Some(swap.current().dependents()),
            Self::SecretId(_) | Self::Keys(_) => None,
        }
    }

    /// Has a login tried again that was refused, where there is one.
    pub(crate) fn retry(&self) {
        if let Self::Login(swap) = self {
            swap.current().retry().now();
        }
    }
}

/// Whether what serves would pass the probes of this configuration. Where nothing serves there is nothing to try them on, and
/// they are taken as they are.
pub(crate) async fn tried(
    config: &file::Provider,
    load: &Load,
    credentials: &Credentials,
    patience: Duration,
) -> Result<(), String> {
    let Ok(guard) = credentials.acquire() else { return Ok(()) };
    let secret = guard.secret().expose_secret().into();
    let serving = Credential { mint: guard.mint(), handle: guard.handle().clone(), secret };
    let provided = Provided::new(config).map_err(|why| why.to_string())?;
    if !load.admit(patience).await {
        return Err("its new probe could not be tried: the provider is asked too much already".to_owned());
    }
    let reply = match &provided {
        Provided::Login(swap) => swap.probe(&serving).await,
        Provided::Token(swap) => swap.probe(&serving).await,
        Provided::SecretId(swap) => swap.probe(&serving).await,
        Provided::Keys(swap) => swap.probe(&serving).await,
    };
    match reply {
        Reply::Applied(_) => Ok(()),
        Reply::Refused(Reason(why)) => Err(format!("what serves does not pass its new probe: {why}")),
        Reply::Unavailable(Reason(why)) | Reply::Unknown(Reason(why)) | Reply::Throttled { reason: Reason(why), .. } => {
            Err(format!("its new probe could not be tried on what serves: {why}"))
        }
    }
}

impl<P: Provider> Swap<P> {
    fn new(provider: P) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(provider))))
    }

    fn current(&self) -> Arc<P> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, next: P) -> Result<(), Unreplaced> {
        if next.contract() != self.current().contract() {
            return Err(Unreplaced::Contract);
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        Ok(())
    }
}

impl<P> Clone for Swap<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P: Provider> Provider for Swap<P> {
    fn contract(&self) -> Contract {
        self.current().contract()
    }

    async fn login(&self, mint: Mint) -> Reply<Minted> {
        self.current().login(mint).await
    }

    async fn issue(&self, with: &Credential, mint: Mint, life: Duration) -> Reply<Minted> {
        self.current().issue(with, mint, life).await
    }

    async fn probe(&self, with: &Credential) -> Reply<Duration> {
        self.current().probe(with).await
    }

    async fn set_life(&self, with: &Credential, life: Duration) -> Reply<Duration> {
        self.current().set_life(with, life).await
    }

    async fn revoke(&self, with: &Credential) -> Reply<()> {
        self.current().revoke(with).await
    }

    async fn set_life_beside(&self, target: &Credential, life: Duration, other: &Credential) -> Reply<Duration> {
        self.current().set_life_beside(target, life, other).await
    }

    async fn revoke_beside(&self, target: &Credential, witness: &Credential, ending: Ending) -> Reply<()> {
        self.current().revoke_beside(target, witness, ending).await
    }

    async fn observe(&self, target: &Credential, witness: &Credential) -> Reply<Observed> {
        self.current().observe(target, witness).await
    }

    async fn revoke_named(&self, target: &Handle, with: &Credential) -> Reply<()> {
        self.current().revoke_named(target, with).await
    }

    async fn observe_named(&self, target: &Handle, witness: &Credential) -> Reply<Observed> {
        self.current().observe_named(target, witness).await
    }

    async fn discover(&self, lost: Generation, witness: &Credential) -> Reply<Option<Handle>> {
        self.current().discover(lost, witness).await
    }
}
