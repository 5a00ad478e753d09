//! A consumer that knows nothing of us: a process of its own that reads the published file again and again.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, MissedTickBehavior, interval};
use turquoise::memory::Secret;

use super::load::{PACE, Reads, Tally};
use super::process::Process;
use super::scene::SECRET;
use super::show;
use super::sidecar::Site;
use super::trouble::Trouble;

/// Well within the grace.
const REREAD: Duration = Duration::from_millis(200);
/// Often enough to be watched.
const REPORT: Duration = Duration::from_millis(50);

/// What a reader is told. No secret among it: that is in the file.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The published file
    pub(crate) sink: PathBuf,
    /// The server
    pub(crate) address: String,
    /// What to read there
    pub(crate) path: String,
}

/// A reader at work.
pub(crate) struct Reader(Process);

impl Reader {
    pub(crate) fn start(site: &Site) -> Result<Self, Trouble> {
        let args = [site.sink.as_os_str(), site.address.as_ref(), SECRET.as_ref()];
        Process::start("demo-reader", args).map(Self)
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
pub(crate) fn run(args: &Args) -> ExitCode {
    super::child(async {
        let reads = Reads::of(&args.address, &args.path)?;
        let tally = Tally::default();
        let (mut input, mut nothing) = (tokio::io::stdin(), [0]);
        let mut ended = Box::pin(input.read(&mut nothing));
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut token = Secret::from("");
        let [mut reread, mut report] = [Instant::now(); 2];
        loop {
            tokio::select! {
                _ = &mut ended => break,
                _ = pace.tick() => {}
            }
            let now = Instant::now();
            if now >= reread {
                reread = now + REREAD;
                token = fs::read_to_string(&args.sink)?.into();
            }
            if now >= report {
                report = now + REPORT;
                show::json(&*tally.lock())?;
            }
            tally.add(reads.read(&token).await);
        }
        show::json(&*tally.lock())
    })
}
