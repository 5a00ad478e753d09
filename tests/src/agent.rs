//! One identity in a process of its own, as a program that embeds the library would have it; and it can be held at any place,
//! for its parent to kill it there.

use std::error::Error;
use std::io::{self, BufRead as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;
use tracing_subscriber::filter::LevelFilter;
use turquoise::core::{Generation, Mint, Policy};
use turquoise::journal::FileJournal;
use turquoise::memory::{WhenLockingFails, harden};
use turquoise::port::{
    Base, Compacted, Contract, Credential, Entry, Handle, Journal, Minted, NotCompacted, NotDurable, Observed, Provider, Reply,
    Store, StoreError,
};
use turquoise::sink::{FileSink, Mode};
use turquoise::vault::{
    App, Issued, LoginConfig, LoginProvider, Method, Probe, Role, SecretIdConfig, SecretIdProvider, TokenConfig, TokenProvider,
    Upstream,
};
use turquoise::{Identity, Setup};

use crate::{Command, Kind, PROBED, Place, Point, Side, Told};

/// Rotates one identity; tells what happens as lines of JSON; obeys `rotate`, `release` and `stop` on standard input.
#[derive(clap::Parser)]
pub struct Args {
    /// The journal
    #[arg(long)]
    journal: PathBuf,
    /// The published file
    #[arg(long)]
    sink: PathBuf,
    /// What is rotated
    #[arg(long, value_enum, default_value_t)]
    kind: Kind,
    /// The file that the first token or the first secret id comes in, or the secret id to log in with
    #[arg(long)]
    secret_file: PathBuf,
    /// The file that the role id comes in, of what is not minted through a token role
    #[arg(long)]
    role_id_file: Option<PathBuf>,
    /// The server; each of its nodes, if it has several
    #[arg(long, required = true)]
    address: Vec<String>,
    /// The role that tokens are minted through; that of an AppRole, which is mounted by this name, too
    #[arg(long)]
    role: Role,
    /// Where to stand still: before-record-4, after-call-7
    #[arg(long)]
    hold: Option<Point>,
    /// Its parent is to look into its memory: it is not hardened
    #[arg(long)]
    readable: bool,
    /// What goes to standard error
    #[arg(long, default_value = "info")]
    log: LevelFilter,
    /// How long after its sending a request may still be applied, in seconds, if not as the policy has it
    #[arg(long)]
    delta: Option<u64>,
}

/// Lives as an agent does.
pub fn main(args: Args) -> ExitCode {
    if !args.readable
        && let Err(why) = harden()
    {
        drop(writeln!(io::stderr(), "agent: {why}"));
    }
    tracing_subscriber::fmt().with_max_level(args.log).with_ansi(false).with_writer(io::stderr).init();
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(io::stderr(), "agent: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// On one thread: whoever holds a call there holds everything.
#[tokio::main(flavor = "current_thread")]
async fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let nodes = args.address.iter().map(|node| node.parse()).collect::<Result<Vec<_>, _>>()?;
    let (role, policy) = (args.role.clone(), args.kind.policy());
    let upstream = Upstream { timeout: policy.patience, ..Upstream::new(nodes) };
    let probes = vec![Probe { path: PROBED.parse()?, max_latency: None }];
    let (role_id_file, secret_id_file) = (args.role_id_file.clone().unwrap_or_default(), args.secret_file.clone());
    match args.kind {
        Kind::Token => {
            let config = TokenConfig { probes, ..TokenConfig::new(upstream, role, args.secret_file.clone()) };
            live(args, TokenProvider::new(config)?).await
        }
        Kind::Login => {
            let mount = role.to_string().parse()?;
            let method = Method::AppRole { mount, role_id_file, secret_id_file: Some(secret_id_file), role: Some(role) };
            let Policy { probation, login_life, .. } = policy;
            let config = LoginConfig { probes, probation, login_life, ..LoginConfig::new(upstream, method) };
            live(args, LoginProvider::new(config)?).await
        }
        Kind::SecretId => {
            let app = App { mount: role.to_string().parse()?, role };
            let config = SecretIdConfig { upstream, app, role_id_file, secret_id_file, probes, issued: Issued::Outlive };
            live(args, SecretIdProvider::new(config)?).await
        }
    }
}

async fn live(args: Args, provider: impl Provider) -> Result<(), Box<dyn Error>> {
    let policy = args.kind.policy();
    let gate = Arc::new(Gate { hold: args.hold, full: policy.full, ..Gate::default() });
    let mut commands = listen(&gate);
    let opened = FileJournal::open(&args.journal)?;
    let provider = Gated { inner: provider, gate: Arc::clone(&gate) };
    let journal = Gated { inner: opened.journal, gate: Arc::clone(&gate) };
    let store = Gated { inner: FileSink::open(&args.sink, Mode::PRIVATE)?, gate };
    let setup = Setup::new(provider, journal, opened.history, store)?;
    let delta = args.delta.map_or(policy.delta, Duration::from_secs);
    let policy = Policy { delta, ..policy };
    let identity = Identity::start(Setup { policy, memory: WhenLockingFails::Refuse, ..setup }).await?;
    let mut progress = identity.progress();
    loop {
        tokio::select! {
            biased;
            happened = progress.recv() => tell(&happened?.into()),
            command = commands.recv() => match command {
                Some(Command::Rotate) => if let Err(why) = identity.rotate().await {
                    tell(&Told::Refused { words: why.to_string() });
                },
                _ => break,
            },
        }
    }
    identity.stop().await;
    Ok(())
}

/// Reads commands, on a thread that nothing holds. The end of the input is the end of whoever started us.
fn listen(gate: &Arc<Gate>) -> mpsc::UnboundedReceiver<Command> {
    let (commands, received) = mpsc::unbounded_channel();
    let gate = Arc::clone(gate);
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            match Command::ALL.into_iter().find(|command| command.word() == line) {
                Some(Command::Release) => gate.release(),
                // Nobody listens any more when we are just ending.
                Some(command) => drop(commands.send(command)),
                None => break,
            }
        }
        std::process::exit(3);
    });
    received
}

/// A line on standard output.
fn tell(told: &Told) {
    let line = serde_json::to_string(told).unwrap_or_default();
    let mut out = io::stdout().lock();
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        std::process::exit(3);
    }
}

/// What every record and every call passes.
#[derive(Default)]
struct Gate {
    hold: Option<Point>,
    /// A life that is shorter is cut.
    full: Duration,
    records: AtomicU64,
    calls: AtomicU64,
    released: Mutex<bool>,
    release: Condvar,
}

impl Gate {
    /// Stands still if this is the point.
    fn pass(&self, side: Side, place: Place) {
        if self.hold == Some(Point { side, place }) {
            tell(&Told::Held);
            let released = self.released.lock().unwrap_or_else(PoisonError::into_inner);
            drop(self.release.wait_while(released, |released| !*released));
        }
    }

    fn release(&self) {
        *self.released.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.release.notify_all();
    }

    fn next_record(&self) -> Place {
        Place::Record(self.records.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn next_call(&self, call: &str) -> Place {
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        tell(&Told::Call { number, call: call.to_owned() });
        Place::Call(number)
    }

    fn around<T>(&self, place: Place, act: impl FnOnce() -> T) -> T {
        self.pass(Side::Before, place);
        let done = act();
        self.pass(Side::After, place);
        done
    }

    async fn around_call<T>(&self, call: &str, act: impl Future<Output = T> + Send) -> T {
        let place = self.next_call(call);
        self.pass(Side::Before, place);
        let done = act.await;
        self.pass(Side::After, place);
        done
    }
}

/// A port with the gate before it.
struct Gated<P> {
    inner: P,
    gate: Arc<Gate>,
}

impl<J: Journal> Journal for Gated<J> {
    fn append(&mut self, entry: &Entry) -> Result<(), NotDurable> {
        self.gate.around(self.gate.next_record(), || self.inner.append(entry))
    }

    fn compact(&mut self, base: &Base) -> Result<Option<Compacted>, NotCompacted> {
        self.inner.compact(base)
    }
}

impl<S: Store> Store for Gated<S> {
    fn load(&mut self) -> Result<Vec<Credential>, StoreError> {
        self.inner.load()
    }

    fn persist(&mut self, credential: &Credential) -> Result<(), StoreError> {
        self.gate.around(self.gate.next_call("persist"), || self.inner.persist(credential))
    }

    fn publish(&mut self, credential: &Credential) -> Result<(), StoreError> {
        self.gate.around(self.gate.next_call("publish"), || self.inner.publish(credential))
    }

    fn clear(&mut self, mint: Mint) -> Result<(), StoreError> {
        self.gate.around(self.gate.next_call("clear"), || self.inner.clear(mint))
    }
}

impl<P: Provider> Provider for Gated<P> {
    fn contract(&self) -> Contract {
        self.inner.contract()
    }

    async fn login(&self, mint: Mint) -> Reply<Minted> {
        self.gate.around_call("login", self.inner.login(mint)).await
    }

    async fn issue(&self, with: &Credential, mint: Mint, life: Duration) -> Reply<Minted> {
        self.gate.around_call("issue", self.inner.issue(with, mint, life)).await
    }

    async fn probe(&self, with: &Credential) -> Reply<Duration> {
        self.gate.around_call("probe", self.inner.probe(with)).await
    }

    async fn set_life(&self, with: &Credential, life: Duration) -> Reply<Duration> {
        let call = if life < self.gate.full { "shorten" } else { "extend or renew" };
        self.gate.around_call(call, self.inner.set_life(with, life)).await
    }

    async fn revoke(&self, with: &Credential) -> Reply<()> {
        self.gate.around_call("revoke", self.inner.revoke(with)).await
    }

    async fn observe(&self, target: &Credential, witness: &Credential) -> Reply<Observed> {
        self.gate.around_call("observe", self.inner.observe(target, witness)).await
    }

    async fn revoke_named(&self, target: &Handle, with: &Credential) -> Reply<()> {
        self.gate.around_call("revoke by name", self.inner.revoke_named(target, with)).await
    }

    async fn observe_named(&self, target: &Handle, witness: &Credential) -> Reply<Observed> {
        self.gate.around_call("observe by name", self.inner.observe_named(target, witness)).await
    }

    async fn discover(&self, lost: Generation, witness: &Credential) -> Reply<Option<Handle>> {
        self.gate.around_call("discover", self.inner.discover(lost, witness)).await
    }
}
