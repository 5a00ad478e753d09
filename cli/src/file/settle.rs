//! From what stands in a file to what it comes to. Each key is known and of its kind by now.

use std::path::PathBuf;
use std::time::Duration;

use turquoise::core::{AtStop, Budget, Consumers, Jitter, Policy, PolicyError, Privileges, Relogin, Sown, Via, Writer};
use turquoise::sink::Mode;
use turquoise::vault::{Address, ClientCertificate, LoginConfig, Method, Mount, Probe, Role, Tls, TokenConfig, Upstream};

use super::plan::{Log, Origin, Plan, Provider, Setting};
use super::source::Source;
use super::tree::{At, Item, Table, Value};
use super::value::{self, show_duration};
use super::walk::Remarks;

/// What the environment says.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Where the agents look for a server that nobody named.
const SERVER: &str = "https://127.0.0.1:8200";
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const JOURNALS: &str = "/var/lib/turquoise";
/// What an agent gives a sink's file that has no `mode`.
const AGENTS_MODE: u32 = 0o640;
const OUR_MODE: u32 = 0o600;
const PROBES: u16 = 3;
/// The order in which settings are shown; single keys come last.
const STANZAS: [&str; 4] = ["vault.", "auto_auth.", "rotation.", "journal."];

/// Settles everything, or adds to the faults.
pub(crate) fn settle(source: &Source, table: &Table, environment: Environment<'_>, remarks: &mut Remarks) -> Option<Plan> {
    let mut settler = Settler { source, table, environment, remarks, settings: Vec::new() };
    let plan = settler.plan();
    let mut settings = std::mem::take(&mut settler.settings);
    settings.sort_by_key(|setting| STANZAS.iter().position(|stanza| setting.key.starts_with(stanza)).unwrap_or(STANZAS.len()));
    plan.map(|plan| Plan { settings, ..plan }).filter(|_| remarks.faults.is_empty())
}

struct Settler<'a, 'b> {
    source: &'a Source,
    table: &'a Table,
    environment: Environment<'a>,
    remarks: &'b mut Remarks,
    settings: Vec<Setting>,
}

/// A stanza, with its place in the file and among the keys.
#[derive(Clone, Copy)]
struct Stanza<'a> {
    path: &'static str,
    table: Option<&'a Table>,
    at: At,
}

impl<'a> Stanza<'a> {
    fn item(&self, key: &'a str) -> Option<&'a Item> {
        self.table.and_then(|table| table.first(key))
    }

    fn within(&self, path: &'static str, key: &'a str) -> Self {
        let item = self.item(key);
        Self { path, table: item.and_then(Item::table), at: item.map_or(self.at, |item| item.at) }
    }
}

impl<'a> Settler<'a, '_> {
    fn fault<T>(&mut self, at: At, what: &str, remedy: impl Into<String>) -> Option<T> {
        self.remarks.faults.push(self.source.remark(at, what, remedy));
        None
    }

    fn notice(&mut self, at: At, what: &str, remedy: &str) {
        self.remarks.notices.push(self.source.remark(at, what, remedy));
    }

    fn set(&mut self, key: String, value: String, from: Origin) {
        self.settings.push(Setting { key, value, from });
    }

    /// A value of the file, else the default; noted as a setting.
    fn pick<T>(
        &mut self,
        stanza: Stanza<'a>,
        key: &'a str,
        read: impl Fn(&Value) -> Option<T>,
        show: impl Fn(&T) -> String,
        default: Option<T>,
    ) -> Option<T> {
        let found = stanza.item(key).and_then(|item| Some((read(&item.value)?, item.at.0)));
        let (value, from) = match found {
            Some((value, start)) => (value, Origin::File(self.source.place(start))),
            None => (default?, Origin::Default),
        };
        let path = if stanza.path.is_empty() { key.to_owned() } else { format!("{}.{key}", stanza.path) };
        self.set(path, show(&value), from);
        Some(value)
    }

    fn text(&mut self, stanza: Stanza<'a>, key: &'a str, default: Option<&str>) -> Option<String> {
        self.pick(stanza, key, value::text, String::clone, default.map(str::to_owned))
    }

    fn duration(&mut self, stanza: Stanza<'a>, key: &'a str, default: Duration) -> Duration {
        self.pick(stanza, key, value::duration, |value| show_duration(*value), Some(default)).unwrap_or(default)
    }

    fn flag(&mut self, stanza: Stanza<'a>, key: &'a str) -> bool {
        self.pick(stanza, key, value::flag, bool::to_string, Some(false)).unwrap_or_default()
    }

    /// The environment wins over the file: `BAO_…` first, then `VAULT_…`.
    fn text_or_environment(&mut self, stanza: Stanza<'a>, key: &'a str, variable: &str, default: Option<&str>) -> Option<String> {
        for name in [format!("BAO_{variable}"), format!("VAULT_{variable}")] {
            if let Some(value) = (self.environment)(&name).filter(|value| !value.is_empty()) {
                self.set(format!("{}.{key}", stanza.path), value.clone(), Origin::Environment(name));
                return Some(value);
            }
        }
        self.text(stanza, key, default)
    }

    /// A text that is parsed.
    fn name<T: std::str::FromStr>(&mut self, stanza: Stanza<'a>, key: &'a str, form: &str) -> Option<T> {
        let text = self.text(stanza, key, None)?;
        let at = stanza.item(key).map_or(stanza.at, |item| item.at);
        text.parse().ok().or_else(|| self.fault(at, &format!("`{key}` has a value that cannot be used"), form))
    }

    fn plan(&mut self) -> Option<Plan> {
        let file = Stanza { path: "", table: Some(self.table), at: (0, 0) };
        let rotation = self.rotation(file)?;
        let upstream = self.upstream(file);
        let auth = file.within("auto_auth", "auto_auth");
        if auth.table.is_none() {
            return self.fault((0, 0), "there is no `auto_auth`", "add one: it says how to log in, and where the token goes");
        }
        let timing = self.timing(rotation, auth);
        let sink = self.sink(file, auth, rotation);
        let provider = self.provider(rotation, auth, upstream?, &timing);
        let (policy, on_stop) = (self.policy(rotation, &timing, provider.as_ref()), self.on_stop(rotation));
        let start_spread = self.duration(rotation, "start_spread", Duration::from_secs(5));
        let journal = self.journal(file, rotation);
        let pid_file = self.text(file, "pid_file", None).map(PathBuf::from);
        let exit_after_auth = self.flag(file, "exit_after_auth");
        let level = self.text(file, "log_level", Some("info")).unwrap_or_default();
        let is_json = self.text(file, "log_format", Some("standard")).is_some_and(|format| format == "json");
        let (sink, mode) = sink?;
        Some(Plan {
            provider: provider?,
            policy: policy?,
            sink,
            mode,
            journal,
            on_stop,
            start_spread: if exit_after_auth { Duration::ZERO } else { start_spread },
            pid_file,
            exit_after_auth,
            log: Log { level, is_json },
            settings: Vec::new(),
        })
    }

    /// The one rotation of the file.
    fn rotation(&mut self, file: Stanza<'a>) -> Option<Stanza<'a>> {
        if let Some(second) = self.table.all("rotation").nth(1) {
            return self.fault(second.at, "a second `rotation` is not in this version", "run one process for each");
        }
        Some(file.within("rotation", "rotation"))
    }

    fn upstream(&mut self, file: Stanza<'a>) -> Option<Upstream> {
        let vault = file.within("vault", "vault");
        for variable in ["SKIP_VERIFY", "CAPATH"] {
            for name in [format!("BAO_{variable}"), format!("VAULT_{variable}")] {
                let set = (self.environment)(&name).filter(|value| !["", "0", "false"].contains(&value.as_str()));
                if set.is_some() {
                    let remedy = "certificates are checked against one PEM file: unset it, and name that file as `ca_cert`";
                    self.fault::<()>(vault.at, &format!("{name} is set in the environment"), remedy);
                }
            }
        }
        let address = self.text_or_environment(vault, "address", "ADDR", Some(SERVER))?;
        let at = vault.item("address").map_or(vault.at, |item| item.at);
        let form = "write https://HOST:PORT, http://HOST:PORT or unix:///PATH, and no user in it";
        let address = address.parse::<Address>().ok().or_else(|| self.fault(at, "`address` cannot be used", form));
        let authority = self.text_or_environment(vault, "ca_cert", "CACERT", None).map(PathBuf::from);
        let certificate = self.text_or_environment(vault, "client_cert", "CLIENT_CERT", None).map(PathBuf::from);
        let key = self.text_or_environment(vault, "client_key", "CLIENT_KEY", None).map(PathBuf::from);
        let client = match (certificate, key) {
            (Some(certificate), Some(key)) => Some(ClientCertificate { certificate, key }),
            (None, None) => None,
            _ => {
                return self.fault(
                    vault.at,
                    "a certificate and its key belong together",
                    "give both `client_cert` and `client_key`",
                );
            }
        };
        let server_name = self.text_or_environment(vault, "tls_server_name", "TLS_SERVER_NAME", None);
        Some(Upstream { tls: Tls { authority, client, server_name }, ..Upstream::new([address?]) })
    }

    fn method(&mut self, auth: Stanza<'a>) -> Option<(Stanza<'a>, &'a str)> {
        let table = auth.table?;
        if let Some(second) = table.all("method").nth(1) {
            return self.fault(second.at, "a second `method` is one too many", "keep one: a process logs in one way");
        }
        let Some(item) = table.first("method") else {
            return self.fault(auth.at, "there is no `method`", "write method \"approle\" { config = { … } } in `auto_auth`");
        };
        Some((auth.within("auto_auth.method", "method"), item.kind()?))
    }

    /// How to log in.
    fn login(&mut self, method: Stanza<'a>, kind: &str) -> Option<Method> {
        let config = method.within("auto_auth.method.config", "config");
        let mount = self.mount(method, kind)?;
        let role_form = "write a role's name: letters, digits, `_`, `-` and `.`";
        match kind {
            "approle" => {
                let secret_id_file = self.text(config, "secret_id_file_path", None).map(PathBuf::from);
                let (key, what) =
                    ("remove_secret_id_file_after_reading", "the file of the secret id stays, where an agent would remove it");
                if secret_id_file.is_some() && config.item(key).is_none() {
                    self.notice(config.at, what, "write `remove_secret_id_file_after_reading = false` to say that this is meant");
                }
                let role = self.name(config, "role", role_form);
                let role_id_file = self.needed(config, "role_id_file_path")?.into();
                Some(Method::AppRole { mount, role_id_file, secret_id_file, role })
            }
            "jwt" => {
                if config.item("remove_jwt_after_reading").is_none() {
                    let what = "the file of the web token stays, where an agent would remove it";
                    self.notice(config.at, what, "write `remove_jwt_after_reading = false` to say that this is meant");
                }
                let jwt_file = self.needed(config, "path")?.into();
                Some(Method::Jwt { mount, role: self.role(config)?, jwt_file })
            }
            "kubernetes" => {
                let jwt_file = self.text(config, "token_path", Some(SERVICE_ACCOUNT))?.into();
                Some(Method::Jwt { mount, role: self.role(config)?, jwt_file })
            }
            _ => Some(Method::Certificate { mount, role: self.name(config, "name", role_form) }),
        }
    }

    fn role(&mut self, stanza: Stanza<'a>) -> Option<Role> {
        self.needed(stanza, "role")?;
        // It was noted when it was looked for.
        self.settings.pop();
        self.name(stanza, "role", "write a role's name: letters, digits, `_`, `-` and `.`")
    }

    fn needed(&mut self, stanza: Stanza<'a>, key: &'a str) -> Option<String> {
        let found = self.text(stanza, key, None);
        found.or_else(|| self.fault(stanza.at, &format!("`{key}` is missing"), format!("add {key} = \"…\"")))
    }

    fn mount(&mut self, method: Stanza<'a>, kind: &str) -> Option<Mount> {
        let default = format!("auth/{kind}");
        let text = self.text(method, "mount_path", Some(&default))?;
        let mount = text.trim_matches('/').strip_prefix("auth/").and_then(|mount| mount.parse().ok());
        let at = method.item("mount_path").map_or(method.at, |item| item.at);
        mount.or_else(|| self.fault(at, "`mount_path` cannot be used", "write auth/NAME, as the server lists it"))
    }

    fn provider(&mut self, rotation: Stanza<'a>, auth: Stanza<'a>, mut upstream: Upstream, timing: &Timing) -> Option<Provider> {
        let (method, kind) = self.method(auth)?;
        let variable = ["BAO_NAMESPACE", "VAULT_NAMESPACE"].into_iter().find_map(|name| (self.environment)(name));
        let namespace = self.text(method, "namespace", None).or(variable).filter(|namespace| !namespace.is_empty());
        if let Some(namespace) = namespace {
            let form = "write PARENT/CHILD: letters, digits, `_`, `-` and `.`";
            let parsed = namespace.trim_matches('/').parse().ok();
            upstream.namespace = Some(parsed.or_else(|| self.fault(method.at, "`namespace` cannot be used", form))?);
        }
        upstream.timeout = timing.patience;
        upstream.connect_timeout = upstream.connect_timeout.min(timing.patience);
        let probes = self.probes(rotation)?;
        let default = "vault-login";
        let provider = self.text(rotation, "provider", Some(default))?;
        match (provider.as_str(), kind) {
            ("vault-token", "token_file") => self.token(rotation, method, upstream, probes),
            (_, "token_file") => self.fault(
                method.at,
                "a token that is handed over cannot be had again by a login",
                "rotate it through a token role: rotation { provider = \"vault-token\"  role = \"…\"  adopt = \"own\" }",
            ),
            ("vault-token", _) => self.fault(
                rotation.at,
                "vault-token begins with a token that is handed over",
                "write method \"token_file\" { config = { token_file_path = \"…\" } }, or leave `provider` out to log in again",
            ),
            _ => {
                let method = self.login(method, kind)?;
                let login_life = self.duration(rotation, "login_life", Duration::from_hours(1));
                Some(Provider::Login(LoginConfig {
                    probes,
                    login_life,
                    probation: timing.probation(),
                    ..LoginConfig::new(upstream, method)
                }))
            }
        }
    }

    fn token(&mut self, rotation: Stanza<'a>, method: Stanza<'a>, upstream: Upstream, probes: Vec<Probe>) -> Option<Provider> {
        let config = method.within("auto_auth.method.config", "config");
        let file = self.needed(config, "token_file_path");
        let role = self.role(rotation);
        if self.text(rotation, "adopt", Some("serve")).is_some_and(|adopt| adopt != "own") {
            let what = "the token that is handed over would be ended by the first rotation";
            return self.fault(
                rotation.at,
                what,
                "write adopt = \"own\" in `rotation` to allow that; to keep it is not in this version",
            );
        }
        Some(Provider::Token(TokenConfig { probes, ..TokenConfig::new(upstream, role?, file?) }))
    }

    fn probes(&mut self, rotation: Stanza<'a>) -> Option<Vec<Probe>> {
        let Some(table) = rotation.table else { return Some(Vec::new()) };
        let mut probes = Vec::new();
        for item in table.all("probe") {
            let stanza = Stanza { path: "rotation.probe", table: item.table(), at: item.at };
            let form = "write probe \"secret/data/app\" { … }: letters, digits, `_`, `-`, `.` and slashes between";
            let path = item.labels.first().and_then(|label| label.parse().ok());
            let Some(path) = path else { return self.fault(item.at, "a probe has no path that can be used", form) };
            let from = Origin::File(self.source.place(item.at.0));
            self.set("rotation.probe".to_owned(), item.labels.concat(), from);
            let max_latency = self.pick(stanza, "max_latency", value::duration, |value| show_duration(*value), None);
            probes.push(Probe { path, max_latency });
        }
        if probes.is_empty() {
            let what = "there is no probe, so a new token is only looked up before it serves, not tried on what it is for";
            self.notice(rotation.at, what, "write probe \"secret/data/app\" {} in `rotation`");
        }
        Some(probes)
    }

    fn sink(&mut self, file: Stanza<'a>, auth: Stanza<'a>, rotation: Stanza<'a>) -> Option<(PathBuf, Mode)> {
        let table = auth.table?;
        let wrapped = table.all("sinks").filter_map(Item::table).flat_map(|sinks| sinks.all("sink"));
        let sinks: Vec<_> = table.all("sink").chain(wrapped).collect();
        let (Some(sink), second) = (sinks.first(), sinks.get(1)) else {
            return self.fault(
                auth.at,
                "there is no sink, so nobody would get the token",
                "write sink \"file\" { config = { path = \"…\" } }",
            );
        };
        if let Some(second) = second {
            return self.fault(second.at, "a second sink is not in this version", "let its readers read the first one's file");
        }
        let stanza = Stanza { path: "auto_auth.sink", table: sink.table(), at: sink.at };
        self.owner(file, stanza, rotation)?;
        let config = stanza.within("auto_auth.sink.config", "config");
        let path = self.needed(config, "path")?;
        let is_ours = file.item("rotation").or(file.item("journal")).is_some();
        let default = if is_ours { OUR_MODE } else { AGENTS_MODE };
        if !is_ours && config.item("mode").is_none() {
            self.notice(
                config.at,
                "the file gets mode 0640, as an agent gives it",
                "write `mode = 0600`, or 0640 if a group is to read it",
            );
        }
        let bits = self.pick(config, "mode", value::mode, |bits| format!("{bits:04o}"), Some(default))?;
        let at = config.item("mode").map_or(config.at, |item| item.at);
        let decimal =
            config.item("mode").is_some_and(|item| matches!(&item.value, Value::Number(text) if !text.starts_with('0')));
        match Mode::new(bits) {
            Ok(mode) => Some((path.into(), mode)),
            Err(_) if decimal => {
                self.fault(at, "`mode` is not taken", "a number that begins with no 0 is decimal, as for the agents: write 0600")
            }
            Err(why) => self.fault(at, "`mode` is not taken", why.to_string()),
        }
    }

    /// A sink may name its rotation.
    fn owner(&mut self, file: Stanza<'a>, sink: Stanza<'a>, rotation: Stanza<'a>) -> Option<()> {
        let Some(name) = self.text(sink, "rotation", None) else { return Some(()) };
        let known = file.item("rotation").and_then(|item| item.labels.first());
        let at = sink.item("rotation").map_or(rotation.at, |item| item.at);
        if known == Some(&name) {
            Some(())
        } else {
            self.fault(at, "`rotation` names none of this file", "write the label of the `rotation` stanza")
        }
    }

    fn timing(&mut self, rotation: Stanza<'a>, auth: Stanza<'a>) -> Timing {
        let method = auth.within("auto_auth.method", "method");
        Timing {
            every: self.duration(rotation, "every", Duration::from_hours(12)),
            life: self.duration(rotation, "life", Duration::from_hours(1)),
            validate_for: self.duration(rotation, "validate_for", Duration::from_secs(30)),
            grace: self.duration(rotation, "grace", Duration::from_mins(10)),
            patience: self.duration(rotation, "timeout", Duration::from_secs(10)),
            backoff: self.duration(method, "min_backoff", Duration::from_secs(1)),
            backoff_cap: self.duration(method, "max_backoff", Duration::from_secs(30)),
        }
    }

    fn policy(&mut self, rotation: Stanza<'a>, timing: &Timing, provider: Option<&Provider>) -> Option<Policy> {
        let policy = timing.policy(provider?);
        let Err(why) = policy.check() else { return Some(policy) };
        let key = match why {
            PolicyError::FullTooShort { .. } | PolicyError::Zero("full") => "life",
            PolicyError::PeriodTooShort { .. } => "every",
            PolicyError::Zero("patience" | "evidence") => "timeout",
            _ => "validate_for",
        };
        let at = rotation.item(key).map_or(rotation.at, |item| item.at);
        self.fault(at, &format!("`{key}` does not go with the rest"), why.to_string())
    }

    fn on_stop(&mut self, rotation: Stanza<'a>) -> AtStop {
        match self.text(rotation, "on_stop", Some("keep")).as_deref() {
            Some("revoke") => AtStop::Revoke,
            _ => AtStop::Keep,
        }
    }

    /// The journal of this identity, in the folder of journals.
    fn journal(&mut self, file: Stanza<'a>, rotation: Stanza<'a>) -> PathBuf {
        let stanza = file.within("journal", "journal");
        let state = (self.environment)("STATE_DIRECTORY").filter(|folder| !folder.is_empty() && !folder.contains(':'));
        let folder = match (stanza.item("path"), state) {
            (None, Some(folder)) => {
                self.set("journal.path".to_owned(), folder.clone(), Origin::Environment("STATE_DIRECTORY".to_owned()));
                folder
            }
            _ => self.text(stanza, "path", Some(JOURNALS)).unwrap_or_default(),
        };
        let label = file.item("rotation").and_then(|item| item.labels.first()).map_or("default", String::as_str);
        let is_plain = label.parse::<Role>().is_ok();
        if !is_plain {
            self.fault::<()>(rotation.at, "the label of a `rotation` cannot be used", "use letters, digits, `_`, `-` and `.`");
        }
        PathBuf::from(folder).join(format!("{label}.journal"))
    }
}

/// How long things take, as the file says.
struct Timing {
    every: Duration,
    life: Duration,
    validate_for: Duration,
    grace: Duration,
    patience: Duration,
    backoff: Duration,
    backoff_cap: Duration,
}

impl Timing {
    /// So long a candidate needs at most until it is extended, and a second because servers count in whole ones.
    fn probation(&self) -> Duration {
        Duration::from_secs((self.validate_for + self.patience * 4).as_secs() + 2)
    }

    fn policy(&self, provider: &Provider) -> Policy {
        let (mint, relogin, login_life) = match provider {
            Provider::Login(config) => (Via::Login, Relogin::Possible, config.login_life),
            Provider::Token(_) => (Via::Current, Relogin::Impossible, Duration::ZERO),
        };
        Policy {
            full: self.life,
            probation: self.probation(),
            login_life,
            mint,
            relogin,
            privileges: Privileges::OnlySelf,
            period: Some(self.every),
            probes: PROBES,
            probe_every: (self.validate_for / 8).min(Duration::from_secs(1)),
            validate_for: self.validate_for,
            canary: None,
            grace: self.grace,
            consumers: Consumers::Uncounted,
            evidence: self.patience * 3,
            patience: self.patience,
            delta: self.patience * 3,
            skew: Duration::from_secs(2),
            backoff: self.backoff,
            backoff_cap: self.backoff_cap,
            // Drawn anew when a run begins.
            jitter: Jitter::None,
            budget: Some(Budget { every: Duration::from_millis(50), burst: 20 }),
            most_live: 3,
            tries_before_debt: 3,
            writer: Writer::Lock,
            sown: Sown::NOTHING,
        }
    }
}
