//! A server that answers by a script, for what no real one can be brought to do on demand.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use turquoise_runtime::core::{Color, Generation, Mint};
use turquoise_runtime::memory::Secret;
use turquoise_runtime::port::{Credential, Handle};
use turquoise_vault::{Role, TokenConfig, TokenProvider, Upstream};

pub(crate) const TOKEN: &str = "s.canary-canary";
pub(crate) const MINTED: &str = r#"{"auth":{"client_token":"s.new","accessor":"acc","lease_duration":60,"token_type":"service",
    "orphan":true,"renewable":true,"num_uses":0,"policies":["p"]},"warnings":null}"#;

/// What the stub does with a request.
#[derive(Clone)]
pub(crate) enum Act {
    /// Answers with this status line, these further header lines and this body.
    Answer(&'static str, String, String),
    /// Closes the connection in the middle of an answer, or without one.
    Cut(&'static str),
    /// Keeps the connection and says nothing.
    Silence,
}

pub(crate) fn answer(status: &'static str, body: &str) -> Act {
    Act::Answer(status, String::new(), body.to_owned())
}

pub(crate) struct Stub {
    pub(crate) address: String,
    seen: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<usize>>,
}

impl Stub {
    /// Answers one request after the other, over however many connections.
    pub(crate) async fn start(script: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (seen, connections) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<Mutex<usize>>::default());
        let (heard, count) = (Arc::clone(&seen), Arc::clone(&connections));
        tokio::spawn(async move {
            let mut script = script.into_iter();
            while let Ok((mut stream, _)) = listener.accept().await {
                *count.lock().unwrap() += 1;
                while let Some(request) = receive(&mut stream).await {
                    heard.lock().unwrap().push(request);
                    if !act(&mut stream, script.next().expect("one request more than the script has answers")).await {
                        break;
                    }
                }
            }
        });
        Self { address, seen, connections }
    }

    /// The requests so far, in lower case.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }

    pub(crate) fn provider(&self) -> TokenProvider {
        provider(&self.address)
    }
}

pub(crate) fn config(address: &str) -> TokenConfig {
    TokenConfig::new(Upstream::new([address.parse().unwrap()]), "rot".parse::<Role>().unwrap(), "/nowhere")
}

pub(crate) fn provider(address: &str) -> TokenProvider {
    TokenProvider::new(config(address)).unwrap()
}

pub(crate) fn mint() -> Mint {
    Mint { generation: Generation { incarnation: 1, number: 2 }, slot: Color::Green }
}

pub(crate) fn holder(token: &str) -> Credential {
    Credential { mint: mint(), handle: Handle("acc".to_owned()), secret: Secret::from(token) }
}

async fn receive(stream: &mut TcpStream) -> Option<String> {
    let mut text = String::new();
    let mut chunk = [0; 4096];
    while !is_whole(&text) {
        let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        text.push_str(&String::from_utf8_lossy(&chunk[..read]).to_lowercase());
    }
    Some(text)
}

fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

/// Whether the connection can be used again.
async fn act(stream: &mut TcpStream, act: Act) -> bool {
    match act {
        Act::Answer(status, headers, body) => {
            let text = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len());
            stream.write_all(text.as_bytes()).await.is_ok()
        }
        Act::Cut(beginning) => {
            stream.write_all(beginning.as_bytes()).await.unwrap();
            false
        }
        Act::Silence => std::future::pending().await,
    }
}
