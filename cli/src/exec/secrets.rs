//! What templates read from the server, through the credential that serves.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;
use turquoise::Guard;
use turquoise::core::Generation;
use turquoise::port::Reply;
use turquoise::vault::{Path, Reader};

use super::Environment;
use super::template::{Known, Rendered, Template, value};

/// What is not leased is looked at again so often, as the agents do.
const LOOK_AGAIN: Duration = Duration::from_mins(5);
/// So many paths all templates together may read.
const MOST: usize = 64;

/// Renders a child's environment, and remembers the leases that its values come from.
pub(crate) struct Secrets {
    templates: Vec<Template>,
    reader: Reader,
    known: Arc<Known>,
    /// Until when each leased value is good, and whose it is.
    leased: Vec<(String, Instant)>,
    of: Option<Generation>,
}

/// Why there is no environment.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoValue {
    /// The server did not give it.
    #[error("{0}")]
    Unread(String),
    /// What it gave does not fit.
    #[error("env_template \"{name}\": {why}")]
    Unfit {
        /// The variable.
        name: String,
        /// Without anything that was read.
        why: String,
    },
    /// It would be without end.
    #[error("the templates read more than {MOST} paths: read fewer")]
    TooMany,
}

/// An answer to a read, as far as templates see it.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    data: serde_json::Value,
    #[serde(default)]
    lease_id: String,
    /// In seconds.
    #[serde(default)]
    lease_duration: u64,
    #[serde(default)]
    renewable: bool,
}

impl Secrets {
    pub(crate) fn new(templates: Vec<Template>, reader: Reader) -> Self {
        Self { templates, reader, known: Arc::default(), leased: Vec::new(), of: None }
    }

    /// Whether there is anything to render.
    pub(crate) fn is_empty(&self) -> bool {
        self.templates.is_empty()
    }

    /// Renders all templates. A leased value is read once and used until two thirds of its lease are over, or another credential
    /// serves, with which the lease goes; everything else is read anew.
    pub(crate) async fn render(&mut self, guard: &Guard) -> Result<Environment, NoValue> {
        self.forget(guard.mint().generation);
        let mut environment = Environment::new();
        let mut at = 0;
        while let Some(template) = self.templates.get(at) {
            match template.render(&self.known) {
                Rendered::Text(text) => {
                    environment.push((template.name.clone(), text));
                    at += 1;
                }
                Rendered::Failed(why) => return Err(NoValue::Unfit { name: template.name.clone(), why }),
                Rendered::Needs(paths) => self.read(paths, guard).await?,
            }
        }
        Ok(environment)
    }

    /// When to render again.
    pub(crate) fn again(&self) -> Instant {
        let latest = Instant::now() + LOOK_AGAIN;
        self.leased.iter().map(|(_, until)| *until).fold(latest, Instant::min)
    }

    fn forget(&mut self, generation: Generation) {
        let now = Instant::now();
        let is_other = self.of.replace(generation) != Some(generation);
        self.leased.retain(|(_, until)| !is_other && *until > now);
        let kept: BTreeSet<_> = self.leased.iter().map(|(path, _)| path.as_str()).collect();
        let known = self.known.iter().filter(|(path, _)| kept.contains(path.as_str()));
        self.known = Arc::new(known.map(|(path, value)| (path.clone(), value.clone())).collect());
    }

    async fn read(&mut self, paths: BTreeSet<String>, guard: &Guard) -> Result<(), NoValue> {
        if self.known.len() + paths.len() > MOST {
            return Err(NoValue::TooMany);
        }
        let mut known = Known::clone(&self.known);
        for path in paths {
            // A path that a template puts together may be anything.
            let parsed: Path = path.parse().map_err(|_| NoValue::Unread("a template reads what is no path".to_owned()))?;
            let body = match self.reader.read(guard.secret(), &parsed).await {
                Reply::Applied(body) => body,
                Reply::Refused(why) | Reply::Unavailable(why) | Reply::Unknown(why) | Reply::Throttled { reason: why, .. } => {
                    return Err(NoValue::Unread(why.0));
                }
            };
            let unfit = |_| NoValue::Unread(format!("reading {parsed}: the answer is not as expected"));
            let answer: Answer = serde_json::from_slice(&body).map_err(unfit)?;
            if !answer.lease_id.is_empty() {
                let life = Duration::from_secs(answer.lease_duration.max(1));
                self.leased.push((path.clone(), Instant::now() + life * 2 / 3));
            }
            known.insert(path, value(answer.seen()));
        }
        self.known = Arc::new(known);
        Ok(())
    }
}

impl Answer {
    /// By the names that templates use.
    fn seen(self) -> serde_json::Value {
        let Self { data, lease_id, lease_duration, renewable } = self;
        serde_json::json!({
            "Data": data, "LeaseID": lease_id, "LeaseDuration": lease_duration, "Renewable": renewable,
        })
    }
}
