//! What can be asked of IAM and STS: one request each.

use std::time::{Duration, SystemTime};

use http::header::DATE;
use turquoise_runtime::core::Generation;

use crate::client::{Client, Service};
use crate::config::{ConfigError, IamConfig, Probe, UserName};
use crate::failure::Failure;
use crate::key::Key;
use crate::mark::{MARK, Mark};
use crate::reply::{self, Listed};
use crate::sign::Caller;

/// AWS's clock is no further from ours.
const SKEW: Duration = Duration::from_secs(10);

/// The keys of one user.
pub(crate) struct Keys {
    client: Client,
    pub(crate) user: UserName,
    iam: Service,
    sts: Service,
    probes: Vec<Probe>,
}

/// Whether a key may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Active,
    Inactive,
}

impl Keys {
    pub(crate) fn new(config: &IamConfig) -> Result<Self, ConfigError> {
        for probe in &config.probes {
            crate::config::parse_url(&probe.url)?;
        }
        Ok(Self {
            client: Client::new(config)?,
            user: config.user.clone(),
            iam: Service::new("iam", "2010-05-08", &config.iam)?,
            sts: Service::new("sts", "2011-06-15", &config.sts)?,
            probes: config.probes.clone(),
        })
    }

    /// Has STS say who the caller is. It takes no permission.
    pub(crate) async fn identify(&self, caller: Caller<'_>) -> Result<(), Failure> {
        let answer = self.client.ask(&self.sts, caller, "GetCallerIdentity", &[]).await?;
        let arn = reply::identity(&answer.body)?;
        let name = arn.split_once(":user/").and_then(|(_, path)| path.rsplit('/').next());
        if name == Some(self.user.as_str()) {
            return Ok(());
        }
        let user = &self.user;
        Err(Failure::Unfit(format!(
            "the key is of {arn}, not of the user {user}: hand over one of that user's, or name the user"
        )))
    }

    /// As [`identify`](Self::identify), and reads all that a key must be able to read.
    pub(crate) async fn probe(&self, caller: Caller<'_>) -> Result<(), Failure> {
        self.identify(caller).await?;
        for probe in &self.probes {
            self.client.read(probe, caller).await?;
        }
        Ok(())
    }

    /// The keys that there are, and what time it is at AWS.
    pub(crate) async fn list(&self, caller: Caller<'_>) -> Result<(Vec<Listed>, SystemTime), Failure> {
        let answer = self.ask(caller, "ListAccessKeys", &[]).await?;
        let date = answer.headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
        Ok((reply::listed(&answer.body)?, date.unwrap_or_else(SystemTime::now)))
    }

    pub(crate) async fn create(&self, caller: Caller<'_>) -> Result<Key, Failure> {
        reply::made(&self.ask(caller, "CreateAccessKey", &[]).await?.body)
    }

    pub(crate) async fn switch(&self, caller: Caller<'_>, id: &str, to: Status) -> Result<(), Failure> {
        let status = match to {
            Status::Active => "Active",
            Status::Inactive => "Inactive",
        };
        self.ask(caller, "UpdateAccessKey", &[("AccessKeyId", id), ("Status", status)]).await.map(drop)
    }

    /// What is gone already is as if it were deleted now.
    pub(crate) async fn delete(&self, caller: Caller<'_>, id: &str) -> Result<(), Failure> {
        match self.ask(caller, "DeleteAccessKey", &[("AccessKeyId", id)]).await {
            Err(failure) if failure.is("NoSuchEntity") => {}
            other => drop(other?),
        }
        self.client.forget(id);
        Ok(())
    }

    /// When somebody else than this process last used a key, and by which service, as far as that shows.
    pub(crate) async fn others_use(&self, caller: Caller<'_>, id: &str) -> Result<Option<(SystemTime, String)>, Failure> {
        let used = self.last_used(caller, id).await?;
        let own = self.client.own_use(id);
        Ok(used.filter(|(at, service)| {
            let ours = ["iam", "sts"].contains(&service.as_str()) && own.is_some_and(|own| *at <= own + SKEW);
            !ours
        }))
    }

    /// When a key was last used, and by which service.
    pub(crate) async fn last_used(&self, caller: Caller<'_>, id: &str) -> Result<Option<(SystemTime, String)>, Failure> {
        let answer = self.client.ask(&self.iam, caller, "GetAccessKeyLastUsed", &[("AccessKeyId", id)]).await?;
        reply::last_used(&answer.body)
    }

    /// Marks the user: a mint begins.
    pub(crate) async fn mark(&self, caller: Caller<'_>, generation: Generation, begun: SystemTime) -> Result<(), Failure> {
        let value = Mark::new(generation, begun).write();
        let tag = [("Tags.member.1.Key", MARK), ("Tags.member.1.Value", value.as_str())];
        self.ask(caller, "TagUser", &tag).await.map(drop)
    }

    /// The mint that was begun last.
    pub(crate) async fn marked(&self, caller: Caller<'_>) -> Result<Option<Mark>, Failure> {
        let answer = self.ask(caller, "ListUserTags", &[]).await?;
        Ok(reply::tag(&answer.body, MARK)?.as_deref().and_then(Mark::read))
    }

    async fn ask(&self, caller: Caller<'_>, action: &str, more: &[(&str, &str)]) -> Result<turquoise_http::Answer, Failure> {
        let parameters: Vec<_> = [("UserName", self.user.as_str())].into_iter().chain(more.iter().copied()).collect();
        self.client.ask(&self.iam, caller, action, &parameters).await
    }
}
