//! The list of keys drives the reader and the manual, and both go by it.

#![expect(clippy::unwrap_used, reason = "a test ends with what it did not expect")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::source::Source;
use super::super::syntax;
use super::super::walk::{Remarks, walk};
use super::{AS_ABOVE, KEYS, Key, Kind, Verdict};

/// A file that holds this key and nothing else.
fn file_with(path: &str, key: &Key) -> String {
    let (mut head, mut tail) = (String::new(), String::new());
    let (outer, last) = path.rsplit_once('.').map_or((None, path), |(outer, last)| (Some(outer), last));
    for stanza in outer.into_iter().flat_map(|outer| outer.split('.')) {
        let (name, label) = named(stanza);
        // What holds it has a type of its own, too, if it must have one.
        let label = label.or(match name {
            "method" => Some("approle"),
            "sink" => Some("file"),
            "source" => Some("environment"),
            "listener" => Some("tcp"),
            _ => None,
        });
        writeln!(head, "{name}{} {{", label.map(|label| format!(" \"{label}\"")).unwrap_or_default()).unwrap();
        tail.push_str("}\n");
    }
    let (name, label) = named(last);
    let stanza = |label: &str| format!("{name} \"{label}\" {{}}");
    let item = match (key.kind, label) {
        (_, Some(label)) => stanza(label),
        (Kind::Typed, None) if name == "sink" => stanza("file"),
        (Kind::Typed, None) if name == "source" => stanza("environment"),
        (Kind::Typed, None) if name == "listener" => stanza("tcp"),
        (Kind::Typed, None) => stanza("approle"),
        (Kind::Named, None) => stanza("secret/data/app"),
        (Kind::Stanza, None) => format!("{name} {{}}"),
        (Kind::Text, None) if path.ends_with("method.type") => "type = \"approle\"".to_owned(),
        (Kind::Text, None) if path.ends_with("listener.type") => "type = \"unix\"".to_owned(),
        (Kind::Text, None) if path.ends_with("source.type") => "type = \"profile\"".to_owned(),
        (Kind::Text | Kind::Lines | Kind::Any, None) => format!("{name} = \"file\""),
        (Kind::Count, None) => format!("{name} = 3"),
        (Kind::Flag, None) => format!("{name} = true"),
        (Kind::Duration, None) => format!("{name} = \"90s\""),
        (Kind::Mode, None) => format!("{name} = 0640"),
        (Kind::Percent, None) => format!("{name} = \"5%\""),
        (Kind::List, None) => format!("{name} = [\"auto-auth\"]"),
        (Kind::OneOf(names), None) => format!("{name} = \"{}\"", names[0]),
    };
    format!("{head}{item}\n{tail}")
}

fn named(stanza: &str) -> (&str, Option<&str>) {
    stanza.split_once('(').map_or((stanza, None), |(name, label)| (name, label.strip_suffix(')')))
}

fn remarks(text: String) -> Remarks {
    let source = Source { path: PathBuf::from("a.hcl"), text };
    let mut table = syntax::parse(&source).unwrap();
    walk(&source, &mut table)
}

#[test]
fn every_key_gets_its_verdict() {
    for (key, path) in KEYS.iter().flat_map(|key| key.paths().into_iter().map(move |path| (key, path))) {
        let text = file_with(&path, key);
        let Remarks { faults, notices } = remarks(text.clone());
        let says = |remarks: &[_]| remarks.iter().any(|remark: &super::super::source::Remark| remark.remedy == key.words);
        let is_above = key.words == AS_ABOVE;
        let holds = match key.verdict {
            Verdict::Refused | Verdict::Later if is_above => !faults.is_empty(),
            // A secret is found by its name, whatever else there is to say.
            Verdict::Refused | Verdict::Later => says(&faults) || faults.iter().any(|fault| fault.what == "a secret stands here"),
            Verdict::Ignored => faults.is_empty() && (is_above || says(&notices)),
            Verdict::Different if key.kind == Kind::Flag => says(&faults),
            Verdict::Different if key.kind == Kind::Mode => faults.is_empty(),
            Verdict::Different => faults.is_empty() && says(&notices),
            Verdict::Same | Verdict::Ours => faults.is_empty() && !says(&notices),
        };
        assert!(holds, "{path}, {:?}:\n{text}\n{faults:?}\n{notices:?}", key.verdict);
    }
}

#[test]
fn every_key_is_there_once_and_within_a_stanza_that_is_there() {
    let mut seen = BTreeSet::new();
    for path in KEYS.iter().flat_map(Key::paths) {
        assert!(seen.insert(path.clone()), "{path} is there twice");
        let Some((outer, _)) = path.rsplit_once(['.', '(']) else { continue };
        // What stands in a stanza with a type may stand in it whatever its type.
        let untyped: String = outer.split('(').map(|part| part.split_once(')').map_or(part, |(_, rest)| rest)).collect();
        assert!(seen.contains(outer) || seen.contains(&untyped), "{path} is in no stanza");
    }
}

/// With `UPDATE_DOCS=1` in the environment the table is written instead.
#[test]
fn the_manual_has_the_same_list() {
    let mut table = "| key | verdict | what for, or why not |\n| --- | --- | --- |\n".to_owned();
    for Key { path, verdict, words, .. } in KEYS {
        writeln!(table, "| `{path}` | {} | {} |", name(*verdict), words.replace('|', "\\|")).unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let text = fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- keys -->\n", "<!-- /keys -->");
    let (head, rest) = text.split_once(begin).unwrap();
    let (stands, tail) = rest.split_once(end).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{head}{begin}\n{table}\n{end}{tail}")).unwrap();
    } else {
        assert!(stands.trim() == table.trim(), "run UPDATE_DOCS=1 cargo test -p turquoise-cli --bin turquoise");
    }
}

const fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Same => "same meaning",
        Verdict::Different => "different",
        Verdict::Ignored => "ignored",
        Verdict::Ours => "ours",
        Verdict::Later => "not in this version",
        Verdict::Refused => "refused",
    }
}
