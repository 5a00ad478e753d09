//! Each span and event of the library, found in its sources, is in the documentation, with its level and fields.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::document;

const CRATES: [&str; 5] = ["runtime", "memory", "adapters/vault", "adapters/journal", "adapters/sink"];

/// The fields of every event of a record are written down once, in this macro.
const SAY: &str = "tracing::$level!(";

/// One span or event.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Said {
    level: &'static str,
    message: String,
    fields: Vec<String>,
    next: String,
}

/// The sources in a folder, tests apart.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut sources: Vec<_> = entries
        .filter(|path| path.file_stem().is_some_and(|name| name != "tests"))
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .collect();
    sources.sort();
    sources
}

/// What stands between a bracket, which is open, and its end; divided at its commas.
fn arguments(text: &str) -> Vec<String> {
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    let mut arguments = vec![String::new()];
    for letter in text.chars() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '(' | '{' | '[' if !quoted => depth += 1,
            ')' | '}' | ']' if !quoted && depth == 0 => break,
            ')' | '}' | ']' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                arguments.push(String::new());
                continue;
            }
            _ => {}
        }
        arguments.last_mut().unwrap().push(letter);
    }
    arguments.into_iter().map(|argument| argument.trim().to_owned()).filter(|argument| !argument.is_empty()).collect()
}

fn literal(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix('"')
}

fn field(argument: &str) -> Option<String> {
    let name = argument.split_once(" = ").map_or(argument, |(name, _)| name);
    let name = name.trim_start_matches(['%', '?']).rsplit('.').next().unwrap();
    (!name.starts_with(['"', '$'])).then(|| format!("`{name}`"))
}

impl Said {
    fn new(level: &'static str, arguments: &[String]) -> Self {
        let messages: Vec<_> = arguments.iter().filter_map(|argument| literal(argument)).collect();
        let [message] = messages.as_slice() else { panic!("not one message: {arguments:?}") };
        let next = arguments.iter().find_map(|argument| argument.strip_prefix("next = "));
        // What depends on the reason is written down where the reasons are.
        let next = next.map_or("", |next| literal(next).unwrap_or("(depends on the reason)"));
        let fields = arguments.iter().filter_map(|argument| field(argument)).filter(|name| name != "`next`").collect();
        Self { level, message: (*message).to_owned(), fields, next: next.to_owned() }
    }

    fn row(&self) -> String {
        let Self { level, message, fields, next } = self;
        format!("| {level} | {message} | {} | {next} |", fields.join(", "))
    }
}

/// All that a source says, and the fields that events of records have in common.
fn said(source: &str) -> (Vec<Said>, Vec<String>) {
    const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];
    // However long the call is: its lines may be broken after the bracket.
    let source = source.split_whitespace().collect::<Vec<_>>().join(" ").replace("( ", "(");
    let after = |opening: &str| source.match_indices(opening).map(|(at, _)| arguments(&source[at + opening.len()..])).collect();
    let mut all = Vec::new();
    for level in LEVELS {
        let [event, span]: [Vec<Vec<String>>; 2] =
            [format!("tracing::{level}!("), format!("tracing::{level}_span!(")].map(|opening| after(&opening));
        all.extend(event.iter().map(|arguments| Said::new(level, arguments)));
        all.extend(span.iter().map(|arguments| Said::new("span", arguments)));
        let records: Vec<Vec<String>> = after(&format!("say!({level},"));
        all.extend(records.iter().map(|arguments| {
            let said = Said::new(level, arguments);
            Said { fields: [vec!["*record*".to_owned()], said.fields].concat(), ..said }
        }));
    }
    let records: Vec<Vec<String>> = after(SAY);
    (all, records.iter().flatten().filter_map(|argument| field(argument)).collect())
}

#[test]
fn what_is_said_is_documented() {
    let mut page = String::new();
    for name in CRATES {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("src");
        let (mut all, mut common) = (Vec::new(), Vec::new());
        for source in sources(&folder) {
            let source = fs::read_to_string(source).unwrap();
            let (said, fields) = said(&source);
            let calls = source.matches("tracing::").count() - source.matches("use tracing::").count();
            let seen = said.len() + usize::from(source.contains(SAY)) - source.matches("say!(").count();
            assert_eq!(seen, calls, "an event is written in a way that is not understood here, in {name}");
            all.extend(said);
            common.extend(fields);
        }
        if all.is_empty() {
            continue;
        }
        all.sort();
        all.dedup();
        writeln!(page, "### `turquoise_{}`\n", name.rsplit('/').next().unwrap()).unwrap();
        if !common.is_empty() {
            writeln!(page, "*record*: {}.\n", common.join(", ")).unwrap();
        }
        writeln!(page, "| level | message, or name of the span | fields | `next` |\n| --- | --- | --- | --- |").unwrap();
        for said in &all {
            writeln!(page, "{}", said.row()).unwrap();
        }
        page.push('\n');
    }
    for event in ["candidate abandoned", "dark: the current credential may be dead", "renewed, but", "secrets unlocked"] {
        assert!(page.contains(event), "{event} is not found: what is read is not what is compiled");
    }
    document::check("telemetry.md", "telemetry", page.trim());
}
