//! The operators' commands as processes, beside `turquoise run` on a real server: one after the other, with their exit codes.

#![expect(clippy::unwrap_used, reason = "a test ends with what it did not expect")]

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use serde_json::{Value, json};
use tempfile::TempDir;
use turquoise::core::Privileges;
use turquoise::vault::{Method, Probe, login_policy};
use turquoise_openbao::{Binary, Options, Server};

const SECRET: &str = "secret/data/app";
/// Nothing takes longer, also on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(1);
const PACE: Duration = Duration::from_millis(20);

/// A server with an AppRole, and a folder with all the files.
struct Site {
    server: Server,
    folder: TempDir,
}

/// What a command came to.
struct Said {
    code: Option<i32>,
    out: String,
    complaint: String,
}

impl Site {
    fn new() -> Self {
        let server = Server::start(&Binary::obtain(|_| ()).unwrap(), Options::default()).unwrap();
        server.enable_kv().unwrap();
        server.write_secret("app", &json!({"motto": "never dark"})).unwrap();
        let site = Self { server, folder: TempDir::new().unwrap() };
        site.allow(Some(SECRET));
        let admin = |method: &str, path: &str, body: &Value| site.server.admin(method, path, body).unwrap();
        admin("POST", "sys/auth/approle", &json!({"type": "approle"}));
        let role = "auth/approle/role/app";
        admin("POST", role, &json!({"token_policies": ["app"], "token_ttl": "10m", "token_max_ttl": "1h"}));
        let role_id = admin("GET", &format!("{role}/role-id"), &Value::Null);
        fs::write(site.file("role-id"), role_id["data"]["role_id"].as_str().unwrap()).unwrap();
        site.write_secret_id();
        let text = format!(
            "vault {{ address = \"{1}\" }}
            auto_auth {{
              method \"approle\" {{
                min_backoff = \"100ms\"
                config = {{
                  role_id_file_path   = \"{0}/role-id\"
                  secret_id_file_path = \"{0}/secret-id\"
                  remove_secret_id_file_after_reading = false
                }}
              }}
              sink \"file\" {{ config = {{ path = \"{0}/token\"  mode = 0600 }} }}
            }}
            rotation \"app\" {{
              every        = \"1h\"
              life         = \"5m\"
              login_life   = \"10m\"
              validate_for = \"10s\"
              grace        = \"200ms\"
              timeout      = \"5s\"
              start_spread = 0
              probe \"{SECRET}\" {{ capability = \"read\" }}
            }}
            journal {{ path = \"{0}/journals\" }}
            admin {{ address = \"{0}/admin.sock\" }}
            telemetry {{ prometheus = \"127.0.0.1:0\" }}\n",
            site.folder.path().display(),
            site.server.address(),
        );
        fs::write(site.file("agent.hcl"), text).unwrap();
        site
    }

    /// What the tokens of the role may read.
    fn allow(&self, read: Option<&str>) {
        let method = Method::AppRole {
            mount: "approle".parse().unwrap(),
            role_id_file: self.file("role-id"),
            secret_id_file: Some(self.file("secret-id")),
            role: None,
        };
        let probes: Vec<_> = read.map(|path| Probe { path: path.parse().unwrap(), max_latency: None }).into_iter().collect();
        self.server.write_policy("app", &login_policy(method.app().as_ref(), &probes, Privileges::OnlySelf).to_string()).unwrap();
    }

    fn write_secret_id(&self) {
        let secret_id = self.server.admin("POST", "auth/approle/role/app/secret-id", &json!({})).unwrap();
        fs::write(self.file("secret-id"), secret_id["data"]["secret_id"].as_str().unwrap()).unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start(&self, log: &str) -> Sidecar {
        let log = self.file(log);
        let mut command = Command::new(env!("CARGO_BIN_EXE_turquoise"));
        command.arg("run").arg("-config").arg(self.file("agent.hcl")).env_clear();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        Sidecar { child: command.spawn().unwrap(), log }
    }

    fn say(&self, args: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_turquoise"));
        let told =
            command.args(args).env_clear().env("TURQUOISE_ADMIN", self.file("admin.sock")).stdin(Stdio::null()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { code: told.status.code(), out: text(told.stdout), complaint: text(told.stderr) }
    }

    /// Says something that ends with this code, and has this word in it.
    fn expect(&self, args: &[&str], code: i32, word: &str) -> Said {
        let said = self.say(args);
        let Said { code: found, out, complaint } = &said;
        assert!(
            *found == Some(code) && (out.contains(word) || complaint.contains(word)),
            "{args:?} {found:?}\n{out}\n{complaint}"
        );
        said
    }
}

/// `turquoise run` in a process. Killed when dropped.
struct Sidecar {
    child: Child,
    log: PathBuf,
}

impl Sidecar {
    fn until(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = fs::read_to_string(&self.log).unwrap();
            if log.contains(text) {
                return log;
            }
            assert!(self.child.try_wait().unwrap().is_none(), "it has ended:\n{log}");
            assert!(Instant::now() < deadline, "no {text:?} in:\n{log}");
            thread::sleep(PACE);
        }
    }

    fn end(mut self, signal: Signal) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
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

#[test]
fn an_operator_sees_and_asks_and_the_exit_code_says_what_came_of_it() {
    let site = Site::new();
    site.expect(&["status"], 3, "no sidecar listens");
    let mut sidecar = site.start("first");
    let log = sidecar.until("serving");

    looks(&site);
    site.expect(&["status", "other"], 1, "there are: app");
    site.expect(&["status", "--nonsense"], 1, "unexpected argument");
    site.expect(&["compromise"], 1, "--yes");
    site.expect(&["break-glass"], 1, "--yes-revoke-first");
    site.expect(&["resolve", "--keep", "1"], 5, "only in NeedsOperator");
    site.expect(&["abort"], 5, "only before the commit point");
    site.expect(&["rollback", "--all"], 5, "only in Draining");
    site.expect(&["debt", "retry"], 5, "only while the end of a credential waits");
    paused(&site);

    site.expect(&["rotate", "--dry-run"], 0, "it would begin");
    watched(&site);
    let told = site.expect(&["rotate", "app", "--wait", "--format", "json"], 0, "\"step\":\"Promoted\"").out;
    assert!(told.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{told}");

    site.allow(None);
    site.expect(&["rotate", "--wait"], 10, "it may not do the read");
    site.allow(Some(SECRET));
    site.expect(&["status"], 0, "trouble");
    metrics(&log);

    assert_eq!(sidecar.end(Signal::TERM), Some(0));
    assert!(!site.file("admin.sock").exists());
    stays_paused(&site);
    needs_an_operator(&site);
}

/// What is only seen.
fn looks(site: &Site) {
    let told: Value = serde_json::from_str(&site.expect(&["status", "--format", "json"], 0, "Steady").out).unwrap();
    assert_eq!(told["identities"][0]["current"]["role"], "current");
    site.expect(&["status"], 0, "blue");
    site.expect(&["plan"], 0, "vault-login");
    site.expect(&["debt"], 0, "there is no debt");
    // What is said elsewhere is not asked for.
    let config = site.file("agent.hcl");
    let mut command = Command::new(env!("CARGO_BIN_EXE_turquoise"));
    let told = command.args(["status", "--config"]).arg(config).env_clear().output().unwrap();
    assert!(told.status.success(), "{told:?}");
}

/// What is due waits, and what is asked for does not.
fn paused(site: &Site) {
    site.expect(&["pause", "--for", "31d"], 1, "30 days at most");
    site.expect(&["pause", "app", "--for", "2h"], 0, "");
    site.expect(&["status"], 0, "paused");
    let told: Value = serde_json::from_str(&site.expect(&["status", "--format", "json"], 0, "paused").out).unwrap();
    let left = told["identities"][0]["paused"]["in_seconds"].as_f64().unwrap();
    assert!((7_000.0..=7_200.0).contains(&left), "{left}");
}

/// What Prometheus reads.
fn metrics(log: &str) {
    let at = log.split("at=").nth(1).unwrap().split_whitespace().next().unwrap();
    let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).timeout_global(Some(PATIENCE)).build().into();
    let told = agent.get(format!("http://{at}/metrics")).call().unwrap().body_mut().read_to_string().unwrap();
    let count = told.split("outcome=\"abandoned\"} ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
    assert_ne!(count, "0", "{told}");
    assert!(!told.contains("hvs."), "{told}");
}

/// A pause outlasts the process that was asked for it.
fn stays_paused(site: &Site) {
    let mut sidecar = site.start("paused");
    sidecar.until("serving");
    site.expect(&["status"], 0, "paused");
    site.expect(&["resume", "--all"], 0, "");
    let told: Value = serde_json::from_str(&site.expect(&["status", "--format", "json"], 0, "Steady").out).unwrap();
    assert_eq!(told["identities"][0]["paused"], Value::Null);
    assert_eq!(sidecar.end(Signal::TERM), Some(0));
}

/// A start that finds no secret where the journal speaks of one.
fn needs_an_operator(site: &Site) {
    site.allow(Some(SECRET));
    for found in fs::read_dir(site.folder.path()).unwrap() {
        let path = found.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().contains("token") {
            fs::remove_file(path).unwrap();
        }
    }
    let mut sidecar = site.start("second");
    sidecar.until("phase=NeedsOperator");
    let told: Value = serde_json::from_str(&site.expect(&["status", "--format", "json"], 12, "survivor store").out).unwrap();
    let generation = told["identities"][0]["current"]["generation"].as_str().unwrap();
    site.expect(&["status"], 12, "--forget");
    site.expect(&["resolve", "--keep", generation], 5, "at hand");
    site.expect(&["resolve", "--forget", generation], 1, "--yes");
    site.expect(&["resolve", "--forget", generation, "--yes"], 0, "accepted");
    sidecar.until("serving");
    site.expect(&["compromise", "--yes"], 0, "accepted");
    sidecar.until("step=Compromised");
}

/// A terminal, as a program sees it.
struct Terminal {
    master: File,
    slave: OwnedFd,
    /// All that was ever written to it.
    said: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    fn new() -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave: OwnedFd = File::options().read(true).write(true).open(Path::new(name.to_str().unwrap())).unwrap().into();
        tcsetwinsize(&slave, Winsize { ws_row: 24, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let (master, said) = (File::from(master), Arc::default());
        let (mut reader, heard): (File, Arc<Mutex<Vec<u8>>>) = (master.try_clone().unwrap(), Arc::clone(&said));
        thread::spawn(move || {
            let mut bytes = [0; 4_096];
            while let Ok(read @ 1..) = reader.read(&mut bytes) {
                heard.lock().unwrap().extend_from_slice(&bytes[..read]);
            }
        });
        Self { master, slave, said }
    }

    fn start(&self, site: &Site, args: &[&str]) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_turquoise"));
        command.args(args).env_clear().env("TERM", "xterm-256color").env("TURQUOISE_ADMIN", site.file("admin.sock"));
        let end = || Stdio::from(self.slave.try_clone().unwrap());
        command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap()
    }

    fn screen(&self) -> vt100::Parser {
        let mut parser = vt100::Parser::new(24, 100, 0);
        parser.process(&self.said.lock().unwrap());
        parser
    }

    /// Waits until the screen holds a text.
    fn until(&self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let contents = self.screen().screen().contents();
            if contents.contains(text) {
                return contents;
            }
            assert!(Instant::now() < deadline, "no {text:?} on:\n{contents}");
            thread::sleep(PACE);
        }
    }

    fn press(&mut self, key: &[u8]) {
        self.master.write_all(key).unwrap();
    }
}

/// The live view, with a rotation before its eyes; ended by a key, by Ctrl-C, and where there is no terminal.
fn watched(site: &Site) {
    for key in [&b"q"[..], b"\x03"] {
        let mut terminal = Terminal::new();
        let before = tcgetattr(&terminal.slave).unwrap();
        let mut watch = terminal.start(site, &["watch"]);
        let shown = terminal.until("● blue");
        for text in ["app", "Steady", "in flight 0", "next rotation in", "○ green", "q ends this"] {
            assert!(shown.contains(text), "no {text:?} on:\n{shown}");
        }
        let parser = terminal.screen();
        let blue =
            (0..24).find_map(|row| (0..100).find_map(|col| parser.screen().cell(row, col).filter(|cell| cell.contents() == "●")));
        assert_eq!(blue.unwrap().fgcolor(), vt100::Color::Idx(12), "blue is blue");
        assert!(parser.screen().alternate_screen() && parser.screen().hide_cursor());
        let during = tcgetattr(&terminal.slave).unwrap();
        assert!(!during.local_modes.contains(LocalModes::ECHO) && !during.local_modes.contains(LocalModes::ICANON));
        if key == b"q" {
            site.expect(&["rotate", "--wait"], 0, "the only one left");
            terminal.until("● green");
            terminal.until("rotations: 1 done");
            site.expect(&["rotate", "--wait"], 0, "the only one left");
        }
        terminal.press(key);
        assert_eq!(watch.wait().unwrap().code(), Some(0));
        let after = tcgetattr(&terminal.slave).unwrap();
        assert_eq!((after.local_modes, after.input_modes), (before.local_modes, before.input_modes));
        let deadline = Instant::now() + PATIENCE;
        while terminal.screen().screen().alternate_screen() || terminal.screen().screen().hide_cursor() {
            assert!(Instant::now() < deadline, "the terminal is not given back");
            thread::sleep(PACE);
        }
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_turquoise"));
    let out = site.file("watched");
    command.arg("watch").env_clear().env("TURQUOISE_ADMIN", site.file("admin.sock")).stdin(Stdio::null());
    let mut watch = command.stdout(File::create(&out).unwrap()).spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    let mut asked = false;
    loop {
        let told = fs::read_to_string(&out).unwrap();
        if told.contains("serves") && !asked {
            site.expect(&["rotate", "--wait"], 0, "the only one left");
            asked = true;
        }
        if told.contains("the only one left") {
            break;
        }
        assert!(Instant::now() < deadline, "{told}");
        thread::sleep(PACE);
    }
    watch.kill().unwrap();
    watch.wait().unwrap();
}
