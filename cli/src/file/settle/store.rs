//! Where secrets outlive the process, and what that leaves to choose.

use std::path::{Path, PathBuf};
use std::time::Duration;

use turquoise::core::AtStop;

use super::super::plan::Survivor;
use super::rotation::Named;
use super::timing::Kind;
use super::{Settler, Stanza};

/// So long a token may live on whose pod is gone.
const EPHEMERAL: Duration = Duration::from_mins(15);
/// Where systemd puts the credentials of our unit.
const CREDENTIALS: &str = "/run/credentials/turquoise.service";

/// What becomes of a rotation's secrets.
pub(super) struct Keeping {
    pub(super) store: Survivor,
    pub(super) on_stop: AtStop,
    /// What a crash leaves behind lives no longer; with the key that says so.
    pub(super) cap: Option<(Duration, &'static str)>,
}

/// What is known of a rotation before that.
pub(super) struct Known<'f> {
    pub(super) kind: Kind,
    pub(super) has_sinks: bool,
    pub(super) is_ephemeral: bool,
    /// The folder of its journal.
    pub(super) folder: &'f Path,
}

impl<'a> Settler<'a, '_> {
    /// Whether the journal goes with the machine.
    pub(super) fn is_ephemeral(&mut self, file: &Stanza<'a>) -> bool {
        let durability = self.text(&file.within("journal"), "durability", Some("durable"));
        durability.is_some_and(|durability| durability == "ephemeral")
    }

    pub(super) fn keeping(&mut self, rotation: &Named<'a>, known: &Known<'_>) -> Option<Keeping> {
        let store = self.store(rotation, known)?;
        let stanza = &rotation.stanza;
        let is_bootstrap = store == Survivor::Bootstrap;
        let cap = match (is_bootstrap, known.is_ephemeral) {
            (true, _) => Some((self.duration(stanza, "max_leak", Duration::from_mins(5)), "max_leak")),
            (false, true) => Some((EPHEMERAL, "durability")),
            (false, false) => None,
        };
        if !is_bootstrap && stanza.item("max_leak").is_some() {
            let remedy = "remove it, or write store = \"bootstrap\"";
            return self.fault(stanza.at("max_leak"), "`max_leak` is of the store `bootstrap`", remedy);
        }
        if known.is_ephemeral && matches!(known.kind, Kind::SecretId | Kind::Keys) {
            let what = format!("{} makes what outlives a pod that is deleted", known.kind.name());
            let remedy = "put the journal on a volume, and leave `durability` out; or rotate tokens";
            return self.fault(stanza.at, &what, remedy);
        }
        let (keep, revoke) = ("keep", "revoke");
        let default = if is_bootstrap || known.is_ephemeral { revoke } else { keep };
        let on_stop = match self.text(stanza, "on_stop", Some(default)).as_deref() {
            Some("revoke") => AtStop::Revoke,
            _ if is_bootstrap => {
                let remedy = "write on_stop = \"revoke\", or store = \"sink\"";
                return self.fault(stanza.at("on_stop"), "nothing keeps the token for a successor", remedy);
            }
            _ => AtStop::Keep,
        };
        Some(Keeping { store, on_stop, cap })
    }

    fn store(&mut self, rotation: &Named<'a>, known: &Known<'_>) -> Option<Survivor> {
        let stanza = &rotation.stanza;
        let default = if known.has_sinks { "sink" } else { "bootstrap" };
        let store = self.text(stanza, "store", Some(default))?;
        if store != "sealed" && stanza.item("seal_key").is_some() {
            let remedy = "remove it, or write store = \"sealed\"";
            return self.fault(stanza.at("seal_key"), "`seal_key` is of the store `sealed`", remedy);
        }
        match store.as_str() {
            "sealed" => {
                let slots = known.folder.join(&rotation.name);
                Some(Survivor::Sealed { slots, key: self.seal_key(stanza)? })
            }
            "bootstrap" if known.kind != Kind::Login => {
                let what =
                    format!("what {} has cannot be had again by a login, and nothing would outlive a crash", known.kind.name());
                let remedy =
                    "write store = \"sealed\" and seal_key = \"…\" in `rotation`, or give it a sink and leave `store` out";
                self.fault(stanza.at("store"), &what, remedy)
            }
            "bootstrap" => Some(Survivor::Bootstrap),
            _ if !known.has_sinks => {
                let remedy = "give the rotation a sink, or write store = \"sealed\" and seal_key = \"…\"";
                self.fault(stanza.at("store"), "there is no sink to keep slots beside", remedy)
            }
            _ => Some(Survivor::Sink),
        }
    }

    /// A path; a name without a slash is that of a credential that systemd hands over.
    fn seal_key(&mut self, stanza: &Stanza<'a>) -> Option<PathBuf> {
        let key = self.needed(stanza, "seal_key")?;
        if key.contains('/') {
            return Some(key.into());
        }
        let folder = (self.environment)("CREDENTIALS_DIRECTORY").unwrap_or_else(|| CREDENTIALS.to_owned());
        Some(Path::new(&folder).join(key))
    }
}
