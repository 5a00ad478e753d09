//! Readers that know nothing but the published file.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use turquoise_tests::policy;
use ureq::Agent;

use crate::Fault;
use crate::seat::{Seat, WORK};

const READERS: usize = 4;
/// From one read to the next, of each reader.
const PACE: Duration = Duration::from_millis(20);
/// How long a reader works with what it has read: well within the grace.
const REREAD: Duration = Duration::from_millis(700);

/// What became of the reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Count {
    pub(crate) served: u64,
    /// Refused, though the file was read within the grace.
    pub(crate) refused: u64,
    /// No node answered, or none would do anything for anybody.
    pub(crate) unserved: u64,
    /// The first that was not served, in words.
    pub(crate) words: Option<String>,
}

pub(crate) struct Load {
    readers: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    count: Arc<Mutex<Count>>,
}

impl Load {
    pub(crate) fn start(seat: &Seat) -> Self {
        let (stop, count) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Count>>::default());
        let readers = (0..READERS).map(|first| {
            let mut nodes = seat.addresses();
            let away = first % nodes.len();
            nodes.rotate_left(away);
            let reader = Reader { nodes, file: seat.path("token"), agent: agent(), known: None };
            let (stop, count) = (Arc::clone(&stop), Arc::clone(&count));
            thread::spawn(move || reader.work(&stop, &count))
        });
        Self { readers: readers.collect(), stop, count }
    }

    pub(crate) fn count(&self) -> Count {
        self.count.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until so many reads were served.
    pub(crate) fn until(&self, served: u64) -> Result<(), Fault> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.count().served < served {
            if Instant::now() > deadline {
                return Err(format!("reads do not flow: {:?}", self.count()).into());
            }
            thread::sleep(PACE);
        }
        Ok(())
    }

    pub(crate) fn stop(self) -> Result<Count, Fault> {
        self.stop.store(true, Ordering::Relaxed);
        let count = self.count();
        for reader in self.readers {
            reader.join().map_err(|_| "a reader panicked")?;
        }
        Ok(count)
    }
}

fn agent() -> Agent {
    let config = Agent::config_builder().proxy(None).http_status_as_error(false).max_redirects(0);
    config.timeout_global(Some(Duration::from_secs(2))).build().into()
}

struct Reader {
    nodes: Vec<String>,
    file: PathBuf,
    agent: Agent,
    known: Option<(Instant, String)>,
}

impl Reader {
    fn work(mut self, stop: &AtomicBool, count: &Mutex<Count>) {
        while !stop.load(Ordering::Relaxed) {
            let result = self.read();
            let mut count = count.lock().unwrap_or_else(PoisonError::into_inner);
            match result {
                Ok(()) => count.served += 1,
                Err(Missed::Refused(words)) => {
                    count.refused += 1;
                    count.words.get_or_insert(words);
                }
                Err(Missed::Unserved(words)) => {
                    count.unserved += 1;
                    count.words.get_or_insert(words);
                }
            }
            drop(count);
            thread::sleep(PACE);
        }
    }

    /// One read, by the first node that does anything.
    fn read(&mut self) -> Result<(), Missed> {
        if self.known.as_ref().is_none_or(|(read, _)| read.elapsed() > REREAD) {
            let now = Instant::now();
            self.known = Some((now, fs::read_to_string(&self.file).map_err(|why| Missed::Refused(why.to_string()))?));
        }
        let Some((read, token)) = &self.known else { return Ok(()) };
        let mut missed = Missed::Unserved("there is no node".to_owned());
        for node in &self.nodes {
            let asked = self.agent.get(format!("{node}/v1/{WORK}")).header("X-Vault-Token", token).call();
            match asked.map(|answer| answer.status().as_u16()) {
                Ok(200) => return Ok(()),
                // Who takes longer than the grace from reading the file to using it has no claim.
                Ok(403) if read.elapsed() > policy().grace => return Err(Missed::Unserved("too slow".to_owned())),
                Ok(403) => return Err(Missed::Refused("the server answered 403".to_owned())),
                Ok(status) => missed = Missed::Unserved(format!("the server answered {status}")),
                Err(why) => missed = Missed::Unserved(why.to_string()),
            }
        }
        Err(missed)
    }
}

enum Missed {
    Refused(String),
    Unserved(String),
}
