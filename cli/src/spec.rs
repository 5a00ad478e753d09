//! `spec`: the specification, from the data that the machine itself obeys.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::ValueEnum;
use turquoise_model::spec::{self, Matrix};

const EXAMPLES: &str = "\
Examples:
  turquoise spec                          properties, transitions and inputs in Markdown
  turquoise spec --format json | jq '.transitions[] | select(.from == \"Draining\")'
  turquoise spec --format svg > phases.svg
  turquoise spec --format dot | dot -Tpng > phases.png

Which input is legal in which phase is nowhere written down: the machine is
asked in every state of a small exploration, which takes a second or two.

Exit codes:
  0   it was written
  1   local or usage error";

/// What is to be written.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What to write it as
    #[arg(long, value_enum, default_value = "markdown")]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// Tables, to be read
    Markdown,
    /// Everything, for programs
    Json,
    /// The phases, for Graphviz
    Dot,
    /// The phases, as a picture
    Svg,
}

/// Writes the specification.
pub(crate) fn run(args: &Args) -> ExitCode {
    let text = match args.format {
        Format::Markdown => spec::markdown(&Matrix::ask()),
        Format::Json => spec::json(&Matrix::ask()),
        Format::Dot => spec::dot(),
        Format::Svg => spec::svg(),
    };
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
