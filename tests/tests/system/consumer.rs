//! A consumer that knows nothing of us: it reads the published file now and then, and works with what it finds.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use turquoise_tests::{Kind, policy};

use crate::http::Http;
use crate::site::{Site, WORK};

const PACE: Duration = Duration::from_millis(200);
/// How long it works with what it has read: well within the grace, and for most of it.
const REREAD: Duration = Duration::from_secs(1);

/// What it met with.
#[derive(Debug, Default)]
pub(crate) struct Experience {
    pub(crate) served: usize,
    /// By the server, though it had read the file within the grace.
    pub(crate) refused: Vec<String>,
    /// The server was not there, or would do nothing for anybody.
    pub(crate) unserved: Vec<String>,
    /// The file was there, then it was not.
    pub(crate) vanished: usize,
    /// What it has read, and when.
    token: Option<(Instant, String)>,
}

pub(crate) struct Consumer {
    thread: Option<JoinHandle<Experience>>,
    stop: Arc<AtomicBool>,
    reader: Reader,
    sink: PathBuf,
}

/// How it reads.
#[derive(Clone)]
struct Reader {
    http: Arc<Http>,
    /// What it logs in with beside a secret id, and where.
    app: Option<(String, String)>,
}

impl Reader {
    fn new(site: &Site) -> Self {
        let login = format!("auth/{}/login", site.role);
        let app = (site.kind == Kind::SecretId).then(|| (login, fs::read_to_string(site.role_id_file()).unwrap()));
        Self { http: Arc::new(Http::new(&site.address)), app }
    }

    /// Reads with a published token, or with one that a published secret id logs in for, and ends that.
    fn read(&self, published: &str) -> Result<(u16, Value), String> {
        let Some((login, role_id)) = &self.app else { return self.http.get(WORK, published) };
        let (status, answer) = self.http.put(login, "", &json!({"role_id": role_id, "secret_id": published}))?;
        let Some(token) = answer["auth"]["client_token"].as_str() else {
            // What a secret id is told that is dead.
            return Ok((if status == 400 { 403 } else { status }, answer));
        };
        let read = self.http.get(WORK, token);
        self.http.put("auth/token/revoke-self", token, &json!({}))?;
        read
    }
}

impl Consumer {
    pub(crate) fn start(site: &Site) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, sink, reader) = (Arc::clone(&stop), site.sink(), Reader::new(site));
        let reading = reader.clone();
        let thread = thread::spawn(move || {
            let mut experience = Experience::default();
            while !stopped.load(Ordering::Relaxed) {
                experience.work(&sink, &reading);
                thread::sleep(PACE);
            }
            experience
        });
        Self { thread: Some(thread), stop, reader, sink: site.sink() }
    }

    /// One read at once, which must be served; unless nothing is published yet.
    pub(crate) fn look(&self) -> bool {
        let mut now = Experience::default();
        now.work(&self.sink, &self.reader);
        assert!(now.refused.is_empty() && now.unserved.is_empty(), "the published token does not work: {now:?}");
        now.served == 1
    }

    /// Ends its work with one more read, which must be served.
    pub(crate) fn stop(mut self) -> Experience {
        self.stop.store(true, Ordering::Relaxed);
        let experience = self.thread.take().unwrap().join().unwrap();
        assert!(self.look(), "nothing is published");
        assert_eq!(experience.refused, [] as [&str; 0], "the consumer was refused");
        assert_eq!(experience.vanished, 0, "the published file vanished");
        experience
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Experience {
    fn work(&mut self, sink: &Path, reader: &Reader) {
        let (read, token) = match self.token.take().filter(|(read, _)| read.elapsed() < REREAD) {
            Some(known) => known,
            None => match (Instant::now(), fs::read_to_string(sink)) {
                (now, Ok(token)) => (now, token),
                (_, Err(why)) if why.kind() == ErrorKind::NotFound => {
                    self.vanished += usize::from(self.served > 0);
                    return;
                }
                (_, Err(why)) => panic!("{why}"),
            },
        };
        match reader.read(&token) {
            Ok((200, _)) => self.served += 1,
            // Who takes longer than the grace from reading the file to using it has no claim.
            Ok((403, body)) if read.elapsed() < policy().grace => self.refused.push(body.to_string()),
            Ok((403, _)) => {}
            Ok((status, body)) => self.unserved.push(format!("{status}: {body}")),
            Err(why) => self.unserved.push(why),
        }
        self.token = Some((read, token));
    }
}
