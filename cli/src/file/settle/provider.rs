//! Where credentials come from.

use std::sync::Arc;
use std::time::Duration;

use turquoise::aws_iam::{self, Endpoint, IamConfig, Source, Supply, UserName};
use turquoise::vault::{App, Issued, Kept, LoginConfig, Probe, SecretIdConfig, TokenConfig, Upstream};

use super::super::plan::{Origin, Provider};
use super::super::tree::Item;
use super::super::value::{self, show_duration};
use super::method::Way;
use super::timing::{Kind, Timing};
use super::{Settler, Stanza};

impl<'a> Settler<'a, '_> {
    pub(super) fn kind(&mut self, rotation: &Stanza<'a>) -> Kind {
        match self.text(rotation, "provider", Some("vault-login")).as_deref() {
            Some("vault-token") => Kind::Token,
            Some("approle-secret-id") => Kind::SecretId,
            Some("aws-iam") => Kind::Keys,
            _ => Kind::Login,
        }
    }

    pub(super) fn provider(
        &mut self,
        rotation: &Stanza<'a>,
        way: &Way<'a>,
        upstream: Option<&Upstream>,
        timing: &Timing,
    ) -> Option<Provider> {
        if timing.kind == Kind::Keys {
            return self.keys(rotation, upstream, timing);
        }
        self.not_of(rotation, timing.kind, &["user", "source", "endpoint", "propagation", "switched_off", "spare", "container"])?;
        let method = &way.stanza;
        let upstream = self.reached(way, upstream?, timing)?;
        let probes = self.probes(rotation)?;
        match (timing.kind, way.kind) {
            (Kind::Token, "token_file") => self.token(rotation, method, upstream, probes),
            (Kind::SecretId, "approle") => self.secret_id(rotation, way, upstream, probes),
            (_, "token_file") => self.fault(
                method.at,
                "a token that is handed over cannot be had again by a login",
                "rotate it through a token role: rotation { provider = \"vault-token\"  role = \"…\"  adopt = \"own\" }",
            ),
            (Kind::Token, _) => self.fault(
                rotation.at,
                "vault-token begins with a token that is handed over",
                "write method \"token_file\" { config = { token_file_path = \"…\" } }, or leave `provider` out to log in again",
            ),
            (Kind::SecretId, _) => self.fault(
                rotation.at,
                "approle-secret-id rotates what method \"approle\" logs in with",
                "write method \"approle\" { config = { role = \"…\"  role_id_file_path = \"…\"  secret_id_file_path = \"…\" } }",
            ),
            (Kind::Login | Kind::Keys, _) => {
                let method = self.login(way)?;
                let login_life = self.duration(rotation, "login_life", Duration::from_hours(1));
                let probation = timing.probation();
                Some(Provider::Login(LoginConfig { probes, login_life, probation, ..LoginConfig::new(upstream, method) }))
            }
        }
    }

    /// How a rotation reaches the server that it logs in to.
    fn reached(&mut self, Way { stanza: method, kind }: &Way<'a>, upstream: &Upstream, timing: &Timing) -> Option<Upstream> {
        if self.table.first("auto_auth").is_none() && kind.is_empty() {
            return self.fault((0, 0), "there is no `auto_auth`", "add one: it says how to log in, and where the token goes");
        }
        if kind.is_empty() {
            let remedy = "write method \"approle\" { config = { … } } in `auto_auth`";
            return self.fault(method.at, "there is no `method`", remedy);
        }
        let mut upstream = upstream.clone();
        let variable = self.variable("NAMESPACE").map(|(_, value)| value);
        let namespace = self.text(method, "namespace", None).or(variable).filter(|namespace| !namespace.is_empty());
        if let Some(namespace) = namespace {
            let form = "write PARENT/CHILD: letters, digits, `_`, `-` and `.`";
            let parsed = namespace.trim_matches('/').parse().ok();
            upstream.namespace = Some(parsed.or_else(|| self.fault(method.at, "`namespace` cannot be used", form))?);
        }
        upstream.timeout = timing.patience;
        upstream.connect_timeout = upstream.connect_timeout.min(timing.patience);
        Some(upstream)
    }

    /// What is of another provider is a mistake here.
    fn not_of(&mut self, rotation: &Stanza<'a>, kind: Kind, keys: &[&str]) -> Option<()> {
        let Some(item) = keys.iter().find_map(|key| rotation.item(key)) else { return Some(()) };
        let what = format!("`{}` means nothing to {}", item.key, kind.name());
        self.fault(item.at, &what, "remove it, or give the rotation another `provider`")
    }

    fn token(&mut self, rotation: &Stanza<'a>, method: &Stanza<'a>, upstream: Upstream, probes: Vec<Probe>) -> Option<Provider> {
        let file = self.needed(&method.within("config"), "token_file_path");
        let role = self.role(rotation);
        self.owned(rotation, "token")?;
        Some(Provider::Token(TokenConfig { probes, ..TokenConfig::new(upstream, role?, file?) }))
    }

    /// What was handed over is ended by the first rotation: that must be allowed.
    fn owned(&mut self, rotation: &Stanza<'a>, what: &str) -> Option<()> {
        if self.text(rotation, "adopt", Some("serve")).is_some_and(|adopt| adopt == "own") {
            return Some(());
        }
        let what = format!("the {what} that is handed over would be ended by the first rotation");
        let remedy = "write adopt = \"own\" in `rotation` to allow that; to keep it is not in this version";
        self.fault(rotation.at, &what, remedy)
    }

    fn secret_id(&mut self, rotation: &Stanza<'a>, way: &Way<'a>, upstream: Upstream, probes: Vec<Probe>) -> Option<Provider> {
        let config = way.stanza.within("config");
        let mount = self.mount(&way.stanza, way.kind);
        let role = self.role(&config);
        let role_id_file = self.needed(&config, "role_id_file_path");
        let secret_id_file = self.needed(&config, "secret_id_file_path");
        let issued = match self.text(rotation, "issued", Some("outlive")).as_deref() {
            Some("end") => Issued::End,
            _ => Issued::Outlive,
        };
        self.owned(rotation, "secret id")?;
        let app = App { mount: mount?, role: role? };
        let (role_id_file, secret_id_file) = (role_id_file?.into(), secret_id_file?.into());
        Some(Provider::SecretId(SecretIdConfig { upstream, app, role_id_file, secret_id_file, probes, issued }))
    }

    fn keys(&mut self, rotation: &Stanza<'a>, upstream: Option<&Upstream>, timing: &Timing) -> Option<Provider> {
        self.not_of(rotation, timing.kind, &["role", "login_life", "life", "issued", "method"])?;
        let user = self.needed(rotation, "user")?;
        let form = "write the user's name without its path";
        let user = user.parse::<UserName>().ok().or_else(|| self.fault(rotation.at("user"), "`user` cannot be used", form));
        let source = self.source(rotation, upstream);
        let probes = self.signed_probes(rotation);
        self.owned(rotation, "key")?;
        let mut config = IamConfig { probes: probes?, ..IamConfig::new(user?, source?) };
        let endpoint = rotation.within("endpoint");
        for (key, place) in [("iam", &mut config.iam), ("sts", &mut config.sts)] {
            let Endpoint { url, region } = place;
            *url = self.text(&endpoint, key, Some(url))?;
            if let Some(named) = endpoint.item("region").and_then(Item::text) {
                named.clone_into(region);
            }
        }
        self.text(&endpoint, "region", Some(&config.iam.region));
        config.tls.authority = self.text(&endpoint, "ca_cert", None).map(Into::into);
        config.propagation = timing.propagation;
        config.switched_off = self.duration(rotation, "switched_off", config.switched_off);
        config.spare = self.duration(rotation, "spare", config.spare);
        config.timeout = timing.patience;
        config.connect_timeout = config.connect_timeout.min(timing.patience);
        Some(Provider::Keys(Box::new(config)))
    }

    /// Where the first key comes from.
    fn source(&mut self, rotation: &Stanza<'a>, upstream: Option<&Upstream>) -> Option<Source> {
        let mut sources = rotation.all("source");
        let (Some(item), None) = (sources.next(), sources.next()) else {
            let remedy = "write source \"environment\" {}, source \"profile\" { file = \"…\" } or source \"vault\" { … }";
            return self.fault(rotation.at, "it is not said once where the first key comes from", remedy);
        };
        let stanza = Stanza::of(rotation.path("source"), item);
        self.set(stanza.path.clone(), item.labels.concat(), Origin::File(self.source.place(item.at.0)));
        if item.kind() == Some("environment") {
            return Some(Source::Environment);
        }
        if item.kind() == Some("vault") {
            return self.kept(&stanza, upstream);
        }
        let file = self.needed(&stanza, "file")?.into();
        let profile = self.text(&stanza, "profile", Some("default"))?;
        Some(Source::Profile { file, profile })
    }

    /// A first key that somebody has put into a KV store.
    fn kept(&mut self, source: &Stanza<'a>, upstream: Option<&Upstream>) -> Option<Source> {
        let path = self.needed(source, "path")?;
        let token_file = self.needed(source, "token_file")?;
        let Some(upstream) = upstream else {
            return self.fault(source.at, "it is not said which server keeps the first key", "write vault { address = \"…\" }");
        };
        let form = "write secret/data/NAME: letters, digits, `_`, `-`, `.` and slashes between";
        let path = path.parse().ok().or_else(|| self.fault(source.at("path"), "`path` cannot be used", form))?;
        let kept = match Kept::new(upstream, path, token_file) {
            Ok(kept) => Arc::new(kept),
            Err(why) => return self.fault(source.at, "the server that keeps the first key cannot be asked", why.to_string()),
        };
        Some(Source::Supplied(Supply::new(move || {
            let kept = Arc::clone(&kept);
            async move { kept.read(["access_key", "secret_key"]).await }
        })))
    }

    fn probes(&mut self, rotation: &Stanza<'a>) -> Option<Vec<Probe>> {
        let mut probes = Vec::new();
        for item in rotation.all("probe") {
            let form = "write probe \"secret/data/app\" { … }: letters, digits, `_`, `-`, `.` and slashes between";
            let path = item.labels.first().and_then(|label| label.parse().ok());
            let Some(path) = path else { return self.fault(item.at, "a probe has no path that can be used", form) };
            let max_latency = self.probe(rotation, item);
            probes.push(Probe { path, max_latency });
        }
        if probes.is_empty() && rotation.table.is_some() {
            let what = "there is no probe, so a new token is only looked up before it serves, not tried on what it is for";
            self.notice(rotation.at, what, "write probe \"secret/data/app\" {} in `rotation`");
        }
        Some(probes)
    }

    /// Notes a probe; answers how long it may take.
    fn probe(&mut self, rotation: &Stanza<'a>, item: &'a Item) -> Option<Duration> {
        let stanza = Stanza::of(rotation.path("probe"), item);
        self.set(stanza.path.clone(), item.labels.concat(), Origin::File(self.source.place(item.at.0)));
        self.pick(&stanza, "max_latency", value::duration, |value| show_duration(*value), None)
    }

    fn signed_probes(&mut self, rotation: &Stanza<'a>) -> Option<Vec<aws_iam::Probe>> {
        let mut probes = Vec::new();
        for item in rotation.all("probe") {
            let stanza = Stanza::of(rotation.path("probe"), item);
            let max_latency = self.probe(rotation, item);
            let url = item.labels.concat();
            if !url.starts_with("https://") && !url.starts_with("http://") {
                let form = "write probe \"https://BUCKET.s3.REGION.amazonaws.com/?list-type=2&max-keys=1\" { service = \"s3\"  region = \"…\" }";
                return self.fault(item.at, "a probe has no address that can be read", form);
            }
            let (service, region) = (self.needed(&stanza, "service")?, self.needed(&stanza, "region")?);
            probes.push(aws_iam::Probe { service, region, url, max_latency });
        }
        Some(probes)
    }
}
