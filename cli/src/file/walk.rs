//! Holds what stands in a file against the list of keys.

use super::keys::{self, AS_ABOVE, Key, Kind, Verdict};
use super::source::{Remark, Source};
use super::tree::{At, Item, Table, Value};
use super::value;

/// What was found to remark.
#[derive(Default)]
pub(crate) struct Remarks {
    /// Each keeps the file from being used.
    pub(crate) faults: Vec<Remark>,
    /// What is other than with the agents.
    pub(crate) notices: Vec<Remark>,
}

/// A name this much like a known one is likely meant to be that one.
const ALIKE: f64 = 0.75;
const SECRETS: [&str; 5] = ["token", "client_token", "secret_id", "secret", "password"];
const SECRET: &str = "write it to a file of mode 0600 and name that, and get another one, for this one was where others read";

/// Looks at everything. Labels that were written as objects (`"listener": {"tcp": {…}}`) are made labels.
pub(crate) fn walk(source: &Source, table: &mut Table) -> Remarks {
    let mut walker = Walker { source, sink: None, remarks: Remarks::default() };
    walker.table(table, &[String::new()], "this file");
    walker.remarks
}

impl Remarks {
    /// In the order of the file, each once: what several rotations share is looked at for each.
    pub(crate) fn sort(&mut self) {
        for remarks in [&mut self.faults, &mut self.notices] {
            remarks.sort_by_key(|remark| remark.place);
            remarks.dedup();
        }
    }
}

struct Walker<'a> {
    source: &'a Source,
    /// The sink that is being looked at. Without one of its keys it would give a token in another way than was wanted, so it is
    /// taken as a whole or not at all.
    sink: Option<At>,
    remarks: Remarks,
}

impl Walker<'_> {
    fn fault(&mut self, item: &Item, what: impl Into<String>, remedy: impl Into<String>) {
        let fault = self.source.remark(item.at, what, remedy);
        self.remarks.faults.push(Remark { at: self.sink.unwrap_or(item.at), ..fault });
    }

    fn notice(&mut self, item: &Item, what: impl Into<String>, remedy: impl Into<String>) {
        self.remarks.notices.push(self.source.remark(item.at, what, remedy));
    }

    /// The items of a stanza, whose keys may stand under any of these prefixes.
    fn table(&mut self, table: &mut Table, prefixes: &[String], stanza: &str) {
        let mut seen: Vec<String> = Vec::new();
        for item in &mut table.items {
            let mut places = prefixes.iter().map(|prefix| join(prefix, &item.key));
            let Some((path, key)) = places.find_map(|path| keys::find(&path).map(|key| (path, key))) else {
                self.unknown(item, prefixes, stanza);
                continue;
            };
            if self.holds_secret(item) {
                continue;
            }
            let is_single = !matches!(key.kind, Kind::Typed | Kind::Named | Kind::Any);
            if is_single && seen.contains(&item.key) {
                self.fault(item, format!("`{}` is there twice", item.key), "keep one of them");
            }
            seen.push(item.key.clone());
            let places: Vec<_> = prefixes.iter().map(|prefix| join(prefix, &item.key)).collect();
            self.item(item, &path, places, key);
        }
    }

    fn unknown(&mut self, item: &Item, prefixes: &[String], stanza: &str) {
        if self.holds_secret(item) {
            return;
        }
        let known: Vec<_> = prefixes.iter().flat_map(|prefix| keys::names(prefix)).collect();
        let remedy = nearest(&item.key, &known);
        self.fault(item, format!("`{}` is no key of {stanza}", shown(&item.key)), remedy);
    }

    /// A secret in a file is a fault wherever it stands.
    fn holds_secret(&mut self, item: &Item) -> bool {
        let is_named = SECRETS.contains(&item.key.as_str()) && matches!(item.value, Value::Text(_));
        let found = is_named || has_secret(&item.value) || item.labels.iter().any(|label| value::is_secret(label));
        if found {
            self.fault(item, "a secret stands here", SECRET);
        }
        found
    }

    /// An item whose key is known. What it holds may stand under any of the places.
    fn item(&mut self, item: &mut Item, path: &str, places: Vec<String>, key: &Key) {
        match key.verdict {
            Verdict::Later => return self.fault(item, format!("`{}` is not in this version", item.key), key.words),
            Verdict::Refused => return self.fault(item, format!("`{}` is not taken", item.key), key.words),
            Verdict::Ignored if key.words == AS_ABOVE => {}
            Verdict::Ignored => self.notice(item, format!("`{}` does nothing here", item.key), key.words),
            Verdict::Different if !matches!(key.kind, Kind::Flag | Kind::Mode | Kind::Typed) => {
                self.notice(item, format!("`{}` is not quite what it is to the agents", item.key), key.words);
            }
            Verdict::Same | Verdict::Ours | Verdict::Different => {}
        }
        match key.kind {
            Kind::Stanza | Kind::Typed | Kind::Named => self.stanza(item, path, places, key),
            kind => self.value(item, kind, key),
        }
    }

    fn stanza(&mut self, item: &mut Item, path: &str, mut places: Vec<String>, key: &Key) {
        let name = item.key.clone();
        if !matches!(item.value, Value::Table(_)) {
            return self.fault(item, format!("`{name}` is a stanza"), format!("write {name} {{ … }}"));
        }
        if key.kind != Kind::Stanza {
            relabel(item, path);
        }
        let most = usize::from(key.kind != Kind::Stanza);
        if item.labels.len() > most {
            return self.fault(item, format!("`{name}` has too many labels"), format!("it has {most} at most"));
        }
        if key.kind == Kind::Typed {
            let Some(typed) = self.typed(item, path) else { return };
            places.push(typed);
        }
        let outer = self.sink;
        if name == "sink" {
            self.sink = Some(item.at);
        }
        if let Value::Table(table) = &mut item.value {
            self.table(table, &places, &format!("`{name}`"));
        }
        self.sink = outer;
    }

    /// The path of a stanza with its type, if that may be used.
    fn typed(&mut self, item: &Item, path: &str) -> Option<String> {
        let name = &item.key;
        let taken = |kind: &String| keys::find(&format!("{path}({kind})")).is_some_and(|key| key.verdict != Verdict::Refused);
        let choice = format!("use one of: {}", keys::types(path).into_iter().filter(taken).collect::<Vec<_>>().join(", "));
        let Some(kind) = item.kind().map(str::to_lowercase) else {
            self.fault(item, format!("`{name}` has no type"), format!("write {name} \"TYPE\" {{ … }}; {choice}"));
            return None;
        };
        let typed = format!("{path}({kind})");
        let Some(key) = keys::find(&typed) else {
            self.fault(item, format!("`{name}` has a type that is not known"), choice);
            return None;
        };
        match key.verdict {
            Verdict::Refused | Verdict::Later => {
                self.fault(item, format!("`{name}` of type {kind} is not taken"), key.words);
                return None;
            }
            Verdict::Different => {
                self.notice(item, format!("`{name}` of type {kind} is not quite what it is to the agents"), key.words);
            }
            Verdict::Same | Verdict::Ours | Verdict::Ignored => {}
        }
        Some(typed)
    }

    fn value(&mut self, item: &Item, kind: Kind, key: &Key) {
        let found = &item.value;
        let wrong: Option<String> = match kind {
            Kind::Text => value::text(found).is_none().then(|| "write a text in quotes, on one line".to_owned()),
            Kind::Lines => {
                value::lines(found).is_none().then(|| "write a text in quotes, or <<EOT and lines until EOT".to_owned())
            }
            Kind::Count => value::count(found).is_none().then(|| "write a whole number".to_owned()),
            Kind::Duration => {
                value::duration(found).is_none().then(|| "write \"12h\", \"30m\" or \"500ms\", or a number of seconds".to_owned())
            }
            Kind::Mode => value::mode(found).is_none().then(|| "write 0600, in octal".to_owned()),
            Kind::Percent => value::percent(found).is_none().then(|| "write \"5%\"".to_owned()),
            Kind::List => (!is_texts(found)).then(|| "write [\"…\", \"…\"]".to_owned()),
            Kind::OneOf(names) => {
                let is_one = value::name(found).is_some_and(|text| names.contains(&text.as_str()));
                (!is_one).then(|| format!("use one of: {}", names.join(", ")))
            }
            Kind::Flag => match value::flag(found) {
                Some(true) if key.verdict == Verdict::Different => {
                    return self.fault(item, format!("`{}` is not taken", item.key), key.words);
                }
                Some(_) => None,
                None => Some("write true or false".to_owned()),
            },
            Kind::Stanza | Kind::Typed | Kind::Named | Kind::Any => None,
        };
        if let Some(remedy) = wrong {
            self.fault(item, format!("`{}` has a value that cannot be used", item.key), remedy);
        }
    }
}

fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") }
}

/// A key as a message shows it: one that is long or odd may be anything.
fn shown(key: &str) -> &str {
    let is_name = key.len() <= 64 && !value::is_secret(key) && !key.contains(|c: char| c.is_control());
    if is_name { key } else { "…" }
}

fn nearest(key: &str, known: &[String]) -> String {
    let likeness = |name: &String| strsim::jaro_winkler(name, key);
    let best = known.iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    match best.filter(|name| likeness(name) >= ALIKE) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("remove it; known are: {}", known.join(", ")),
    }
}

fn has_secret(found: &Value) -> bool {
    match found {
        Value::Text(text) => value::is_secret(text),
        Value::List(values) => values.iter().any(has_secret),
        Value::Number(_) | Value::Flag(_) | Value::Table(_) => false,
    }
}

fn is_texts(found: &Value) -> bool {
    matches!(found, Value::List(values) if values.iter().all(|value| matches!(value, Value::Text(_))))
}

/// `"sink": {"file": {…}}` is `sink "file" {…}`.
fn relabel(item: &mut Item, path: &str) {
    let Value::Table(table) = &mut item.value else { return };
    if !item.labels.is_empty() || table.items.len() != 1 || keys::names(path).contains(&table.items[0].key) {
        return;
    }
    if let Some(Item { key, value: value @ Value::Table(_), .. }) = table.items.first().cloned() {
        item.labels.push(key);
        item.value = value;
    }
}
