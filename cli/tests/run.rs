//! `turquoise run` as a process beside programs that know nothing of it, on a real server.
//!
//! The tests run side by side, each with an identity of its own. Rotations are asked for, so that the policy can be patient with a
//! machine that is busy: what is not answered in time has another outcome. One test waits for those that are due.

#![expect(clippy::unwrap_used, reason = "a test ends with what it did not expect")]

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use turquoise::core::{Color, Privileges, StepKind};
use turquoise::journal::FileJournal;
use turquoise::memory::ExposeSecret as _;
use turquoise::vault::{App, Issued, Method, Probe, Role, login_policy, policy, secret_id_policy};
use turquoise_openbao::{AdminError, Binary, Options, Server};

const SECRET: &str = "secret/data/app";
/// Nothing takes longer, also on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often a reader reads, and how often we look.
const PACE: Duration = Duration::from_millis(50);

/// Not longer than it is in each `rotation` stanza.
const GRACE: Duration = Duration::from_secs(1);
/// What is in every `rotation` stanza, but in that of a test's own.
const TIMING: &str = "validate_for = \"10s\"
              grace        = \"1100ms\"
              timeout      = \"5s\"
              start_spread = 0";
const PROBE: &str = "probe \"secret/data/app\" { capability = \"read\" }";

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
        site.write("", lines);
        site
    }

    /// Writes the file, with these lines more around the `rotation` stanza, and these in it.
    fn write(&self, outside: &str, lines: &str) {
        self.write_timed(TIMING, "1h", outside, lines);
    }

    /// The same with a timing of its own, and how often.
    fn write_timed(&self, timing: &str, every: &str, outside: &str, lines: &str) {
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
                rotation = \"app\"
                config = {{
                  path = \"{0}/token\"
                  mode = 0640
                }}
              }}
            }}
            rotation \"app\" {{
              {timing}
              every        = \"{every}\"
              life         = \"90s\"
              login_life   = \"10m\"
              {lines}
            }}
            journal {{ path = \"{0}/journals\" }}
            admin {{ address = \"{0}/admin.sock\" }}
            {outside}\n",
            self.folder.path().display(),
            server().address(),
            mount = self.mount,
        );
        fs::write(self.file("agent.hcl"), text).unwrap();
    }

    /// As [`write`](Self::write), for a process that runs to read it again.
    fn rewrite(&self, sidecar: &Sidecar, outside: &str, lines: &str) {
        self.write(outside, lines);
        kill_process(Pid::from_child(&sidecar.child), Signal::HUP).unwrap();
    }

    /// Has a rotation begin.
    fn rotate(&self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_turquoise"));
        let asked = command.args(["rotate", "app"]).env_clear().env("TURQUOISE_ADMIN", self.file("admin.sock")).output().unwrap();
        assert!(asked.status.success(), "{asked:?}");
    }

    fn recover(&self) -> (Option<i32>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_turquoise"));
        let output = command.args(["recover", "-config"]).arg(self.file("agent.hcl")).env_clear().output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    }

    fn token(&self) -> String {
        fs::read_to_string(self.file("token")).unwrap()
    }

    /// What is left of the life of the token in the file.
    fn left(&self) -> u64 {
        let looked = server().admin("POST", "auth/token/lookup", &json!({"token": self.token()})).unwrap();
        looked["data"]["ttl"].as_u64().unwrap()
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
        self.until_lines(&[text], times);
    }

    /// Waits until so many lines of the log have all these texts.
    fn until_lines(&mut self, texts: &[&str], times: usize) {
        let deadline = Instant::now() + PATIENCE;
        let count = |log: &str| log.lines().filter(|line| texts.iter().all(|text| line.contains(text))).count();
        while count(&self.log()) < times {
            assert!(self.child.try_wait().unwrap().is_none(), "it has ended:\n{}", self.log());
            assert!(Instant::now() < deadline, "no {texts:?} in:\n{}", self.log());
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
    thread: Option<JoinHandle<Vec<String>>>,
    served: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Reader {
    fn start(site: &Site) -> Self {
        let (stop, served) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (stopped, count, sink) = (Arc::clone(&stop), Arc::clone(&served), site.file("token"));
        let thread = thread::spawn(move || {
            let mut failed = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let began = Instant::now();
                match work(&sink) {
                    Ok(()) => drop(count.fetch_add(1, Ordering::Relaxed)),
                    // Who takes longer than the grace from reading the file to using it has no claim.
                    Err(why) if began.elapsed() < GRACE || !why.contains("403") => failed.push(why),
                    Err(_) => {}
                }
                thread::sleep(PACE);
            }
            failed
        });
        let reader = Self { thread: Some(thread), served, stop };
        reader.goes_on();
        reader
    }

    /// Waits until it was served some more.
    fn goes_on(&self) {
        let (deadline, goal) = (Instant::now() + PATIENCE, self.served.load(Ordering::Relaxed) + 3);
        while self.served.load(Ordering::Relaxed) < goal {
            assert!(Instant::now() < deadline, "it is not served");
            thread::sleep(PACE);
        }
    }

    /// Ends it, when it was served some more: it always was.
    fn stop(mut self) {
        self.goes_on();
        self.stop.store(true, Ordering::Relaxed);
        let failed = self.thread.take().unwrap().join().unwrap();
        assert_eq!(failed, [] as [&str; 0]);
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
    let site = Site::new("run-rotates", PROBE);
    let mut sidecar = Sidecar::start(&site, "first", &[]);
    sidecar.until("serving", 1);
    assert_eq!(fs::metadata(site.file("token")).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(fs::read_to_string(site.file("pid")).unwrap().trim(), sidecar.child.id().to_string());
    let reader = Reader::start(&site);

    // Where operators ask the first one nobody else may listen: that would be told first.
    let text = fs::read_to_string(site.file("agent.hcl")).unwrap();
    fs::write(site.file("agent.hcl"), text.replace("admin.sock", "other.sock")).unwrap();
    let mut second = Sidecar::start(&site, "second", &[]);
    assert_eq!(second.wait(), Some(4), "{}", second.log());
    assert!(second.log().contains(&format!("in use by process {}", sidecar.child.id())), "{}", second.log());

    for rotation in 1..=2 {
        site.rotate();
        sidecar.until("step=Cleared", rotation);
        reader.goes_on();
    }
    let (code, log) = sidecar.end(Signal::TERM);
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("ERROR") && !log.contains("hvs."), "{log}");
    assert!(!site.file("pid").exists());
    reader.stop();
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
    let site = Site::new("run-killed", PROBE);
    let mut sidecar = Sidecar::start(&site, "first", &[]);
    sidecar.until("serving", 1);
    let reader = Reader::start(&site);
    site.rotate();
    sidecar.until("step=Persisted", 1);
    assert_eq!(sidecar.end(Signal::KILL).0, None);

    let mut successor = Sidecar::start(&site, "second", &[]);
    successor.until("serving", 1);
    successor.until("step=Cleared", 1);
    let (code, log) = successor.end(Signal::TERM);
    assert_eq!(code, Some(0), "{log}");
    reader.stop();
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
fn what_a_dead_process_left_is_recovered_once() {
    let site = Site::new("run-recovers", PROBE);
    assert_eq!(site.recover(), (Some(0), "rotation app: nothing was ever begun\n".to_owned()));
    let mut sidecar = Sidecar::start(&site, "first", &[]);
    sidecar.until("serving", 1);
    let (code, said) = site.recover();
    assert!(code == Some(0) && said.contains(&format!("process {}", sidecar.child.id())), "{said}");
    let reader = Reader::start(&site);
    site.rotate();
    sidecar.until("step=Persisted", 1);
    assert_eq!(sidecar.end(Signal::KILL).0, None);

    assert_eq!(site.recover(), (Some(0), "rotation app: what was in progress is over\n".to_owned()));
    let (journal, token) = (fs::read(site.file("journals/app.journal")).unwrap(), site.token());
    assert_eq!(site.alive(), 1);
    assert_eq!(site.recover(), (Some(0), "rotation app: nothing was in progress\n".to_owned()));
    assert_eq!((fs::read(site.file("journals/app.journal")).unwrap(), site.token()), (journal, token.clone()));

    let mut successor = Sidecar::start(&site, "second", &[]);
    successor.until("serving", 1);
    assert_eq!((site.token(), site.alive()), (token, 1), "{}", successor.log());
    let (code, log) = successor.end(Signal::TERM);
    assert_eq!(code, Some(0), "{log}");
    reader.stop();
    assert_eq!(site.recover(), (Some(0), "rotation app: nothing was in progress\n".to_owned()), "a clean stop");
    assert_eq!(site.alive(), 1);
}

#[test]
fn sealed_secrets_serve_after_a_kill() {
    let site = Site::new("run-sealed", "");
    fs::write(site.file("key"), "5e".repeat(32)).unwrap();
    fs::set_permissions(site.file("key"), fs::Permissions::from_mode(0o400)).unwrap();
    fs::create_dir(site.file("journals")).unwrap();
    site.write("", &format!("store = \"sealed\"\nseal_key = \"{}\"", site.file("key").display()));
    let mut sidecar = Sidecar::start(&site, "first", &[]);
    sidecar.until("serving", 1);
    let token = site.token();
    assert_eq!(sidecar.end(Signal::KILL).0, None);
    let slot = fs::read(site.file("journals/.app.blue")).unwrap();
    assert!(slot.starts_with(b"turquoise sealed") && !slot.windows(4).any(|part| part == b"hvs."));
    assert!(!site.file(".token.blue").exists());

    let mut successor = Sidecar::start(&site, "second", &[]);
    successor.until("serving", 1);
    assert_eq!((site.token(), site.alive()), (token, 1), "{}", successor.log());
    assert_eq!(successor.end(Signal::TERM).0, Some(0));
}

#[test]
fn without_a_store_each_start_logs_in_and_a_stop_leaves_nothing() {
    let site = Site::new("run-bootstrap", "");
    let text = fs::read_to_string(site.file("agent.hcl")).unwrap();
    let bootstrap = text.replace("life         = \"90s\"", "store = \"bootstrap\"\nmax_leak = \"1m\"");
    fs::write(site.file("agent.hcl"), bootstrap).unwrap();
    let mut sidecar = Sidecar::start(&site, "first", &[]);
    sidecar.until("serving", 1);
    let leaked = site.token();
    assert!(site.left() <= 60, "a crash leaks it for a minute at most");
    assert_eq!(sidecar.end(Signal::KILL).0, None);
    assert!(!site.file(".token.blue").exists());

    let mut successor = Sidecar::start(&site, "second", &[]);
    successor.until("serving", 1);
    assert_ne!(site.token(), leaked);
    work(&site.file("token")).unwrap();
    let revoked = site.token();
    kill_process(Pid::from_child(&successor.child), Signal::TERM).unwrap();
    // It stays to see the end of the leaked one, too.
    let looked = || server().admin("POST", "auth/token/lookup", &json!({"token": revoked}));
    let deadline = Instant::now() + PATIENCE;
    while !matches!(looked(), Err(AdminError::Refused { .. })) {
        assert!(Instant::now() < deadline, "it lives:\n{}", successor.log());
        thread::sleep(PACE);
    }
}

#[test]
fn a_file_is_read_again_while_it_runs() {
    let site = Site::new("run-reloads", PROBE);
    let mut sidecar = Sidecar::start(&site, "first", &[]);
    sidecar.until("serving", 1);
    site.rewrite(&sidecar, "vault { adress = \"none\" }", PROBE);
    sidecar.until("the file cannot be used", 1);

    // The next login goes by what is read now, and there is nothing there.
    site.write("", PROBE);
    let text = fs::read_to_string(site.file("agent.hcl")).unwrap();
    fs::write(site.file("agent.hcl"), text.replace("/secret-id\"", "/none\"")).unwrap();
    kill_process(Pid::from_child(&sidecar.child), Signal::HUP).unwrap();
    sidecar.until("the file was read again", 1);
    site.rotate();
    sidecar.until("/none", 1);
    site.rewrite(&sidecar, "", PROBE);
    sidecar.until("the file was read again", 2);

    site.rewrite(&sidecar, "log_level = \"warn\"\nrotation \"other\" {}", &format!("{PROBE}\nevidence"));
    sidecar.until("the file cannot be used", 2);
    site.write("log_level = \"warn\"\nlog_format = \"json\"", PROBE);
    let text = fs::read_to_string(site.file("agent.hcl")).unwrap();
    fs::write(site.file("agent.hcl"), text.replace("1100ms", "1200ms")).unwrap();
    kill_process(Pid::from_child(&sidecar.child), Signal::HUP).unwrap();
    sidecar.until("its timing has changed", 1);
    sidecar.until("`log_format` has changed", 1);
    let (code, log) = sidecar.end(Signal::TERM);
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.lines().last().unwrap().contains(" INFO "), "{log}");
}

#[test]
fn one_process_runs_several_rotations_and_a_set_of_sinks() {
    // As patient as one can be whose rotation is due in half a minute.
    const BRISK: &str = "validate_for = \"3s\"
              grace        = \"1100ms\"
              timeout      = \"3s\"
              start_spread = 0";
    let (site, role) = (Site::new("run-several", ""), "auth/run-several/role/deploy");
    let app = App { mount: site.mount.parse().unwrap(), role: "deploy".parse().unwrap() };
    let rules = secret_id_policy(&app, Issued::Outlive, &[]);
    server().write_policy("run-several-deploy", &rules.to_string()).unwrap();
    let admin = |method: &str, path: &str, body: &Value| server().admin(method, path, body).unwrap();
    admin("POST", role, &json!({"token_policies": ["run-several-deploy"], "token_ttl": "10m", "secret_id_ttl": "1h"}));
    let role_id = admin("GET", &format!("{role}/role-id"), &Value::Null)["data"]["role_id"].as_str().unwrap().to_owned();
    let first = admin("POST", &format!("{role}/secret-id"), &json!({}));
    fs::write(site.file("deploy-role-id"), &role_id).unwrap();
    fs::write(site.file("deploy-first"), first["data"]["secret_id"].as_str().unwrap()).unwrap();
    let folder = site.folder.path().display();
    let deploy = format!(
        "rotation \"deploy\" {{
          provider = \"approle-secret-id\"
          adopt    = \"own\"
          schedule = \"*/30 * * * * *\"
          window   = \"1s\"
          life     = \"2m\"
          {BRISK}
          method \"approle\" {{
            mount_path = \"auth/run-several\"
            config = {{
              role                = \"deploy\"
              role_id_file_path   = \"{folder}/deploy-role-id\"
              secret_id_file_path = \"{folder}/deploy-first\"
            }}
          }}
          sink \"file\" {{ config = {{ path = \"{folder}/deploy-secret-id\" }} }}
        }}"
    );
    site.write_timed(BRISK, "23s", &deploy, &format!("{PROBE}\nsink \"file\" {{ config = {{ path = \"{folder}/second\" }} }}"));
    let mut sidecar = Sidecar::start(&site, "first", &[]);
    sidecar.until("serving", 2);
    let reader = Reader::start(&site);
    for name in ["app", "deploy"] {
        sidecar.until_lines(&[&format!("name=\"{name}\""), "step=Cleared"], 1);
    }
    let (code, log) = sidecar.end(Signal::TERM);
    assert_eq!(code, Some(0), "{log}");
    reader.stop();
    assert_eq!(site.token(), fs::read_to_string(site.file("second")).unwrap());
    assert!(site.file(".token.set").exists() && site.file("journals/deploy.journal").exists());
    let secret_id = fs::read_to_string(site.file("deploy-secret-id")).unwrap();
    let listed = admin("LIST", &format!("{role}/secret-id"), &Value::Null);
    assert_eq!(listed["data"]["keys"].as_array().unwrap().len(), 1, "the first one is gone:\n{log}");
    admin("POST", "auth/run-several/login", &json!({"role_id": role_id, "secret_id": secret_id}));
}

#[test]
fn one_file_serves_the_agent_and_us() {
    let site = Site::new("run-agent", PROBE);
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
          every    = \"1h\"
          {TIMING}
        }}
        journal {{ path = \"{0}/journals\" }}
        admin {{ address = \"{0}/admin.sock\" }}\n",
        site.folder.path().display(),
        server.address(),
    );
    fs::write(site.file("agent.hcl"), text).unwrap();
    let mut sidecar = Sidecar::start(&site, "first.log", &[]);
    sidecar.until("serving", 1);
    let reader = Reader::start(&site);
    site.rotate();
    sidecar.until("step=Cleared", 1);
    let (code, log) = sidecar.end(Signal::TERM);
    assert_eq!(code, Some(0), "{log}");
    reader.stop();
    assert_eq!((site.count(StepKind::Promoted), server.live_tokens(role).unwrap()), (1, 1), "{log}");
}
