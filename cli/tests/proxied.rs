//! `turquoise run` with listeners, as processes on a real server: sockets that are inherited, a program that takes the place of
//! another under load, and what is around the proxy.

#![expect(clippy::unwrap_used, reason = "a test ends with what it did not expect")]

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use turquoise::core::Privileges;
use turquoise::vault::{Method, Probe, login_policy};
use turquoise_openbao::{Binary, Options, Server};

const TURQUOISE: &str = env!("CARGO_BIN_EXE_turquoise");
const SECRET: &str = "/v1/secret/data/app";
/// Nothing takes longer, also on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often we look, and how long a client rests.
const PACE: Duration = Duration::from_millis(10);

/// The one server. It goes with this process.
fn server() -> &'static Server {
    static SHARED: LazyLock<Server> = LazyLock::new(|| {
        let server = Server::start(&Binary::obtain(|_| ()).unwrap(), Options::default()).unwrap();
        server.enable_kv().unwrap();
        server.write_secret("app", &json!({"motto": "never dark"})).unwrap();
        let admin = |path: &str, body: &Value| server.admin("POST", path, body).unwrap();
        admin("sys/mounts/pki", &json!({"type": "pki"}));
        admin("pki/root/generate/internal", &json!({"common_name": "test", "key_type": "ec"}));
        admin("pki/roles/app", &json!({"allow_any_name": true, "generate_lease": true, "key_type": "ec", "ttl": "10m"}));
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
    /// With these listeners.
    fn new(mount: &'static str, listeners: &str) -> Self {
        let site = Self { mount, folder: TempDir::new().unwrap() };
        site.furnish();
        site.write(listeners);
        site
    }

    /// Writes the file.
    fn write(&self, listeners: &str) {
        let text = format!(
            "pid_file = \"{0}/pid\"
            vault {{ address = \"{1}\" }}
            auto_auth {{
              method \"approle\" {{
                mount_path  = \"auth/{mount}\"
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
              validate_for = \"1s\"
              grace        = \"1s\"
              timeout      = \"2s\"
              start_spread = 0
              probe \"secret/data/app\" {{ capability = \"read\" }}
            }}
            api_proxy {{ local_token_file = \"{0}/local\" }}
            journal {{ path = \"{0}/journals\" }}
            admin {{ address = \"{0}/admin.sock\" }}
            {listeners}\n",
            self.folder.path().display(),
            server().address(),
            mount = self.mount,
        );
        fs::write(self.file("agent.hcl"), text).unwrap();
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
        let probe = Probe { path: "secret/data/app".parse().unwrap(), max_latency: None };
        let rules = login_policy(login.app().as_ref(), &[probe], Privileges::OnlySelf).to_string();
        let more = ["pki/issue/app", "auth/token/create", "sys/leases/revoke"];
        let more = more.map(|path| format!("path \"{path}\" {{ capabilities = [\"create\", \"update\"] }}\n")).concat();
        server.write_policy(mount, &(rules + &more)).unwrap();
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

    /// What a program is given.
    fn local_token(&self) -> String {
        fs::read_to_string(self.file("local")).unwrap()
    }

    /// How many tokens of the mount live.
    fn alive(&self) -> usize {
        let reply = server().admin("LIST", &format!("sys/leases/lookup/auth/{}/login", self.mount), &Value::Null).unwrap();
        reply["data"]["keys"].as_array().unwrap().len()
    }

    /// What an operator's command comes to.
    fn turquoise(&self, words: &[&str]) -> (Option<i32>, String) {
        let output =
            Command::new(TURQUOISE).args(words).arg("--admin").arg(self.file("admin.sock")).env_clear().output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code(), said)
    }

    /// The credential that serves, as `status` has it.
    fn current(&self) -> Value {
        let (code, said) = self.turquoise(&["status", "--format", "json"]);
        assert_eq!(code, Some(0), "{said}");
        serde_json::from_str::<Value>(&said).unwrap()["identities"][0]["current"].take()
    }
}

/// `turquoise run` in a process. Killed when dropped.
struct Sidecar {
    child: Child,
    log: PathBuf,
}

impl Sidecar {
    fn start(site: &Site, program: &Path, log: &str, args: &[&str]) -> Self {
        let mut command = Command::new(program);
        command
            .arg("run")
            .arg("-config")
            .arg(site.file("agent.hcl"))
            .args(args)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        Self::spawn(site, log, command)
    }

    /// As a service manager does, with sockets of these names. It is the shell's process that becomes ours, and so its id.
    fn inheriting(site: &Site, log: &str, names: &str, sockets: [OwnedFd; 2]) -> Self {
        let mut command = Command::new("/bin/sh");
        let script = "exec 3<&0 4<&1 0</dev/null 1>/dev/null; LISTEN_PID=$$; export LISTEN_PID; exec \"$@\"";
        command.args(["-c", script, "sh", TURQUOISE, "run", "-config"]).arg(site.file("agent.hcl")).env_clear();
        command.env("LISTEN_FDS", "2").env("LISTEN_FDNAMES", names);
        let [first, second] = sockets;
        command.stdin(first).stdout(second);
        Self::spawn(site, log, command)
    }

    fn spawn(site: &Site, log: &str, mut command: Command) -> Self {
        let log = site.file(log);
        command.stderr(File::create(&log).unwrap());
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

    fn tell(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end; answers its exit code and its log.
    fn ended(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        (code, self.log())
    }

    fn end(self, signal: Signal) -> (Option<i32>, String) {
        self.tell(signal);
        self.ended()
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Where a client connects.
#[derive(Clone)]
enum At {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A connection.
trait Stream: Read + Write + Send {}

impl<S: Read + Write + Send> Stream for S {}

impl At {
    fn connect(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Self::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                Box::new(stream)
            }
        })
    }

    /// One request on a connection of its own.
    fn ask(&self, token: &str, method: &str, path: &str, body: &str) -> Answer {
        exchange(&mut *self.connect().unwrap(), token, method, path, body).unwrap()
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    /// Whether the connection ends with it.
    is_last: bool,
    body: String,
}

/// As any HTTP client does it; what is cut off is an error.
fn exchange(stream: &mut dyn Stream, token: &str, method: &str, path: &str, body: &str) -> io::Result<Answer> {
    let length = body.len();
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: x\r\nX-Vault-Token: {token}\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes())?;
    let head = until(stream, "\r\n\r\n")?.to_lowercase();
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let body = match field("content-length:").and_then(|length| length.parse().ok()) {
        Some(length) => exactly(stream, length)?,
        None => chunks(stream)?,
    };
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(|| io::Error::other(head.clone()))?;
    Ok(Answer { status, is_last: field("connection:") == Some("close"), body })
}

fn exactly(stream: &mut dyn Stream, length: usize) -> io::Result<String> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes)?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

fn until(stream: &mut dyn Stream, end: &str) -> io::Result<String> {
    let mut text = String::new();
    while !text.ends_with(end) {
        text += &exactly(stream, 1)?;
    }
    Ok(text)
}

fn chunks(stream: &mut dyn Stream) -> io::Result<String> {
    let mut body = String::new();
    loop {
        let length = usize::from_str_radix(until(stream, "\r\n")?.trim(), 16).map_err(io::Error::other)?;
        body += &exactly(stream, length)?;
        until(stream, "\r\n")?;
        if length == 0 {
            return Ok(body);
        }
    }
}

/// How a client treats its connections.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// One for each request.
    Fresh,
    /// One, until an answer says that it ends.
    Kept,
}

/// A program that reads a secret again and again, and never tries anything twice.
struct Load {
    thread: Option<JoinHandle<()>>,
    tally: Arc<Tally>,
}

#[derive(Default)]
struct Tally {
    over: AtomicBool,
    served: AtomicUsize,
    /// Nobody let it in.
    refused: Mutex<Vec<String>>,
    /// The connection broke under a request.
    broken: Mutex<Vec<String>>,
    /// It was answered otherwise.
    odd: Mutex<Vec<String>>,
}

impl Load {
    fn start(at: At, token: &str, habit: Habit) -> Self {
        let (tally, token) = (Arc::<Tally>::default(), token.to_owned());
        let counted = Arc::clone(&tally);
        let thread = thread::spawn(move || {
            let mut kept = None;
            while !counted.over.load(Ordering::Relaxed) {
                let mut stream = match kept.take().map_or_else(|| at.connect(), Ok) {
                    Ok(stream) => stream,
                    Err(why) => {
                        counted.refused.lock().unwrap().push(why.to_string());
                        thread::sleep(PACE);
                        continue;
                    }
                };
                match exchange(&mut *stream, &token, "GET", SECRET, "") {
                    Ok(Answer { status: 200, is_last, .. }) => {
                        counted.served.fetch_add(1, Ordering::Relaxed);
                        kept = (habit == Habit::Kept && !is_last).then_some(stream);
                    }
                    Ok(Answer { status, body, .. }) => counted.odd.lock().unwrap().push(format!("{status}: {body}")),
                    Err(why) => counted.broken.lock().unwrap().push(why.to_string()),
                }
                thread::sleep(PACE);
            }
        });
        Self { thread: Some(thread), tally }
    }

    /// Waits until it was served so many times more.
    fn goes_on(&self, times: usize) {
        let (deadline, served) = (Instant::now() + PATIENCE, || self.tally.served.load(Ordering::Relaxed));
        let wanted = served() + times;
        while served() < wanted {
            assert!(Instant::now() < deadline, "it is not served");
            thread::sleep(PACE);
        }
    }

    /// How many requests were refused a connection, broke, or were answered otherwise than they should be.
    fn end(mut self) -> ([Vec<String>; 3], usize) {
        self.tally.over.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        let Tally { refused, broken, odd, served, .. } = &*self.tally;
        ([refused, broken, odd].map(|list| list.lock().unwrap().clone()), served.load(Ordering::Relaxed))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.tally.over.store(true, Ordering::Relaxed);
    }
}

/// Waits until each was served some times more.
fn go_on(loads: &[Load]) {
    for load in loads {
        load.goes_on(10);
    }
}

const INHERITED: &str =
    "listener \"tcp\" { inherited = \"api\"  tls_disable = true }\nlistener \"unix\" { inherited = \"local\" }";

#[test]
fn who_connects_to_an_inherited_socket_is_never_refused_whatever_becomes_of_the_process() {
    let site = Site::new("proxied-inherits", INHERITED);
    let (api, path) = (TcpListener::bind("127.0.0.1:0").unwrap(), site.file("proxy.sock"));
    let local = UnixListener::bind(&path).unwrap();
    let inode = fs::metadata(&path).unwrap().ino();
    let start = |log: &str| {
        let sockets = [api.try_clone().unwrap().into(), local.try_clone().unwrap().into()];
        let mut sidecar = Sidecar::inheriting(&site, log, "api:local", sockets);
        sidecar.until("serving", 1);
        sidecar
    };
    let first = start("first");
    let token = site.local_token();
    let at = [At::Tcp(api.local_addr().unwrap()), At::Unix(path.clone())];
    let loads = at.map(|at| Load::start(at, &token, Habit::Fresh));
    go_on(&loads);
    assert_eq!(first.end(Signal::KILL).0, None);
    let second = start("second");
    go_on(&loads);
    // A clean stop breaks nothing at all.
    let broken: Vec<_> = loads.iter().map(|load| load.tally.broken.lock().unwrap().len()).collect();
    let (code, log) = second.end(Signal::TERM);
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode, "it is not ours to remove");
    let third = start("third");
    go_on(&loads);
    for (load, before) in loads.into_iter().zip(broken) {
        let ([refused, broken, odd], _) = load.end();
        assert_eq!((refused, odd), (Vec::new(), Vec::new()));
        // The kill meets at most the one request that the client has under way.
        assert!(broken.len() <= 1 && broken.len() == before, "{broken:?}, {before} before the clean stop");
    }
    assert_eq!((third.end(Signal::TERM).0, site.alive()), (Some(0), 1));
}

#[test]
fn an_inherited_socket_that_is_not_what_the_file_says_is_told_before_anything_is_begun() {
    let site = Site::new("proxied-mistaken", INHERITED);
    let api = TcpListener::bind("127.0.0.1:0").unwrap();
    let local = UnixListener::bind(site.file("proxy.sock")).unwrap();
    let only_tcp = "listener \"tcp\" { inherited = \"api\"  tls_disable = true }";
    for (listeners, names, said) in [
        (INHERITED, "api:other", "no socket named `local` was inherited, but `other`: give it to the service"),
        (INHERITED, "local:api", "the inherited socket `api` is a unix socket, and its listener is for a TCP socket"),
        (only_tcp, "api:local", "no `listener` takes the inherited socket `local`"),
    ] {
        site.write(listeners);
        let sockets = [api.try_clone().unwrap().into(), local.try_clone().unwrap().into()];
        let (code, log) = Sidecar::inheriting(&site, "log", names, sockets).ended();
        assert!(code == Some(1) && log.contains(said), "{code:?}: {log}");
    }
    assert!(!site.file("journals").exists() && site.file("proxy.sock").exists());
}

#[test]
fn another_program_takes_the_place_of_the_one_that_runs_and_no_request_is_lost() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let site = Site::new("proxied-upgrades", "");
    let path = site.file("proxy.sock");
    let listeners = format!(
        "listener \"tcp\" {{ address = \"{port}\"  tls_disable = true }}\nlistener \"unix\" {{ address = \"{}\" }}",
        path.display()
    );
    site.write(&listeners);
    let mut old = Sidecar::start(&site, Path::new(TURQUOISE), "old", &[]);
    old.until("serving", 1);
    let (token, served) = (site.local_token(), fs::read_to_string(site.file("token")).unwrap());
    let clients = [Habit::Fresh, Habit::Kept].map(|habit| [At::Tcp(port), At::Unix(path.clone())].map(|at| (at, habit)));
    let loads: Vec<_> = clients.into_iter().flatten().map(|(at, habit)| Load::start(at, &token, habit)).collect();
    go_on(&loads);

    // Another file at another place, as after an upgrade.
    let program = site.file("turquoise");
    fs::copy(TURQUOISE, &program).unwrap();
    let mut new = Sidecar::start(&site, &program, "new", &["--take-over"]);
    new.until("serving", 1);
    let (code, log) = old.ended();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("stopping") && !log.contains("were cut off"), "{log}");
    go_on(&loads);
    let pid = fs::read_to_string(site.file("pid")).unwrap();
    assert_eq!(pid.trim(), new.child.id().to_string(), "the old one has left it alone");
    for load in loads {
        let (lost, served) = load.end();
        assert!(lost.iter().all(Vec::is_empty) && served >= 20, "{served} served, lost: {lost:?}\n{}", new.log());
    }
    assert_eq!(fs::read_to_string(site.file("token")).unwrap(), served, "the token is adopted");
    let (code, log) = new.end(Signal::TERM);
    assert_eq!((code, site.alive(), path.exists()), (Some(0), 1, false), "{log}");
    assert!(log.contains("was asked to end"), "{log}");

    // Where nobody runs it is a start as any other, and a process that does not end in time is told.
    let mut last = Sidecar::start(&site, &program, "last", &["--take-over"]);
    last.until("nobody runs by this file", 1);
    last.until("serving", 1);
    // Who could not serve lets the one that does alone.
    fs::set_permissions(site.file("local"), fs::Permissions::from_mode(0o644)).unwrap();
    let (code, log) = Sidecar::start(&site, &program, "unfit", &["--take-over"]).ended();
    assert!(code == Some(1) && log.contains("has mode 0644"), "{code:?}: {log}");
    fs::set_permissions(site.file("local"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(At::Unix(path).ask(&token, "GET", SECRET, "").status, 200);

    // As long as this request has not come whole, it is not done.
    let mut under_way = TcpStream::connect(port).unwrap();
    under_way.write_all(b"POST /v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n").unwrap();
    let (code, log) = Sidecar::start(&site, &program, "late", &["--take-over=0s"]).ended();
    assert!(code == Some(4) && log.contains(&format!("process {} was asked to end", last.child.id())), "{code:?}: {log}");
    drop(under_way);
    assert_eq!(last.ended().0, Some(0));
}

#[test]
fn what_hangs_from_a_token_is_counted_and_kept_when_the_provider_is_replaced() {
    let (api, looks) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let (api_at, looks_at) = (api.local_addr().unwrap(), looks.local_addr().unwrap());
    // Of one name: each listener gets another one, in their order.
    let listeners = "listener \"tcp\" { inherited = \"api\"  tls_disable = true }
                     listener \"tcp\" { inherited = \"api\"  tls_disable = true  role = \"metrics_only\" }";
    let site = Site::new("proxied-depends", listeners);
    let mut sidecar = Sidecar::inheriting(&site, "log", "api:api", [api.into(), looks.into()]);
    sidecar.until("serving", 1);
    let (api, looks, token) = (At::Tcp(api_at), At::Tcp(looks_at), site.local_token());
    let made = |path: &str, body: &str| {
        let answer = api.ask(&token, "POST", path, body);
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    made("/v1/pki/issue/app", "{\"common_name\": \"a.test\"}");
    made("/v1/auth/token/create", "{\"ttl\": \"5m\"}");
    let counted = json!({"leases": 1, "children": 1});
    assert_eq!((&site.current()["dependents"], &site.current()["in_flight"]), (&counted, &json!(2)));
    let (_, table) = site.turquoise(&["status"]);
    assert!(table.contains("leases: 1") && table.contains("children: 1"), "{table}");

    let seen = looks.ask("", "GET", "/agent/v1/metrics", "").body;
    for series in [
        "turquoise_dependents{identity=\"app\",role=\"current\",kind=\"lease\"} 1\n",
        "turquoise_dependents{identity=\"app\",role=\"current\",kind=\"child\"} 1\n",
        "turquoise_proxy_requests_total{identity=\"app\"} 3\n",
        "turquoise_proxy_faults_total{identity=\"app\"} 0\n",
        "turquoise_serving{identity=\"app\"} 1\n",
    ] {
        assert!(seen.contains(series), "no {series} in:\n{seen}");
    }
    for (path, status) in [("/metrics", 200), ("/healthz", 200), ("/readyz", 200), (SECRET, 404), ("/agent/v1/quit", 404)] {
        assert_eq!(looks.ask(&token, "GET", path, "").status, status, "{path}");
    }

    // The next provider goes on with the list: it revokes the lease by its id before the token goes.
    sidecar.tell(Signal::HUP);
    sidecar.until("a login that was refused is tried again", 1);
    assert_eq!(site.current()["dependents"], counted);
    let (code, said) = site.turquoise(&["rotate", "--wait"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(sidecar.log().contains("a lease is revoked under work that holds it"), "{}", sidecar.log());
    assert_eq!(site.current()["dependents"], json!({"leases": 0, "children": 0}));
    assert_eq!(sidecar.end(Signal::TERM).0, Some(0));
}

#[test]
fn the_local_token_is_replaced_in_a_process_that_runs() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let site = Site::new("proxied-local", &format!("listener \"tcp\" {{ address = \"{port}\"  tls_disable = true }}"));
    assert_eq!(site.turquoise(&["local-token", "rotate"]).0, Some(3));
    let mut sidecar = Sidecar::start(&site, Path::new(TURQUOISE), "log", &[]);
    sidecar.until("serving", 1);
    let asks = |token: &str| At::Tcp(port).ask(token, "GET", SECRET, "").status;
    let mut tokens = vec![site.local_token()];
    for (words, statuses) in
        [(&["local-token", "rotate"][..], &[200, 200][..]), (&["local-token", "rotate", "--overlap", "0s"], &[403, 403, 200])]
    {
        let (code, said) = site.turquoise(words);
        assert_eq!(code, Some(0), "{said}");
        tokens.push(site.local_token());
        assert!(tokens.iter().all(|token| !said.contains(token)) && said.contains("/local"), "{said}");
        assert_eq!(fs::metadata(site.file("local")).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(tokens.iter().map(|token| asks(token)).collect::<Vec<_>>(), statuses);
    }
    assert_eq!(site.turquoise(&["local-token", "rotate", "--overlap", "40d"]).0, Some(1));
    assert_eq!(sidecar.end(Signal::TERM).0, Some(0));

    // It is the same after a start, and so are those that are over.
    let mut successor = Sidecar::start(&site, Path::new(TURQUOISE), "second", &[]);
    successor.until("serving", 1);
    assert_eq!(tokens.iter().map(|token| asks(token)).collect::<Vec<_>>(), [403, 403, 200]);
    assert_eq!(successor.end(Signal::TERM).0, Some(0));
}
