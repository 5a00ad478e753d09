//! No secret in a log, however detailed, nor in what anybody may print.

use std::sync::{Arc, Mutex};

use secrecy::ExposeSecret as _;
use tracing_subscriber::fmt::format::FmtSpan;
use turquoise_runtime::core::Consumers;

use crate::common::{CANARY, Fault, Sim, rotate};

#[tokio::test(start_paused = true)]
async fn a_planted_canary_is_never_printed() {
    let written = Arc::new(Mutex::new(Vec::new()));
    let writer = Arc::clone(&written);
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::FULL)
        .with_ansi(false)
        .with_writer(move || Pen(Arc::clone(&writer)))
        .finish();
    tracing::subscriber::set_global_default(subscriber).expect("only this test listens");

    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let mut progress = identity.progress();
    let late = identity.credentials().named("ingest").acquire().expect("it serves");
    rotate(&identity).await;
    drop(late);
    sim.fault("probe", 3, Fault::Refuse);
    rotate(&identity).await;
    let guard = identity.credentials().acquire().expect("it serves");
    assert!(guard.secret().expose_secret().contains(CANARY), "the canary is planted");
    let told: Vec<_> = std::iter::from_fn(|| progress.try_recv().ok()).collect();
    assert!(told.len() > 10, "there was something to tell");
    let (credentials, status, entries) = (identity.credentials(), identity.status(), sim.world().entries.clone());
    let printed = format!("{identity:?} {credentials:?} {guard:?} {status:?} {told:?} {entries:?}");
    identity.stop().await;

    let logged = String::from_utf8(written.lock().expect("nobody panics with it").clone()).expect("logs are text");
    for expected in
        ["rotation{generation=", "handle=\"accessor-2\"", "step=Promoted", "permission denied", "ingest 1, unnamed 0", "stopped"]
    {
        assert!(logged.contains(expected), "{expected} is missing in {logged}");
    }
    for (what, text) in [("logged", &logged), ("printed", &printed)] {
        assert!(!text.contains(CANARY), "a secret was {what}: {text}");
    }
}

struct Pen(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Pen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panics with it").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
