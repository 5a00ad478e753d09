//! A program that embeds the rotation of its token.
//!
//! `cargo run --release --example embed` starts an OpenBao server of its own with an AppRole, and rotates the token three times
//! by logging in again, while four tasks read a secret with it. Work that is refused ends it with an error.

mod rounds;
mod scene;
mod work;

use std::time::Duration;

use turquoise::core::{AtStop, Consumers};
use turquoise::journal::FileJournal;
use turquoise::sink::{FileSink, Mode};
use turquoise::vault::{LoginConfig, LoginProvider, Probe, Upstream};
use turquoise::{Identity, Setup};

#[tokio::main]
async fn main() -> Result<(), rounds::Fault> {
    let scene = scene::Scene::set().await?;
    let mut login = LoginConfig::new(Upstream::new([scene.address().parse()?]), scene.app_role());
    login.probes = vec![Probe { path: "secret/data/app".parse()?, max_latency: None }];
    let opened = FileJournal::open(&scene.path("journal"))?;
    let store = FileSink::open(&scene.path("token"), Mode::PRIVATE)?;
    let mut setup = Setup::new(LoginProvider::new(login)?, opened.journal, opened.history, store)?;
    setup.policy.consumers = Consumers::Counted; // nobody reads the file: an old token goes with the last work that holds it
    let identity = Identity::start(setup).await?;
    let credentials = identity.credentials();
    credentials.ready().await?;

    let reads = work::Reads::of(scene.address())?;
    let work = async || {
        let guard = credentials.acquire()?; // never waits; the token is in use until the guard is dropped
        reads.read(guard.secret()).await
    };
    let done = work::load(work, rounds::rotate(&identity, 3)).await?; // unasked: once a day, see `setup.policy.period`

    identity.shutdown(AtStop::Keep, Duration::from_secs(30)).await?; // a successor serves the token at once
    work::tell(3, done, scene.alive()?)
}

#[cfg(test)]
#[test]
fn no_work_is_refused() -> Result<(), rounds::Fault> {
    main()
}
