//! A consumer that knows nothing of us: a process of its own that reads the published file again and again.

use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, MissedTickBehavior, interval};
use turquoise::aws_iam::Key;
use turquoise::memory::Secret;

use super::load::{Held, Reads, Tally};
use super::process::Process;
use super::site::{Provider, Site};
use super::trouble::Trouble;
use super::{iam, show};

/// Well within the grace.
const REREAD: Duration = Duration::from_millis(200);
/// Often enough to be watched.
const REPORT: Duration = Duration::from_millis(50);

/// A reader at work.
pub(crate) struct Reader(Process);

impl Reader {
    pub(crate) fn start(site: &Site) -> Result<Self, Trouble> {
        Process::start("demo-reader", site.args()).map(Self)
    }

    /// Takes what it counts, as long as it works.
    pub(crate) async fn listen(&mut self, tally: &Tally) -> Trouble {
        loop {
            match self.0.hear().await {
                Ok(Some(count)) => *tally.lock() = count,
                Ok(None) => return Trouble::Local("the reading process has ended by itself".to_owned()),
                Err(trouble) => return trouble,
            }
        }
    }

    /// Lets it end, and takes its last count.
    pub(crate) async fn stop(self, tally: &Tally) -> Result<(), Trouble> {
        self.0.stop(|count| *tally.lock() = count).await
    }
}

/// Reads, and tells its count as a line of JSON now and then, until standard input ends.
pub(crate) fn run(site: &Site) -> ExitCode {
    super::child(async {
        let reads = Reads::of(site).map_err(Trouble::Local)?;
        let tally = Tally::default();
        let (mut input, mut nothing) = (tokio::io::stdin(), [0]);
        let mut ended = Box::pin(input.read(&mut nothing));
        let mut pace = interval(reads.pace());
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut key = Key { id: String::new(), secret: Secret::from("") };
        let [mut reread, mut report] = [Instant::now(); 2];
        loop {
            tokio::select! {
                _ = &mut ended => break,
                _ = pace.tick() => {}
            }
            let now = Instant::now();
            if now >= reread {
                reread = now + REREAD;
                key = published(site)?;
            }
            if now >= report {
                report = now + REPORT;
                show::json(&*tally.lock())?;
            }
            tally.add(reads.read(Held { id: &key.id, secret: &key.secret }).await);
        }
        show::json(&*tally.lock())
    })
}

/// What is published now. A token has no name beside it.
fn published(site: &Site) -> Result<Key, Trouble> {
    let file = site.published();
    match site.provider {
        Provider::VaultToken => Ok(Key { id: String::new(), secret: fs::read_to_string(file)?.into() }),
        Provider::AwsIam => Key::of_profile(&file, iam::PROFILE).map_err(|why| Trouble::Local(why.to_string())),
    }
}
