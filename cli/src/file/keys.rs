//! Every key that a file may hold, and what becomes of it: the one list that the reader, the manual and the tests go by.
//!
//! A name in parentheses is a label or a `type`; braces stand for several keys of the same kind and verdict.

/// A key, or several alike.
pub(crate) struct Key {
    /// Its place: `auto_auth.method(approle).config.role_id_file_path`.
    pub(crate) path: &'static str,
    pub(crate) kind: Kind,
    pub(crate) verdict: Verdict,
    /// What it is for; where the agents' meaning is not ours, how; else why it is not taken, or what to do instead.
    pub(crate) words: &'static str,
}

/// What its value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One at most.
    Stanza,
    /// One or more, with a label or a `type` that is known.
    Typed,
    /// One or more, with any name as its label.
    Named,
    Text,
    /// A text that may go over several lines.
    Lines,
    /// A whole number.
    Count,
    Flag,
    /// A number of seconds, or a text with units.
    Duration,
    /// Permissions of a file, in octal.
    Mode,
    /// Texts.
    List,
    /// A whole percentage.
    Percent,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// Nobody looks: it is not taken.
    Any,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It means what it means to `bao agent` and `bao proxy`.
    Same,
    /// The agents have it, and mean something else in part.
    Different,
    /// The agents have it, and here it has nothing to do.
    Ignored,
    /// Ours; the agents pass over it.
    Ours,
    /// It will be taken, but not yet.
    Later,
    /// It will not be taken.
    Refused,
}

const fn same(path: &'static str, kind: Kind, words: &'static str) -> Key {
    Key { path, kind, verdict: Verdict::Same, words }
}

const fn different(path: &'static str, kind: Kind, words: &'static str) -> Key {
    Key { path, kind, verdict: Verdict::Different, words }
}

const fn ignored(path: &'static str, kind: Kind, words: &'static str) -> Key {
    Key { path, kind, verdict: Verdict::Ignored, words }
}

const fn ours(path: &'static str, kind: Kind, words: &'static str) -> Key {
    Key { path, kind, verdict: Verdict::Ours, words }
}

const fn later(path: &'static str, words: &'static str) -> Key {
    Key { path, kind: Kind::Any, verdict: Verdict::Later, words }
}

const fn refused(path: &'static str, words: &'static str) -> Key {
    Key { path, kind: Kind::Any, verdict: Verdict::Refused, words }
}

use Kind::{Count, Duration, Flag, Lines, List, Mode, Named, OneOf, Percent, Stanza, Text, Typed};

/// Said of what stands in a stanza that has the same verdict.
pub(crate) const AS_ABOVE: &str = "as above";
const TEMPLATES: &str = "keep `bao agent` or consul-template for files, and point it at our `listener` by vault { address = \"…\" }: docs/exec.md has an \
     example";
const OWN_METRICS: &str = "our metrics have names of their own, and live as long as we do";
const NO_PUSH: &str = "we push no metrics: let Prometheus read them at `prometheus`";
const WRAPPED: &str = "a wrapped token has to be unwrapped once by one reader, and this file is read again and again: remove it";
const ENCRYPTED: &str =
    "the file is protected by its mode: remove it, and give the sink a folder that only its readers may enter";

/// The list. Of keys with the same path the first counts.
pub(crate) const KEYS: &[Key] = &[
    same("vault", Stanza, "the server"),
    same("vault.address", Text, "where it listens: https://HOST:PORT, http://HOST:PORT or unix:///PATH"),
    same("vault.ca_cert", Text, "a PEM file with the authorities that are trusted; without it those of the system"),
    later("vault.ca_path", "a folder of authorities is not read yet: put them into one PEM file and name that as `ca_cert`"),
    same("vault.client_cert", Text, "a PEM file with the certificate to show, for servers that ask for one"),
    same("vault.client_key", Text, "a PEM file with its key"),
    same("vault.tls_server_name", Text, "the name that the server's certificate must be for"),
    different("vault.tls_skip_verify", Flag, "true is refused: certificates are always checked"),
    ignored("vault.retry", Stanza, "what we ask for is tried again by the rotation's own rules"),
    ignored("vault.retry.num_retries", Count, AS_ABOVE),
    same("auto_auth", Stanza, "how to log in, and where the token goes"),
    ours("rotation", Named, "how a credential is rotated, with its name; without it by logging in again"),
    same("{auto_auth,rotation}.method", Typed, "how to log in; that of a rotation is its own"),
    same("{auto_auth,rotation}.method.type", Text, "the method, if the stanza has no label"),
    same("{auto_auth,rotation}.method.mount_path", Text, "where it is mounted; auth/TYPE without it"),
    different("{auto_auth,rotation}.method.namespace", Text, "the namespace of every request of this identity, its probes too"),
    same("{auto_auth,rotation}.method.min_backoff", Duration, "the first wait after a failure"),
    same("{auto_auth,rotation}.method.max_backoff", Duration, "the longest wait after a failure"),
    different(
        "{auto_auth,rotation}.method.exit_on_err",
        Flag,
        "true is refused: a login that fails is tried again, without locking the role",
    ),
    refused("{auto_auth,rotation}.method.wrap_ttl", WRAPPED),
    same("{auto_auth,rotation}.method.config", Stanza, "what the method needs"),
    same("{auto_auth,rotation}.method(approle)", Typed, "a role id and a secret id"),
    same("{auto_auth,rotation}.method(approle).config.role_id_file_path", Text, "the file of the role id; read at each login"),
    same(
        "{auto_auth,rotation}.method(approle).config.secret_id_file_path",
        Text,
        "the file of the secret id; read at each login",
    ),
    different(
        "{auto_auth,rotation}.method(approle).config.remove_secret_id_file_after_reading",
        Flag,
        "the file is never removed, for each rotation logs in with it; true is refused, and where the key is missing we say so",
    ),
    later(
        "{auto_auth,rotation}.method(approle).config.secret_id_response_wrapping_path",
        "a wrapped secret id is good for one login and each rotation is one: hand over one that is not wrapped",
    ),
    ours(
        "{auto_auth,rotation}.method(approle).config.role",
        Text,
        "the role's name: with it secret ids with a number of uses are refused at once",
    ),
    refused(
        "{auto_auth,rotation}.method(approle).config.{role_id,secret_id}",
        "write it to a file of mode 0600 and name that with `…_file_path`",
    ),
    same("{auto_auth,rotation}.method(jwt)", Typed, "a signed web token in a file"),
    same("{auto_auth,rotation}.method(jwt).config.path", Text, "its file; read at each login"),
    same("{auto_auth,rotation}.method(jwt).config.role", Text, "the role to log in to"),
    different(
        "{auto_auth,rotation}.method(jwt).config.remove_jwt_after_reading",
        Flag,
        "the file is never removed, for each rotation logs in with it; true is refused, and where the key is missing we say so",
    ),
    ignored("{auto_auth,rotation}.method(jwt).config.remove_jwt_follows_symlinks", Flag, "nothing is removed"),
    ignored("{auto_auth,rotation}.method(jwt).config.jwt_read_period", Duration, "the file is read when a login is due"),
    same("{auto_auth,rotation}.method(kubernetes)", Typed, "the service account's token of this pod"),
    same("{auto_auth,rotation}.method(kubernetes).config.role", Text, "the role to log in to"),
    same("{auto_auth,rotation}.method(kubernetes).config.token_path", Text, "its file, if not the usual one; read at each login"),
    same("{auto_auth,rotation}.method(cert)", Typed, "the certificate of the connection: `vault.client_cert`"),
    same("{auto_auth,rotation}.method(cert).config.name", Text, "the role to log in to; any that fits, without it"),
    later(
        "{auto_auth,rotation}.method(cert).config.{ca_cert,client_cert,client_key}",
        "one certificate serves the connection and the login: name it in `vault`",
    ),
    different("{auto_auth,rotation}.method(cert).config.reload", Flag, "true is refused: the files are read at the start"),
    different(
        "{auto_auth,rotation}.method(token_file)",
        Typed,
        "a first token that is handed over: it is rotated through a token role, so a `rotation` stanza must name one",
    ),
    same("{auto_auth,rotation}.method(token_file).config.token_file_path", Text, "its file; read at the first start"),
    refused("{auto_auth,rotation}.method(kerberos)", "log in with approle, cert, jwt or kubernetes"),
    refused(
        "{auto_auth,rotation}.method(kerberos).config.{krb5conf_path,keytab_path,username,service,realm,disable_fast_negotiation}",
        AS_ABOVE,
    ),
    ignored("auto_auth.enable_reauth_on_new_credentials", Flag, "each login reads its files anew"),
    same("auto_auth.sinks", Named, "a stanza around `sink` stanzas"),
    same("auto_auth.{sink,sinks.sink}", Typed, "where the token goes; several of one rotation switch as a set"),
    same("auto_auth.{sink,sinks.sink}.type", Text, "file, if the stanza has no label"),
    same("auto_auth.{sink,sinks.sink}.config", Stanza, "what the sink needs"),
    same("auto_auth.{sink,sinks.sink}(file)", Typed, "a file: written aside, synced, renamed; old or new, never torn"),
    same("auto_auth.{sink,sinks.sink}(file).config.path", Text, "the file"),
    different(
        "auto_auth.{sink,sinks.sink}(file).config.mode",
        Mode,
        "its permissions, in octal, as a number or as a text; 0 (\"leave it\") and permissions for others to write are refused",
    ),
    same(
        "auto_auth.{sink,sinks.sink}(file).config.{uid,gid}",
        Count,
        "whom the file belongs to; to give it away takes the privilege",
    ),
    ours("auto_auth.{sink,sinks.sink}.rotation", Text, "the name of the rotation whose token it is"),
    refused("auto_auth.{sink,sinks.sink}.wrap_ttl", WRAPPED),
    refused("auto_auth.{sink,sinks.sink}.{dh_type,dh_path,derive_key,aad,aad_env_var}", ENCRYPTED),
    ours("rotation.sink", Typed, "where its credential goes, if no agent is to write there; as in `auto_auth`"),
    ours("rotation.sink.type", Text, "file or shared-credentials, if the stanza has no label"),
    ours("rotation.sink.config", Stanza, "what the sink needs"),
    ours("rotation.sink(file)", Typed, "a file that holds the secret and nothing else"),
    ours(
        "rotation.sink(shared-credentials)",
        Typed,
        "aws-iam: a file of AWS with one profile, to be named by AWS_SHARED_CREDENTIALS_FILE",
    ),
    ours("rotation.sink({file,shared-credentials}).config.path", Text, "the file"),
    ours("rotation.sink({file,shared-credentials}).config.mode", Mode, "its permissions, in octal; 0600 without it"),
    ours("rotation.sink({file,shared-credentials}).config.{uid,gid}", Count, "whom the file belongs to"),
    ours("rotation.sink(shared-credentials).config.profile", Text, "the profile's name; default without it"),
    ours(
        "rotation.provider",
        OneOf(&["vault-login", "vault-token", "approle-secret-id", "aws-iam"]),
        "where the next credential comes from: another login, a token role, an AppRole's secret ids, an IAM user's keys",
    ),
    ours("rotation.role", Text, "vault-token: the token role that tokens are minted through"),
    ours(
        "rotation.issued",
        OneOf(&["outlive", "end"]),
        "approle-secret-id: whether tokens that were logged in for with an old secret id outlive it, or end with it",
    ),
    ours("rotation.user", Text, "aws-iam: whose keys"),
    ours("rotation.source", Typed, "aws-iam: where the first key comes from"),
    ours("rotation.source.type", Text, "environment, profile or vault, if the stanza has no label"),
    ours("rotation.source(environment)", Typed, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
    ours("rotation.source(profile)", Typed, "a profile of a shared credentials file"),
    ours("rotation.source(profile).file", Text, "the file"),
    ours("rotation.source(profile).profile", Text, "the profile; default without it"),
    ours(
        "rotation.source(vault)",
        Typed,
        "a secret of a KV store, version 2, of the server in `vault`: `access_key` and `secret_key`",
    ),
    ours("rotation.source(vault).path", Text, "where it is: secret/data/NAME"),
    ours("rotation.source(vault).token_file", Text, "the file of a token that may read it; needed until the first key is there"),
    ours("rotation.endpoint", Stanza, "aws-iam: where AWS is asked, if not at AWS itself"),
    ours("rotation.endpoint.{iam,sts}", Text, "the service's address: https://HOST, or http://HOST:PORT"),
    ours("rotation.endpoint.region", Text, "the region that requests to both are signed for"),
    ours("rotation.endpoint.ca_cert", Text, "a PEM file with the authorities that are trusted; without it those of the system"),
    ours("rotation.propagation", Duration, "aws-iam: so long it may take until a new key is known everywhere"),
    ours("rotation.switched_off", Duration, "aws-iam: so long before the end of the grace the old key is switched off; 0 never"),
    ours("rotation.spare", Duration, "aws-iam: a key that others used within so long is not ended yet; 0 does not ask"),
    ours(
        "rotation.container",
        Stanza,
        "aws-iam: the endpoint that AWS clients ask for the key: AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ),
    ours("rotation.container.address", Text, "where it listens: 127.0.0.1:PORT or [::1]:PORT"),
    ours(
        "rotation.container.token_file",
        Text,
        "what clients must show, for AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE; it is made if it is not there",
    ),
    ours(
        "rotation.container.expires_in",
        Duration,
        "when clients have to ask again; they do so 10 minutes before, or sooner: at most the grace and 10 minutes",
    ),
    ours("rotation.every", Duration, "how often; when, is a moment of each identity's own"),
    ours(
        "rotation.schedule",
        Text,
        "when, instead of how often: minute, hour, day, month and weekday, in UTC, as \"0 3 * * *\"; what is missed is made up for within \
         the `window`, else left to the next one",
    ),
    ours("rotation.window", Duration, "so long after that at most; where in it, is a moment of each identity's own"),
    ours(
        "rotation.life",
        Duration,
        "the life that the serving token is renewed to, at most `token_max_ttl` of its role; approle-secret-id: that a secret id \
         is made with",
    ),
    ours(
        "rotation.login_life",
        Duration,
        "vault-login: at least `token_ttl` of its role; so long a login whose answer is lost may live",
    ),
    ours("rotation.probe", Named, "a path that a new token must be able to read before it serves; aws-iam: an address"),
    ours("rotation.probe.capability", OneOf(&["read"]), "what it must be able to do there"),
    ours("rotation.probe.max_latency", Duration, "a slower answer is a failure"),
    ours("rotation.probe.{service,region}", Text, "aws-iam: what the request is signed for, as s3 and eu-west-1"),
    ours(
        "rotation.canary",
        Percent,
        "the share of new work that tries a candidate when it has passed its probes, as \"5%\"; work comes through a `listener`",
    ),
    ours("rotation.validate_for", Duration, "the time in which a new token must pass"),
    ours(
        "rotation.grace",
        Duration,
        "from the publishing of the new token to the end of the old one: readers look again within it",
    ),
    ours(
        "rotation.store",
        OneOf(&["sink", "sealed", "bootstrap"]),
        "where secrets outlive the process: beside the first sink, encrypted beside the journal, or nowhere, if a login can be repeated",
    ),
    ours(
        "rotation.seal_key",
        Text,
        "sealed: the key's file, 32 bytes or 64 hexadecimal digits; without a slash the name of a credential of systemd",
    ),
    ours("rotation.max_leak", Duration, "bootstrap: so long a token that a crash leaves behind may live; it is renewed often"),
    ours(
        "rotation.on_stop",
        OneOf(&["keep", "revoke"]),
        "what becomes of the token at SIGTERM: kept for a successor, or ended after the grace; without a successor that could find \
         it (bootstrap, ephemeral) revoke",
    ),
    ours(
        "rotation.dependents",
        OneOf(&["wait", "cut", "refuse"]),
        "what becomes of leases that were made with a token, seen through a `listener`: waited for as long as the grace lasts, or \
         ended with it; to give none (\"refuse\") is refused, for an answer tells too late that there is a lease in it",
    ),
    later("rotation.dependents_max", "leases are waited for as long as the grace lasts: make `grace` as long as they may take"),
    ours(
        "rotation.adopt",
        OneOf(&["serve", "own"]),
        "own lets us end the token, the secret id or the key that was handed over; serve is not in this version",
    ),
    ours("rotation.timeout", Duration, "how long the server may take to answer one request"),
    ours("rotation.start_spread", Duration, "a first login waits up to so long, so that a fleet does not log in at once"),
    ours("journal", Stanza, "what a restart goes by"),
    ours("journal.path", Text, "its folder"),
    ours(
        "journal.durability",
        OneOf(&["durable", "ephemeral"]),
        "ephemeral: it goes with the machine, as in a pod; tokens are revoked at a stop, and else live for 15 minutes at most",
    ),
    ours("admin", Stanza, "a socket for operators; without it nobody can look or ask: see admin.md"),
    ours("admin.address", Text, "its path, at most 107 bytes; /run/turquoise/admin.sock without it"),
    ours("admin.mode", Mode, "its permissions, in octal: who may write to it may ask for everything; 0600 without it"),
    ours("alert", Stanza, "who is told when something is wrong, beside the log: see admin.md"),
    ours("alert.webhook", Text, "an address that each alert is posted to, as JSON"),
    ours("alert.webhook_file", Text, "the file of that address, if it has a secret in it: read for each alert"),
    ours(
        "alert.command",
        List,
        "a program with its arguments, started for each alert; its environment and its input say what it is",
    ),
    ours("alert.timeout", Duration, "so long one try may take, of three"),
    same("pid_file", Text, "a file that holds the process id while we run"),
    same("exit_after_auth", Flag, "to end, with code 0, when the first token is published"),
    same("log_level", OneOf(&["trace", "debug", "info", "warn", "error"]), "how much is logged, to standard error"),
    same("log_format", OneOf(&["standard", "json"]), "how it is logged"),
    later("log_file", "logs go to standard error: let the service manager keep them"),
    later(
        "{log_rotate_bytes,log_rotate_duration,log_rotate_max_files}",
        "logs go to standard error: let the service manager rotate them",
    ),
    ignored("{disable_idle_connections,disable_keep_alives}", List, "one pool of connections serves all requests"),
    ignored("cache", Stanza, "nothing is cached: secrets that do not change are not leased, and leases belong to who asked"),
    refused("cache.persist", "a copy of secrets on a disk is one more place to lose them: remove it"),
    refused("cache.persist.{type,path,keep_after_import,exit_on_err,service_account_token_file}", AS_ABOVE),
    refused("cache.use_auto_auth_token", "write it in `api_proxy`"),
    same("api_proxy", Stanza, "who is given the token that serves, at the listeners"),
    same(
        "api_proxy.use_auto_auth_token",
        OneOf(&["true", "false", "force"]),
        "whether who shows no token is given it, or whoever comes",
    ),
    ours(
        "api_proxy.local_token_file",
        Text,
        "the file of the local token, for who can show one: made with mode 0600 if it is not there",
    ),
    same("listener", Typed, "where programs reach the server with the token that serves"),
    same("listener.type", Text, "tcp or unix, if the stanza has no label"),
    same("listener(tcp)", Typed, "an address of this machine"),
    same("listener(unix)", Typed, "a socket in the file system"),
    same("listener.address", Text, "IP:PORT, or the path of the socket"),
    ours(
        "listener.inherited",
        Text,
        "instead of an address: the name of a socket that the service manager opened (FileDescriptorName=)",
    ),
    ours("listener.rotation", Text, "the name of the rotation whose token it is, if there are several"),
    same("listener.tls_disable", Flag, "without TLS; a unix socket has none"),
    same("listener.{tls_cert_file,tls_key_file}", Text, "PEM files with the certificate to show, and its key"),
    same("listener.require_request_header", Flag, "whether each request must bear `X-Vault-Request: true`"),
    same("listener.role", OneOf(&["default", "metrics_only"]), "whether all is served, or only the metrics"),
    same("listener.socket_mode", Mode, "the socket's permissions, in octal; 0600 without it"),
    different(
        "listener.{socket_user,socket_group}",
        Count,
        "by number: whom the socket belongs to; to give it away takes the privilege",
    ),
    same("listener.{agent_api,proxy_api}", Stanza, "what may be asked of us"),
    same("listener.{agent_api,proxy_api}.enable_quit", Flag, "whether a POST to /agent/v1/quit or /proxy/v1/quit ends us"),
    same("exec", Stanza, "a program that we start as our child, with what the templates come to in its environment"),
    same("exec.command", List, "the program and its arguments"),
    same(
        "exec.restart_on_secret_changes",
        OneOf(&["always", "never"]),
        "whether it is started anew when what the templates come to changes; without a template, with each credential",
    ),
    same("exec.restart_stop_signal", Text, "what asks it to end; SIGTERM without it"),
    ours("exec.stop_within", Duration, "how long it then has until it is killed"),
    ours(
        "exec.ready",
        List,
        "a program that ends with 0 when a new child can take over: then the old one is asked to end, and not before",
    ),
    ours("exec.ready_within", Duration, "a new child that takes longer is ended, and the old one stays"),
    ours(
        "exec.restart_on_failure",
        Count,
        "how often in a row it is started again after it failed; 0 without it: then we end as it did",
    ),
    ours("exec.signal_on_secret_changes", Text, "with \"never\": a signal that has it look for itself"),
    ours("exec.rotation", Text, "the name of the rotation whose credential it lives on"),
    same("env_template", Named, "a variable of the child's environment, with its name"),
    same("env_template.contents", Lines, "a template of Go; docs/exec.md says which functions it has"),
    same("env_template.source", Text, "the file of the template, in its stead"),
    same("env_template.error_on_missing_key", Flag, "whether a key that is not there is an error; it is, without this"),
    same("env_template.{left_delimiter,right_delimiter}", Text, "what actions stand between, if not {{ and }}"),
    different("telemetry", Stanza, "metrics are read from us, by Prometheus and what speaks like it; we push none: see admin.md"),
    ours("telemetry.prometheus", Text, "an address with a port for who only looks: /metrics, /healthz and /readyz, without TLS"),
    ignored("telemetry.{prometheus_retention_time,usage_gauge_period}", Duration, OWN_METRICS),
    ignored("telemetry.{disable_hostname,enable_hostname_label,filter_default}", Flag, OWN_METRICS),
    ignored("telemetry.metrics_prefix", Text, OWN_METRICS),
    ignored("telemetry.maximum_gauge_cardinality", Count, OWN_METRICS),
    ignored("telemetry.prefix_filter", List, OWN_METRICS),
    ignored("telemetry.{statsd_address,statsite_address,dogstatsd_addr}", Text, NO_PUSH),
    ignored("telemetry.dogstatsd_tags", List, NO_PUSH),
    refused("template", TEMPLATES),
    refused(
        "template.{source,destination,contents,create_dest_dirs,command,command_timeout,error_on_missing_key,exec,perms,user,uid,\
         group,gid,backup,left_delimiter,right_delimiter,sandbox_path,wait}",
        AS_ABOVE,
    ),
    refused("template_config", TEMPLATES),
    refused("template_config.{exit_on_retry_failure,static_secret_render_interval}", AS_ABOVE),
];

impl Key {
    /// The single paths that it stands for.
    pub(crate) fn paths(&self) -> Vec<String> {
        expand(self.path)
    }
}

fn expand(path: &str) -> Vec<String> {
    let split = path.split_once('{').and_then(|(head, rest)| Some((head, rest.split_once('}')?)));
    let Some((head, (names, tail))) = split else { return vec![path.to_owned()] };
    let tails = expand(tail);
    names.split(',').flat_map(|name| tails.iter().map(move |tail| format!("{head}{name}{tail}"))).collect()
}

/// The key of a path.
pub(crate) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.paths().iter().any(|known| known == path))
}

/// The names of what may stand in a stanza; of the file, if that is empty.
pub(crate) fn names(stanza: &str) -> Vec<String> {
    let paths = KEYS.iter().flat_map(Key::paths);
    let within = |path: String| match path.rsplit_once('.') {
        Some((outer, name)) if outer == stanza && !name.ends_with(')') => Some(name.to_owned()),
        None if stanza.is_empty() && !path.ends_with(')') => Some(path),
        _ => None,
    };
    paths.filter_map(within).collect()
}

/// The types that a stanza may have.
pub(crate) fn types(stanza: &str) -> Vec<String> {
    let prefix = format!("{stanza}(");
    let of = |path: String| path.strip_prefix(&prefix)?.strip_suffix(')').map(str::to_owned);
    KEYS.iter().flat_map(Key::paths).filter_map(of).collect()
}

#[cfg(test)]
#[path = "tests/keys.rs"]
mod tests;
