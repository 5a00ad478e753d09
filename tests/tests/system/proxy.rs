//! A bad line between an agent and its server.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Passes everything on, except, once armed, the answer to the next mint.
pub(crate) struct Proxy {
    pub(crate) address: String,
    armed: Arc<AtomicBool>,
}

impl Proxy {
    pub(crate) fn before(server: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (server, armed) = (server.trim_start_matches("http://").to_owned(), Arc::new(AtomicBool::new(false)));
        let watched = Arc::clone(&armed);
        // Ends with this process: it holds nothing.
        thread::spawn(move || {
            for agent in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(&server).unwrap();
                let mute = Arc::new(AtomicBool::new(false));
                let (asked, answered) = ((agent.try_clone().unwrap(), server.try_clone().unwrap()), (server, agent));
                let (watched, muted) = (Arc::clone(&watched), Arc::clone(&mute));
                thread::spawn(move || {
                    pass(asked, |request| {
                        if request.starts_with(b"POST /v1/auth/token/create/") && watched.swap(false, Ordering::SeqCst) {
                            mute.store(true, Ordering::SeqCst);
                        }
                        true
                    });
                });
                thread::spawn(move || pass(answered, |_| !muted.load(Ordering::SeqCst)));
            }
        });
        Self { address, armed }
    }

    /// The answer to the next mint is lost.
    pub(crate) fn arm(&self) {
        self.armed.store(true, Ordering::SeqCst);
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
