//! `doctor`: whether a server lets a rotation do all that it must, tried with credentials that are thrown away.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use turquoise::core::Privileges;
use turquoise::vault::doctor::{self, Finding, Outcome, Plan, Report, Verdict};
use turquoise::vault::{
    Address, ClientCertificate, LoginConfig, Method, Namespace, Path, Rule, SecretIdConfig, Tls, TokenConfig, Upstream,
};

use crate::policy::{AppRole, Leased, LoginRole, TokenRole, Tried, Way};

/// What a report comes to, as it is told to who asks how to ask.
macro_rules! examples {
    ($examples:literal) => {
        concat!(
            "Examples:\n",
            $examples,
            "
Nothing that is in use is changed: what is renewed and ended was made for that. It
lives for the probation at most if this process dies over it.

Exit codes:
  0   a rotation has all that it needs, warnings apart
  1   local or usage error
  2   the server did not answer, or not clearly
  13  a line of policy is missing, or a role would defeat a rotation"
        )
    };
}

const EXAMPLES: &str = examples!(
    "  turquoise doctor vault-token --address https://bao:8200 --ca-cert ca.pem \\
    --role payments --token-file /etc/turquoise/token --probe secret/data/app
  turquoise doctor vault-login --address unix:///run/bao.sock --role payments \\
    --role-id-file role-id --secret-id-file secret-id --every 6h --grace 10m
  turquoise doctor approle-secret-id --address https://bao:8200 --role payments \\
    --role-id-file role-id --secret-id-file secret-id --format json
"
);

const TOKEN_EXAMPLES: &str = examples!(
    "  turquoise doctor vault-token --address https://bao:8200 --ca-cert ca.pem \\
    --role payments --token-file /etc/turquoise/token --probe secret/data/app
  turquoise doctor vault-token --address https://bao:8200 --role payments \\
    --token-file token --lease database/creds/app --every 12h
"
);

const LOGIN_EXAMPLES: &str = examples!(
    "  turquoise doctor vault-login --address unix:///run/bao.sock --role payments \\
    --role-id-file role-id --secret-id-file secret-id --every 6h --grace 10m
  turquoise doctor vault-login --address https://bao:8200 --method jwt \\
    --mount kubernetes --role payments --jwt-file token
"
);

const SECRET_ID_EXAMPLES: &str = examples!(
    "  turquoise doctor approle-secret-id --address https://bao:8200 --role payments \\
    --role-id-file role-id --secret-id-file secret-id --format json
"
);

/// What is to be rotated, and how.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    provider: Provider,
}

#[derive(Subcommand)]
enum Provider {
    /// A token that mints its successors
    #[command(after_help = TOKEN_EXAMPLES)]
    VaultToken {
        #[command(flatten)]
        role: TokenRole,
        #[command(flatten)]
        leased: Leased,
        /// The file that holds the token
        #[arg(long, value_name = "FILE")]
        token_file: PathBuf,
        #[command(flatten)]
        common: Common,
    },
    /// A token that is replaced by logging in again
    #[command(after_help = LOGIN_EXAMPLES)]
    VaultLogin {
        #[command(flatten)]
        role: LoginRole,
        #[command(flatten)]
        leased: Leased,
        /// The file that holds the AppRole's role id
        #[arg(long, value_name = "FILE")]
        role_id_file: Option<PathBuf>,
        /// The file that holds the AppRole's secret id
        #[arg(long, value_name = "FILE")]
        secret_id_file: Option<PathBuf>,
        /// The file that holds the signed web token
        #[arg(long, value_name = "FILE")]
        jwt_file: Option<PathBuf>,
        /// The longest life that a login whose answer is lost may have
        #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = humantime::parse_duration)]
        login_life: Duration,
        #[command(flatten)]
        common: Common,
    },
    /// An AppRole's secret id
    #[command(after_help = SECRET_ID_EXAMPLES)]
    ApproleSecretId {
        #[command(flatten)]
        role: AppRole,
        /// The file that holds the role id
        #[arg(long, value_name = "FILE")]
        role_id_file: PathBuf,
        /// The file that holds the secret id
        #[arg(long, value_name = "FILE")]
        secret_id_file: PathBuf,
        #[command(flatten)]
        common: Common,
    },
}

/// What is the same for every provider.
#[derive(clap::Args)]
struct Common {
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    tried: Tried,
    /// How often there is to be a rotation
    #[arg(long, value_name = "DURATION", default_value = "12h", value_parser = humantime::parse_duration)]
    every: Duration,
    /// How long the old credential lives on after the switch
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = humantime::parse_duration)]
    grace: Duration,
    /// The first life of a candidate, and of all that is thrown away here
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = humantime::parse_duration)]
    probation: Duration,
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// Where the server is.
#[derive(clap::Args)]
struct Server {
    /// `https://HOST:PORT`, `http://HOST:PORT` or `unix:///PATH`; may be given again for other nodes
    #[arg(long, required = true)]
    address: Vec<Address>,
    /// The namespace of all that is asked
    #[arg(long)]
    namespace: Option<Namespace>,
    /// The certificates of the authorities that are trusted, in PEM [default: the system's]
    #[arg(long, value_name = "FILE")]
    ca_cert: Option<PathBuf>,
    /// Our own certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// Its key, in PEM
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,
    /// The name that the server's certificate is for, if it is not the address's host
    #[arg(long, value_name = "NAME")]
    tls_server_name: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// A table, to be read
    Table,
    /// JSON, for programs
    Json,
}

impl Server {
    fn upstream(&self) -> Upstream {
        let pair = self.client_cert.clone().zip(self.client_key.clone());
        let client = pair.map(|(certificate, key)| ClientCertificate { certificate, key });
        let tls = Tls { authority: self.ca_cert.clone(), client, server_name: self.tls_server_name.clone() };
        Upstream { namespace: self.namespace.clone(), tls, ..Upstream::new(self.address.clone()) }
    }
}

impl Common {
    fn plan<'a>(&self, privileges: Privileges, leases: &'a [Path]) -> Plan<'a> {
        let Self { probation, every, .. } = *self;
        Plan { probation, life: every.saturating_add(self.grace), privileges, every, leases }
    }
}

impl Provider {
    fn common(&self) -> &Common {
        match self {
            Self::VaultToken { common, .. } | Self::VaultLogin { common, .. } | Self::ApproleSecretId { common, .. } => common,
        }
    }

    async fn examine(&self, stop: impl FnMut() -> bool + Send) -> Result<Report, String> {
        let (common, upstream) = (self.common(), self.common().server.upstream());
        match self {
            Self::VaultToken { role, leased, token_file, .. } => {
                let probes = common.tried.probes();
                let config = TokenConfig { probes, ..TokenConfig::new(upstream, role.through(), token_file) };
                doctor::token(config, common.plan(role.power.privileges(), &leased.paths), stop)
                    .await
                    .map_err(|why| why.to_string())
            }
            Self::VaultLogin { role, leased, role_id_file, secret_id_file, jwt_file, login_life, .. } => {
                let mount = role.mount();
                let method = match role.method {
                    Way::Approle => Method::AppRole {
                        mount,
                        role_id_file: needed(role_id_file.as_ref(), "--role-id-file")?,
                        secret_id_file: secret_id_file.clone(),
                        role: role.role.clone(),
                    },
                    Way::Jwt => Method::Jwt {
                        mount,
                        role: needed(role.role.as_ref(), "--role")?,
                        jwt_file: needed(jwt_file.as_ref(), "--jwt-file")?,
                    },
                    Way::Cert => Method::Certificate { mount, role: role.role.clone() },
                };
                let probes = common.tried.probes();
                let config = LoginConfig { probes, login_life: *login_life, ..LoginConfig::new(upstream, method) };
                doctor::login(config, common.plan(role.power.privileges(), &leased.paths), stop)
                    .await
                    .map_err(|why| why.to_string())
            }
            Self::ApproleSecretId { role, role_id_file, secret_id_file, .. } => {
                let (role_id_file, secret_id_file) = (role_id_file.clone(), secret_id_file.clone());
                let (app, issued, probes) = (role.app(), role.issued(), common.tried.probes());
                let config = SecretIdConfig { upstream, app, role_id_file, secret_id_file, probes, issued };
                let plan = common.plan(Privileges::OnlySelf, &[]);
                // Its life is set once, and it must outlive the next one's making.
                let plan = Plan { life: plan.life.saturating_add(common.every), ..plan };
                doctor::secret_id(config, plan, stop).await.map_err(|why| why.to_string())
            }
        }
    }
}

fn needed<T: Clone>(value: Option<&T>, name: &str) -> Result<T, String> {
    value.cloned().ok_or_else(|| format!("this way to log in needs {name}: give it"))
}

/// Looks, and tells.
pub(crate) fn run(args: &Args) -> ExitCode {
    let ended = Builder::new_current_thread().enable_all().build().map_err(|why| why.to_string()).and_then(|runtime| {
        runtime.block_on(async {
            let stopped = stopped().map_err(|why| why.to_string())?;
            args.provider.examine(|| stopped.load(Ordering::Relaxed)).await
        })
    });
    let report = match ended {
        Ok(report) => report,
        Err(why) => {
            drop(writeln!(anstream::stderr(), "turquoise: {why}"));
            return ExitCode::FAILURE;
        }
    };
    let text = match args.provider.common().format {
        Format::Table => table(&report),
        Format::Json => format!("{:#}\n", json(&report)),
    };
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => code(report.verdict()).into(),
        Err(_) => ExitCode::FAILURE,
    }
}

/// Comes true when somebody wants us to stop: what was made is then ended first.
fn stopped() -> io::Result<Arc<AtomicBool>> {
    let stopped = Arc::new(AtomicBool::new(false));
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let (mut signals, stopped) = (signal(kind)?, Arc::clone(&stopped));
        tokio::spawn(async move {
            if signals.recv().await.is_some() {
                stopped.store(true, Ordering::Relaxed);
            }
        });
    }
    Ok(stopped)
}

const fn code(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Fit => 0,
        Verdict::Local => 1,
        Verdict::Failed => 2,
        Verdict::Unfit => 13,
    }
}

const fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Good => "good",
        Outcome::Warning => "warning",
        Outcome::Missing => "missing",
        Outcome::Unfit => "unfit",
        Outcome::Failed => "unanswered",
        Outcome::Local => "not here",
        Outcome::Skipped => "not tried",
    }
}

const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Fit => "fit",
        Verdict::Local => "not here",
        Verdict::Failed => "unanswered",
        Verdict::Unfit => "unfit",
    }
}

const fn sentence(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Fit => "A rotation has all that it needs.",
        Verdict::Local => "Nothing is known: something is missing on this machine.",
        Verdict::Failed => "It is not known whether a rotation has all that it needs: ask again when the server answers.",
        Verdict::Unfit => "A rotation would fail: change what is said above, and ask again.",
    }
}

fn table(report: &Report) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_width(110);
    table.set_header(["", "who", "what", "found"]);
    for Finding { outcome, subject, what, words, .. } in &report.findings {
        table.add_row([word(*outcome), subject, what, words]);
    }
    let parts = [
        format!("{table}\n"),
        list("Missing in the policy:", &missing(report)),
        list("Not cleaned up:", &report.left),
        list("Not looked at:", &report.unchecked),
        format!("\n{}\n", sentence(report.verdict())),
    ];
    parts.concat()
}

fn list(title: &str, lines: &[String]) -> String {
    match lines {
        [] => String::new(),
        lines => format!("\n{title}\n  {}\n", lines.join("\n  ")),
    }
}

/// Each line once, as `turquoise policy` prints it.
fn missing(report: &Report) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in report.missing().map(ToString::to_string) {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

fn json(report: &Report) -> Value {
    let findings = report.findings.iter().map(|finding| {
        json!({
            "outcome": word(finding.outcome),
            "who": finding.subject,
            "what": finding.what,
            "found": finding.words,
            "line": finding.line.as_ref().map(Rule::to_string),
        })
    });
    json!({
        "verdict": verdict(report.verdict()),
        "findings": findings.collect::<Vec<_>>(),
        "missing": missing(report),
        "not_cleaned_up": report.left,
        "not_looked_at": report.unchecked,
    })
}
