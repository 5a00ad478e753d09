//! Work that reads with a key, and must never be refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use turquoise_aws_iam::{Caller, Key, Scope, sign};
use turquoise_http::{Connector, Pool, nobody};

use crate::support::{Bench, EMULATOR, policy_of_tests};

/// What a user's policy must allow besides.
pub(crate) const NEEDED: &[&str] = &["s3:ListAllMyBuckets"];
/// From one read of the work to its next.
pub(crate) const PACE: Duration = Duration::from_millis(100);
/// How long a reader works with what it has read: well within the grace, and for most of it.
const REREAD: Duration = Duration::from_millis(350);
/// Longer than a read takes, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whoever works.
pub(crate) struct Worker {
    pool: Pool,
}

impl Worker {
    pub(crate) fn new() -> Self {
        Self { pool: Pool::new(Connector::new(Vec::new(), Arc::new(nobody()), None, PATIENCE)) }
    }

    /// One read; or why it was not served.
    pub(crate) async fn read<'a>(&self, caller: impl Into<Caller<'a>>) -> Result<(), String> {
        let mut request = Request::new(Full::<Bytes>::default());
        *request.uri_mut() = format!("{}/", EMULATOR.url()).parse().unwrap();
        sign(&mut request, &[], Scope { service: "s3", region: "us-east-1" }, caller).unwrap();
        match self.pool.send(&request).await {
            Ok(answer) if answer.status.is_success() => Ok(()),
            Ok(answer) => Err(format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body))),
            Err(why) => Err(why.to_string()),
        }
    }
}

/// What is published, if anything is.
pub(crate) fn published(file: &Path) -> Option<Key> {
    file.exists().then(|| Key::of_profile(file, "default").unwrap())
}

/// Reads the published file and works with what it finds, all the while.
pub(crate) struct Reader {
    stop: Arc<AtomicBool>,
    work: JoinHandle<usize>,
}

impl Reader {
    pub(crate) fn start(bench: &Bench) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let work = tokio::spawn(work(bench.published(), Arc::clone(&stop)));
        Self { stop, work }
    }

    /// Ends its work, none of which was refused; answers how many reads were served.
    pub(crate) async fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.work.await.unwrap()
    }
}

async fn work(file: PathBuf, stopped: Arc<AtomicBool>) -> usize {
    let (worker, mut served) = (Worker::new(), 0);
    let mut known: Option<(Instant, Key)> = None;
    while !stopped.load(Ordering::Relaxed) {
        known = known.filter(|(read, _)| read.elapsed() < REREAD).or_else(|| Some((Instant::now(), published(&file)?)));
        if let Some((read, key)) = &known {
            match worker.read(key).await {
                Ok(()) => served += 1,
                // Who takes longer than the grace from reading the file to using it has no claim.
                Err(why) => assert!(read.elapsed() >= policy_of_tests().grace, "the reader was refused: {why}"),
            }
        } else {
            assert_eq!(served, 0, "the published file vanished");
        }
        sleep(PACE).await;
    }
    served
}
