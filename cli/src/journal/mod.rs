//! `journal`: what a journal says, and whether it and the server's own log agree.

mod audit;
mod show;

use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  turquoise journal show /var/lib/turquoise/journal
  turquoise journal show /var/lib/turquoise/journal --format json | jq '.records[].step'
  turquoise journal audit /var/lib/turquoise/journal
  turquoise journal audit /var/lib/turquoise/journal \\
    --audit-log /var/log/bao/audit.log --grace 10m --ends-within 2m";

/// Both only read: no lock is taken and nothing is changed, also beside a process that writes.
#[derive(Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// Print the records of a journal, or of one of its archives
    Show(show::Args),
    /// Replay a journal through the transition table, and compare it with the server's own audit log
    Audit(Box<audit::Args>),
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// To be read
    #[default]
    Table,
    /// JSON, for programs
    Json,
}

/// Reads a journal.
pub(crate) fn run(command: &Command) -> ExitCode {
    match command {
        Command::Show(args) => show::run(args),
        Command::Audit(args) => audit::run(args),
    }
}
