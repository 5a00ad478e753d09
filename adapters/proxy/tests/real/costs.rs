//! What a request costs through the proxy, compared with going straight: a measurement, of a release build only.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use turquoise_proxy::Proxy;

use crate::{Scene, setup};

const TIME: Duration = Duration::from_secs(4);
const CONNECTIONS: usize = 8;
const ROUNDS: usize = 3;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// The processor time of this thread.
fn spent() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split_whitespace().next().unwrap().parse().unwrap())
}

/// How long each of the requests took that were made in that time, in order.
async fn load(address: &str, token: &str) -> Vec<Duration> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<bytes::Bytes>>();
    let mut workers = tokio::task::JoinSet::new();
    let until = Instant::now() + TIME;
    for _ in 0..CONNECTIONS {
        let (client, address, token) = (client.clone(), format!("{address}/v1/secret/data/app"), token.to_owned());
        workers.spawn(async move {
            let mut took = Vec::new();
            while Instant::now() < until {
                let began = Instant::now();
                let request = Request::get(&address).header("x-vault-token", &token).body(Empty::new()).unwrap();
                let (head, body) = client.request(request).await.unwrap().into_parts();
                body.collect().await.unwrap();
                assert_eq!(head.status, StatusCode::OK);
                took.push(began.elapsed());
            }
            took
        });
    }
    let mut took: Vec<_> = workers.join_all().await.into_iter().flatten().collect();
    took.sort_unstable();
    took
}

#[expect(clippy::print_stdout, reason = "that is what it is for")]
fn tell(what: &str, took: &[Duration], spent: Duration) {
    let at = |share: usize| took[took.len() * share / 1_000];
    let count = f64::from(u32::try_from(took.len()).unwrap());
    let (rate, each) = (count / TIME.as_secs_f64(), spent.as_secs_f64() * 1e6 / count);
    println!("{what:9} {rate:6.0} requests/s, p50 {:?}, p99 {:?}, {each:.1} us of the proxy's processor each", at(500), at(990));
}

#[test]
#[ignore = "a measurement: cargo test --release -p turquoise-proxy --test real -- --ignored --nocapture"]
fn what_a_request_costs() {
    let scene = Scene::new();
    let (ready, address) = oneshot::channel();
    let (ask, mut asked) = mpsc::channel::<oneshot::Sender<Duration>>(1);
    let (server, folder) = (scene.server.address().to_owned(), scene.folder.path().to_owned());
    let token_file = scene.first_token();
    let proxy = thread::spawn(move || {
        runtime().block_on(async {
            let identity = crate::identity(&server, token_file).await;
            let (setup, token) = setup(&identity, &server, &folder);
            let proxy = Proxy::start(setup).unwrap();
            ready.send((format!("http://{}", proxy.bound()[0]), token)).unwrap();
            while let Some(reply) = asked.recv().await {
                reply.send(spent()).unwrap();
            }
        });
    });
    runtime().block_on(async {
        let (address, local) = address.await.unwrap();
        let of_proxy = async || {
            let (reply, spent) = oneshot::channel();
            ask.send(reply).await.unwrap();
            spent.await.unwrap()
        };
        let direct = scene.work_token();
        for _ in 0..ROUNDS {
            tell("straight", &load(scene.server.address(), &direct).await, Duration::ZERO);
            let before = of_proxy().await;
            let took = load(&address, &local).await;
            tell("by proxy", &took, of_proxy().await.checked_sub(before).unwrap());
        }
        drop(ask);
    });
    proxy.join().unwrap();
}
