//! The token is in no log of ours or of what we build on, at its most talkative, and in no reason; with TLS and without.

#[path = "../../../../runtime/tests/driver/leak.rs"]
mod leak;

use std::io;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tracing_subscriber::fmt::format::FmtSpan;
use turquoise_runtime::port::{Provider, Reply};

use turquoise_vault::{TokenConfig, TokenProvider};

use crate::certify::secure;
use crate::support::{Bench, MINUTE, applied, credential, mint, text};
use leak::{Leaks, forms};

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

impl Log {
    fn add<T>(&self, reply: Reply<T>) -> Option<T> {
        let reason = match reply {
            Reply::Applied(value) => return Some(value),
            Reply::Refused(why) | Reply::Unavailable(why) | Reply::Unknown(why) | Reply::Throttled { reason: why, .. } => why,
        };
        self.0.lock().unwrap().extend_from_slice(format!("REASON {}\n", reason.0).as_bytes());
        None
    }
}

#[tokio::test]
async fn the_token_never_appears_in_errors_or_logs() {
    let log = Log::default();
    let writer = log.clone();
    // The administrator of these tests, who mints tokens, uses a client that writes whole bodies into its log; the library does not.
    let filter = "trace,ureq=off,ureq_proto=off";
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_span_events(FmtSpan::FULL);
    // For all threads: one of a single thread misses what other tests were the first to log. And for those that use `log`.
    subscriber.with_writer(move || writer.clone()).with_ansi(false).init();

    let bench = Bench::new("canary");
    let provider = bench.provider();
    let blue = bench.blue();
    log.add(bench.log_in_as(&text(&blue.secret)).await);
    let green = credential(2, applied(provider.issue(&blue, mint(2), MINUTE).await));
    log.add(provider.probe(&green).await);
    bench.amend(&json!({"token_period": "1h"}));
    log.add(provider.issue(&blue, mint(3), MINUTE).await);
    bench.amend(&json!({"token_explicit_max_ttl": "2m"}));
    log.add(provider.set_life(&green, 60 * MINUTE).await);
    log.add(provider.revoke(&blue).await);
    for dead in [&blue, &blue] {
        log.add(provider.revoke(dead).await);
        log.add(provider.probe(dead).await);
        log.add(provider.set_life(dead, MINUTE).await);
        log.add(provider.observe(dead, &green).await);
        log.add(provider.observe(&green, dead).await);
    }

    let (tls, secure) = (Bench::on(Arc::clone(&secure().server), "canary-tls"), secure());
    let config = TokenConfig { upstream: secure.upstream(), ..tls.config() };
    let printed = format!("{config:?} {config:#?}");
    let provider = TokenProvider::new(config).unwrap();
    let other = tls.blue();
    let another = credential(2, applied(provider.issue(&other, mint(2), MINUTE).await));
    log.add(provider.revoke(&other).await);
    log.add(provider.observe(&other, &another).await);
    log.add(provider.probe(&other).await);

    let leaks = Leaks::of([&blue, &green, &other, &another].map(|credential| text(&credential.secret)));
    let seen = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for expected in ["REASON minting", "auth/token/create/canary", "renewed, but", "TRACE hyper", "DEBUG rustls"] {
        assert!(seen.contains(expected), "{expected} is not in the log: it proves nothing");
    }
    assert_eq!(leaks.find(seen.as_bytes()), None, "a token is in the log");
    assert_eq!(leaks.find(printed.as_bytes()), None);
    for (form, text) in forms(text(&another.secret).as_bytes()) {
        let before = log.0.lock().unwrap().len();
        tracing::trace!(text, "planted");
        assert!(leaks.find(&log.0.lock().unwrap()[before..]).is_some(), "{form} is not seen");
    }
}
