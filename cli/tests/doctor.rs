//! `turquoise policy` and `turquoise doctor` as an operator runs them, one after the other.

#![expect(clippy::unwrap_used, reason = "a test ends with what it did not expect")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use turquoise::memory::ExposeSecret as _;
use turquoise_openbao::{Binary, Options, Server};

/// Before the arguments of a command whose output follows.
const BEGIN: &str = "\n```sh\nturquoise policy ";
const PROBE: [&str; 4] = ["--role", "app", "--probe", "secret/data/app"];

fn turquoise(args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_turquoise"));
    let output = command.args(args).stdin(Stdio::null()).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn policy(args: &[&str]) -> String {
    let (code, text, _) = turquoise(&[&["policy"], args].concat());
    assert_eq!(code, Some(0));
    text
}

/// A server with a secret, a token role, and a first token in a file.
struct Site {
    server: Server,
    folder: TempDir,
    token: String,
}

impl Site {
    fn new() -> Self {
        let server = Server::start(&Binary::obtain(|_| ()).unwrap(), Options::default()).unwrap();
        server.enable_kv().unwrap();
        server.write_secret("app", &json!({"key": "value"})).unwrap();
        server.write_token_role("app", &["app"]).unwrap();
        let token = server.mint("app", Duration::from_hours(1)).unwrap().token.expose_secret().to_owned();
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("token"), &token).unwrap();
        Self { server, folder, token }
    }

    fn doctor(&self, more: &[&str]) -> (Option<i32>, String) {
        self.doctor_at(self.server.address(), &self.folder.path().join("token"), more)
    }

    fn doctor_at(&self, address: &str, token: &Path, more: &[&str]) -> (Option<i32>, String) {
        let which = ["doctor", "vault-token", "--address", address, "--token-file", token.to_str().unwrap()];
        let (code, told, complaint) = turquoise(&[&which, &PROBE[..], more].concat());
        assert!(!told.contains(&self.token) && !complaint.contains(&self.token), "a secret was told");
        (code, told + &complaint)
    }
}

#[test]
fn a_doctor_accepts_what_the_policy_prints_and_its_exit_code_says_what_is_wrong() {
    let site = Site::new();
    let printed = policy(&[&["vault-token"], &PROBE[..]].concat());
    site.server.write_policy("app", &printed).unwrap();
    let (code, told) = site.doctor(&[]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("A rotation has all that it needs."), "{told}");

    let gap = r#"path "auth/token/renew-self" { capabilities = ["update"] }"#;
    assert!(printed.contains(gap));
    let rest: Vec<_> = printed.lines().filter(|line| !line.starts_with(gap)).collect();
    site.server.write_policy("app", &rest.join("\n")).unwrap();
    let (code, told) = site.doctor(&[]);
    assert_eq!(code, Some(13), "{told}");
    assert!(told.contains(&format!("Missing in the policy:\n  {gap}\n")), "{told}");
    let (code, told) = site.doctor(&["--format", "json"]);
    let report: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((code, &report["verdict"], &report["missing"]), (Some(13), &json!("unfit"), &json!([gap])));

    site.server.write_policy("app", &printed).unwrap();
    let (code, told) = site.doctor(&["--privileges", "accessor", "--format", "json"]);
    let report: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((code, report["missing"].as_array().unwrap().len()), (Some(13), 3), "{told}");
    let whole = policy(&[&["vault-token", "--privileges", "accessor"], &PROBE[..]].concat());
    site.server.write_policy("app", &whole).unwrap();
    assert_eq!(site.doctor(&["--privileges", "accessor"]).0, Some(0));
    assert_eq!(site.doctor(&["--every", "900h"]).0, Some(13), "the server gives 768 h");

    assert_eq!(site.doctor_at("http://127.0.0.1:1", &site.folder.path().join("token"), &[]).0, Some(2));
    assert_eq!(site.doctor_at(site.server.address(), Path::new("/nowhere"), &[]).0, Some(1));
    assert_eq!(site.doctor(&["--every", "soon"]).0, Some(1));
    assert_eq!(site.server.live_tokens("app").unwrap(), 1);
}

/// `docs/vault.md` shows what is printed. `UPDATE_DOCS=1` writes it there.
#[test]
fn the_manual_shows_what_is_printed() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/vault.md");
    let written = fs::read_to_string(&page).unwrap();
    let (mut now, mut rest, mut shown) = (String::new(), written.as_str(), 0);
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (args, after) = after.split_once("\n```\n\n```hcl\n").unwrap();
        let (_, after) = after.split_once("```\n").unwrap();
        let printed = policy(&args.split(' ').collect::<Vec<_>>());
        now.extend([before, BEGIN, args, "\n```\n\n```hcl\n", &printed, "```\n"]);
        (rest, shown) = (after, shown + 1);
    }
    now += rest;
    assert_eq!(shown, 4, "each provider's policy is in the manual, and that of leases");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&page, now).unwrap();
    } else {
        assert_eq!(written, now, "run this test with UPDATE_DOCS=1");
    }
}
