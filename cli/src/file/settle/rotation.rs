//! The rotations of a file, each with all that is its own.

use std::path::PathBuf;
use std::time::Duration;

use turquoise::core::{AtStop, Policy, PolicyError};
use turquoise::vault::Role;

use super::super::plan::{Origin, Provider, Rotation, Survivor};
use super::super::tree::Item;
use super::timing::Timing;
use super::{Settler, Stanza};

const JOURNALS: &str = "/var/lib/turquoise";
/// The name of a rotation without a label.
const UNNAMED: &str = "default";

/// A rotation's stanza, with its name.
#[derive(Clone)]
pub(super) struct Named<'a> {
    pub(super) name: String,
    pub(super) stanza: Stanza<'a>,
    /// Whether there is no other in the file.
    pub(super) is_only: bool,
}

impl<'a> Settler<'a, '_> {
    pub(super) fn rotations(&mut self, file: &Stanza<'a>) -> Option<Vec<Rotation>> {
        let named = self.named(file)?;
        let upstream = self.upstream(file);
        let auth = file.within("auto_auth");
        self.owners(&auth, &named);
        let folder = self.journals(file);
        let mut rotations = Vec::new();
        for rotation in &named {
            let Named { name, stanza, .. } = rotation;
            let Some(way) = self.way(stanza, &auth) else { continue };
            let timing = self.timing(stanza, &way);
            let sinks = self.sinks(file, &auth, rotation, timing.kind);
            let provider = self.provider(stanza, &way, upstream.as_ref(), &timing);
            let policy = self.policy(stanza, &timing, provider.as_ref());
            let on_stop = self.on_stop(stanza);
            let start_spread = self.duration(stanza, "start_spread", Duration::from_secs(5));
            let journal = folder.join(format!("{name}.journal"));
            let container = policy.and_then(|policy| self.container(stanza, policy.grace));
            if let (Some(provider), Some(policy), Some(sinks), Some(container)) = (provider, policy, sinks, container) {
                let (name, store) = (name.clone(), Survivor::Sink);
                rotations.push(Rotation { name, provider, policy, store, sinks, journal, on_stop, start_spread, container });
            }
        }
        self.apart(file, &rotations);
        Some(rotations)
    }

    /// The stanzas with their names; one without a stanza, if there is none.
    fn named(&mut self, file: &Stanza<'a>) -> Option<Vec<Named<'a>>> {
        let items: Vec<_> = file.all("rotation").collect();
        if items.is_empty() {
            return Some(vec![Named { name: UNNAMED.to_owned(), stanza: file.within("rotation"), is_only: true }]);
        }
        let mut named: Vec<Named<'a>> = Vec::new();
        for item in &items {
            let Some(label) = item.labels.first() else {
                if items.len() > 1 {
                    return self.fault(item.at, "one of several rotations has no name", "write rotation \"NAME\" { … }");
                }
                named.push(Named { name: UNNAMED.to_owned(), stanza: Stanza::of("rotation", item), is_only: true });
                continue;
            };
            if label.parse::<Role>().is_err() {
                let form = "use letters, digits, `_`, `-` and `.`";
                return self.fault(item.at, "the label of a `rotation` cannot be used", form);
            }
            if named.iter().any(|other| other.name == *label) {
                return self.fault(item.at, "two rotations have the same name", "give one of them another");
            }
            let stanza = Stanza::of(format!("rotation({label})"), item);
            named.push(Named { name: label.clone(), stanza, is_only: items.len() == 1 });
        }
        Some(named)
    }

    /// No two may write the same file.
    fn apart(&mut self, file: &Stanza<'a>, rotations: &[Rotation]) {
        let mut paths: Vec<_> = rotations.iter().flat_map(|rotation| &rotation.sinks).map(|sink| &sink.path).collect();
        paths.sort();
        if paths.windows(2).any(|pair| pair[0] == pair[1]) {
            self.fault::<()>(file.within("auto_auth").at, "two sinks have the same file", "give each its own `path`");
        }
    }

    fn policy(&mut self, rotation: &Stanza<'a>, timing: &Timing, provider: Option<&Provider>) -> Option<Policy> {
        let policy = timing.policy(provider?);
        let Err(why) = policy.check() else { return Some(policy) };
        let key = match why {
            PolicyError::FullTooShort { .. } | PolicyError::Zero("full") => "life",
            PolicyError::PeriodTooShort { .. } => "every",
            PolicyError::Zero("patience" | "evidence") => "timeout",
            _ => "validate_for",
        };
        self.fault(rotation.at(key), &format!("`{key}` does not go with the rest"), why.to_string())
    }

    fn on_stop(&mut self, rotation: &Stanza<'a>) -> AtStop {
        match self.text(rotation, "on_stop", Some("keep")).as_deref() {
            Some("revoke") => AtStop::Revoke,
            _ => AtStop::Keep,
        }
    }

    /// The folder of the journals.
    fn journals(&mut self, file: &Stanza<'a>) -> PathBuf {
        let stanza = file.within("journal");
        let state = (self.environment)("STATE_DIRECTORY").filter(|folder| !folder.is_empty() && !folder.contains(':'));
        match (stanza.item("path"), state) {
            (None, Some(folder)) => {
                self.set(stanza.path("path"), folder.clone(), Origin::Environment("STATE_DIRECTORY".to_owned()));
                folder.into()
            }
            _ => self.text(&stanza, "path", Some(JOURNALS)).unwrap_or_default().into(),
        }
    }

    /// Each sink of `auto_auth` says whose it is, unless there is only one rotation.
    fn owners(&mut self, auth: &Stanza<'a>, rotations: &[Named<'a>]) {
        for sink in shared_sinks(auth) {
            let stanza = Stanza::of("auto_auth.sink", sink);
            let owner = stanza.item("rotation").and_then(Item::text);
            let is_known = owner.is_some_and(|owner| rotations.iter().any(|rotation| rotation.name == owner));
            match owner {
                None if rotations.len() > 1 => {
                    let remedy = "write rotation = \"NAME\" in it, with the label of a `rotation` stanza";
                    self.fault::<()>(sink.at, "there are several rotations, and this sink does not say whose it is", remedy);
                }
                Some(_) if !is_known => {
                    let remedy = "write the label of the `rotation` stanza";
                    self.fault::<()>(stanza.at("rotation"), "`rotation` names none of this file", remedy);
                }
                _ => {}
            }
        }
    }
}

/// The sinks in `auto_auth`, for any rotation.
pub(super) fn shared_sinks<'a>(auth: &Stanza<'a>) -> impl Iterator<Item = &'a Item> + use<'a> {
    let wrapped = auth.all("sinks").filter_map(Item::table).flat_map(|sinks| sinks.all("sink"));
    auth.all("sink").chain(wrapped)
}
