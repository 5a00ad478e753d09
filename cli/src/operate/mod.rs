//! What an operator asks of a sidecar that runs: where it stands, and what it is to do.

pub(crate) mod client;
mod pause;
mod round;
mod screen;
mod show;
mod watch;

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::json;

use crate::admin::shape::{
    Accepted, BreakGlass, Compromise, Overlap, Planned, Plans, REVOKE_FIRST, Replaced, Resolve, Standing, Standings,
};
use crate::file::check;
use crate::say::complain;
use client::{Client, Trouble};
pub(crate) use pause::{Pause, Resume, pause, resume};

/// Where a sidecar listens that says nothing else.
pub(crate) const SOCKET: &str = "/run/turquoise/admin.sock";
const VARIABLE: &str = "TURQUOISE_ADMIN";

/// A debt is outstanding.
const DEBT: u8 = 11;
/// An operator is needed.
const STUCK: u8 = 12;

/// Which sidecar.
#[derive(clap::Args)]
pub(crate) struct At {
    /// Its admin socket [default: `TURQUOISE_ADMIN`, else as the file says, else /run/turquoise/admin.sock]
    #[arg(long, value_name = "PATH")]
    admin: Option<PathBuf>,
    /// Its configuration, which names the socket
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Which of its identities.
#[derive(clap::Args)]
pub(crate) struct Which {
    /// The identity: the label of its `rotation` stanza; not needed if there is one only
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Every identity of the sidecar
    #[arg(long, conflicts_with = "name")]
    all: bool,
    #[command(flatten)]
    at: At,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table, to be read
    Table,
    /// JSON, for programs
    Json,
}

/// `status`
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  turquoise status
  turquoise status payments --format json | jq .identities[0].phase
  turquoise status --config /etc/turquoise.hcl || page-somebody

Exit codes:
  0   all is well
  1   local or usage error
  3   no sidecar listens on the socket
  11  a credential that should be gone could not be seen to end
  12  an operator is needed")]
pub(crate) struct Status {
    /// The identity; all of them without it
    name: Option<String>,
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    at: At,
}

/// `watch`
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  turquoise watch                 q or Ctrl-C ends it
  turquoise watch payments
  turquoise watch | tee log       a line for each step, where there is no terminal
  turquoise watch --format json   each step as JSON on a line of its own

Exit codes:
  0   it was ended
  1   local or usage error
  3   no sidecar listens on the socket")]
pub(crate) struct Watch {
    /// The identity; all of them without it
    name: Option<String>,
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    at: At,
}

/// `plan`
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  turquoise plan
  turquoise plan payments --format json

Exit codes:
  0   it was told
  1   local or usage error
  3   no sidecar listens on the socket")]
pub(crate) struct Plan {
    /// The identity; all of them without it
    name: Option<String>,
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    at: At,
}

/// `debt`
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  turquoise debt
  turquoise debt --format json
  turquoise debt retry payments   try at once to end what is owed

A debt is tried on by itself, and ends at the latest with the life of what is owed.

Exit codes:
  0   there is none
  1   local or usage error
  3   no sidecar listens on the socket
  5   retry: there is nothing that can be tried now
  11  there is some")]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Debt {
    #[command(subcommand)]
    what: Option<Settle>,
    /// The identity; all of them without it
    name: Option<String>,
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    at: At,
}

/// What is done about a debt.
#[derive(clap::Subcommand)]
enum Settle {
    /// Try at once to end what is owed
    Retry(Which),
}

/// `rotate`
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  turquoise rotate payments
  turquoise rotate payments --wait        tell each step; end when the old one is gone
  turquoise rotate payments --dry-run     whether it would begin, and how long it may take
  turquoise rotate --all

Exit codes:
  0   it was asked for; with --wait: the old credential is gone
  1   local or usage error
  2   with --wait: the provider would not mint
  3   no sidecar listens on the socket
  5   refused in this phase: it says when it is legal
  10  with --wait: the new credential did not pass, and the old one serves on
  11  with --wait: it is done, and the end of the old one could not be seen
  12  with --wait: an operator is needed")]
pub(crate) struct Rotate {
    #[command(flatten)]
    which: Which,
    /// Tell each step, and end when the round is over
    #[arg(long)]
    wait: bool,
    /// Ask for nothing, and say whether it would begin
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// `abort`
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  turquoise abort payments        end the candidate; the old credential never notices

Legal before the switch. After it: turquoise rollback.

Exit codes:
  0   it was asked for
  1   local or usage error
  3   no sidecar listens on the socket
  5   refused in this phase: it says when it is legal")]
pub(crate) struct Abort {
    #[command(flatten)]
    which: Which,
}

/// `rollback`
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  turquoise rollback payments     make the old credential current again, within its grace

Exit codes:
  0   it was asked for
  1   local or usage error
  3   no sidecar listens on the socket
  5   refused in this phase: it says when it is legal")]
pub(crate) struct Rollback {
    #[command(flatten)]
    which: Which,
}

/// `compromise`
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  turquoise compromise payments --yes
  turquoise compromise payments --generation 0123abcd-7 --yes

It never becomes current again and goes without a grace; the current one is
replaced at once. Work that holds it fails.

Exit codes:
  0   it was asked for
  1   local or usage error
  3   no sidecar listens on the socket
  5   refused in this phase: it says when it is legal")]
pub(crate) struct CompromiseArgs {
    #[command(flatten)]
    which: Which,
    /// Whose secret others know, by its name or number [default: the current one]
    #[arg(long, value_name = "GEN", conflicts_with = "all")]
    generation: Option<String>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// `break-glass`
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  turquoise break-glass payments --yes-revoke-first

Every credential of the identity ends before there is another one: nobody has one
in between. For a leak that must be closed whatever it costs; anything less is a
turquoise compromise.

Exit codes:
  0   it was asked for
  1   local or usage error
  3   no sidecar listens on the socket
  5   refused in this phase: it says when it is legal")]
pub(crate) struct BreakGlassArgs {
    #[command(flatten)]
    which: Which,
    /// That you know what it means
    #[arg(long, required = true)]
    yes_revoke_first: bool,
    /// Even where no login gives another credential afterwards
    #[arg(long)]
    even_without_login: bool,
}

/// `resolve`
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  turquoise resolve payments --keep 0123abcd-7          it is right: go on with it
  turquoise resolve payments --forget 0123abcd-7 --yes  it is gone: begin anew with a login

turquoise status says which credential that is. Where there is none: --forget none.

Exit codes:
  0   it was asked for
  1   local or usage error
  3   no sidecar listens on the socket
  5   refused in this phase: it says when it is legal")]
#[command(group(clap::ArgGroup::new("resolution").required(true).args(["keep", "forget"])))]
pub(crate) struct ResolveArgs {
    /// The identity: the label of its `rotation` stanza; not needed if there is one only
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// The current credential is right, after asking the provider
    #[arg(long, value_name = "GEN")]
    keep: Option<String>,
    /// The current credential is gone, whatever the provider says later
    #[arg(long, value_name = "GEN")]
    forget: Option<String>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    at: At,
}

/// `local-token`
#[derive(Subcommand)]
pub(crate) enum LocalToken {
    /// Make a new one
    Rotate(LocalTokenRotate),
}

/// `local-token rotate`
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  turquoise local-token rotate                  then have programs read the file again, within the hour
  turquoise local-token rotate --overlap 2d
  turquoise local-token rotate --overlap 0s     others know it: it is refused at once

The new one is in the file that the old one was in (`local_token_file`), mode 0600.
The old one is taken until the overlap is over, or the sidecar ends. Where no
sidecar runs: remove the file, and the next start makes another one.

Exit codes:
  0   it was replaced
  1   local or usage error
  3   no sidecar listens on the socket
  5   refused: the identity has no local token")]
pub(crate) struct LocalTokenRotate {
    /// The identity: the label of its `rotation` stanza; not needed if there is one only
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// So long the old one is taken as well, at most 32 days
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = humantime::parse_duration)]
    overlap: Duration,
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    at: At,
}

/// How a command ended that was not refused.
type Ended = Result<u8, Trouble>;

impl At {
    /// The sidecar's socket.
    fn client(&self) -> Result<Client, Trouble> {
        let named = self.admin.clone().or_else(|| std::env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from));
        let path = match (named, &self.config) {
            (Some(path), _) => path,
            (None, Some(file)) => configured(file)?,
            (None, None) => SOCKET.into(),
        };
        Ok(Client::new(path))
    }
}

/// The socket that a file names.
fn configured(file: &Path) -> Result<PathBuf, Trouble> {
    let checked = check(file).map_err(|why| Trouble::Usage(why.to_string()))?;
    let faults = || checked.remarks.faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let plan = checked.plan.ok_or_else(|| Trouble::Usage(faults()))?;
    let none =
        || Trouble::Usage(format!("{} has no `admin` stanza: add admin {{ }}, and start `turquoise run` again", file.display()));
    plan.watched.socket.map(|(path, _)| path).ok_or_else(none)
}

impl Which {
    /// The identities that are meant, with the sidecar.
    async fn find(&self) -> Result<(Client, Vec<Standing>), Trouble> {
        let client = self.at.client()?;
        let Standings { identities } = client.get("/v1/identities").await?;
        let found = match &self.name {
            Some(name) => vec![one(identities, name)?],
            None if self.all || identities.len() == 1 => identities,
            None => return Err(Trouble::Usage(format!("name one of {}, or say --all", names(&identities)))),
        };
        Ok((client, found))
    }
}

fn names(identities: &[Standing]) -> String {
    identities.iter().map(|standing| standing.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn one(identities: Vec<Standing>, name: &str) -> Result<Standing, Trouble> {
    let known = names(&identities);
    let found = identities.into_iter().find(|standing| standing.name == name);
    found.ok_or_else(|| Trouble::Usage(format!("there is no identity {name}; there are: {known}")))
}

/// Runs a command to its end.
fn ended(command: &str, doing: impl Future<Output = Ended>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(why) => {
            complain(format_args!("turquoise {command}: {why}"));
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(doing) {
        Ok(code) => code.into(),
        Err(why) => {
            complain(format_args!("turquoise {command}: {why}"));
            why.code().into()
        }
    }
}

/// Prints as it is wanted.
fn print<T: Serialize>(format: Format, told: &T, table: impl FnOnce(&T) -> String) -> Result<(), Trouble> {
    let text = match format {
        Format::Table => table(told),
        Format::Json => serde_json::to_string_pretty(told).map_err(|e| Trouble::Garbled(e.to_string()))?,
    };
    line(text)
}

/// A line on standard output.
fn line(text: impl std::fmt::Display) -> Result<(), Trouble> {
    let mut out = anstream::stdout().lock();
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    written.map_err(|cause| Trouble::Local { at: "standard output".into(), cause })
}

async fn standings(at: &At, name: Option<&String>) -> Result<Standings, Trouble> {
    let told: Standings = at.client()?.get("/v1/identities").await?;
    match name {
        None => Ok(told),
        Some(name) => Ok(Standings { identities: vec![one(told.identities, name)?] }),
    }
}

/// The worst of what is so.
fn judged(told: &Standings) -> u8 {
    let stuck = |standing: &Standing| standing.needs_operator.is_some() || standing.stalled || !standing.alive;
    if told.identities.iter().any(stuck) {
        STUCK
    } else if told.identities.iter().any(|standing| standing.debt.is_some()) {
        DEBT
    } else {
        0
    }
}

pub(crate) fn status(args: &Status) -> ExitCode {
    ended("status", async {
        let told = standings(&args.at, args.name.as_ref()).await?;
        print(args.format, &told, show::standings)?;
        Ok(judged(&told))
    })
}

pub(crate) fn watch(args: &Watch) -> ExitCode {
    ended("watch", async {
        let client = args.at.client()?;
        // It is there, and has this identity.
        standings(&args.at, args.name.as_ref()).await?;
        watch::watch(&client, args.name.as_deref(), args.format == Format::Json).await?;
        Ok(0)
    })
}

pub(crate) fn plan(args: &Plan) -> ExitCode {
    ended("plan", async {
        let client = args.at.client()?;
        let told: Plans = match &args.name {
            None => client.get("/v1/plan").await?,
            Some(name) => Plans { identities: vec![planned(&client, name).await?] },
        };
        print(args.format, &told, show::plans)?;
        Ok(0)
    })
}

async fn planned(client: &Client, name: &str) -> Result<Planned, Trouble> {
    client.get(&format!("/v1/identities/{name}/plan")).await
}

pub(crate) fn debt(args: &Debt) -> ExitCode {
    if let Some(Settle::Retry(which)) = &args.what {
        return ended("debt retry", ask_all(which, "retry", &json!({})));
    }
    ended("debt", async {
        let told = standings(&args.at, args.name.as_ref()).await?;
        let owed = told.identities.iter().filter_map(|standing| Some((standing, standing.debt.as_ref()?)));
        let owed: Vec<_> =
            owed.map(|(standing, debt)| show::Owing { identity: &standing.name, debt, reason: &standing.reason }).collect();
        print(args.format, &json!({"debts": owed}), |_| show::debts(&owed))?;
        Ok(if owed.is_empty() { 0 } else { DEBT })
    })
}

pub(crate) fn rotate(args: &Rotate) -> ExitCode {
    ended("rotate", async {
        let (client, found) = args.which.find().await?;
        if args.dry_run {
            return dry_run(&client, &found, args.format).await;
        }
        let mut begun = Vec::new();
        for standing in &found {
            let Accepted { after } = ask(&client, &standing.name, "rotate", &json!({})).await?;
            begun.push((standing.name.clone(), after));
        }
        if !args.wait {
            return Ok(0);
        }
        let mut worst = 0;
        for (name, after) in begun {
            worst = worst.max(round::follow(&client, &name, after, args.format == Format::Json).await?);
        }
        Ok(worst)
    })
}

async fn dry_run(client: &Client, found: &[Standing], format: Format) -> Ended {
    let mut identities = Vec::new();
    for standing in found {
        identities.push(planned(client, &standing.name).await?);
    }
    let told = Plans { identities };
    print(format, &told, show::dry_run)?;
    let refused = told.identities.iter().find_map(|planned| planned.refused.clone());
    refused.map_or(Ok(0), |why| Err(Trouble::Refused(why)))
}

/// Asks for something, and says so.
async fn ask(client: &Client, name: &str, verb: &str, body: &impl Serialize) -> Result<Accepted, Trouble> {
    let accepted = client.post(&format!("/v1/identities/{name}/{verb}"), body).await?;
    complain(format_args!("{name}: {verb} was accepted"));
    Ok(accepted)
}

async fn ask_all(which: &Which, verb: &str, body: &impl Serialize) -> Ended {
    let (client, found) = which.find().await?;
    for standing in &found {
        ask(&client, &standing.name, verb, body).await?;
    }
    Ok(0)
}

/// What destroys is asked for on a terminal, and needs its option elsewhere.
fn sure(yes: bool, what: &str) -> Result<(), Trouble> {
    if yes {
        return Ok(());
    }
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(Trouble::Usage(format!("{what}: where nobody can be asked this needs --yes")));
    }
    let mut out = anstream::stderr();
    let asked = write!(out, "{what}. Type yes to go on: ").and_then(|()| out.flush());
    let mut said = String::new();
    let heard = asked.and_then(|()| io::stdin().lock().read_line(&mut said));
    match heard {
        Ok(_) if said.trim() == "yes" => Ok(()),
        _ => Err(Trouble::Usage("nothing was asked for".to_owned())),
    }
}

pub(crate) fn abort(args: &Abort) -> ExitCode {
    ended("abort", ask_all(&args.which, "abort", &json!({})))
}

pub(crate) fn rollback(args: &Rollback) -> ExitCode {
    ended("rollback", ask_all(&args.which, "rollback", &json!({})))
}

pub(crate) fn compromise(args: &CompromiseArgs) -> ExitCode {
    ended("compromise", async {
        sure(args.yes, "The credential goes without a grace, and work that holds it fails")?;
        ask_all(&args.which, "compromise", &Compromise { generation: args.generation.clone() }).await
    })
}

pub(crate) fn break_glass(args: &BreakGlassArgs) -> ExitCode {
    ended("break-glass", async {
        // Who is there is asked all the same.
        let nobody = !(io::stdin().is_terminal() && io::stderr().is_terminal());
        sure(nobody && args.yes_revoke_first, "Every credential ends before there is another one: all work fails meanwhile")?;
        let body = BreakGlass { confirm: REVOKE_FIRST.to_owned(), even_without_login: args.even_without_login };
        ask_all(&args.which, "break-glass", &body).await
    })
}

pub(crate) fn resolve(args: &ResolveArgs) -> ExitCode {
    ended("resolve", async {
        let body = match (&args.keep, &args.forget) {
            (Some(generation), _) => Resolve::Keep(generation.clone()),
            (None, Some(generation)) => {
                sure(args.yes, "What served is given up, whatever the provider says of it later")?;
                Resolve::Forget(generation.clone())
            }
            (None, None) => return Err(Trouble::Usage("say --keep GEN or --forget GEN".to_owned())),
        };
        let client = args.at.client()?;
        let Standings { identities } = client.get("/v1/identities").await?;
        let name = named(args.name.as_ref(), &identities)?;
        ask(&client, &name, "resolve", &body).await?;
        Ok(0)
    })
}

/// The one that is named, or the only one.
fn named(name: Option<&String>, identities: &[Standing]) -> Result<String, Trouble> {
    match (name, identities) {
        (Some(name), _) => Ok(name.clone()),
        (None, [only]) => Ok(only.name.clone()),
        (None, _) => Err(Trouble::Usage(format!("name one of {}", names(identities)))),
    }
}

pub(crate) fn local_token(LocalToken::Rotate(args): &LocalToken) -> ExitCode {
    ended("local-token", async {
        let client = args.at.client()?;
        let Standings { identities } = client.get("/v1/identities").await?;
        let name = named(args.name.as_ref(), &identities)?;
        let overlap = Overlap { overlap: args.overlap.as_secs() };
        let replaced: Replaced = client.post(&format!("/v1/identities/{name}/local-token"), &overlap).await?;
        print(args.format, &replaced, show::replaced)?;
        Ok(0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::shape::{Ends, Owed};

    fn standing() -> Standing {
        Standing {
            name: "app".to_owned(),
            phase: "Steady".to_owned(),
            not_serving: None,
            current: None,
            second: None,
            debt: None,
            next_rotation: None,
            paused: None,
            grace_ends: None,
            needs_operator: None,
            stalled: false,
            alive: true,
            reason: None,
            rotations: Ends::default(),
            last_success: None,
        }
    }

    #[test]
    fn the_code_of_a_status_is_the_worst_that_is_so() {
        let owed = Owed { generation: "1-1".to_owned(), slot: "blue".to_owned(), dead_by: None };
        let indebted = Standing { debt: Some(owed), ..standing() };
        let stuck = Standing { needs_operator: Some("it is".to_owned()), ..standing() };
        let code = |identities: &[&Standing]| judged(&Standings { identities: identities.iter().copied().cloned().collect() });
        assert_eq!(code(&[&standing()]), 0);
        assert_eq!(code(&[&standing(), &indebted]), 11);
        assert_eq!(code(&[&stuck, &indebted, &standing()]), 12);
        assert_eq!(code(&[&Standing { stalled: true, ..standing() }]), 12);
        assert_eq!(code(&[&Standing { alive: false, ..standing() }]), 12);
    }

    #[test]
    fn what_somebody_else_says_does_not_command_the_terminal() {
        let told = Standing { reason: Some("\u{1b}[2Jgone\r\n".to_owned()), ..standing() };
        let told = show::standings(&Standings { identities: vec![told] });
        assert!(told.contains("gone") && !told.contains(['\u{1b}', '\r']), "{told:?}");
    }
}
