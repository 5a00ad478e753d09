//! No secret in what is written down: the log, the journal, an error.

use std::fs;
use std::io;
use std::sync::{Arc, Mutex};

use secrecy::ExposeSecret as _;
use tracing_subscriber::fmt::MakeWriter;
use turquoise_moto::Loss;

use crate::support::Bench;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_secret_is_in_the_log_or_in_the_journal() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    // For all threads: one of a single thread misses what other tests were the first to log.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let bench = Bench::new();
    let running = bench.start().await;
    bench.fault("CreateAccessKey", Loss::Reply, 1);
    running.rotate().await;
    running.rotate().await;
    let second = running.identity.credentials().acquire().unwrap().secret().expose_secret().to_owned();
    running.identity.stop().await;
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let journal = fs::read_to_string(bench.folder.path().join("journal")).unwrap();
    let calls = log.lines().filter(|line| line.contains("CreateAccessKey") && line.contains(&bench.first.id)).count();
    assert!(calls > 0 && journal.contains(&bench.first.id), "nothing was looked at");
    for secret in [bench.first.secret.expose_secret(), &second] {
        assert!(!log.contains(secret), "the log holds a secret");
        assert!(!journal.contains(secret), "the journal holds a secret");
    }
}
