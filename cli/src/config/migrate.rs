//! `config migrate`: a file of an agent as one of ours.

use std::cmp::Reverse;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use crate::file::{Checked, Item, Origin, Plan, Remark, Setting, Source, Table, check, examine};
use crate::say::complain;

pub(super) fn run(path: &Path) -> io::Result<ExitCode> {
    let Checked { source, remarks, table, .. } = match check(path) {
        Ok(checked) => checked,
        Err(why) => {
            complain(why);
            return Ok(ExitCode::FAILURE);
        }
    };
    if table.is_none() {
        remarks.faults.iter().for_each(complain);
        return Ok(ExitCode::FAILURE);
    }
    for fault in &remarks.faults {
        complain(format_args!("{fault} (not in the new file)"));
    }
    for notice in &remarks.notices {
        complain(format_args!("{notice} (other than with the agents)"));
    }
    if source.text.trim_start().starts_with('{') {
        complain("turquoise: JSON has no place for remarks: write the file in HCL, and migrate that");
        return Ok(ExitCode::FAILURE);
    }
    let Some(text) = without(&source, &remarks.faults) else {
        return Ok(ExitCode::FAILURE);
    };
    let new = examine(Source { text, ..source });
    for fault in &new.remarks.faults {
        complain(format_args!("{fault} (in the new file)"));
    }
    let text = with_modes(&new).unwrap_or_else(|| new.source.text.clone());
    let stanzas = new.plan.as_ref().zip(new.table.as_ref()).map(|(plan, table)| stanzas(plan, table)).unwrap_or_default();
    write!(io::stdout(), "{text}{stanzas}")?;
    let is_same = remarks.faults.is_empty() && new.plan.is_some();
    Ok(if is_same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The text less what is at fault; nothing, if a fault is of no item and so cannot be left out.
fn without(source: &Source, faults: &[Remark]) -> Option<String> {
    let text = &source.text;
    let mut out = String::new();
    let mut from = 0;
    let mut left_out: Vec<_> = faults.iter().filter(|fault| is_left_out(fault)).collect();
    left_out.sort_by_key(|fault| (fault.at.0, Reverse(fault.at.1)));
    for fault in left_out {
        let (start, end) = fault.at;
        if start < from {
            continue;
        }
        let (before, after) = (text.get(from..start)?, text.get(end..)?);
        let is_alone = before.rsplit('\n').next().is_none_or(|line| line.trim().is_empty())
            && after.split('\n').next().is_none_or(|line| line.trim().is_empty());
        out.push_str(before);
        let said = fault.to_string().replace("*/", "* /");
        let remark = if is_alone { format!("# left out: {said}") } else { format!("/* left out: {said} */") };
        out.push_str(&remark);
        from = end;
    }
    out.push_str(text.get(from..)?);
    Some(out)
}

/// Whether it is about something that stands in the file, and not about what is missing.
const fn is_left_out(fault: &Remark) -> bool {
    fault.at.0 < fault.at.1
}

/// The text with the mode that each sink's file has without one: a file of ours would give it another.
fn with_modes(Checked { source, table, plan, .. }: &Checked) -> Option<String> {
    let is_default = |setting: &&Setting| setting.key == "auto_auth.sink.config.mode" && setting.from == Origin::Default;
    let mode = &plan.as_ref()?.settings.iter().find(is_default)?.value;
    let auth = table.as_ref()?.first("auto_auth")?.table()?;
    let wrapped = auth.all("sinks").filter_map(Item::table).flat_map(|sinks| sinks.all("sink"));
    let configs = auth.all("sink").chain(wrapped).filter_map(|sink| sink.table()?.first("config")?.table());
    let mut paths: Vec<_> =
        configs.filter(|config| config.first("mode").is_none()).filter_map(|config| Some(config.first("path")?.at)).collect();
    // From the end on, so that the places before it stay what they are.
    paths.sort_by_key(|at| Reverse(*at));
    let mut text = source.text.clone();
    for (start, end) in paths {
        let margin = " ".repeat(source.place(start).column - 1);
        text.get(end..)?;
        text.insert_str(end, &format!("\n{margin}mode = {mode}"));
    }
    Some(text)
}

/// Our stanzas that are not there yet, with what holds without them.
fn stanzas(plan: &Plan, table: &Table) -> String {
    let mut out = String::new();
    for stanza in ["rotation", "journal"] {
        let prefix = format!("{stanza}.");
        let settings = plan.settings.iter().filter_map(|setting| Some((setting.key.strip_prefix(&prefix)?, &setting.value)));
        let lines = settings.fold(String::new(), |mut lines, (key, value)| {
            // To write into a text cannot fail.
            let _ = writeln!(lines, "  {key} = {value:?}");
            lines
        });
        if table.first(stanza).is_none() {
            let _ = write!(out, "\n{stanza} {{\n{lines}}}\n");
        }
    }
    out
}
