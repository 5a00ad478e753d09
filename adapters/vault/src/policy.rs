//! The least policy that each provider's tokens need, in the server's own language, and what each line of it is for.

use std::fmt;

use turquoise_runtime::core::Privileges;

use crate::config::{Probe, Through};
use crate::name::{App, Path};
use crate::secret_id::Issued;

const LIST: &[&str] = &["list"];
const LIST_ALL: &[&str] = &["list", "sudo"];
const READ: &[&str] = &["read"];
const UPDATE: &[&str] = &["update"];

/// What stays possible without the lines that a rotation by the accessor privileges can do without.
const WAITED_OUT: &str = "what was made by a mint without an answer is not found, and lives to its own end";

/// A policy: [`Display`](fmt::Display) writes it as the server reads it, each line with what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

/// One line of a policy. [`Display`](fmt::Display) writes it as the server reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    path: String,
    capabilities: &'static [&'static str],
    /// A parameter that must not be given.
    denied: Option<&'static str>,
    purpose: &'static str,
    without: Option<&'static str>,
}

/// What a rotated token needs that mints its successors. Every token of a role must have it, since each mints the next.
///
/// Without the accessor privileges it gives no power over others: a token mints siblings, ends itself, and may look whether a
/// token that it already *knows* is alive.
///
/// With [`Privileges::Accessor`] *any* token of the namespace can be ended, a root token too (measured). In exchange what a crash
/// leaves of a mint is ended at once instead of outlived.
#[must_use]
pub fn policy(through: impl Into<Through>, probes: &[Probe], privileges: Privileges) -> Rules {
    let mint = Rule::new(through.into().path(), UPDATE, "mints the next token");
    let mut rules = vec![mint];
    rules.extend(own());
    if privileges == Privileges::Accessor {
        rules.extend(others());
        rules.push(Rule::new("auth/token/accessors", LIST_ALL, "looks for a token whose mint was not answered").or(WAITED_OUT));
    }
    Rules(rules).reading(probes)
}

/// What the token of a [`LoginProvider`](crate::LoginProvider) needs: of others it may only look whether a token that it already
/// *knows* is alive. `app` is the AppRole that it logs in to, if it does ([`Method::app`](crate::Method::app)). As to the accessor
/// privileges see [`policy`].
#[must_use]
pub fn login_policy(app: Option<&App>, probes: &[Probe], privileges: Privileges) -> Rules {
    let uses = "learns whether the secret id is good for more than one login";
    let unknown = "a secret id that is good for one login more only shows when it is used up";
    let mut rules: Vec<_> = app.map(|app| Rule::of_app(app, "secret-id/lookup", UPDATE, uses).or(unknown)).into_iter().collect();
    rules.extend(own());
    if privileges == Privileges::Accessor {
        rules.extend(others());
    }
    Rules(rules).reading(probes)
}

/// What the tokens of a rotated AppRole need, to make and end its secret ids.
#[must_use]
pub fn secret_id_policy(app: &App, issued: Issued, probes: &[Probe]) -> Rules {
    let mut rules = vec![
        Rule::of_app(app, "custom-secret-id", UPDATE, "makes the next secret id"),
        Rule::of_app(app, "secret-id/lookup", UPDATE, "learns how long a secret id lives"),
        Rule::of_app(app, "secret-id/destroy", UPDATE, "ends a secret id that is not as it was asked for"),
        Rule::of_app(app, "secret-id-accessor/lookup", UPDATE, "sees whether the old secret id is dead"),
        Rule::of_app(app, "secret-id-accessor/destroy", UPDATE, "ends the old secret id"),
        Rule::new("auth/token/revoke-self", UPDATE, "ends itself after each call"),
        Rule::of_app(app, "secret-id", LIST, "looks for a secret id whose making was not answered").or(WAITED_OUT),
    ];
    if issued == Issued::End {
        rules.extend([
            Rule::new("auth/token/accessors", LIST_ALL, "looks for the tokens that the old secret id was used for"),
            Rule::new("auth/token/lookup-accessor", UPDATE, "tells those tokens from others"),
            Rule::new("auth/token/revoke-accessor", UPDATE, "ends those tokens; it could end any"),
        ]);
    }
    Rules(rules).reading(probes)
}

/// What every token does that is rotated.
fn own() -> [Rule; 4] {
    [
        Rule::new("auth/token/lookup-self", READ, "a probe: how long it lives"),
        Rule::new("auth/token/renew-self", UPDATE, "sets its own life: longer when it serves, shorter when it retires"),
        Rule::new("auth/token/revoke-self", UPDATE, "ends itself"),
        Rule::new("auth/token/lookup", UPDATE, "sees whether the one before it is dead"),
    ]
}

/// The accessor privileges.
fn others() -> [Rule; 2] {
    [
        Rule::new("auth/token/lookup-accessor", UPDATE, "sees whether a token is dead that was lost in a crash"),
        Rule::new("auth/token/revoke-accessor", UPDATE, "ends a token that was lost in a crash; it could end any"),
    ]
}

impl Rules {
    fn reading(mut self, probes: &[Probe]) -> Self {
        for probe in probes {
            let path = probe.path.to_string();
            if self.of(&path).is_none() {
                self.0.push(Rule::new(path, READ, "a probe: what it must be able to read"));
            }
        }
        self
    }

    /// With what it takes to have leases of these paths ([`Leases`](crate::Leases)), and of no other.
    ///
    /// A lease is named by the path of a request, and a server believes a `lease_id` in its body more (measured): so that is denied.
    #[must_use]
    pub fn leasing(mut self, paths: &[Path]) -> Self {
        for path in paths {
            if self.of(&path.to_string()).is_none() {
                self.0.push(Rule::new(path.to_string(), READ, "takes a lease"));
            }
            let named = |verb: &str, purpose| Rule {
                denied: Some("lease_id"),
                ..Rule::new(format!("sys/leases/{verb}/{path}/*"), UPDATE, purpose)
            };
            self.0.push(named("renew", "renews a lease while work holds it").or("a lease ends when its first life is over"));
            self.0.push(named("revoke", "revokes a lease before its token ends").or("a lease ends with its token, not before"));
        }
        self
    }

    /// Its lines.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter()
    }

    /// Some of its lines.
    pub(crate) fn only(&self, wanted: impl Fn(&Rule) -> bool) -> Self {
        Self(self.0.iter().filter(|rule| wanted(rule)).cloned().collect())
    }

    /// The line that a request to this path takes.
    pub(crate) fn of(&self, path: &str) -> Option<&Rule> {
        self.0.iter().find(|rule| rule.path == path)
    }
}

impl Rule {
    fn new(path: impl Into<String>, capabilities: &'static [&'static str], purpose: &'static str) -> Self {
        Self { path: path.into(), capabilities, denied: None, purpose, without: None }
    }

    fn of_app(App { mount, role }: &App, what: &str, capabilities: &'static [&'static str], purpose: &'static str) -> Self {
        Self::new(format!("auth/{mount}/role/{role}/{what}"), capabilities, purpose)
    }

    /// A rotation can do without it, and then this is so.
    fn or(self, without: &'static str) -> Self {
        Self { without: Some(without), ..self }
    }

    /// What it is about, without the leading `/v1/`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What it allows there.
    pub fn capabilities(&self) -> &'static [&'static str] {
        self.capabilities
    }

    /// What a rotation needs it for.
    pub fn purpose(&self) -> &'static str {
        self.purpose
    }

    /// What is so without it, if a rotation can do without it at all.
    pub fn without(&self) -> Option<&'static str> {
        self.without
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let capabilities = self.capabilities.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        write!(f, "path \"{}\" {{ capabilities = [{capabilities}]", self.path)?;
        if let Some(parameter) = self.denied {
            write!(f, ", denied_parameters = {{ \"{parameter}\" = [] }}")?;
        }
        f.write_str(" }")
    }
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.0.iter().map(|rule| (rule.to_string(), rule.purpose)).collect();
        let width = lines.iter().map(|(line, _)| line.len()).max().unwrap_or_default();
        lines.iter().try_for_each(|(line, purpose)| writeln!(f, "{line:width$} # {purpose}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_has_one_line_for_each_path_that_says_what_it_is_for() {
        let role: crate::name::Role = "rot".parse().expect("a name");
        let probe = |path: &str| Probe { path: path.parse().expect("a path"), max_latency: None };
        let probes = [probe("secret/data/a"), probe("secret/data/a"), probe("auth/token/lookup-self")];
        let rules = policy(&role, &probes, Privileges::OnlySelf);
        let paths: Vec<_> = rules.iter().map(Rule::path).collect();
        let expected =
            ["create/rot", "lookup-self", "renew-self", "revoke-self", "lookup"].map(|path| format!("auth/token/{path}"));
        assert_eq!(paths[..5], expected);
        assert_eq!(paths[5..], ["secret/data/a"]);
        let text = rules.to_string();
        for (line, rule) in text.lines().zip(rules.iter()) {
            let (said, purpose) = line.split_once(" # ").expect("a purpose");
            assert_eq!((said.trim_end(), purpose), (rule.to_string().as_str(), rule.purpose()));
        }
        assert_eq!(text.lines().count(), 6);
    }
}
