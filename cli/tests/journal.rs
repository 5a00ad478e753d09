//! `turquoise journal`, beside logs that are written for the purpose.

#![expect(clippy::unwrap_used, reason = "a test ends with what it did not expect")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use turquoise::core::{BootId, Color, Drained, Generation, Instant, Life, Lsn, Mint, Proof, Record, Step, Trigger, Via};
use turquoise::journal::FileJournal;
use turquoise::port::{Entry, Handle, Journal as _};

const INCARNATION: u32 = 0x0bad_cafe;

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_turquoise"));
    let output = command.arg("journal").args(args).stdin(Stdio::null()).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn mint(number: u32, slot: Color) -> Mint {
    Mint { generation: Generation { incarnation: INCARNATION, number }, slot }
}

/// A first login and a rotation, up to its end.
fn steps() -> Vec<Step> {
    let (life, ub) = (Life { lb: Instant(60_000), ub: Instant(61_000) }, Instant(90_000));
    vec![
        Step::LoginIntent { mint: mint(1, Color::Blue) },
        Step::LoggedIn { life },
        Step::Ready,
        Step::IssueIntent { mint: mint(2, Color::Green), trigger: Trigger::Operator, via: Via::Current },
        Step::Issued { life },
        Step::Persisted,
        Step::ExtendIntent,
        Step::Promoted { life },
        Step::ShortenIntent { deadline: Instant(17_000) },
        Step::RevokeIntent { drained: Drained::Deadline, ub },
        Step::Died { proof: Proof::Observed },
        Step::Cleared,
    ]
}

/// A folder with a journal of these steps, and a server's log.
struct Desk {
    folder: TempDir,
    journal: String,
    log: String,
}

impl Desk {
    fn new(steps: &[Step], log: &[Value]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [journal, audit] = ["journal", "audit.log"].map(|name| folder.path().join(name));
        let mut opened = FileJournal::open(&journal).unwrap();
        for (lsn, step) in (1..).zip(steps) {
            let record = Record { lsn: Lsn(lsn), boot: BootId(7), at: Instant(1000 * lsn), step: *step };
            let handle = match step {
                Step::LoggedIn { .. } => Some("accessor-of-blue"),
                Step::Issued { .. } => Some("accessor-of-green"),
                _ => None,
            };
            let handle = handle.map(|name| Handle(name.to_owned()));
            opened.journal.append(&Entry { record, handle, holders: None }).unwrap();
        }
        fs::write(&audit, log.iter().flat_map(|line| [line.to_string(), "\n".to_owned()]).collect::<String>()).unwrap();
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        Self { journal: text(journal), log: text(audit), folder }
    }

    fn audit(&self, more: &[&str]) -> (Option<i32>, String, String) {
        let told = ["audit", &self.journal, "--audit-log", &self.log, "--grace", "5s", "--ends-within", "3s", "--at-rest"];
        run(&[&told, more].concat())
    }
}

fn hmac(text: &str) -> String {
    format!("hmac-sha256:{text:0>64}")
}

/// An answer; of a token that lives.
fn answer(second: u32, bearer: &str, path: &str, rest: &Value) -> Value {
    let mut line = json!({"time": format!("2026-11-24T00:00:{second:02}Z"), "type": "response",
        "auth": {"policy_results": {"allowed": true}},
        "request": {"id": format!("{second}-{path}"), "operation": "update", "path": path,
            "client_token": hmac(bearer), "client_token_accessor": format!("accessor-of-{bearer}")}});
    for (name, value) in rest.as_object().unwrap() {
        match value {
            Value::Object(parts) => parts.iter().for_each(|(part, value)| line[name][part] = value.clone()),
            other => line[name] = other.clone(),
        }
    }
    line
}

fn given(token: &str, ttl: u64) -> Value {
    json!({"auth": {"client_token": hmac(token), "accessor": format!("accessor-of-{token}"), "token_ttl": ttl}})
}

/// What the server wrote of that rotation.
fn log() -> Vec<Value> {
    let headers = json!({"x-rotation-id": ["0badcafe-2"]});
    vec![
        answer(2, "blue", "secret/data/app", &json!({})),
        answer(10, "blue", "auth/token/create/rot", &json!({"request": {"headers": headers}, "response": given("green", 12)})),
        answer(11, "green", "secret/data/app", &json!({})),
        answer(12, "green", "auth/token/renew-self", &json!({"response": given("green", 60)})),
        answer(13, "blue", "auth/token/renew-self", &json!({"response": given("blue", 6)})),
        answer(18, "blue", "auth/token/revoke-self", &json!({})),
        answer(19, "green", "auth/token/lookup", &json!({"request": {"data": {"token": hmac("blue")}}, "error": "denied"})),
        answer(20, "green", "secret/data/app", &json!({})),
    ]
}

#[test]
fn a_journal_is_shown_as_a_table_and_as_json() {
    let desk = Desk::new(&steps(), &[]);
    let (code, out, complaints) = run(&["show", &desk.journal]);
    assert_eq!((code, complaints.as_str()), (Some(0), ""));
    for words in ["issue-intent", "accessor-of-green", "generation:0badcafe-2", "proof=observed", "12 records"] {
        assert!(out.contains(words), "no {words:?} in\n{out}");
    }
    let (code, out, _) = run(&["show", &desk.journal, "--format", "json"]);
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, document["records"].as_array().unwrap().len()), (Some(0), 12));
    assert_eq!((&document["records"][11]["step"], &document["torn"]), (&json!("cleared"), &Value::Null));
}

#[test]
fn a_torn_tail_is_told_and_a_damaged_journal_is_named_with_line_and_byte_and_both_are_kept() {
    let desk = Desk::new(&steps(), &[]);
    let sound = fs::read_to_string(&desk.journal).unwrap();
    let torn = &sound[..sound.len() - 30];
    fs::write(&desk.journal, torn).unwrap();
    let (code, out, _) = run(&["show", &desk.journal]);
    assert!(code == Some(0) && out.contains("11 records") && out.contains("a torn tail of"), "{out}");
    assert_eq!(fs::read_to_string(&desk.journal).unwrap(), torn, "it is left as it is");

    let damaged = sound.replacen("\"persisted\"", "\"persistent\"", 1);
    fs::write(&desk.journal, &damaged).unwrap();
    let offset = sound.lines().take(5).map(|line| line.len() + 1).sum::<usize>();
    for command in ["show", "audit"] {
        let (code, _, complaints) = run(&[command, &desk.journal]);
        let named = format!("{}, line 6, at byte {offset}: the bytes do not match their checksum", desk.journal);
        assert!(code == Some(1) && complaints.contains(&named), "{complaints}");
    }
    assert_eq!(fs::read_to_string(&desk.journal).unwrap(), damaged, "it is left as it is");
    assert_eq!(run(&["show", &desk.journal.replace("journal", "nothing")]).0, Some(1));
    let names: Vec<_> = names(desk.folder.path());
    assert_eq!(names, ["audit.log", "journal", "journal.lock"], "nothing was made");
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_journal_is_read_beside_the_process_that_writes_it() {
    let desk = Desk::new(&steps(), &[]);
    let _writing = FileJournal::open(Path::new(&desk.journal)).unwrap();
    let (code, out, _) = run(&["audit", &desk.journal]);
    assert!(code == Some(0) && out.contains("12 of 12 records replayed, it ends in Steady"), "{out}");
    assert!(out.contains("not compared with the server's own log"), "{out}");
}

#[test]
fn a_record_that_may_not_follow_is_a_violation() {
    let mut steps = steps();
    steps.remove(7);
    let desk = Desk::new(&steps, &[]);
    let (code, out, _) = run(&["audit", &desk.journal]);
    assert!(code == Some(14) && out.contains("7 of 11 records replayed") && out.contains("violated: record 8"), "{out}");
}

#[test]
fn a_log_that_agrees_holds_and_what_was_not_told_is_listed() {
    let desk = Desk::new(&steps(), &log());
    let (code, out, complaints) = desk.audit(&[]);
    assert_eq!((code, complaints.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("of 2 credentials that it names the log has 2"), "{out}");
    assert!(out.contains("not judged: S10") && !out.contains("not judged: S3"), "{out}");
    assert!(out.ends_with("nothing contradicts a property\n"), "{out}");
    let (code, out, _) = desk.audit(&["--format", "json", "--requests", "9"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["server"]["violations"], &report["phase"]), (Some(0), &json!([]), &json!("Steady")));
    assert_eq!(report["server"]["credentials"][0]["ended_by"], "itself");
}

#[test]
fn a_log_that_contradicts_a_property_ends_with_14() {
    // A token that the journal never announced.
    let mut strange = log();
    let headers = json!({"x-rotation-id": ["0badcafe-3"]});
    let more = json!({"request": {"headers": headers}, "response": given("third", 1)});
    strange.push(answer(30, "green", "auth/token/create/rot", &more));
    strange.push(answer(40, "green", "secret/data/app", &json!({})));
    let (code, out, _) = Desk::new(&steps(), &strange).audit(&[]);
    assert!(code == Some(14) && out.contains("violated: S3") && out.contains("NOT as it must be"), "{out}");
    // The old one ends before its grace was over, and is used.
    let mut early = log();
    early.remove(5);
    early.insert(5, answer(14, "blue", "auth/token/revoke-self", &json!({})));
    let mut dead = answer(15, "blue", "secret/data/app", &json!({"error": "denied"}));
    dead["request"].as_object_mut().unwrap().remove("client_token_accessor");
    early.insert(6, dead);
    let (code, out, _) = Desk::new(&steps(), &early).audit(&[]);
    assert!(code == Some(14) && out.contains("violated: S2"), "{out}");
    // More requests than a rotation may take.
    let (code, out, _) = Desk::new(&steps(), &log()).audit(&["--requests", "4"]);
    assert!(code == Some(14) && out.contains("violated: S10"), "{out}");
}

#[test]
fn a_file_that_is_no_log_is_named_with_the_byte() {
    let desk = Desk::new(&steps(), &[json!({"hello": 1})]);
    let (code, _, complaints) = desk.audit(&[]);
    assert!(code == Some(1) && complaints.contains(&desk.log) && complaints.contains("at byte 0"), "{complaints}");
}

/// Who hashes what: nothing is sent where nobody listens, and the server's trouble is not ours.
#[test]
fn a_server_that_does_not_hash_ends_with_2() {
    let desk = Desk::new(&steps(), &log());
    let token = desk.folder.path().join("token");
    fs::write(&token, "no-token").unwrap();
    let (code, _, complaints) = desk.audit(&["--address", "http://127.0.0.1:1", "--token-file", token.to_str().unwrap()]);
    assert!(code == Some(2) && complaints.contains("hashing a name"), "{complaints}");
}

#[test]
fn each_command_has_examples() {
    for command in ["show", "audit"] {
        let (code, out, _) = run(&[command, "--help"]);
        assert!(code == Some(0) && out.contains("Examples:\n  turquoise journal") && out.contains("Exit codes:"), "{out}");
    }
}
