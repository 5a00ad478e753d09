//! The program that is started beside the rotations, and the values that only it has.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use turquoise::vault::Upstream;

use super::super::plan::{Program, Provider, Rotation};
use super::super::source::{Place, Remark, Source};
use super::super::tree::{At, Item, Value};
use super::super::value;
use super::{Settler, Stanza};
use crate::exec::{Exec, Fault, Missing, OnChange, Ready, Template, named};

/// So long a child has to end, and a successor to become ready.
const WITHIN: Duration = Duration::from_secs(30);

/// In no place of the configuration.
const NOWHERE: At = (0, 0);

impl<'a> Settler<'a, '_> {
    /// Nothing, if the file starts none.
    pub(super) fn program(&mut self, file: &Stanza<'a>, rotations: &[Rotation]) -> Option<Program> {
        let templates: Vec<_> = file.all("env_template").filter_map(|item| self.template(item)).collect();
        let Some(item) = file.item("exec") else {
            if let Some(template) = file.item("env_template") {
                self.fault::<()>(template.at, "there is no program to give this to", "write exec { command = [\"…\"] }");
            }
            return None;
        };
        let stanza = Stanza::of("exec", item);
        if let Some(twice) = twice(&templates) {
            self.fault::<()>(stanza.at, &format!("two templates are for {twice}"), "keep one of them");
        }
        if file.item("exit_after_auth").and_then(|item| value::flag(&item.value)) == Some(true) {
            self.fault::<()>(
                stanza.at,
                "who ends after the first login starts no program",
                "remove `exit_after_auth`, or `exec`",
            );
        }
        let exec = self.exec(&stanza)?;
        let rotation = self.of(&stanza, rotations)?;
        let upstream = self.upstream_of(&stanza, rotation)?;
        self.in_time(&stanza, &exec, rotation.policy.grace);
        Some(Program { exec, templates, rotation: rotation.name.clone(), upstream })
    }

    fn exec(&mut self, stanza: &Stanza<'a>) -> Option<Exec> {
        let command = self.words(stanza, "command");
        if stanza.item("command").is_none() {
            self.fault::<()>(stanza.at, "`command` is missing", "add command = [\"/path/to/it\", \"…\"]");
        }
        let stop_signal = self.signal(stanza, "restart_stop_signal", Some("SIGTERM"));
        let stop_within = self.duration(stanza, "stop_within", WITHIN);
        let restarts = self.restarts(stanza);
        let on_change = self.on_change(stanza);
        Some(Exec { command: command?, on_change: on_change?, stop_signal: stop_signal?, stop_within, restarts: restarts? })
    }

    fn restarts(&mut self, stanza: &Stanza<'a>) -> Option<u32> {
        let key = "restart_on_failure";
        if stanza.item(key).is_some_and(|item| few(&item.value).is_none()) {
            return self.fault(stanza.at(key), &format!("`{key}` cannot be used"), "write a number from 0 to 1000");
        }
        self.pick(stanza, key, few, u32::to_string, Some(0))
    }

    fn on_change(&mut self, stanza: &Stanza<'a>) -> Option<OnChange> {
        let is_never = self.text(stanza, "restart_on_secret_changes", Some("always")).is_some_and(|when| when == "never");
        let ready = self.words(stanza, "ready");
        let signal = stanza.item("signal_on_secret_changes").map(|_| self.signal(stanza, "signal_on_secret_changes", None));
        match (is_never, ready, signal) {
            (false, None, None) => Some(OnChange::Restart),
            (false, Some(command), None) => {
                let within = self.duration(stanza, "ready_within", WITHIN);
                Some(OnChange::Overlap(Ready { command, within }))
            }
            (true, None, None) => Some(OnChange::Leave),
            (true, None, Some(signal)) => signal.map(OnChange::Signal),
            (false, _, Some(_)) => {
                let remedy = "write restart_on_secret_changes = \"never\" to have it look for itself";
                self.fault(stanza.at("signal_on_secret_changes"), "a child that is restarted needs no signal", remedy)
            }
            (true, Some(_), _) => {
                let remedy = "remove it, or write restart_on_secret_changes = \"always\"";
                self.fault(stanza.at("ready"), "a child that is never restarted has no successor to be ready", remedy)
            }
        }
    }

    /// Texts, none of them empty; nothing, if the key is not there.
    fn words(&mut self, stanza: &Stanza<'a>, key: &str) -> Option<Vec<String>> {
        let words = |found: &Value| match found {
            Value::List(values) => values.iter().map(plain).collect::<Option<Vec<_>>>(),
            _ => None,
        };
        let starts = |found: &Value| words(found).filter(|words| words.first().is_some_and(|program| !program.is_empty()));
        let found = self.pick(stanza, key, starts, |words| words.join(" "), None);
        if found.is_none() && stanza.item(key).is_some() {
            self.fault::<()>(stanza.at(key), &format!("`{key}` starts nothing"), "write [\"/path/to/it\", \"…\"]");
        }
        found
    }

    fn signal(&mut self, stanza: &Stanza<'a>, key: &str, default: Option<&str>) -> Option<Signal> {
        let name = self.text(stanza, key, default)?;
        named(&name)
            .or_else(|| self.fault(stanza.at(key), &format!("`{key}` names no signal"), "write SIGTERM, SIGHUP or SIGUSR1"))
    }

    fn template(&mut self, item: &'a Item) -> Option<Template> {
        let Some(name) = item.labels.first().filter(|name| is_variable(name)) else {
            return self.fault(
                item.at,
                "`env_template` has no name that a variable can have",
                "write env_template \"NAME\" { … }",
            );
        };
        let stanza = Stanza::of(format!("env_template({name})"), item);
        let (contents, file) = self.contents(&stanza)?;
        let mut delimiter = |key, default| self.text(&stanza, key, Some(default)).unwrap_or_default();
        let delimiters = (delimiter("left_delimiter", "{{"), delimiter("right_delimiter", "}}"));
        let is_strict = self.pick(&stanza, "error_on_missing_key", value::flag, bool::to_string, Some(true));
        let missing = if is_strict == Some(false) { Missing::Shows } else { Missing::Fails };
        match (Template::new(name.clone(), contents, delimiters, missing), file) {
            (Ok(template), _) => Some(template),
            (Err(fault), None) => {
                self.fault(stanza.at("contents"), &format!("line {} of the template: {}", fault.line, fault.what), fault.remedy)
            }
            (Err(Fault { line, what, remedy }), Some(file)) => {
                self.remarks.faults.push(Remark { file, place: Place { line, column: 1 }, what, remedy, at: NOWHERE });
                None
            }
        }
    }

    /// What a template says; with its file, if it is in one.
    fn contents(&mut self, stanza: &Stanza<'a>) -> Option<(String, Option<String>)> {
        match (stanza.item("contents").and_then(Item::text), stanza.item("source")) {
            (Some(contents), None) => Some((contents.to_owned(), None)),
            (None, Some(_)) => {
                let path = self.needed(stanza, "source")?;
                match Source::read(Path::new(&path)) {
                    Ok(Source { text, .. }) => Some((text, Some(path))),
                    Err(why) => self.fault(stanza.at("source"), "the template cannot be had", why.to_string()),
                }
            }
            (None, None) => self.fault(stanza.at, "`contents` is missing", "add contents = \"{{ … }}\", or source = \"/…\""),
            (Some(_), Some(_)) => {
                self.fault(stanza.at("source"), "a template stands here and in a file", "keep `contents` or `source`")
            }
        }
    }

    /// The rotation whose credential the child lives on.
    fn of<'r>(&mut self, stanza: &Stanza<'a>, rotations: &'r [Rotation]) -> Option<&'r Rotation> {
        let named = self.text(stanza, "rotation", None);
        let found = match &named {
            Some(name) => rotations.iter().find(|rotation| rotation.name == *name),
            None if rotations.len() == 1 => rotations.first(),
            None => None,
        };
        let what =
            if named.is_some() { "`rotation` names none of this file" } else { "it is not said whose credential the child has" };
        found.or_else(|| {
            self.fault(stanza.at("rotation"), what, "write rotation = \"NAME\", with the label of a `rotation` stanza")
        })
    }

    fn upstream_of(&mut self, stanza: &Stanza<'a>, rotation: &Rotation) -> Option<Upstream> {
        match &rotation.provider {
            Provider::Login(config) => Some(config.upstream.clone()),
            Provider::Token(config) => Some(config.upstream.clone()),
            Provider::SecretId(_) | Provider::Keys(_) => self.fault(
                stanza.at,
                "templates read with a token, and this rotation has none",
                "name a rotation by vault-login or vault-token",
            ),
        }
    }

    /// A child holds its credential until it is gone, but not longer than the grace.
    fn in_time(&mut self, stanza: &Stanza<'a>, exec: &Exec, grace: Duration) {
        let takes = match &exec.on_change {
            OnChange::Restart => exec.stop_within,
            OnChange::Overlap(ready) => ready.within + exec.stop_within,
            OnChange::Signal(_) | OnChange::Leave => return,
        };
        if takes >= grace {
            let remedy = "make `grace` longer than `ready_within` and `stop_within` together";
            self.notice(stanza.at, "the old child may still run when the grace is over, and then its credential ends", remedy);
        }
    }
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) if !text.contains('\0') => Some(text.clone()),
        _ => None,
    }
}

fn few(value: &Value) -> Option<u32> {
    value::count(value).and_then(|count| u32::try_from(count).ok()).filter(|count| *count <= 1000)
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c == '=' || c.is_control() || c.is_whitespace())
}

fn twice(templates: &[Template]) -> Option<&str> {
    let is_again = |at: usize, name: &str| templates.iter().take(at).any(|other| other.name == name);
    templates.iter().enumerate().find(|(at, template)| is_again(*at, &template.name)).map(|(_, template)| template.name.as_str())
}
