//! A doctor accepts what the policy prints, and names what is taken from it.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use turquoise_runtime::core::Privileges;
use turquoise_vault::doctor::{self, Outcome, Plan, Report, Verdict};
use turquoise_vault::{
    Issued, LoginConfig, Method, Rule, Rules, Through, TokenConfig, Upstream, login_policy, policy, secret_id_policy,
};

use crate::support::{Bench, MINUTE, READABLE, probe, text};
use crate::{logging_in, secret_ids};

const SELF: Plan<'_> = Plan {
    probation: MINUTE,
    life: Duration::from_mins(50),
    privileges: Privileges::OnlySelf,
    every: Duration::from_mins(40),
    leases: &[],
};
const ACCESSOR: Plan<'_> = Plan { privileges: Privileges::Accessor, ..SELF };

fn never() -> bool {
    false
}

/// Every right that a policy gives, and the policy without it.
fn gaps(rules: &Rules) -> impl Iterator<Item = (&Rule, String)> {
    let with = |rule: &Rule, capabilities: &[&str]| {
        let capabilities = capabilities.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        format!("path \"{}\" {{ capabilities = [{capabilities}] }}\n", rule.path())
    };
    rules.iter().flat_map(move |gap| {
        gap.capabilities().iter().map(move |taken| {
            let left = |rule: &Rule| {
                let capabilities: Vec<_> =
                    rule.capabilities().iter().filter(|name| rule != gap || *name != taken).copied().collect();
                if capabilities.is_empty() { String::new() } else { with(rule, &capabilities) }
            };
            (gap, rules.iter().map(left).collect())
        })
    })
}

/// The one line is named, as it was printed, and nothing else is wrong.
#[track_caller]
fn names(report: &Report, gap: &Rule, printed: &Rules) {
    let missing: Vec<_> = report.missing().map(ToString::to_string).collect();
    assert!(!missing.is_empty(), "{gap} is not missed: {report:#?}");
    assert!(missing.iter().all(|line| *line == gap.to_string()), "{missing:?} are missed where {gap} is");
    assert!(printed.to_string().contains(&missing[0]));
    let verdict = if gap.without().is_some() { Verdict::Fit } else { Verdict::Unfit };
    assert_eq!(report.verdict(), verdict, "without {gap}: {report:#?}");
    assert!(!report.findings.iter().any(|finding| finding.outcome == Outcome::Unfit), "without {gap}: {report:#?}");
}

#[track_caller]
fn is_fit(report: &Report) {
    assert_eq!(report.verdict(), Verdict::Fit, "{report:#?}");
    assert_eq!((report.missing().count(), report.left.as_slice()), (0, [].as_slice()), "{report:#?}");
}

/// Something is found to defeat a rotation, and said so; what was made for that is ended.
#[track_caller]
fn defeats(report: &Report, saying: &str) {
    assert_eq!(report.verdict(), Verdict::Unfit, "{report:#?}");
    let unfit = |finding: &&doctor::Finding| finding.outcome == Outcome::Unfit && finding.words.contains(saying);
    assert!(report.findings.iter().any(|finding| unfit(&finding)), "{saying:?} is not in {report:#?}");
}

/// A role with a first token in its file.
fn bench(name: &str) -> Bench {
    let bench = Bench::new(name);
    fs::write(bench.token_file(), text(&bench.blue().secret)).unwrap();
    bench
}

async fn token(bench: &Bench, plan: Plan<'_>) -> Report {
    doctor::token(bench.config(), plan, never).await.unwrap()
}

async fn login(config: LoginConfig, plan: Plan<'_>) -> Report {
    doctor::login(config, plan, never).await.unwrap()
}

#[tokio::test]
async fn of_a_token_it_accepts_the_printed_policy_and_names_each_right_that_is_taken() {
    let bench = bench("doctor-token");
    for plan in [SELF, ACCESSOR] {
        let printed = policy(&bench.role, &[probe(READABLE)], plan.privileges);
        bench.server.write_policy("doctor-token", &printed.to_string()).unwrap();
        is_fit(&token(&bench, plan).await);
        assert_eq!(bench.alive(), 1);
    }
    let printed = policy(&bench.role, &[probe(READABLE)], Privileges::Accessor);
    for (gap, rest) in gaps(&printed) {
        bench.server.write_policy("doctor-token", &rest).unwrap();
        let report = token(&bench, ACCESSOR).await;
        names(&report, gap, &printed);
        if gap.path() == "auth/token/revoke-self" {
            assert!(report.left.iter().all(|token| token.contains("dies by itself in 1s")), "{:?}", report.left);
            assert_eq!(report.left.len(), 2, "{:?}", report.left);
        } else {
            assert_eq!(report.left, [""; 0]);
        }
    }
}

#[tokio::test]
async fn of_a_token_without_a_role_it_accepts_the_printed_policy_and_names_each_right_that_is_taken() {
    let bench = bench("doctor-orphan");
    let printed = policy(Through::CreateOrphan, &[probe(READABLE)], SELF.privileges);
    let examine = async || {
        let config = TokenConfig { through: Through::CreateOrphan, ..bench.config() };
        doctor::token(config, SELF, never).await.unwrap()
    };
    bench.server.write_policy("doctor-orphan", &printed.to_string()).unwrap();
    is_fit(&examine().await);
    for (gap, rest) in gaps(&printed) {
        bench.server.write_policy("doctor-orphan", &rest).unwrap();
        names(&examine().await, gap, &printed);
    }
}

#[tokio::test]
async fn of_a_login_it_accepts_the_printed_policy_and_names_each_right_that_is_taken() {
    let desk = logging_in::Desk::new("doctor-login");
    let rules = |plan: Plan<'_>| login_policy(desk.method().app().as_ref(), &[probe(READABLE)], plan.privileges);
    for plan in [SELF, ACCESSOR] {
        desk.server.write_policy("doctor-login", &rules(plan).to_string()).unwrap();
        is_fit(&login(desk.config(), plan).await);
        assert_eq!(desk.alive(), 0);
    }
    let printed = rules(ACCESSOR);
    for (gap, rest) in gaps(&printed) {
        desk.server.write_policy("doctor-login", &rest).unwrap();
        let report = login(desk.config(), ACCESSOR).await;
        names(&report, gap, &printed);
        let left = if gap.path() == "auth/token/revoke-self" { 2 } else { 0 };
        assert_eq!(report.left.len(), left, "without {gap}: {:?}", report.left);
    }
}

#[tokio::test]
async fn of_a_secret_id_it_accepts_the_printed_policy_and_names_each_right_that_is_taken() {
    let desk = secret_ids::Desk::new("doctor-sid");
    for issued in [Issued::Outlive, Issued::End] {
        let printed = secret_id_policy(&desk.app, issued, &[probe(READABLE)]);
        desk.server.write_policy("doctor-sid", &printed.to_string()).unwrap();
        is_fit(&doctor::secret_id(desk.config(issued), SELF, never).await.unwrap());
        assert_eq!(desk.alive(), [1, 0]);
    }
    let printed = secret_id_policy(&desk.app, Issued::End, &[probe(READABLE)]);
    for (gap, rest) in gaps(&printed) {
        desk.server.write_policy("doctor-sid", &rest).unwrap();
        let before = desk.alive();
        let report = doctor::secret_id(desk.config(Issued::End), SELF, never).await.unwrap();
        names(&report, gap, &printed);
        assert_eq!(desk.alive()[0], 1, "without {gap}: {:?}", report.left);
        if gap.path() == "auth/token/revoke-self" {
            assert!(!report.left.is_empty());
        } else {
            assert_eq!((desk.alive(), report.left.len()), (before, 0), "without {gap}: {:?}", report.left);
        }
    }
}

#[tokio::test]
async fn a_token_role_that_defeats_a_rotation_is_refused_with_its_reason() {
    let bench = bench("doctor-role");
    for (change, saying) in [
        (json!({"orphan": false}), "`orphan = true`"),
        (json!({"token_period": "1h"}), "it lives 3600 s where 60 s were asked"),
        (json!({"token_num_uses": 5}), "`token_num_uses = 0`"),
        (json!({"renewable": false}), "`renewable = true`"),
        (json!({"token_explicit_max_ttl": "20s"}), "the server warned: TTL of"),
        (json!({"token_explicit_max_ttl": "40m"}), "the period with its grace takes 3000s"),
        (json!({"allowed_policies": ["doctor-role", "nosuch"]}), r#"Policy "nosuch" does not exist"#),
    ] {
        bench.amend(&change);
        defeats(&token(&bench, SELF).await, saying);
        assert_eq!(bench.alive(), 1, "{change}");
    }
    bench.amend(&json!({"token_type": "batch", "renewable": false}));
    let report = token(&bench, SELF).await;
    defeats(&report, "`token_type = service`");
    assert!(report.left.len() == 1 && report.left[0].contains("lives for up to 60s"), "{:?}", report.left);
}

#[tokio::test]
async fn a_login_role_that_defeats_a_rotation_is_refused_with_its_reason() {
    for (number, (change, saying)) in [
        (json!({"token_period": "10m"}), "must have no `token_period`"),
        (json!({"token_num_uses": 9}), "`token_num_uses = 0`"),
        (json!({"token_type": "batch"}), "`token_type = service`"),
        (json!({"token_ttl": "2h", "token_max_ttl": "3h"}), "at most 3600s were declared"),
        (json!({"token_max_ttl": "40m"}), "the period with its grace takes 3000s"),
        (json!({"secret_id_num_uses": 9}), "`secret_id_num_uses = 0`"),
    ]
    .into_iter()
    .enumerate()
    {
        let desk = logging_in::Desk::with(&format!("doctor-login-{number}"), &change);
        defeats(&login(desk.config(), SELF).await, saying);
        assert_eq!(desk.alive(), 0, "{change}");
    }
    let once = logging_in::Desk::with("doctor-login-once", &json!({"secret_id_num_uses": 1}));
    defeats(&login(once.config(), SELF).await, "`secret_id_num_uses = 0`");
}

#[tokio::test]
async fn a_role_that_caps_or_counts_its_secret_ids_is_refused_with_its_reason() {
    let desk = secret_ids::Desk::new("doctor-sid-role");
    for (what, value, saying) in [
        ("secret-id-ttl", json!({"secret_id_ttl": "40m"}), "ttl cannot be longer than the role's secret_id_ttl"),
        ("secret-id-num-uses", json!({"secret_id_num_uses": 7}), "`secret_id_num_uses = 0`"),
    ] {
        desk.admin("POST", &format!("{}/{what}", desk.role()), &value);
        let report = doctor::secret_id(desk.config(Issued::Outlive), SELF, never).await.unwrap();
        defeats(&report, saying);
        assert_eq!(desk.alive(), [1, 0]);
        desk.admin("DELETE", &format!("{}/{what}", desk.role()), &Value::Null);
    }
}

/// Wherever it is stopped, nothing stays behind.
#[tokio::test]
async fn whenever_it_is_stopped_it_cleans_up() {
    let bench = bench("doctor-stop");
    bench.server.write_policy("doctor-stop", &policy(&bench.role, &[probe(READABLE)], Privileges::Accessor).to_string()).unwrap();
    for steps in 0_usize.. {
        let mut steps_left = 0..steps;
        let stop = || steps_left.next().is_none();
        let report = doctor::token(bench.config(), ACCESSOR, stop).await.unwrap();
        assert_eq!((bench.alive(), report.left.len()), (1, 0), "after {steps} steps: {report:#?}");
        if report.verdict() == Verdict::Fit {
            assert!(steps > 12, "it was over after {steps} steps");
            return;
        }
        assert_eq!(report.verdict(), Verdict::Failed, "what was not tried is not fit");
    }
}

#[tokio::test]
async fn what_is_in_use_is_left_as_it_is() {
    let bench = Bench::new("doctor-adopt");
    let blue = bench.blue_for(7 * MINUTE);
    fs::write(bench.token_file(), text(&blue.secret)).unwrap();
    let facts = || bench.server.admin("POST", "auth/token/lookup-accessor", &json!({"accessor": blue.handle.0})).unwrap();
    let before = facts()["data"]["expire_time"].take();
    is_fit(&token(&bench, SELF).await);
    let adopts = LoginConfig {
        probes: vec![probe(READABLE)],
        ..LoginConfig::new(bench.upstream(), Method::TokenFile { file: bench.token_file() })
    };
    is_fit(&login(adopts, SELF).await);
    assert_eq!(facts()["data"]["expire_time"], before);
}

#[tokio::test]
async fn what_an_operator_should_know_is_a_warning() {
    let desk = logging_in::Desk::new("doctor-warned");
    let report = login(LoginConfig { probes: Vec::new(), ..desk.config() }, SELF).await;
    assert_eq!(report.verdict(), Verdict::Fit);
    for saying in ["with `token_ttl = 60s` on the role", "no path is probed"] {
        let warned = |finding: &doctor::Finding| finding.outcome == Outcome::Warning && finding.words.contains(saying);
        assert!(report.findings.iter().any(warned), "{saying:?} is not in {report:#?}");
    }
    assert!(report.unchecked.iter().any(|what| what.contains("audit log")));
}

#[tokio::test]
async fn the_audit_log_is_looked_for_where_that_is_allowed() {
    let bench = bench("doctor-audit");
    let rules =
        format!("{}path \"sys/audit\" {{ capabilities = [\"read\", \"sudo\"] }}", policy(&bench.role, &[], SELF.privileges));
    bench.server.write_policy("doctor-audit", &rules).unwrap();
    let report = doctor::token(TokenConfig { probes: Vec::new(), ..bench.config() }, SELF, never).await.unwrap();
    let found = report.findings.iter().find(|finding| finding.what == "writes an audit log").unwrap();
    assert_eq!(found.outcome, Outcome::Good, "{found:?}");
}

#[tokio::test]
async fn what_is_missing_here_is_told_from_what_the_server_lacks() {
    let bench = Bench::new("doctor-here");
    let report = token(&bench, SELF).await;
    assert_eq!(report.verdict(), Verdict::Local);
    assert!(report.findings[0].words.contains("cannot be read"), "{report:#?}");
    fs::write(bench.token_file(), "s.nobody").unwrap();
    defeats(&token(&bench, SELF).await, "permission denied");
    let nobody = Upstream::new(["http://127.0.0.1:1".parse().unwrap()]);
    let report = doctor::token(TokenConfig { upstream: nobody, ..bench.config() }, SELF, never).await.unwrap();
    assert_eq!(report.verdict(), Verdict::Failed);
}
