//! The rotation in this process, and what all rotations have in common that the story waits for.

use std::time::Duration;

use tokio::sync::broadcast;
use turquoise::core::{Policy, StepKind};
use turquoise::sink::{Form, Mode, Outlet};
use turquoise::{Identity, Load, Progress, port};

use super::show::Show;
use super::site::{Provider, Site};
use super::told::Told;
use super::trouble::Trouble;
use super::{iam, vault};
use crate::file::Survivor;
use crate::sidecar::{Parts, begin};

/// No step of a rotation takes longer to come, also on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

async fn start(site: &Site) -> Result<(Identity, broadcast::Receiver<Progress>), Trouble> {
    let seed = getrandom::u64().map_err(|why| Trouble::Local(why.to_string()))?;
    match site.provider {
        Provider::VaultToken => {
            let policy = vault::policy(seed);
            start_with(site, policy, vault::provider(site, &policy)?, Form::Secret).await
        }
        Provider::AwsIam => start_with(site, iam::policy(seed), iam::provider(site)?, iam::form()?).await,
    }
}

#[expect(clippy::large_types_passed_by_value, reason = "it is moved in, once")]
async fn start_with(
    site: &Site,
    policy: Policy,
    provider: impl port::Provider,
    form: Form,
) -> Result<(Identity, broadcast::Receiver<Progress>), Trouble> {
    let sinks = [Outlet { form, ..Outlet::new(site.published(), Mode::PRIVATE) }];
    let load = Load::unlimited().start_spread(Duration::ZERO);
    let parts = Parts { policy, provider, journal: &site.journal(), store: &Survivor::Sink, sinks: &sinks, load };
    let identity = begin(parts).await?;
    let progress = identity.progress();
    Ok((identity, progress))
}

/// Something that rotates, wherever it runs.
pub(crate) trait Rotates {
    /// Its name in the story.
    const NAME: &'static str;

    /// What it has done next; nothing more if it has ended.
    async fn told(&mut self) -> Result<Option<Told>, Trouble>;

    /// Shows what it does until it has done this.
    async fn until(&mut self, step: StepKind, show: &Show) -> Result<(), Trouble> {
        let follow = async {
            while let Some(told) = self.told().await? {
                show.step(Self::NAME, &told)?;
                if told.is(StepKind::Stuck) {
                    return Err(Trouble::Provider(told.words));
                }
                if told.is(step) {
                    return Ok(());
                }
            }
            Err(Trouble::Local("the rotating process has ended by itself".to_owned()))
        };
        let late = |_| Trouble::Provider(format!("{step:?} was not reached within {} s", PATIENCE.as_secs()));
        tokio::time::timeout(PATIENCE, follow).await.map_err(late)?
    }
}

/// The rotation in this process.
pub(crate) struct Here {
    pub(crate) identity: Identity,
    progress: broadcast::Receiver<Progress>,
    provider: Provider,
}

impl Here {
    pub(crate) async fn start(site: &Site) -> Result<Self, Trouble> {
        let (identity, progress) = start(site).await?;
        Ok(Self { identity, progress, provider: site.provider })
    }

    /// A whole rotation.
    pub(crate) async fn rotate(&mut self, show: &Show) -> Result<(), Trouble> {
        self.identity.rotate().await?;
        self.until(StepKind::Cleared, show).await
    }
}

impl Rotates for Here {
    const NAME: &'static str = "handle";

    async fn told(&mut self) -> Result<Option<Told>, Trouble> {
        match self.progress.recv().await {
            Ok(progress) => Ok(Some(Told::by(self.provider, progress))),
            Err(broadcast::error::RecvError::Closed) => Ok(None),
            Err(lagged @ broadcast::error::RecvError::Lagged(_)) => Err(Trouble::Local(lagged.to_string())),
        }
    }
}
