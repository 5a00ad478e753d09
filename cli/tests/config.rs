//! `turquoise config` and its neighbours as a user runs them.

#![expect(clippy::unwrap_used, reason = "a test ends with what it did not expect")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Nothing of the environment is there.
fn turquoise(args: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_turquoise"));
    let output = command.args(args).current_dir(files()).env_clear().output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn files() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files")
}

/// The files of a folder, in order, as the program is told of them.
fn all(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(files().join(folder)).unwrap();
    let mut names: Vec<_> = entries.map(|entry| format!("{folder}/{}", entry.unwrap().file_name().to_str().unwrap())).collect();
    names.sort();
    assert!(!names.is_empty());
    names
}

fn checked(folder: &str, mut look: impl FnMut(&str, &Ran)) -> String {
    all(folder).iter().fold(String::new(), |mut told, file| {
        let ran = turquoise(&["config", "check", file]);
        look(file, &ran);
        writeln!(told, "{file}, exit code {}\n{}{}", ran.code.unwrap(), ran.err, ran.out).unwrap();
        told
    })
}

#[test]
fn a_bad_file_says_where_and_what_to_do() {
    let told = checked("bad", |file, ran| {
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{file}");
        for line in ran.err.lines() {
            let place = line.strip_prefix(file).and_then(|rest| rest.strip_prefix(':')).unwrap();
            let numbers: Vec<_> = place.splitn(3, ':').take(2).map(str::parse::<u32>).collect();
            assert!(numbers.iter().all(Result::is_ok), "{line}");
        }
    });
    insta::assert_snapshot!("bad", told);
}

#[test]
fn no_message_repeats_a_secret() {
    for file in all("bad") {
        for args in
            [["config", "check", &file, "--format=json"].as_slice(), &["config", "migrate", &file], &["run", "-config", &file]]
        {
            let Ran { out, err, .. } = turquoise(args);
            for secret in ["hvs.", "6f0c3b4e", "swordfish"] {
                assert!(!out.contains(secret) && !err.contains(secret), "{args:?}: {out}{err}");
            }
        }
    }
}

#[test]
fn every_example_of_the_agents_manual_has_its_verdict() {
    insta::assert_snapshot!("manual", checked("docs", |_, _| ()));
}

#[test]
fn a_good_file_comes_to_this() {
    let told = checked("good", |file, ran| assert_eq!(ran.code, Some(0), "{file}: {}", ran.err));
    insta::assert_snapshot!("good", told);
}

#[test]
fn the_environment_wins_over_the_file() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_turquoise"));
    command.args(["config", "check", "good/agent.hcl", "--format", "json"]).current_dir(files()).env_clear();
    command.env("VAULT_ADDR", "http://vault:8200").env("BAO_ADDR", "http://bao:8200").env("VAULT_CACERT", "/ca.pem");
    let told: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    let setting = |key: &str| told["settings"].as_array().unwrap().iter().find(|setting| setting["key"] == key).unwrap().clone();
    let address = setting("vault.address");
    assert_eq!((&address["value"], &address["from"]["environment"]), (&"http://bao:8200".into(), &"BAO_ADDR".into()));
    assert_eq!(setting("vault.ca_cert")["value"], "/ca.pem");
    assert_eq!(told["usable"], true);
}

#[test]
fn what_is_migrated_can_be_run_and_means_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let new = folder.path().join("new.hcl");
    let settings = |file: &str| {
        let told: Value = serde_json::from_str(&turquoise(&["config", "check", file, "--format=json"]).out).unwrap();
        let settings = told["settings"].as_array().unwrap().iter();
        settings.map(|setting| format!("{} = {}", setting["key"], setting["value"])).collect::<Vec<_>>()
    };
    for file in
        ["good/agent.hcl", "good/ours.hcl", "good/token.hcl", "docs/autoauth-sinks-stanza.hcl", "docs/autoauth-two-sinks.hcl"]
    {
        let Ran { code, out, err } = turquoise(&["config", "migrate", file]);
        assert_eq!(code, Some(0), "{file}: {err}");
        fs::write(&new, &out).unwrap();
        assert_eq!(settings(file), settings(new.to_str().unwrap()), "{file}:\n{out}");
    }
    for file in ["docs/agent.hcl", "docs/proxy.hcl", "docs/autoauth-approle.hcl"] {
        let Ran { code, out, err } = turquoise(&["config", "migrate", file]);
        assert_eq!(code, Some(1), "{file}");
        assert!(out.contains("left out: ") && err.contains("not in the new file"), "{file}:\n{out}{err}");
        fs::write(&new, &out).unwrap();
        let Ran { code, err, .. } = turquoise(&["config", "check", new.to_str().unwrap()]);
        assert_eq!(code, Some(0), "{file}: {err}\n{out}");
    }
}

#[test]
fn a_run_refuses_what_a_check_refuses() {
    for file in ["docs/proxy-apiproxy.hcl", "docs/template-environment.hcl", "bad/unknown-key.hcl"] {
        let (run, check) = (turquoise(&["run", "--config", file]), turquoise(&["config", "check", file]));
        assert_eq!((run.code, run.err), (Some(1), check.err), "{file}");
    }
    let Ran { code, err, .. } = turquoise(&["run", "--config", "nowhere.hcl"]);
    assert_eq!(code, Some(1));
    assert!(err.starts_with("nowhere.hcl: it cannot be read"), "{err}");
}

#[test]
fn usage_errors_exit_1_and_help_has_examples() {
    for args in [&["run"][..], &["rum"], &["config"], &["config", "check"], &["config", "check", "a", "--format", "xml"]] {
        assert_eq!(turquoise(args).code, Some(1), "{args:?}");
    }
    for command in [&["run"][..], &["config", "check"], &["config", "migrate"], &["recover"], &["completions"], &["man"]] {
        let Ran { code, out, .. } = turquoise(&[command, &["-help"]].concat());
        assert!(code == Some(0) && out.contains("Examples:\n"), "{command:?}: {out}");
    }
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let Ran { code, out, .. } = turquoise(&["completions", shell]);
        assert!(code == Some(0) && out.contains("migrate") && out.contains("verify"), "{shell}");
    }
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(turquoise(&["man", folder.path().to_str().unwrap()]).code, Some(0));
    let mut pages: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|page| page.unwrap().file_name().into_string().unwrap()).collect();
    pages.sort();
    let commands = [
        "-abort",
        "-break-glass",
        "-completions",
        "-compromise",
        "-config-check",
        "-config-migrate",
        "-config",
        "-credential-process",
        "-debt-retry",
        "-debt",
        "-demo",
        "-doctor-approle-secret-id",
        "-doctor-vault-login",
        "-doctor-vault-token",
        "-doctor",
        "-journal-audit",
        "-journal-show",
        "-journal",
        "-local-token-rotate",
        "-local-token",
        "-man",
        "-pause",
        "-plan",
        "-policy-approle-secret-id",
        "-policy-vault-login",
        "-policy-vault-token",
        "-policy",
        "-recover",
        "-resolve",
        "-resume",
        "-rollback",
        "-rotate",
        "-run",
        "-spec",
        "-status",
        "-verify",
        "-watch",
        "",
    ];
    assert_eq!(pages, commands.map(|command| format!("turquoise{command}.1")));
}
