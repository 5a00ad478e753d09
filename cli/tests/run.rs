//! `turquoise run` as a process beside programs that know nothing of it, on a real server.
//!
//! The tests run side by side, each with an identity of its own: most of their time is the wait for a rotation that is due.

#![expect(clippy::unwrap_used, reason = "a test ends with what it did not expect")]

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use turquoise::core::{Color, Privileges, StepKind};
use turquoise::journal::FileJournal;
use turquoise::memory::ExposeSecret as _;
use turquoise::vault::{Method, Probe, Role, login_policy, policy};
use turquoise_openbao::{AdminError, Binary, Options, Server};

const SECRET: &str = "secret/data/app";
/// Nothing takes longer, also on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often a reader reads, and how often we look.
const PACE: Duration = Duration::from_millis(50);

/// The one server. It goes with this process.
fn server() -> &'static Server {
    static SHARED: LazyLock<Server> = LazyLock::new(|| {
        let server = Server::start(&Binary::obtain(|_| ()).unwrap(), Options::default()).unwrap();
        server.enable_kv().unwrap();
        server.write_secret("app", &json!({"motto": "never dark"})).unwrap();
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
    /// With these lines more in the `rotation` stanza.
    fn new(mount: &'static str, lines: &str) -> Self {
        let site = Self { mount, folder: TempDir::new().unwrap() };
        site.furnish();
        let text = format!(
            "pid_file = \"{0}/pid\"
            vault {{ address = \"{1}\" }}
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
              every        = \"7s\"
              life         = \"5m\"
              login_life   = \"10m\"
              validate_for = \"1s\"
              grace        = \"1100ms\"
              timeout      = \"800ms\"
              start_spread = 0
              probe \"{SECRET}\" {{ capability = \"read\" }}
              {lines}
            }}
            journal {{ path = \"{0}/journals\" }}\n",
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

    /// How often the journal has a step. No process may have it open.
    fn count(&self, step: StepKind) -> usize {
        let opened = FileJournal::open(&self.file("journals/app.journal")).unwrap();
        opened.history.entries.iter().filter(|entry| entry.record.step.kind() == step).count()
    }
}

/// `turquoise run` in a process. Killed when dropped.
struct Sidecar {
    child: Child,
    log: PathBuf,
}

impl Sidecar {
    fn start(site: &Site, log: &str, args: &[&str]) -> Self {
        let log = site.file(log);
        let mut command = Command::new(env!("CARGO_BIN_EXE_turquoise"));
        command.arg("run").arg("-config").arg(site.file("agent.hcl")).args(args).env_clear();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        Self { child: command.spawn().unwrap(), log }
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until the log has a text so many times.
    fn until(&mut self, text: &str, times: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.log().matches(text).count() < times {
            assert!(self.child.try_wait().unwrap().is_none(), "it has ended:\n{}", self.log());
            assert!(Instant::now() < deadline, "no {text:?} in:\n{}", self.log());
            thread::sleep(PACE);
        }
    }

    /// Ends it with a signal; answers its exit code and its log.
    fn end(mut self, signal: Signal) -> (Option<i32>, String) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        let code = self.wait();
        (code, self.log())
    }

    fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A program that reads the file, does its work with what it finds, and knows nothing else.
struct Reader {
    thread: Option<JoinHandle<(usize, Vec<String>)>>,
    stop: Arc<AtomicBool>,
}

impl Reader {
    fn start(site: &Site) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, sink) = (Arc::clone(&stop), site.file("token"));
        let thread = thread::spawn(move || {
            let (mut served, mut failed) = (0, Vec::new());
            while !stopped.load(Ordering::Relaxed) {
                match work(&sink) {
                    Ok(()) => served += 1,
                    Err(why) => failed.push(why),
                }
                thread::sleep(PACE);
            }
            (served, failed)
        });
        Self { thread: Some(thread), stop }
    }

    /// How often it was served, if it always was.
    fn stop(mut self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        let (served, failed) = self.thread.take().unwrap().join().unwrap();
        assert_eq!(failed, [] as [&str; 0]);
        served
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn work(sink: &Path) -> Result<(), String> {
    let token = fs::read_to_string(sink).map_err(|why| why.to_string())?;
    let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).timeout_global(Some(PATIENCE)).build().into();
    let request = agent.get(format!("{}/v1/{SECRET}", server().address())).header("X-Vault-Token", token);
    request.call().map(drop).map_err(|why| why.to_string())
}

#[test]
fn a_reader_of_the_file_is_served_through_rotations_and_a_clean_stop() {
    let site = Site::new("run-rotates", "");
    let mut sidecar = Sidecar::start(&site, "first", &[]);
    sidecar.until("serving", 1);
    assert_eq!(fs::metadata(site.file("token")).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(fs::read_to_string(site.file("pid")).unwrap().trim(), sidecar.child.id().to_string());
    let reader = Reader::start(&site);

    let mut second = Sidecar::start(&site, "second", &[]);
    assert_eq!(second.wait(), Some(4), "{}", second.log());
    assert!(second.log().contains(&format!("in use by process {}", sidecar.child.id())), "{}", second.log());

    sidecar.until("step=Promoted", 2);
    sidecar.until("step=Cleared", 2);
    let (code, log) = sidecar.end(Signal::TERM);
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("ERROR") && !log.contains("hvs."), "{log}");
    assert!(!site.file("pid").exists());
    assert!(reader.stop() > 10);
    assert_eq!((site.count(StepKind::Promoted), site.count(StepKind::Stopped), site.alive()), (2, 1, 1));

    // The successor serves what was kept, without a login.
    let mut successor = Sidecar::start(&site, "third", &[]);
    successor.until("serving", 1);
    let before = fs::read_to_string(site.file("token")).unwrap();
    work(&site.file("token")).unwrap();
    let (code, log) = successor.end(Signal::INT);
    assert_eq!((code, fs::read_to_string(site.file("token")).unwrap(), site.alive()), (Some(0), before, 1), "{log}");
}

#[test]
fn a_kill_amid_a_rotation_is_made_good_at_the_next_start() {
    let site = Site::new("run-killed", "");
    let mut sidecar = Sidecar::start(&site, "first", &[]);
    sidecar.until("serving", 1);
    let reader = Reader::start(&site);
    sidecar.until("step=Persisted", 1);
    assert_eq!(sidecar.end(Signal::KILL).0, None);

    let mut successor = Sidecar::start(&site, "second", &[]);
    successor.until("serving", 1);
    successor.until("step=Cleared", 1);
    let (code, log) = successor.end(Signal::TERM);
    assert_eq!(code, Some(0), "{log}");
    assert!(reader.stop() > 10);
    // Where the kill met it is for the machine; here it counts that one way or the other one token is left.
    assert!(log.contains("step=Recovered"), "{log}");
    assert_eq!(site.alive(), 1, "{log}");
}

#[test]
fn what_is_to_be_revoked_at_a_stop_is_dead_after_it() {
    let site = Site::new("run-revokes", "on_stop = \"revoke\"");
    let mut sidecar = Sidecar::start(&site, "first", &[]);
    sidecar.until("serving", 1);
    assert_eq!(site.alive(), 1);
    let (code, log) = sidecar.end(Signal::TERM);
    assert_eq!((code, site.alive()), (Some(0), 0), "{log}");
}

#[test]
fn one_file_serves_the_agent_and_us() {
    let site = Site::new("run-agent", "");
    let binary = Binary::obtain(|_| ()).unwrap();
    let file = site.file("agent.hcl");
    let agent = Command::new(binary.path()).args(["agent", "-exit-after-auth", "-config"]).arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&agent.stderr).into_owned() + &String::from_utf8_lossy(&agent.stdout);
    assert!(agent.status.success(), "{said}");
    let look = || {
        work(&site.file("token")).unwrap();
        let length = fs::read_to_string(site.file("token")).unwrap().len();
        (fs::metadata(site.file("token")).unwrap().permissions().mode(), length)
    };
    let theirs = look();
    let mut ours = Sidecar::start(&site, "first", &["-exit-after-auth", "--log-level", "warn"]);
    assert_eq!(ours.wait(), Some(0), "{}", ours.log());
    assert_eq!(ours.log(), "", "nothing to warn of");
    assert_eq!(look(), theirs);
    assert_eq!(site.alive(), 2, "theirs lives on");
    let slots = [Color::Blue, Color::Green].map(|color| site.file(&format!(".token.{}", color.name())).exists());
    assert_eq!(slots, [true, false]);
}

#[test]
fn a_token_that_was_handed_over_is_rotated_through_a_role() {
    let (server, folder, role) = (server(), TempDir::new().unwrap(), "run-token");
    let probe = Probe { path: SECRET.parse().unwrap(), max_latency: None };
    server.write_policy(role, &policy(role.parse::<Role>().unwrap(), &[probe], Privileges::OnlySelf).to_string()).unwrap();
    server.write_token_role(role, &[role]).unwrap();
    let first = server.mint(role, Duration::from_mins(4)).unwrap();
    let site = Site { mount: role, folder };
    fs::write(site.file("first"), first.token.expose_secret()).unwrap();
    let text = format!(
        "vault {{ address = \"{1}\" }}
        auto_auth {{
          method \"token_file\" {{ config {{ token_file_path = \"{0}/first\" }} }}
          sink \"file\" {{ config {{ path = \"{0}/token\" }} }}
        }}
        rotation \"app\" {{
          provider = \"vault-token\"
          role     = \"{role}\"
          adopt    = \"own\"
          life     = \"5m\"
          grace    = \"1100ms\"
          every    = \"7s\"
          timeout  = \"800ms\"
          validate_for = \"1s\"
          start_spread = 0
        }}
        journal {{ path = \"{0}/journals\" }}\n",
        site.folder.path().display(),
        server.address(),
    );
    fs::write(site.file("agent.hcl"), text).unwrap();
    let mut sidecar = Sidecar::start(&site, "first.log", &[]);
    sidecar.until("serving", 1);
    let reader = Reader::start(&site);
    sidecar.until("step=Cleared", 1);
    let (code, log) = sidecar.end(Signal::TERM);
    assert_eq!(code, Some(0), "{log}");
    assert!(reader.stop() > 10);
    assert_eq!((site.count(StepKind::Promoted), server.live_tokens(role).unwrap()), (1, 1), "{log}");
}
