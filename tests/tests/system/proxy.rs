//! A bad line between an agent and its server.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// What is lost.
#[derive(Clone, Copy)]
pub(crate) enum Loss {
    /// The request, before it reaches the server.
    Request,
    /// The answer.
    Answer,
}

/// Passes everything on, except, once armed, a request or its answer; and nothing more on that connection.
pub(crate) struct Proxy {
    pub(crate) address: String,
    armed: Armed,
}

/// What is lost of the next request that begins so.
type Armed = Arc<Mutex<Option<(String, Loss)>>>;

impl Proxy {
    pub(crate) fn before(server: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (server, armed) = (server.trim_start_matches("http://").to_owned(), Armed::default());
        let watched = Arc::clone(&armed);
        // Ends with this process: it holds nothing.
        thread::spawn(move || {
            for agent in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(&server).unwrap();
                let mute = Arc::new(AtomicBool::new(false));
                let (asked, answered) = ((agent.try_clone().unwrap(), server.try_clone().unwrap()), (server, agent));
                let (watched, muted) = (Arc::clone(&watched), Arc::clone(&mute));
                thread::spawn(move || pass(asked, |request| may_pass(request, &watched, &mute)));
                thread::spawn(move || pass(answered, |_| !muted.load(Ordering::SeqCst)));
            }
        });
        Self { address, armed }
    }

    /// Loses the next request to this path, or its answer.
    pub(crate) fn lose(&self, loss: Loss, path: &str) {
        *self.armed.lock().unwrap() = Some((format!("POST /v1/{path}"), loss));
    }

    /// Whether it has lost what it was to lose.
    pub(crate) fn has_lost(&self) -> bool {
        self.armed.lock().unwrap().is_none()
    }
}

fn may_pass(request: &[u8], armed: &Armed, mute: &AtomicBool) -> bool {
    match armed.lock().unwrap().take_if(|(path, _)| request.starts_with(path.as_bytes())) {
        None => true,
        Some((_, loss)) => {
            mute.store(true, Ordering::SeqCst);
            matches!(loss, Loss::Answer)
        }
    }
}

/// Passes on what `may` pass, in one direction, until either end is closed.
fn pass((mut from, mut to): (TcpStream, TcpStream), mut may: impl FnMut(&[u8]) -> bool) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if may(&buffer[..count]) && to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    // The other end may be closed already.
    drop(to.shutdown(Shutdown::Write));
}
