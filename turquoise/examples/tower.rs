//! Any HTTP client, over a token that rotates.
//!
//! `cargo run -p turquoise --features tower --example tower` starts an OpenBao server of its own with an AppRole, and rotates the
//! token twice while hyper's client reads a secret. Reads can be sent again, so each candidate is first tried on a quarter of them.

#[path = "work/load.rs"]
mod load;
mod rounds;
mod scene;

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Empty as NoBody};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower_layer::Layer as _;
use tower_service::Service as _;
use turquoise::core::{Consumers, Shortage, Trial};
use turquoise::journal::FileJournal;
use turquoise::sink::{FileSink, Mode};
use turquoise::tower::{CredentialLayer, Empty, Header};
use turquoise::vault::{LoginConfig, LoginProvider, Probe, Upstream};
use turquoise::{Identity, Setup};

/// A candidate that has not served five reads within half a second is not promoted.
const TRIAL: Trial =
    Trial { share: 1_000, window: Duration::from_millis(500), samples: 20, forgiven: 0, slower: 0, shortage: Shortage::Abandon };

#[tokio::main]
async fn main() -> Result<(), rounds::Fault> {
    let scene = scene::Scene::set().await?;
    let mut login = LoginConfig::new(Upstream::new([scene.address().parse()?]), scene.app_role());
    login.probes = vec![Probe { path: "secret/data/app".parse()?, max_latency: None }];
    let opened = FileJournal::open(&scene.path("journal"))?;
    let store = FileSink::open(&scene.path("token"), Mode::PRIVATE)?;
    let mut setup = Setup::new(LoginProvider::new(login)?, opened.journal, opened.history, store)?;
    setup.policy.consumers = Consumers::Counted;
    setup.policy.canary = Some(TRIAL);
    let identity = Identity::start(setup).await?;
    identity.credentials().ready().await?;

    let client = Client::builder(TokioExecutor::new()).build_http::<NoBody<Bytes>>();
    let client = CredentialLayer::new(identity.credentials(), Header::VaultToken).canary(Empty).layer(client);
    let uri = format!("{}/v1/secret/data/app", scene.address());
    let work = async || {
        let request = Request::get(&uri).body(NoBody::new())?;
        let response = client.clone().call(request).await?;
        let status = response.status();
        response.into_body().collect().await?; // until here the token is in use
        if status.is_success() { Ok(()) } else { Err(status.to_string().into()) }
    };
    let done = load::load(work, rounds::rotate(&identity, 2)).await?;
    identity.stop().await;
    load::tell(2, done, scene.alive()?)
}

#[cfg(test)]
#[test]
fn no_read_is_refused() -> Result<(), rounds::Fault> {
    main()
}
