//! `turquoise run` with a child, on a real server.
//!
//! The tests run side by side, each with an identity of its own. Rotations are asked for, so that the policy can be patient with a
//! machine that is busy.

#![expect(clippy::unwrap_used, reason = "a test ends with what it did not expect")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use turquoise::core::Privileges;
use turquoise::vault::{Method, Probe, login_policy};
use turquoise_openbao::{AdminError, Binary, Options, Server};

const SECRET: &str = "secret/data/app";
/// Nothing takes longer, also on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often we look.
const PACE: Duration = Duration::from_millis(50);

/// A program that serves as long as it can: each time it does some work with its token it writes a line. It is ready when it has
/// done so once, and when it is asked to end it finishes what it does.
const SERVER: &str = r#"
import os, signal, socket, sys, time
pid, token, motto = os.getpid(), os.environ["APP_TOKEN"], os.environ["APP_MOTTO"]
host, port = os.environ["APP_ADDRESS"].removeprefix("http://").rsplit(":", 1)
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
request = f"GET /v1/secret/data/app HTTP/1.0\r\nHost: {host}\r\nX-Vault-Token: {token}\r\n\r\n".encode()
with open("beats", "a", buffering=1) as beats:
    while True:
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(request)
            status = connection.makefile("rb").readline().split()[1].decode()
        beats.write(f"{time.monotonic_ns()} {pid} {motto} {status}\n")
        open(f"ready.{pid}", "w").close()
        if asked:
            sys.exit(5)
        time.sleep(0.05)
"#;

/// The one server. It goes with this process.
fn server() -> &'static Server {
    static SHARED: LazyLock<Server> = LazyLock::new(|| {
        let server = Server::start(&Binary::obtain(|_| ()).unwrap(), Options::default()).unwrap();
        server.enable_kv().unwrap();
        server.write_secret("app", &json!({"motto": "never-dark"})).unwrap();
        server
    });
    &SHARED
}

/// An AppRole with a mount of its own, and a folder with all the files.
struct Site {
    mount: &'static str,
    folder: TempDir,
}

impl Site {
    /// With this grace, and these stanzas more, in which `FOLDER` stands for where the files are.
    fn new(mount: &'static str, grace: &str, stanzas: &str) -> Self {
        let site = Self { mount, folder: TempDir::new().unwrap() };
        site.furnish();
        let stanzas = stanzas.replace("FOLDER", &site.folder.path().display().to_string());
        let text = format!(
            "vault {{ address = \"{1}\" }}
            auto_auth {{
              method \"approle\" {{
                mount_path  = \"auth/{mount}\"
                min_backoff = \"100ms\"
                config = {{
                  role_id_file_path   = \"{0}/role-id\"
                  secret_id_file_path = \"{0}/secret-id\"
                  remove_secret_id_file_after_reading = false
                }}
              }}
              sink \"file\" {{
                config = {{
                  path = \"{0}/token\"
                  mode = 0640
                }}
              }}
            }}
            rotation \"app\" {{
              every        = \"1h\"
              life         = \"5m\"
              login_life   = \"10m\"
              validate_for = \"10s\"
              grace        = \"{grace}\"
              timeout      = \"5s\"
              probe \"{SECRET}\" {{ capability = \"read\" }}
            }}
            journal {{ path = \"{0}/journals\" }}
            admin {{ address = \"{0}/admin.sock\" }}
            {stanzas}\n",
            site.folder.path().display(),
            server().address(),
        );
        fs::write(site.file("agent.hcl"), text).unwrap();
        site
    }

    fn furnish(&self) {
        let (server, mount) = (server(), self.mount);
        let admin = |method: &str, path: &str, body: &Value| server.admin(method, path, body).unwrap();
        let login = Method::AppRole {
            mount: mount.parse().unwrap(),
            role_id_file: self.file("role-id"),
            secret_id_file: Some(self.file("secret-id")),
            role: None,
        };
        let probe = Probe { path: SECRET.parse().unwrap(), max_latency: None };
        server.write_policy(mount, &login_policy(login.app().as_ref(), &[probe], Privileges::OnlySelf).to_string()).unwrap();
        admin("POST", &format!("sys/auth/{mount}"), &json!({"type": "approle"}));
        let role = format!("auth/{mount}/role/app");
        admin("POST", &role, &json!({"token_policies": [mount], "token_ttl": "10m", "token_max_ttl": "1h"}));
        let role_id = admin("GET", &format!("{role}/role-id"), &Value::Null);
        let secret_id = admin("POST", &format!("{role}/secret-id"), &json!({}));
        fs::write(self.file("role-id"), role_id["data"]["role_id"].as_str().unwrap()).unwrap();
        fs::write(self.file("secret-id"), secret_id["data"]["secret_id"].as_str().unwrap()).unwrap();
    }

    /// Has a rotation begin.
    fn rotate(&self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_turquoise"));
        let asked = command.args(["rotate", "app"]).env_clear().env("TURQUOISE_ADMIN", self.file("admin.sock")).output().unwrap();
        assert!(asked.status.success(), "{asked:?}");
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// How many tokens of the mount live.
    fn alive(&self) -> usize {
        match server().admin("LIST", &format!("sys/leases/lookup/auth/{}/login", self.mount), &Value::Null) {
            Ok(reply) => reply["data"]["keys"].as_array().unwrap().len(),
            Err(AdminError::Refused { status: 404, .. }) => 0,
            Err(error) => panic!("{error}"),
        }
    }
}

/// `turquoise run` in a process. Killed when dropped, and its child with it, for that runs in a folder that is gone.
struct Sidecar {
    process: Child,
    log: PathBuf,
}

impl Sidecar {
    fn start(site: &Site) -> Self {
        Self::start_with(site, |_| ())
    }

    fn start_with(site: &Site, more: impl FnOnce(&mut Command)) -> Self {
        let log = site.file("log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_turquoise"));
        command.arg("run").arg("-config").arg(site.file("agent.hcl")).env_clear().current_dir(site.folder.path());
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("APP_ADDRESS", server().address());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        more(&mut command);
        Self { process: command.spawn().unwrap(), log }
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until the log has a text so many times.
    fn until(&mut self, text: &str, times: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.log().matches(text).count() < times {
            assert!(self.process.try_wait().unwrap().is_none(), "it has ended:\n{}", self.log());
            assert!(Instant::now() < deadline, "no {text:?} in:\n{}", self.log());
            thread::sleep(PACE);
        }
    }

    fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    fn code(&mut self) -> Option<i32> {
        self.process.wait().unwrap().code()
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        // It may have ended already.
        if self.process.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.send(Signal::TERM);
            drop(self.process.wait());
        }
    }
}

/// When each child began and ended its work, and whether each piece of it was done.
fn beats(site: &Site) -> Vec<(u64, u64)> {
    let mut spans = BTreeMap::new();
    for line in fs::read_to_string(site.file("beats")).unwrap().lines() {
        let [at, pid, "never-dark", "200"] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let at = at.parse().unwrap();
        spans.entry(pid.to_owned()).or_insert((at, at)).1 = at;
    }
    let mut spans: Vec<_> = spans.into_values().collect();
    spans.sort_unstable();
    spans
}

#[test]
fn a_child_is_replaced_at_a_rotation_without_a_gap_in_its_service() {
    let (site, mut sidecar) = overlapping("exec-overlap");
    rotated(&site, &mut sidecar, 1);
    stopped_without_a_gap(&site, &mut sidecar, 1);
}

#[test]
#[ignore = "a campaign: docs/evidence.md"]
fn a_child_is_replaced_across_five_rotations_without_a_gap_in_its_service() {
    let (site, mut sidecar) = overlapping("exec-overlap-long");
    for rotation in 1..=5 {
        rotated(&site, &mut sidecar, rotation);
        sidecar.until("step=Cleared", rotation);
    }
    stopped_without_a_gap(&site, &mut sidecar, 5);
    assert_eq!(site.alive(), 1, "{}", sidecar.log());
}

fn overlapping(mount: &'static str) -> (Site, Sidecar) {
    let site = Site::new(
        mount,
        "1m",
        r#"env_template "APP_TOKEN" { contents = "{{ with secret \"auth/token/lookup-self\" }}{{ .Data.id }}{{ end }}" }
        env_template "APP_MOTTO" { contents = "{{ with secret \"secret/data/app\" }}{{ .Data.data.motto }}{{ end }}" }
        exec {
          command = ["python3", "-IS", "FOLDER/server.py"]
          ready   = ["sh", "-c", "test -e FOLDER/ready.$TURQUOISE_CHILD_PID"]
        }"#,
    );
    fs::write(site.file("server.py"), SERVER).unwrap();
    let mut sidecar = Sidecar::start(&site);
    sidecar.until("child started", 1);
    let deadline = Instant::now() + PATIENCE;
    while fs::read_to_string(site.file("beats")).unwrap_or_default().is_empty() {
        assert!(Instant::now() < deadline, "it does no work:\n{}", sidecar.log());
        thread::sleep(PACE);
    }
    (site, sidecar)
}

/// The next rotation, until the next child has taken over.
fn rotated(site: &Site, sidecar: &mut Sidecar, number: usize) {
    site.rotate();
    sidecar.until("the successor of the child is ready", number);
}

fn stopped_without_a_gap(site: &Site, sidecar: &mut Sidecar, rotations: usize) {
    let commands = fs::read_to_string(format!("/proc/{}/cmdline", sidecar.process.id())).unwrap();
    assert!(!commands.contains("hvs.") && !commands.contains("never-dark"), "{commands}");
    sidecar.send(Signal::TERM);
    let (code, log) = (sidecar.code(), sidecar.log());
    // Its own code.
    assert_eq!(code, Some(5), "{log}");
    assert!(!log.contains("ERROR") && !log.contains("hvs.") && !log.contains("never-dark"), "{log}");
    // Nobody was named as one whose work was cut.
    assert!(!log.contains("holders"), "{log}");
    let spans = beats(site);
    assert_eq!(spans.len(), rotations + 1, "{spans:?}");
    for pair in spans.windows(2) {
        assert!(pair[1].0 < pair[0].1, "a gap: {spans:?}");
    }
}

#[test]
fn a_child_that_outlives_the_grace_is_named() {
    let site = Site::new(
        "exec-late",
        "1s",
        r#"exec {
          command     = ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]
          stop_within = "7s"
        }"#,
    );
    let mut sidecar = Sidecar::start(&site);
    sidecar.until("child started", 1);
    site.rotate();
    sidecar.until("holders=exec 1", 1);
    sidecar.until("the child takes too long to end", 1);
    sidecar.until("child started", 2);
    sidecar.send(Signal::TERM);
    assert_eq!(sidecar.code(), Some(137), "{}", sidecar.log());
}

#[test]
fn its_code_is_ours() {
    let site = Site::new("exec-code", "1s", r#"exec { command = ["sh", "-c", "exit 7"] }"#);
    let mut sidecar = Sidecar::start(&site);
    assert_eq!(sidecar.code(), Some(7), "{}", sidecar.log());
    assert_eq!(site.alive(), 1, "kept for a successor");

    let text = fs::read_to_string(site.file("agent.hcl")).unwrap();
    fs::write(site.file("agent.hcl"), text.replace("exit 7", "kill -USR1 $$")).unwrap();
    let mut sidecar = Sidecar::start(&site);
    assert_eq!(sidecar.code(), Some(128 + 10), "{}", sidecar.log());

    fs::write(site.file("agent.hcl"), text.replace("\"sh\"", "\"/there/is/none\"")).unwrap();
    let mut sidecar = Sidecar::start(&site);
    assert_eq!(sidecar.code(), Some(1), "{}", sidecar.log());
    assert!(sidecar.log().contains("/there/is/none"), "{}", sidecar.log());
}

#[test]
fn a_service_manager_is_told_how_it_goes() {
    let site = Site::new(
        "exec-notify",
        "1s",
        r#"exec { command = ["sh", "-c", "echo \"${NOTIFY_SOCKET-none}\" > FOLDER/sees; sleep 60"] }"#,
    );
    let socket = UnixDatagram::bind(site.file("notify")).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    // Until it says this.
    let hears = |wanted: &str| {
        let mut told = [0; 4096];
        loop {
            let length = socket.recv(&mut told).unwrap();
            if String::from_utf8_lossy(&told[..length]).lines().any(|line| line.starts_with(wanted)) {
                return;
            }
        }
    };
    let mut sidecar = Sidecar::start_with(&site, |command| {
        command.env("NOTIFY_SOCKET", site.file("notify")).env("WATCHDOG_USEC", "100000");
    });
    hears("READY=1");
    hears("WATCHDOG=1");
    sidecar.send(Signal::HUP);
    hears("RELOADING=1");
    hears("READY=1");
    sidecar.until("child started", 1);
    sidecar.send(Signal::INT);
    hears("STOPPING=1");
    assert_eq!(sidecar.code(), Some(128 + 2), "{}", sidecar.log());
    assert_eq!(fs::read_to_string(site.file("sees")).unwrap().trim(), "none");
}
