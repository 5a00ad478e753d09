//! `pause` and `resume`: what is due waits.

use std::process::ExitCode;
use std::time::Duration;

use humantime::parse_duration;
use serde_json::json;

use super::{Which, ask_all, ended};
use crate::admin::shape;

/// `pause`
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  turquoise pause payments --for 2h
  turquoise pause --all                   for a day
  turquoise resume payments

What is asked for, and what is urgent (a compromise, a credential that ends), does
not wait. A pause outlasts a restart; turquoise status tells of it.

Exit codes:
  0   it was asked for
  1   local or usage error
  3   no sidecar listens on the socket")]
pub(crate) struct Pause {
    #[command(flatten)]
    which: Which,
    /// How long, 30 days at most
    #[arg(long = "for", value_name = "TIME", default_value = "24h", value_parser = parse_duration)]
    lasts: Duration,
}

/// `resume`
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  turquoise resume payments               what was due meanwhile begins now

Exit codes:
  0   it was asked for
  1   local or usage error
  3   no sidecar listens on the socket")]
pub(crate) struct Resume {
    #[command(flatten)]
    which: Which,
}

pub(crate) fn pause(args: &Pause) -> ExitCode {
    ended("pause", ask_all(&args.which, "pause", &shape::Pause { seconds: args.lasts.as_secs() }))
}

pub(crate) fn resume(args: &Resume) -> ExitCode {
    ended("resume", ask_all(&args.which, "resume", &json!({})))
}
