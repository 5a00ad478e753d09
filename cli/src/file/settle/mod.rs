//! From what stands in a file to what it comes to. Each key is known and of its kind by now.

mod container;
mod exec;
mod listener;
mod method;
mod provider;
mod rotation;
mod sink;
mod store;
mod timing;
mod upstream;
mod watched;

use std::path::PathBuf;
use std::time::Duration;

use super::plan::{Log, Origin, Plan, Setting};
use super::source::Source;
use super::tree::{At, Item, Table, Value};
use super::value::{self, show_duration};
use super::walk::Remarks;

/// What the environment says.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The order in which settings are shown; single keys come last.
const STANZAS: [&str; 9] =
    ["vault.", "auto_auth.", "rotation", "api_proxy.", "listener", "journal.", "admin.", "alert.", "telemetry."];
/// How to log in is said once, however many rotations do it.
const SHARED: &str = "auto_auth.method.";

/// Settles everything, or adds to the faults.
pub(crate) fn settle(source: &Source, table: &Table, environment: Environment<'_>, remarks: &mut Remarks) -> Option<Plan> {
    let mut settler = Settler { source, table, environment, remarks, settings: Vec::new() };
    let plan = settler.plan();
    let mut settings = std::mem::take(&mut settler.settings);
    settings.sort_by_key(|setting| STANZAS.iter().position(|stanza| setting.key.starts_with(stanza)).unwrap_or(STANZAS.len()));
    plan.map(|plan| Plan { settings, ..plan }).filter(|_| remarks.faults.is_empty())
}

struct Settler<'a, 'b> {
    source: &'a Source,
    table: &'a Table,
    environment: Environment<'a>,
    remarks: &'b mut Remarks,
    settings: Vec<Setting>,
}

/// A stanza, with its place in the file and among the keys.
#[derive(Clone)]
struct Stanza<'a> {
    path: String,
    table: Option<&'a Table>,
    at: At,
}

impl<'a> Stanza<'a> {
    fn of(path: impl Into<String>, item: &'a Item) -> Self {
        Self { path: path.into(), table: item.table(), at: item.at }
    }

    fn item(&self, key: &str) -> Option<&'a Item> {
        self.table.and_then(|table| table.items.iter().find(|item| item.key == key))
    }

    fn all<'k>(&self, key: &'k str) -> impl Iterator<Item = &'a Item> + use<'a, 'k> {
        self.table.into_iter().flat_map(|table| &table.items).filter(move |item| item.key == key)
    }

    /// Where a key stands, or the stanza without it.
    fn at(&self, key: &str) -> At {
        self.item(key).map_or(self.at, |item| item.at)
    }

    /// The path of a key in it.
    fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// A stanza in this one, empty if it is not there.
    fn within(&self, key: &str) -> Self {
        let item = self.item(key);
        Self { path: self.path(key), table: item.and_then(Item::table), at: item.map_or(self.at, |item| item.at) }
    }
}

impl<'a> Settler<'a, '_> {
    fn fault<T>(&mut self, at: At, what: &str, remedy: impl Into<String>) -> Option<T> {
        self.remarks.faults.push(self.source.remark(at, what, remedy));
        None
    }

    fn notice(&mut self, at: At, what: &str, remedy: &str) {
        self.remarks.notices.push(self.source.remark(at, what, remedy));
    }

    fn set(&mut self, key: String, value: String, from: Origin) {
        if !key.starts_with(SHARED) || self.settings.iter().all(|setting| setting.key != key) {
            self.settings.push(Setting { key, value, from });
        }
    }

    /// A value of the file, else the default; noted as a setting.
    fn pick<T>(
        &mut self,
        stanza: &Stanza<'a>,
        key: &str,
        read: impl Fn(&Value) -> Option<T>,
        show: impl Fn(&T) -> String,
        default: Option<T>,
    ) -> Option<T> {
        let found = stanza.item(key).and_then(|item| Some((read(&item.value)?, item.at.0)));
        let (value, from) = match found {
            Some((value, start)) => (value, Origin::File(self.source.place(start))),
            None => (default?, Origin::Default),
        };
        self.set(stanza.path(key), show(&value), from);
        Some(value)
    }

    fn text(&mut self, stanza: &Stanza<'a>, key: &str, default: Option<&str>) -> Option<String> {
        self.pick(stanza, key, value::text, String::clone, default.map(str::to_owned))
    }

    fn duration(&mut self, stanza: &Stanza<'a>, key: &str, default: Duration) -> Duration {
        self.pick(stanza, key, value::duration, |value| show_duration(*value), Some(default)).unwrap_or(default)
    }

    fn flag(&mut self, stanza: &Stanza<'a>, key: &str) -> bool {
        self.pick(stanza, key, value::flag, bool::to_string, Some(false)).unwrap_or_default()
    }

    /// What the environment says, `BAO_…` first, then `VAULT_…`; with the variable's name.
    fn variable(&self, name: &str) -> Option<(String, String)> {
        let names = [format!("BAO_{name}"), format!("VAULT_{name}")];
        names.into_iter().find_map(|name| {
            let value = (self.environment)(&name).filter(|value| !value.is_empty())?;
            Some((name, value))
        })
    }

    /// The environment wins over the file.
    fn text_or_environment(&mut self, stanza: &Stanza<'a>, key: &str, variable: &str, default: Option<&str>) -> Option<String> {
        if let Some((name, value)) = self.variable(variable) {
            self.set(stanza.path(key), value.clone(), Origin::Environment(name));
            return Some(value);
        }
        self.text(stanza, key, default)
    }

    /// A text that is parsed.
    fn parsed<T: std::str::FromStr>(&mut self, stanza: &Stanza<'a>, key: &str, form: &str) -> Option<T> {
        let text = self.text(stanza, key, None)?;
        text.parse().ok().or_else(|| self.fault(stanza.at(key), &format!("`{key}` has a value that cannot be used"), form))
    }

    fn needed(&mut self, stanza: &Stanza<'a>, key: &str) -> Option<String> {
        let found = self.text(stanza, key, None);
        found.or_else(|| self.fault(stanza.at, &format!("`{key}` is missing"), format!("add {key} = \"…\"")))
    }

    fn plan(&mut self) -> Option<Plan> {
        let file = Stanza { path: String::new(), table: Some(self.table), at: (0, 0) };
        let rotations = self.rotations(&file);
        let proxies = self.proxies(&file, rotations.as_deref().unwrap_or_default());
        let pid_file = self.text(&file, "pid_file", None).map(PathBuf::from);
        let exit_after_auth = self.flag(&file, "exit_after_auth");
        let level = self.text(&file, "log_level", Some("info")).unwrap_or_default();
        let is_json = self.text(&file, "log_format", Some("standard")).is_some_and(|format| format == "json");
        let log = Log { level, is_json };
        let rotations = rotations?;
        let program = self.program(&file, &rotations);
        let watched = self.watched(&file);
        Some(Plan { rotations, program, proxies, pid_file, exit_after_auth, log, watched, settings: Vec::new() })
    }
}
