//! `journal show`: the records as they are.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Map, Value, json};
use turquoise::journal::{Torn, Written, read};

use super::Format;
use crate::say::complain;

const EXAMPLES: &str = "\
Examples:
  turquoise journal show /var/lib/turquoise/journal
  turquoise journal show /var/lib/turquoise/journal.archive-1 --format json

Times are seconds since the host started, and each boot has times of its own. A torn
tail is told and left where it is. A damaged journal is not shown: what is wrong with
it is said with the line and the byte where that begins.

Exit codes:
  0   it was read
  1   it could not be, or is damaged";

/// Columns that have one of their own, or that only the file needs.
const BESIDE: [&str; 9] = ["v", "seq", "prev", "boot", "at", "step", "handle", "holders", "sum"];

/// Which journal.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The journal, or one of its archives
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Prints it.
pub(super) fn run(args: &Args) -> ExitCode {
    let written = match read(&args.file) {
        Ok(written) => written,
        Err(why) => {
            complain(format_args!("turquoise: {why}"));
            return ExitCode::FAILURE;
        }
    };
    let text = match args.format {
        Format::Table => table(&written),
        Format::Json => document(args, &written),
    };
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Each line is an object of its own.
fn records(written: &Written) -> impl Iterator<Item = Map<String, Value>> {
    written.lines.lines().filter_map(|line| serde_json::from_str(line).ok())
}

fn document(args: &Args, written: &Written) -> String {
    let records: Vec<_> = records(written).map(Value::Object).collect();
    let torn = written.torn.map(|Torn { offset, length }| json!({"offset": offset, "length": length}));
    let document = json!({"journal": args.file, "records": records, "torn": torn});
    format!("{document:#}\n")
}

fn table(written: &Written) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["record", "boot", "at", "step", "", "handle", "held by"]);
    let mut count = 0;
    for record in records(written) {
        count += 1;
        let text = |name: &str| record.get(name).map(plain).unwrap_or_default();
        let boot: String = text("boot").chars().take(8).collect();
        let at = record.get("at").and_then(Value::as_u64).unwrap_or_default();
        let at = format!("{}.{:03}", at / 1000, at % 1000);
        let rest: Vec<_> = record.iter().filter(|(name, _)| !BESIDE.contains(&name.as_str())).map(pair).collect();
        table.add_row([text("seq"), boot, at, text("step"), rest.join(" "), text("handle"), text("holders")]);
    }
    let torn = written.torn.map_or_else(String::new, |Torn { offset, length }| {
        format!("a torn tail of {length} bytes at byte {offset}, which is no record\n")
    });
    format!("{table}\n{count} records\n{torn}")
}

fn pair((name, value): (&String, &Value)) -> String {
    format!("{name}={}", plain(value))
}

/// A text without its quotes, an object as its parts.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(parts) => parts.iter().map(|(name, part)| format!("{name}:{}", plain(part))).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
