//! A client that knows nothing of us: a process of its own, with an address and a file that its token is in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum;
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, MissedTickBehavior, interval};
use turquoise::aws_iam::Key;
use turquoise::memory::Secret;

use super::count::{Count, Tally};
use super::load::{Failure, Held, Reads};
use super::process::Process;
use super::site::{Provider, name};
use super::trouble::Trouble;
use super::{iam, show};

/// Well within the grace.
const REREAD: Duration = Duration::from_millis(200);
/// Often enough to be watched.
const REPORT: Duration = Duration::from_millis(50);

/// What a client is given.
#[derive(clap::Args)]
pub(crate) struct Given {
    /// Whose credential it is
    provider: Provider,
    /// What it reads
    url: String,
    /// The file with its credential
    file: PathBuf,
    /// How often it looks at that
    habit: Habit,
}

/// How a client treats the file.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Habit {
    /// It reads it when it starts, and keeps what was in it
    Once,
    /// It reads it again and again
    Again,
}

/// A client at work.
pub(crate) struct Client(Process);

impl Client {
    pub(crate) fn start(provider: Provider, url: &str, file: &Path, habit: Habit) -> Result<Self, Trouble> {
        let args = [name(&provider).into(), url.into(), file.into(), name(&habit).into()];
        Process::start::<std::ffi::OsString>("demo-client", args).map(Self)
    }

    /// Takes what it counts, as long as it works.
    pub(crate) async fn listen(&mut self, tally: &Tally) -> Trouble {
        loop {
            match self.0.hear().await {
                Ok(Some(count)) => tally.set(count),
                Ok(None) => return Trouble::Local("a client has ended by itself".to_owned()),
                Err(trouble) => return trouble,
            }
        }
    }

    /// Lets it end, and takes its last count.
    pub(crate) async fn stop(self, tally: &Tally) -> Result<(), Trouble> {
        self.0.stop(|count| tally.set(count)).await
    }
}

/// Reads, and tells its count as a line of JSON now and then, until standard input ends.
pub(crate) fn run(given: &Given) -> ExitCode {
    super::child(async {
        let reads = Reads::at(&given.url, given.provider).map_err(Trouble::Local)?;
        let mut count = Count::default();
        let (mut input, mut nothing) = (tokio::io::stdin(), [0]);
        let mut ended = Box::pin(input.read(&mut nothing));
        let mut pace = interval(reads.pace());
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut key = given.key()?;
        let [mut reread, mut report] = [Instant::now(); 2];
        loop {
            tokio::select! {
                _ = &mut ended => break,
                _ = pace.tick() => {}
            }
            let now = Instant::now();
            if given.habit == Habit::Again && now >= reread {
                reread = now + REREAD;
                key = given.key()?;
            }
            if now >= report {
                report = now + REPORT;
                show::json(&count)?;
            }
            let result = given.read(&reads, &key, &mut count).await;
            count.add(result, now.elapsed());
        }
        show::json(&count)
    })
}

impl Given {
    /// One request. A client that keeps its token sends a read again if its connection breaks, as clients in Go do by themselves.
    async fn read(&self, reads: &Reads, key: &Key, count: &mut Count) -> Result<(), Failure> {
        let held = Held { id: &key.id, secret: &key.secret };
        match reads.read(held).await {
            Err(Failure::Cut(_)) if self.habit == Habit::Once => {
                count.resent += 1;
                reads.read(held).await
            }
            result => result,
        }
    }

    /// What is in the file now. A token has no name beside it.
    fn key(&self) -> Result<Key, Trouble> {
        match self.provider {
            Provider::VaultToken => {
                let token = Secret::from(fs::read_to_string(&self.file)?);
                Ok(Key { id: String::new(), secret: token })
            }
            Provider::AwsIam => Key::of_profile(&self.file, iam::PROFILE).map_err(|why| Trouble::Local(why.to_string())),
        }
    }
}
