//! `policy`: the least policy that a rotation needs, and the role that goes with it.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use turquoise::core::Privileges;
use turquoise::vault::{App, Issued, Mount, Path, Probe, Role, Through, login_policy, policy, secret_id_policy};

const EXAMPLES: &str = "\
Examples:
  turquoise policy vault-token --role payments --probe secret/data/app
  turquoise policy vault-login --role payments --probe secret/data/app
  turquoise policy vault-token --role payments --lease database/creds/app
  turquoise policy vault-login --method jwt --mount kubernetes --role payments
  turquoise policy approle-secret-id --role payments --issued end
  turquoise policy vault-token --role payments | bao policy write turquoise -";

const TOKEN_EXAMPLES: &str = "\
Examples:
  turquoise policy vault-token --role payments --probe secret/data/app
  turquoise policy vault-token --create-orphan --privileges accessor
  turquoise policy vault-token --role payments | bao policy write turquoise -

Exit codes:
  0   it was printed
  1   local or usage error";

const LOGIN_EXAMPLES: &str = "\
Examples:
  turquoise policy vault-login --role payments --probe secret/data/app
  turquoise policy vault-login --method jwt --mount kubernetes --role payments

Exit codes:
  0   it was printed
  1   local or usage error";

const SECRET_ID_EXAMPLES: &str = "\
Examples:
  turquoise policy approle-secret-id --role payments
  turquoise policy approle-secret-id --role payments --issued end

Exit codes:
  0   it was printed
  1   local or usage error";

/// For what.
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
        #[command(flatten)]
        wishes: Wishes,
    },
    /// A token that is replaced by logging in again
    #[command(after_help = LOGIN_EXAMPLES)]
    VaultLogin {
        #[command(flatten)]
        role: LoginRole,
        #[command(flatten)]
        leased: Leased,
        #[command(flatten)]
        wishes: Wishes,
    },
    /// An AppRole's secret id
    #[command(after_help = SECRET_ID_EXAMPLES)]
    ApproleSecretId {
        #[command(flatten)]
        role: AppRole,
        #[command(flatten)]
        wishes: Wishes,
    },
}

/// What is to hang from a token.
#[derive(clap::Args)]
pub(crate) struct Leased {
    /// A path that leases are taken at, which are revoked before their token ends; may be given again
    #[arg(id = "lease", long = "lease", value_name = "PATH")]
    pub(crate) paths: Vec<Path>,
}

/// What is the same for every provider.
#[derive(clap::Args)]
struct Wishes {
    #[command(flatten)]
    tried: Tried,
    /// The name that the policy is to have on the server
    #[arg(long, value_name = "NAME", default_value = "turquoise")]
    name: Role,
}

/// What a candidate is tried on.
#[derive(clap::Args)]
pub(crate) struct Tried {
    /// A path that a new credential must be able to read before it serves; may be given again
    #[arg(long = "probe", value_name = "PATH")]
    paths: Vec<Path>,
}

impl Tried {
    pub(crate) fn probes(&self) -> Vec<Probe> {
        self.paths.iter().map(|path| Probe { path: path.clone(), max_latency: None }).collect()
    }
}

/// How a token mints its successors.
#[derive(clap::Args)]
pub(crate) struct TokenRole {
    /// The token role
    #[arg(long, required_unless_present = "create_orphan")]
    role: Option<Role>,
    /// Mint by `create-orphan`, which needs no role
    #[arg(long, conflicts_with = "role")]
    create_orphan: bool,
    #[command(flatten)]
    pub(crate) power: Power,
}

/// How one logs in.
#[derive(clap::Args)]
pub(crate) struct LoginRole {
    /// How one logs in
    #[arg(long, value_enum, default_value_t = Way::Approle)]
    pub(crate) method: Way,
    /// Where the method is mounted, without the leading auth/ [default: the method's name]
    #[arg(long)]
    mount: Option<Mount>,
    /// The method's role; of an AppRole, to learn how often its secret id can be used
    #[arg(long)]
    pub(crate) role: Option<Role>,
    #[command(flatten)]
    pub(crate) power: Power,
}

/// Whose secret id.
#[derive(clap::Args)]
pub(crate) struct AppRole {
    /// Where AppRole is mounted, without the leading auth/
    #[arg(long, default_value = "approle")]
    mount: Mount,
    /// The AppRole
    #[arg(long)]
    role: Role,
    /// What becomes of the tokens that an old secret id was used for
    #[arg(long, value_enum, default_value_t = Fate::Outlive)]
    issued: Fate,
}

#[derive(clap::Args)]
pub(crate) struct Power {
    /// What power a token has over others
    #[arg(long, value_enum, default_value_t = Reach::Own)]
    privileges: Reach,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Way {
    /// With a role id and a secret id
    Approle,
    /// With a signed web token, also in Kubernetes
    Jwt,
    /// With the client certificate of the connection
    Cert,
}

#[derive(Clone, Copy, ValueEnum)]
enum Reach {
    /// None: what a crash has lost ends by itself
    #[value(name = "self")]
    Own,
    /// It can end any token, and so what a crash has lost at once
    Accessor,
}

#[derive(Clone, Copy, ValueEnum)]
enum Fate {
    /// They live on, to their own end
    Outlive,
    /// They are ended; that takes power over all tokens
    End,
}

impl Power {
    pub(crate) const fn privileges(&self) -> Privileges {
        match self.privileges {
            Reach::Own => Privileges::OnlySelf,
            Reach::Accessor => Privileges::Accessor,
        }
    }
}

impl TokenRole {
    pub(crate) fn through(&self) -> Through {
        self.role.clone().map_or(Through::CreateOrphan, Through::Role)
    }
}

impl LoginRole {
    pub(crate) fn mount(&self) -> Mount {
        let name = match self.method {
            Way::Approle => "approle",
            Way::Jwt => "jwt",
            Way::Cert => "cert",
        };
        self.mount.clone().unwrap_or_else(|| name.parse().expect("a method's name is a mount's"))
    }

    /// The AppRole, if it is one and has a name.
    fn app(&self) -> Option<App> {
        match self.method {
            Way::Approle => self.role.clone().map(|role| App { mount: self.mount(), role }),
            Way::Jwt | Way::Cert => None,
        }
    }

    /// Where the server keeps the role.
    fn path(&self) -> String {
        let kind = match self.method {
            Way::Approle | Way::Jwt => "role",
            Way::Cert => "certs",
        };
        let role = self.role.as_ref().map_or_else(|| "ROLE".to_owned(), ToString::to_string);
        format!("auth/{}/{kind}/{role}", self.mount())
    }
}

impl AppRole {
    pub(crate) fn app(&self) -> App {
        App { mount: self.mount.clone(), role: self.role.clone() }
    }

    pub(crate) const fn issued(&self) -> Issued {
        match self.issued {
            Fate::Outlive => Issued::Outlive,
            Fate::End => Issued::End,
        }
    }
}

/// Prints it.
pub(crate) fn run(args: &Args) -> ExitCode {
    match io::stdout().write_all(text(&args.provider).as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn text(provider: &Provider) -> String {
    match provider {
        Provider::VaultToken { role, leased, wishes } => {
            let rules = policy(role.through(), &wishes.tried.probes(), role.power.privileges()).leasing(&leased.paths);
            let name = &wishes.name;
            match role.through() {
                Through::Role(role) => format!(
                    "\
# What each token of the role `{role}` needs, since each mints the next. The role:
#   bao write auth/token/roles/{role} allowed_policies={name} token_no_default_policy=true \\
#     orphan=true renewable=true token_type=service
# The first token, for the token file:
#   bao write -field=token auth/token/create/{role} ttl=24h
{rules}"
                ),
                Through::CreateOrphan => format!(
                    "\
# What each token needs, since each mints the next, with its own policies. The first token, for the token file:
#   bao write -field=token auth/token/create-orphan policies={name} no_default_policy=true ttl=24h
{rules}"
                ),
            }
        }
        Provider::VaultLogin { role, leased, wishes } => {
            let rules = login_policy(role.app().as_ref(), &wishes.tried.probes(), role.power.privileges());
            let rules = rules.leasing(&leased.paths);
            let (path, name) = (role.path(), &wishes.name);
            let uses = match role.method {
                Way::Approle => " secret_id_num_uses=0",
                Way::Jwt | Way::Cert => "",
            };
            format!(
                "\
# What a token needs that logs in to `{path}`. Have `{name}` among the role's `token_policies`, and:
#   bao write {path} token_type=service token_period=0 token_num_uses=0 \\
#     token_ttl=60s token_max_ttl=24h{uses}
# `token_ttl` is best the probation: so long a login lives whose answer is lost, and with more each rotation takes a request more.
# `token_max_ttl` must be more than the period of the rotation and its grace.
{rules}"
            )
        }
        Provider::ApproleSecretId { role, wishes } => {
            let rules = secret_id_policy(&role.app(), role.issued(), &wishes.tried.probes());
            let (App { mount, role }, name) = (role.app(), &wishes.name);
            format!(
                "\
# What a token needs that logs in to the AppRole `{role}`. Have `{name}` among the role's `token_policies`, and:
#   bao write auth/{mount}/role/{role} token_type=service token_num_uses=0 \\
#     secret_id_num_uses=0 secret_id_ttl=72h
# `secret_id_ttl` must be more than twice the period of the rotation. The first secret id, for the file:
#   bao write -field=secret_id -f auth/{mount}/role/{role}/secret-id
{rules}"
            )
        }
    }
}
