//! The rotations of a file, each with all that is its own.

use std::path::PathBuf;
use std::time::Duration;

use turquoise::core::{Policy, PolicyError, Shortage, Trial};
use turquoise::vault::Role;

use super::super::plan::{Dependents, Origin, Rotation};
use super::super::tree::Item;
use super::super::value;
use super::store::{Keeping, Known};
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
        let (folder, is_ephemeral) = (self.journals(file), self.is_ephemeral(file));
        let mut rotations = Vec::new();
        for rotation in &named {
            let Named { name, stanza, .. } = rotation;
            let Some(way) = self.way(stanza, &auth) else { continue };
            let kind = self.kind(stanza);
            let sinks = self.sinks(file, &auth, rotation, kind);
            let has_sinks = sinks.as_ref().is_none_or(|sinks| !sinks.is_empty());
            let keeping = self.keeping(rotation, &Known { kind, has_sinks, is_ephemeral, folder: &folder });
            let cap = keeping.as_ref().and_then(|keeping| keeping.cap);
            let timing = self.timing(stanza, &way, kind, cap);
            let canary = self.canary(file, stanza, &timing);
            let dependents = self.dependents(file, stanza);
            let provider = self.provider(stanza, &way, upstream.as_ref(), &timing);
            // Whoever waits for a program does not want to wait for us.
            let spread = if file.item("exec").is_some() { Duration::ZERO } else { Duration::from_secs(5) };
            let start_spread = self.duration(stanza, "start_spread", spread);
            let (Some(provider), Some(Keeping { store, on_stop, .. })) = (provider, keeping) else { continue };
            let policy = Policy { canary, ..timing.policy(&provider, &store) };
            let fits = self.fits(stanza, &policy).and_then(|()| self.spaced(stanza, &timing, &policy));
            let (journal, schedule) = (folder.join(format!("{name}.journal")), timing.schedule);
            if let (Some(()), Some(sinks)) = (fits, sinks) {
                let (name, container) = (name.clone(), self.container(stanza, policy.grace));
                rotations.push(Rotation {
                    name,
                    provider,
                    policy,
                    schedule,
                    store,
                    sinks,
                    journal,
                    on_stop,
                    dependents,
                    start_spread,
                    container,
                });
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

    /// Whether the promise can be kept so.
    fn fits(&mut self, rotation: &Stanza<'a>, policy: &Policy) -> Option<()> {
        let Err(why) = policy.check() else { return Some(()) };
        let key = match why {
            PolicyError::FullTooShort { .. } | PolicyError::Zero("full") => "life",
            PolicyError::PeriodTooShort { .. } => "every",
            PolicyError::Zero("patience" | "evidence") => "timeout",
            _ => "validate_for",
        };
        self.fault(rotation.at(key), &format!("`{key}` does not go with the rest"), why.to_string())
    }

    /// What tries a candidate is work that comes through a listener.
    fn canary(&mut self, file: &Stanza<'a>, rotation: &Stanza<'a>, timing: &Timing) -> Option<Trial> {
        let share = self.pick(rotation, "canary", value::percent, |percent| format!("{percent}%"), None)?;
        if file.item("listener").is_none() {
            let remedy = "remove it, and let the probes suffice; or add a `listener`";
            return self.fault(rotation.at("canary"), "no work is seen that could try a candidate", remedy);
        }
        let window = timing.validate_for / 3;
        let share = share * 100;
        Some(Trial { share, window, samples: 20, forgiven: 0, slower: 0, shortage: Shortage::ProbesSuffice })
    }

    /// They are seen by a listener alone.
    fn dependents(&mut self, file: &Stanza<'a>, rotation: &Stanza<'a>) -> Option<Dependents> {
        if file.item("listener").is_none() {
            rotation.item("dependents")?;
            let remedy = "remove it: they end with the token, after the grace; or add a `listener`";
            return self.fault(rotation.at("dependents"), "no lease is seen that could be waited for", remedy);
        }
        Some(match self.text(rotation, "dependents", Some("wait")).as_deref() {
            Some("cut") => Dependents::Cut,
            Some("refuse") => Dependents::Refuse,
            _ => Dependents::Wait,
        })
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
