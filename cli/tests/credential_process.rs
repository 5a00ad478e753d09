//! `turquoise credential-process`, asked by a client that knows nothing of us: boto3 as it is.

#![expect(clippy::unwrap_used, reason = "a test ends with what it did not expect")]

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use secrecy::ExposeSecret as _;
use serde_json::json;
use turquoise_moto::{Emulator, Key, User};

const TURQUOISE: &str = env!("CARGO_BIN_EXE_turquoise");

/// One client for all calls: one for each line of its input, with a line of its own for each.
const CALLER: &str = r#"
import os, sys, boto3, botocore.config
config = botocore.config.Config(retries={"max_attempts": 0})
sts = boto3.Session(region_name="us-east-1").client("sts", endpoint_url=os.environ["ENDPOINT"], config=config)
for _ in sys.stdin:
    try:
        sts.get_caller_identity()
        print("served", flush=True)
    except Exception as why:
        print("failed", why, flush=True)
"#;

/// As the sink publishes it: another file in its place.
fn publish(path: &Path, key: &Key) {
    let (id, secret) = (&key.id, key.secret.expose_secret());
    let new = path.with_extension("new");
    fs::write(&new, format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n")).unwrap();
    fs::rename(new, path).unwrap();
}

/// The one emulator. It goes with this process.
static EMULATOR: LazyLock<Emulator> = LazyLock::new(|| Emulator::start(|_| {}).unwrap());

/// A user who may do anything, with its first key.
fn user(name: &str) -> Key {
    let policy = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "iam:*", "Resource": "*" }] });
    let (propagate, linger) = (Duration::ZERO, Duration::ZERO);
    EMULATOR.make_user(&User { name: name.to_owned(), policy, propagate, linger }).unwrap()
}

#[test]
fn a_key_is_rotated_by_a_file_and_published_where_the_file_says() {
    let first = user("run");
    let folder = tempfile::tempdir().unwrap();
    let [profile, credentials, config] = ["profile", "credentials", "turquoise.hcl"].map(|name| folder.path().join(name));
    publish(&profile, &first);
    let text = format!(
        "rotation \"keys\" {{
          provider     = \"aws-iam\"
          user         = \"run\"
          adopt        = \"own\"
          every        = \"1h\"
          grace        = \"1s\"
          validate_for = \"10s\"
          timeout      = \"10s\"
          propagation  = 0
          spare        = 0
          start_spread = 0
          source \"profile\" {{ file = \"{0}\" }}
          endpoint {{
            iam = \"{1}\"
            sts = \"{1}\"
          }}
          sink \"shared-credentials\" {{ config = {{ path = \"{2}\" }} }}
        }}
        journal {{ path = \"{3}\" }}
        admin {{ address = \"{3}/admin.sock\" }}\n",
        profile.display(),
        EMULATOR.url(),
        credentials.display(),
        folder.path().display(),
    );
    fs::write(&config, text).unwrap();
    let log = File::create(folder.path().join("log")).unwrap();
    let mut sidecar = Command::new(TURQUOISE).args(["run", "-config"]).arg(&config).env_clear().stderr(log).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_mins(1);
    let mut wait = || {
        let log = || fs::read_to_string(folder.path().join("log")).unwrap();
        assert!(sidecar.try_wait().unwrap().is_none() && Instant::now() < deadline, "{}", log());
        thread::sleep(Duration::from_millis(50));
    };
    // It is refused until the first key is on record.
    let mut rotate = Command::new(TURQUOISE);
    rotate.args(["rotate", "keys"]).env_clear().env("TURQUOISE_ADMIN", folder.path().join("admin.sock"));
    while !rotate.output().unwrap().status.success() {
        wait();
    }
    let published = |key: &str| fs::read_to_string(&credentials).is_ok_and(|text| text.contains(key));
    let new = loop {
        let keys = EMULATOR.keys("run").unwrap();
        if let Some(key) = keys.into_iter().find(|key| key.id != first.id && published(&key.id)) {
            break key;
        }
        wait();
    };
    sidecar.kill().unwrap();
    sidecar.wait().unwrap();
    assert!(new.active);
}

#[test]
fn a_client_of_aws_goes_over_to_the_next_key_without_a_failed_call() {
    let (emulator, first) = (&*EMULATOR, user("app"));
    let folder = tempfile::tempdir().unwrap();
    let (file, config) = (folder.path().join("credentials"), folder.path().join("config"));
    publish(&file, &first);
    let process = format!("{TURQUOISE} credential-process --file {} --expires-in 1m", file.display());
    fs::write(&config, format!("[default]\ncredential_process = {process}\n")).unwrap();
    let mut caller = Command::new(emulator.python().program());
    caller.args(["-I", "-c", CALLER]).env_clear().env("ENDPOINT", emulator.url()).env("AWS_CONFIG_FILE", &config);
    caller.env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut caller = caller.spawn().unwrap();
    let (mut ask, mut told) = (caller.stdin.take().unwrap(), BufReader::new(caller.stdout.take().unwrap()));
    let mut call = || {
        ask.write_all(b"\n").unwrap();
        let mut line = String::new();
        told.read_line(&mut line).unwrap();
        line
    };
    assert_eq!(call(), "served\n");
    publish(&file, &emulator.make_key("app").unwrap());
    emulator.delete_key("app", &first.id).unwrap();
    assert_eq!(call(), "served\n", "the old key is gone, and the file has the new one");
    drop(ask);
    caller.wait().unwrap();
}

#[test]
fn where_there_is_no_key_it_says_so_and_fails() {
    let asked = Command::new(TURQUOISE).args(["credential-process", "--file", "/nonexistent"]).output().unwrap();
    assert_eq!(asked.status.code(), Some(1));
    assert!(asked.stdout.is_empty());
    assert!(String::from_utf8_lossy(&asked.stderr).contains("cannot be read"), "{asked:?}");
}
