//! The `turquoise` program.

mod credential_process;
mod demo;
mod explore;
mod spec;
mod verify;

use std::alloc::System;
use std::io::Write as _;
use std::process::ExitCode;

use anstream::ColorChoice;
use clap::{Parser, Subcommand};
use turquoise::memory::harden;
use zeroizing_alloc::ZeroAlloc;

/// Wipes what is freed: libraries that carry a secret over the network leave copies of it in memory that only this reaches.
#[global_allocator]
static WIPING: ZeroAlloc<System> = ZeroAlloc(System);

const EXAMPLES: &str = "\
Examples:
  turquoise demo                the whole story on this machine, nothing to set up
  turquoise --no-color demo     the same without colours, as NO_COLOR=1 does
  TURQUOISE_BAO=/usr/bin/bao turquoise demo
                                with a server program of your own (bao or vault)
  turquoise verify              check the machine that ships, state by state
  turquoise verify --profile standard --format json
                                in every pinned configuration, for a program to read
  turquoise verify --explore 127.0.0.1:3000
                                walk through its states in a browser
  turquoise spec --format svg   the phases as a picture

Exit codes:
  0   all is well
  1   local or usage error
  2   the server is in trouble
  14  something that must hold does not";

/// Blue/green rotation of the credentials that everything else hangs from.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Args {
    /// Write without colours, as into a pipe
    #[arg(long, global = true)]
    no_color: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Rotate a real token on a real server under load, with a bad candidate and a crash on the way
    Demo,
    /// Explore every state of the rotation machine and tell what holds
    Verify(Box<verify::Args>),
    /// Write the specification that the machine obeys: properties, transitions, inputs, diagram
    Spec(spec::Args),
    /// Hand an AWS client the key that serves now, as its `credential_process`
    CredentialProcess(credential_process::Args),
    /// (part of the demo) Read with the token in a sink file
    #[command(hide = true)]
    DemoReader(demo::reader::Args),
    /// (part of the demo) Rotate in a process of its own
    #[command(hide = true)]
    DemoSidecar(demo::sidecar::Site),
}

fn main() -> ExitCode {
    if let Err(why) = harden() {
        // Nothing is left to do about a terminal that does not listen.
        drop(writeln!(anstream::stderr(), "turquoise: {why}"));
    }
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(told) => {
            let code = u8::from(told.use_stderr());
            return told.print().map_or(ExitCode::FAILURE, |()| code.into());
        }
    };
    if args.no_color {
        ColorChoice::Never.write_global();
    }
    match args.command {
        Command::Demo => demo::run(),
        Command::Verify(args) => verify::run(&args),
        Command::Spec(args) => spec::run(&args),
        Command::CredentialProcess(args) => credential_process::run(&args),
        Command::DemoReader(args) => demo::reader::run(&args),
        Command::DemoSidecar(site) => demo::sidecar::run(&site),
    }
}
