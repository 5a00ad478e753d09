//! `completions` and `man`: what is written from the commands themselves.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::say::complain;

const NAME: &str = "turquoise";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  turquoise completions bash > /etc/bash_completion.d/turquoise
  turquoise completions zsh > \"${fpath[1]}/_turquoise\"
  turquoise completions fish > ~/.config/fish/completions/turquoise.fish

Exit codes:
  0   they were written
  1   local or usage error";

const MAN_EXAMPLES: &str = "\
Examples:
  turquoise man /usr/local/share/man/man1     a page for each command
  turquoise man . && man ./turquoise.1

Exit codes:
  0   they were written
  1   local or usage error";

/// Which completions.
#[derive(clap::Args)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Where to.
#[derive(clap::Args)]
#[command(after_help = MAN_EXAMPLES)]
pub(crate) struct Man {
    /// A folder
    folder: PathBuf,
}

/// Writes completions to standard output.
pub(crate) fn completions(args: &Completions) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::Args::command(), NAME, &mut script);
    told(io::stdout().write_all(&script))
}

/// Writes a page for each command into a folder.
pub(crate) fn man(args: &Man) -> ExitCode {
    told(clap_mangen::generate_to(crate::Args::command(), &args.folder))
}

fn told(done: io::Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            complain(format_args!("turquoise: it could not be written: {why}"));
            ExitCode::FAILURE
        }
    }
}
