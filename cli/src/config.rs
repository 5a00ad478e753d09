//! `config`: what a file comes to, and what it would be as one of ours.

mod migrate;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::json;

use crate::file::{Checked, Setting, check};
use crate::say::complain;

pub(crate) const EXAMPLES: &str = "\
Examples:
  turquoise config check agent.hcl
  turquoise config migrate agent.hcl > turquoise.hcl";

const CHECK_EXAMPLES: &str = "\
Examples:
  turquoise config check agent.hcl        every setting, with its line or as a default
  turquoise config check agent.hcl --format json | jq '.faults[]'
  turquoise config check agent.hcl && systemctl restart turquoise

Only the file, the templates that it names and the environment are read: no server is asked, and nothing is written.

Exit codes:
  0   it can be run
  1   it cannot, or cannot be read: each fault has its line, its column and what to do";

const MIGRATE_EXAMPLES: &str = "\
Examples:
  turquoise config migrate agent.hcl > turquoise.hcl
  turquoise config migrate agent.hcl > /dev/null    only what has no same meaning here

A file of `bao agent` or `vault agent` can be run as it is if `config check` finds no fault. The new file is the same,
less what cannot be taken, which leaves a remark in its place, and with our stanzas written out.

Exit codes:
  0   the new file means the same
  1   something of the old file is not in the new one, or it cannot be read: standard error says what";

/// What is done with a file.
#[derive(Subcommand)]
pub(crate) enum Config {
    /// Say what a configuration file comes to, and all that is wrong with it
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// Write a file of `bao agent` or `vault agent` anew as one of ours, and say what has no same meaning
    #[command(after_help = MIGRATE_EXAMPLES)]
    Migrate(MigrateArgs),
}

/// What is checked.
#[derive(clap::Args)]
pub(crate) struct CheckArgs {
    /// The configuration, in HCL or JSON
    file: PathBuf,
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// What is migrated.
#[derive(clap::Args)]
pub(crate) struct MigrateArgs {
    /// The configuration of an agent, in HCL
    file: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// To be read; faults and notices go to standard error
    Table,
    /// For a program: faults, notices and settings
    Json,
}

pub(crate) fn run(config: &Config) -> ExitCode {
    let done = match config {
        Config::Check(args) => check_file(args),
        Config::Migrate(args) => migrate::run(&args.file),
    };
    done.unwrap_or_else(|why| {
        complain(format_args!("turquoise: {why}"));
        ExitCode::FAILURE
    })
}

fn check_file(args: &CheckArgs) -> io::Result<ExitCode> {
    let checked = match check(&args.file) {
        Ok(checked) => checked,
        Err(why) => {
            complain(why);
            return Ok(ExitCode::FAILURE);
        }
    };
    match args.format {
        Format::Table => print_table(&checked)?,
        Format::Json => print_json(&checked)?,
    }
    Ok(if checked.plan.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_table(Checked { remarks, plan, .. }: &Checked) -> io::Result<()> {
    for fault in &remarks.faults {
        complain(fault);
    }
    for notice in &remarks.notices {
        complain(format_args!("{notice} (notice)"));
    }
    let Some(plan) = plan else { return Ok(()) };
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["setting", "value", "from"]);
    for Setting { key, value, from } in &plan.settings {
        table.add_row([key, value, &from.to_string()]);
    }
    writeln!(anstream::stdout(), "{table}")
}

fn print_json(Checked { source, remarks, plan, .. }: &Checked) -> io::Result<()> {
    let told = json!({
        "file": source.path.display().to_string(),
        "usable": plan.is_some(),
        "faults": remarks.faults,
        "notices": remarks.notices,
        "settings": plan.as_ref().map_or_else(Vec::new, |plan| plan.settings.clone()),
    });
    writeln!(io::stdout(), "{told:#}")
}
