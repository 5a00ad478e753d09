//! The `turquoise` program.

mod admin;
mod calendar;
mod config;
mod container;
mod credential_process;
mod demo;
mod doctor;
mod exec;
mod explore;
mod file;
mod fleet;
mod journal;
mod notify;
mod operate;
mod papers;
mod pause;
mod policy;
mod proxies;
mod recover;
mod reload;
mod run;
mod say;
mod sidecar;
mod spec;
mod swap;
mod takeover;
mod verify;

use std::alloc::System;
use std::ffi::OsString;
use std::process::ExitCode;

use anstream::ColorChoice;
use clap::{Parser, Subcommand};
use turquoise::memory::harden;
use zeroizing_alloc::ZeroAlloc;

use say::complain;

/// Wipes what is freed: libraries that carry a secret over the network leave copies of it in memory that only this reaches.
#[global_allocator]
static WIPING: ZeroAlloc<System> = ZeroAlloc(System);

const EXAMPLES: &str = "\
Examples:
  turquoise config check agent.hcl
                                what a file of `bao agent` comes to here
  turquoise run --config agent.hcl
                                rotate by it, until SIGTERM
  turquoise status              where a running sidecar stands; also watch, plan, debt
  turquoise rotate payments --wait
                                rotate now, and tell each step
  turquoise local-token rotate  a new local token; the old one is taken for another hour
  turquoise recover --config agent.hcl
                                finish or undo what a dead process left in progress
  turquoise demo                the whole story on this machine, nothing to set up
  turquoise demo --provider aws-iam
                                the same story with access keys of AWS, on a strict emulator
  turquoise --no-color demo     the same without colours, as NO_COLOR=1 does
  TURQUOISE_BAO=/usr/bin/bao turquoise demo
                                with a server program of your own (bao or vault)
  turquoise verify              check the machine that ships, state by state
  turquoise verify --profile standard --format json
                                in every pinned configuration, for a program to read
  turquoise verify --explore 127.0.0.1:3000
                                walk through its states in a browser
  turquoise spec --format svg   the phases as a picture
  turquoise policy vault-token --role payments
                                the least policy that rotating a token needs
  turquoise doctor vault-token --address https://bao:8200 --role payments --token-file token
                                whether a server allows all that, tried with throw-away tokens
  turquoise journal audit /var/lib/turquoise/journal --audit-log audit.log
                                whether the server's own log agrees with the journal

Exit codes:
  0   all is well
  1   local or usage error
  2   the server is in trouble
  3   no sidecar listens on the admin socket
  4   another process has the journal
  5   refused in this phase of a rotation
  10  a new credential did not pass, and the old one serves on
  11  a token could not be seen to end
  12  an operator is needed
  13  what is asked for cannot be kept with the provider
  14  something that must hold does not

Long options take one dash or two: -config is --config.";

const DEMO_EXAMPLES: &str = "\
Examples:
  turquoise demo
  turquoise demo --provider aws-iam           with access keys of AWS, on a strict emulator
  turquoise --no-color demo | tee story

Exit codes:
  0   the story was true
  1   local or usage error
  2   the server or the emulator is in trouble
  14  something that must hold does not
  128 + n  signal n ended it";

/// Blue/green rotation of the credentials that everything else hangs from.
#[derive(Parser)]
#[command(name = "turquoise", version, after_help = EXAMPLES)]
struct Args {
    /// Write without colours, as into a pipe
    #[arg(long, global = true)]
    no_color: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Rotate by a configuration file, beside programs that read the token from a file
    Run(run::Args),
    /// Tell where a running sidecar stands
    Status(operate::Status),
    /// Watch a running sidecar
    Watch(operate::Watch),
    /// Tell what is to come, and which outage is survived
    Plan(operate::Plan),
    /// Tell which credentials could not be seen to end
    Debt(operate::Debt),
    /// Rotate now
    Rotate(operate::Rotate),
    /// Call a rotation off before the switch
    Abort(operate::Abort),
    /// Have nothing begin because it is due, for a while
    Pause(operate::Pause),
    /// End a pause
    Resume(operate::Resume),
    /// Go back to the old credential after the switch
    Rollback(operate::Rollback),
    /// Say that others know a secret: it is replaced at once
    Compromise(operate::CompromiseArgs),
    /// End every credential first, and only then log in anew
    BreakGlass(operate::BreakGlassArgs),
    /// Say what is right where the world contradicts the journal
    Resolve(operate::ResolveArgs),
    /// The local token, which programs show the sidecar
    #[command(subcommand)]
    LocalToken(operate::LocalToken),
    /// End in order what a dead process left in progress
    Recover(recover::Args),
    /// Look at a configuration file
    #[command(subcommand, after_help = config::EXAMPLES)]
    Config(config::Config),
    /// Rotate tokens of a real server, or a key of an emulator, under load, with bad candidates and a crash on the way
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(demo::Args),
    /// Explore every state of the rotation machine and tell what holds
    Verify(Box<verify::Args>),
    /// Write the specification that the machine obeys: properties, transitions, inputs, diagram
    Spec(spec::Args),
    /// Print a journal, or audit it beside the server's own log
    #[command(subcommand)]
    Journal(journal::Command),
    /// Print the least policy that a rotation needs, and the role that goes with it
    Policy(policy::Args),
    /// Try on a server what a rotation needs, with credentials that are thrown away
    Doctor(Box<doctor::Args>),
    /// Write the completions of a shell
    Completions(papers::Completions),
    /// Write the manual pages
    Man(papers::Man),
    /// Hand an AWS client the key that serves now, as its `credential_process`
    CredentialProcess(credential_process::Args),
    /// (part of the demo) Read with what is in a file
    #[command(hide = true)]
    DemoClient(demo::client::Given),
    /// (part of the demo) Rotate keys in a process of its own
    #[command(hide = true)]
    DemoSidecar(demo::site::Site),
}

fn main() -> ExitCode {
    if let Err(why) = harden() {
        complain(format_args!("turquoise: {why}"));
    }
    let args = match Args::try_parse_from(std::env::args_os().map(two_dashes)) {
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
        Command::Run(args) => run::run(&args),
        Command::Status(args) => operate::status(&args),
        Command::Watch(args) => operate::watch(&args),
        Command::Plan(args) => operate::plan(&args),
        Command::Debt(args) => operate::debt(&args),
        Command::Rotate(args) => operate::rotate(&args),
        Command::Abort(args) => operate::abort(&args),
        Command::Pause(args) => operate::pause(&args),
        Command::Resume(args) => operate::resume(&args),
        Command::Rollback(args) => operate::rollback(&args),
        Command::Compromise(args) => operate::compromise(&args),
        Command::BreakGlass(args) => operate::break_glass(&args),
        Command::Resolve(args) => operate::resolve(&args),
        Command::LocalToken(command) => operate::local_token(&command),
        Command::Recover(args) => recover::run(&args),
        Command::Config(config) => config::run(&config),
        Command::Completions(args) => papers::completions(&args),
        Command::Man(args) => papers::man(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Spec(args) => spec::run(&args),
        Command::Journal(command) => journal::run(&command),
        Command::Policy(args) => policy::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::CredentialProcess(args) => credential_process::run(&args),
        Command::DemoClient(given) => demo::client::run(&given),
        Command::DemoSidecar(site) => demo::iam::sidecar::run(&site),
    }
}

/// `-config` is what the agents call `--config`. No option of one letter takes a value, so nothing else can be meant.
fn two_dashes(arg: OsString) -> OsString {
    let is_long = |text: &&str| {
        let name = text.split('=').next().unwrap_or_default().as_bytes();
        name.len() > 2 && name[0] == b'-' && name[1].is_ascii_lowercase()
    };
    match arg.to_str().filter(is_long) {
        Some(text) => format!("-{text}").into(),
        None => arg,
    }
}
