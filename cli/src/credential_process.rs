//! The key that serves now, for an AWS client that starts a process to ask for it.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anstream::eprintln;
use turquoise::aws_iam::{Key, process_answer};

const EXAMPLES: &str = "\
Examples:
  turquoise credential-process --file /run/payments/credentials
  turquoise credential-process --file /run/payments/credentials --profile shop --expires-in 15m
  credential_process = /usr/bin/turquoise credential-process --file /run/payments/credentials
                                in a profile of ~/.aws/config

Exit codes:
  0   the key was told
  1   local or usage error: nothing is told";

/// What is read, and for how long it is good.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The shared credentials file that is kept up to date
    #[arg(long, value_name = "PATH")]
    file: PathBuf,
    /// The profile in it
    #[arg(long, value_name = "NAME", default_value = "default")]
    profile: String,
    /// When a client has to ask again. It does so some minutes before; a grace must last longer than this
    #[arg(long, value_name = "DURATION", default_value = "20m", value_parser = humantime::parse_duration)]
    expires_in: Duration,
}

pub(crate) fn run(args: &Args) -> ExitCode {
    let written = Key::of_profile(&args.file, &args.profile)
        .and_then(|key| process_answer(&key, SystemTime::now() + args.expires_in))
        .map_err(|e| e.to_string())
        .and_then(|answer| io::stdout().lock().write_all(answer.as_bytes()).map_err(|e| format!("it cannot be written: {e}")));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("turquoise: {why}");
            ExitCode::FAILURE
        }
    }
}
