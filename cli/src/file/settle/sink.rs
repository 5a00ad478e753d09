//! The files that readers open.

use turquoise::sink::{Form, Mode, NoProfile, Outlet, Owner};

use super::super::tree::{Item, Value};
use super::super::value;
use super::rotation::{Named, shared_sinks};
use super::timing::Kind;
use super::{Settler, Stanza};

/// What an agent gives a sink's file that has no `mode`.
const AGENTS_MODE: u32 = 0o640;
const OUR_MODE: u32 = 0o600;

impl<'a> Settler<'a, '_> {
    /// The sinks of a rotation: its own, and those of `auto_auth` that are for it.
    pub(super) fn sinks(
        &mut self,
        file: &Stanza<'a>,
        auth: &Stanza<'a>,
        rotation: &Named<'a>,
        kind: Kind,
    ) -> Option<Vec<Outlet>> {
        let Named { name, stanza, is_only } = rotation;
        let is_ours = |sink: &&Item| match sink.table().and_then(|table| table.first("rotation")).and_then(Item::text) {
            Some(owner) => owner == name,
            None => *is_only,
        };
        let own = stanza.all("sink").map(|sink| (Stanza::of(stanza.path("sink"), sink), sink.kind()));
        let shared = shared_sinks(auth).filter(is_ours).map(|sink| (Stanza::of("auto_auth.sink", sink), sink.kind()));
        let found: Vec<_> = shared.chain(own).collect();
        let has_others = ["listener", "exec"].iter().any(|key| file.item(key).is_some());
        if found.is_empty() && !has_others {
            let at = if auth.table.is_some() && *is_only { auth.at } else { stanza.at };
            let remedy = "write sink \"file\" { config = { path = \"…\" } }";
            return self.fault(at, "there is no sink, so nobody would get the token", remedy);
        }
        let sinks: Vec<_> = found.iter().map(|(sink, form)| self.sink(file, sink, *form, kind)).collect();
        sinks.into_iter().collect()
    }

    fn sink(&mut self, file: &Stanza<'a>, sink: &Stanza<'a>, form: Option<&str>, kind: Kind) -> Option<Outlet> {
        self.text(sink, "rotation", None);
        let config = sink.within("config");
        let path = self.needed(&config, "path")?.into();
        let mode = self.mode(file, &config)?;
        let is_shared = form.is_some_and(|form| form.eq_ignore_ascii_case("shared-credentials"));
        let form = match (is_shared, kind == Kind::Keys) {
            (false, false) => Form::Secret,
            (true, true) => {
                let name = self.text(&config, "profile", Some("default"))?;
                let fault = |why: NoProfile| self.fault(config.at("profile"), "`profile` cannot be used", why.to_string());
                Form::SharedCredentials { profile: name.parse().map_or_else(fault, Some)? }
            }
            (false, true) => {
                let remedy = "write sink \"shared-credentials\" { config = { path = \"…\" } } in the rotation itself";
                return self.fault(
                    sink.at,
                    "a secret key is of no use without its id, and this sink gives the one alone",
                    remedy,
                );
            }
            (true, false) => {
                let remedy = "write sink \"file\", or provider = \"aws-iam\" in the rotation";
                return self.fault(sink.at, "shared credentials hold keys of AWS, and this rotation has none", remedy);
            }
        };
        let owner = Owner { user: self.id(&config, "uid"), group: self.id(&config, "gid") };
        Some(Outlet { path, mode, owner, form })
    }

    /// The id of a user or of a group, if there is one.
    fn id(&mut self, config: &Stanza<'a>, key: &str) -> Option<u32> {
        let id = self.pick(config, key, value::count, i64::to_string, None)?;
        let fault = |_| self.fault(config.at(key), &format!("`{key}` is no id"), "write the number of a user or of a group");
        u32::try_from(id).map_or_else(fault, Some)
    }

    fn mode(&mut self, file: &Stanza<'a>, config: &Stanza<'a>) -> Option<Mode> {
        let is_ours = file.item("rotation").or(file.item("journal")).is_some();
        let default = if is_ours { OUR_MODE } else { AGENTS_MODE };
        if !is_ours && config.item("mode").is_none() {
            let remedy = "write `mode = 0600`, or 0640 if a group is to read it";
            self.notice(config.at, "the file gets mode 0640, as an agent gives it", remedy);
        }
        let bits = self.pick(config, "mode", value::mode, |bits| format!("{bits:04o}"), Some(default))?;
        let decimal =
            config.item("mode").is_some_and(|item| matches!(&item.value, Value::Number(text) if !text.starts_with('0')));
        let remedy = match Mode::new(bits) {
            Ok(mode) => return Some(mode),
            Err(_) if decimal => "a number that begins with no 0 is decimal, as for the agents: write 0600".to_owned(),
            Err(why) => why.to_string(),
        };
        self.fault(config.at("mode"), "`mode` is not taken", remedy)
    }
}
