//! `journal audit`: the journal replayed, and compared with the server's own log.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use tokio::runtime::Builder;
use turquoise::core::{BootId, Instant, Ledger, Policy, Relogin, Step};
use turquoise::journal::read;
use turquoise::port::{Contract, Entry, History, Reply};
use turquoise::vault::{Address, AuditHash, Mount, Namespace, Tls, Upstream};
use turquoise_audit::{Judgement, Limits, Log, Rest, Told, Whose};

use super::Format;
use crate::say::complain;

const EXAMPLES: &str = "\
Examples:
  turquoise journal audit /var/lib/turquoise/journal
                                whether each record may follow the one before it
  turquoise journal audit journal --audit-log audit.log --grace 10m --ends-within 2m
                                whether the server saw what the journal says
  turquoise journal audit journal --audit-log n1/audit.log --audit-log n2/audit.log
                                the logs of all nodes of a cluster
  turquoise journal audit journal --audit-log audit.log --device file \\
    --address https://bao:8200 --token-file auditor-token
                                where the log has accessors hashed

What is not told is not judged, and is listed. docs/audit.md says what can be seen in
such a log and what cannot.

Exit codes:
  0   nothing contradicts a property
  1   a file cannot be read, or is damaged: its name and the byte are said
  2   the server did not hash the journal's handles
  14  something that must hold does not";

/// Which journal, and beside what.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The journal
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The server's audit log, of a file audit device; may be given again for other nodes
    #[arg(long, value_name = "FILE")]
    audit_log: Vec<PathBuf>,
    /// Judge all tokens of this role, or secret ids of this AppRole, not only what bears this journal's ids
    #[arg(long)]
    role: Option<String>,
    /// The grace of the rotation
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    grace: Option<Duration>,
    /// How long after its grace a superseded credential may live at most
    #[arg(long, value_name = "DURATION", requires = "grace", value_parser = humantime::parse_duration)]
    ends_within: Option<Duration>,
    /// The most requests that a rotation may take, without what work and probes read
    #[arg(long, value_name = "COUNT")]
    requests: Option<usize>,
    /// Nothing is under way at the end of the log: one credential may live
    #[arg(long)]
    at_rest: bool,
    /// What is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    hashing: Hashing,
}

/// Who hashes handles.
#[derive(clap::Args)]
struct Hashing {
    /// Have this server hash the journal's handles, as its log has them
    #[arg(long, requires = "token_file", requires = "audit_log")]
    address: Option<Address>,
    /// The namespace of the token
    #[arg(long, requires = "address")]
    namespace: Option<Namespace>,
    /// The certificates of the authorities that are trusted, in PEM [default: the system's]
    #[arg(long, value_name = "FILE", requires = "address")]
    ca_cert: Option<PathBuf>,
    /// The file of a token that may `update` sys/audit-hash/DEVICE
    #[arg(long, value_name = "FILE", requires = "address")]
    token_file: Option<PathBuf>,
    /// The audit device
    #[arg(long, default_value = "file")]
    device: Mount,
}

/// Why nothing can be said.
enum Trouble {
    File(String),
    Server(String),
}

/// Replays and compares.
pub(super) fn run(args: &Args) -> ExitCode {
    let (trouble, code) = match report(args) {
        Ok(report) => return report.print(args.format),
        Err(Trouble::File(why)) => (why, 1),
        Err(Trouble::Server(why)) => (why, 2),
    };
    complain(format_args!("turquoise: {trouble}"));
    ExitCode::from(code)
}

/// What was found.
#[derive(Serialize)]
struct Report {
    journal: PathBuf,
    /// Records in the file, and records that were replayed.
    records: usize,
    replayed: usize,
    /// The phase that they lead to.
    phase: String,
    /// Why no more were replayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    illegal: Option<String>,
    torn: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<Judgement>,
    /// Of the credentials that the journal names, how many the log has.
    #[serde(skip_serializing_if = "Option::is_none")]
    named: Option<(usize, usize)>,
}

fn report(args: &Args) -> Result<Report, Trouble> {
    let written = read(&args.file).map_err(|why| Trouble::File(why.to_string()))?;
    let Replayed { count, ledger, fault } = Replayed::of(&written.history);
    let mut report = Report {
        journal: args.file.clone(),
        records: written.history.entries.len(),
        replayed: count,
        phase: format!("{:?}", ledger.phase().kind()),
        illegal: fault,
        torn: written.torn.is_some(),
        server: None,
        named: None,
    };
    if !args.audit_log.is_empty() {
        let log = Log::read(&args.audit_log, Limits::default()).map_err(|why| Trouble::File(why.to_string()))?;
        compare(args, &written.history, &log, &mut report)?;
    }
    Ok(report)
}

fn compare(args: &Args, history: &History, log: &Log, report: &mut Report) -> Result<(), Trouble> {
    let told = told(args).with_journal(history);
    let Some(announced) = told.announced.as_ref().filter(|announced| !announced.journal.is_empty()) else {
        return Err(Trouble::File(format!("{} names no credential yet: there is nothing to compare", args.file.display())));
    };
    let journal = Whose::Journal(announced.journal.clone());
    let handles: Vec<_> = announced.handles.values().cloned().collect();
    let whose = args.role.clone().map_or(journal, Whose::Role);
    let mut names = log.accessors(&whose);
    names.extend(handles);
    let told = Told { hashes: args.hashing.hash(&names)?, ..told };
    report.named = Some(log.named(&whose, &told));
    report.server = Some(log.judge(&whose, &told));
    Ok(())
}

fn told(args: &Args) -> Told {
    let rest = if args.at_rest { Rest::Quiet } else { Rest::Anywhere };
    let Args { grace, ends_within, requests, .. } = *args;
    Told { grace, ends_within, requests, rest, ..Told::default() }
}

impl Hashing {
    /// What the server's hashes of these names stand for. Nothing, where no server is named.
    fn hash(&self, names: &[String]) -> Result<BTreeMap<String, String>, Trouble> {
        let Some((address, token_file)) = self.address.clone().zip(self.token_file.as_ref()) else {
            return Ok(BTreeMap::new());
        };
        let local = |why: &dyn Display| Trouble::File(why.to_string());
        let tls = Tls { authority: self.ca_cert.clone(), ..Tls::default() };
        let upstream = Upstream { namespace: self.namespace.clone(), tls, ..Upstream::new([address]) };
        let server = AuditHash::new(&upstream, token_file, &self.device).map_err(|why| local(&why))?;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|why| local(&why))?;
        runtime.block_on(async {
            let mut hashes = BTreeMap::new();
            for name in names {
                let hash = match server.hash(name).await {
                    Reply::Applied(hash) => hash,
                    Reply::Refused(why) | Reply::Unavailable(why) | Reply::Unknown(why) => return Err(Trouble::Server(why.0)),
                    Reply::Throttled { reason, .. } => return Err(Trouble::Server(reason.0)),
                };
                hashes.insert(hash, name.clone());
            }
            Ok(hashes)
        })
    }
}

/// How far the transition table takes a journal.
struct Replayed {
    count: usize,
    ledger: Ledger,
    fault: Option<String>,
}

impl Replayed {
    /// Whether secrets outlive a process is not written in a journal, but only one of both fits it.
    fn of(history: &History) -> Self {
        let ways = [Relogin::Possible, Relogin::EachStart].map(|relogin| Self::with(history, relogin));
        let [survives, bereft] = ways;
        if survives.fault.is_some() && bereft.count > survives.count { bereft } else { survives }
    }

    /// What else is in a policy is of account for lives alone, which are not judged here.
    fn with(history: &History, relogin: Relogin) -> Self {
        let policy = Policy { relogin, ..Contract::PROMPT.policy() };
        let (boot, at) =
            history.entries.first().map_or((BootId::default(), Instant::default()), |entry| (entry.record.boot, entry.record.at));
        let mut ledger = match &history.base {
            Some(base) => Ledger::from_checkpoint(&base.checkpoint, &policy),
            None => Ledger::new(incarnation(&history.entries), boot, at),
        };
        for (count, entry) in history.entries.iter().enumerate() {
            if let Err(why) = ledger.apply(&entry.record, &policy) {
                return Self { count, ledger, fault: Some(why.to_string()) };
            }
        }
        Self { count: history.entries.len(), ledger, fault: None }
    }
}

fn incarnation(entries: &[Entry]) -> u32 {
    let mint = |entry: &Entry| match entry.record.step {
        Step::LoginIntent { mint } | Step::IssueIntent { mint, .. } => Some(mint.generation.incarnation),
        _ => None,
    };
    entries.iter().find_map(mint).unwrap_or_default()
}

impl Report {
    fn holds(&self) -> bool {
        self.illegal.is_none() && self.server.as_ref().is_none_or(Judgement::holds)
    }

    fn print(&self, format: Format) -> ExitCode {
        let text = match format {
            Format::Table => self.text(),
            Format::Json => serde_json::to_string_pretty(self).unwrap_or_default() + "\n",
        };
        if io::stdout().write_all(text.as_bytes()).is_err() {
            return ExitCode::FAILURE;
        }
        if self.holds() { ExitCode::SUCCESS } else { ExitCode::from(14) }
    }

    fn text(&self) -> String {
        let Self { journal, records, replayed, phase, .. } = self;
        let mut lines = vec![format!("{}: {replayed} of {records} records replayed, it ends in {phase}", journal.display())];
        lines.extend(self.illegal.iter().map(|why| format!("violated: {why}")));
        if self.torn {
            lines.push("its tail is torn, or being written: that is no record".to_owned());
        }
        lines.extend(self.named.map(|(found, all)| format!("of {all} credentials that it names the log has {found}")));
        lines.push(match &self.server {
            Some(judgement) => judgement.to_string().trim_end().to_owned(),
            None => "not compared with the server's own log: give --audit-log".to_owned(),
        });
        lines.push(if self.holds() { "nothing contradicts a property" } else { "NOT as it must be" }.to_owned());
        lines.join("\n") + "\n"
    }
}
