//! A bad line between an agent and its server.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What befalls one request. After that its connection is good for nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It never reaches the server.
    LostRequest,
    /// It reaches the server when nobody waits for the answer any more, and is done then.
    LateRequest,
    /// It is done, and the answer is lost.
    LostAnswer,
    /// It is done, and the answer comes when nobody waits for it any more.
    LateAnswer,
    /// It is done, and the answer is what a server says whose audit disk is full: 500.
    DoneAndDenied,
}

impl Fault {
    pub(crate) const ALL: [Self; 5] =
        [Self::LostRequest, Self::LateRequest, Self::LostAnswer, Self::LateAnswer, Self::DoneAndDenied];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::LostRequest => "lost request",
            Self::LateRequest => "late request",
            Self::LostAnswer => "lost reply",
            Self::LateAnswer => "late reply",
            Self::DoneAndDenied => "done, and answered 500",
        }
    }
}

/// Longer than an agent's patience, and not so long as its Δ.
const LATE: Duration = Duration::from_millis(2500);

const DENIAL: &[u8] = b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: 29\r\n\
    Connection: close\r\n\r\n{\"errors\":[\"internal error\"]}\n";

/// Which request it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which {
    /// The next one that begins so.
    To(&'static str),
    /// The n-th from now on, counted from 1.
    Next(usize),
}

/// Passes everything on, except, once it is told to strike, what befalls that request.
pub(crate) struct Proxy {
    pub(crate) address: String,
    watch: Arc<Mutex<Watch>>,
}

#[derive(Default)]
struct Watch {
    armed: Option<(Which, Fault)>,
    /// The first line of each request since it was armed or asked.
    seen: Vec<String>,
}

impl Proxy {
    pub(crate) fn before(server: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (server, watch) = (server.trim_start_matches("http://").to_owned(), Arc::<Mutex<Watch>>::default());
        let watched = Arc::clone(&watch);
        // Ends with this process: it holds nothing.
        thread::spawn(move || {
            for agent in listener.incoming().map_while(Result::ok) {
                // Where nobody listens, nobody is connected.
                let Ok(server) = TcpStream::connect(&server) else { continue };
                let line = Arc::new(Line { struck: Mutex::new(None), watch: Arc::clone(&watched) });
                let (asked, answered) = ((agent.try_clone().unwrap(), server.try_clone().unwrap()), (server, agent));
                let other = Arc::clone(&line);
                thread::spawn(move || line.ask(asked));
                thread::spawn(move || other.answer(answered));
            }
        });
        Self { address, watch }
    }

    /// Has this befall the request.
    pub(crate) fn strike(&self, fault: Fault, which: Which) {
        *self.watch.lock().unwrap() = Watch { armed: Some((which, fault)), seen: Vec::new() };
    }

    /// Whether it has befallen a request.
    pub(crate) fn has_struck(&self) -> bool {
        self.watch.lock().unwrap().armed.is_none()
    }

    /// The requests since it was told to strike, or since this was asked: method and path.
    pub(crate) fn take_seen(&self) -> Vec<String> {
        std::mem::take(&mut self.watch.lock().unwrap().seen)
    }
}

impl Watch {
    /// What befalls this one.
    fn meet(&mut self, request: &str) -> Option<Fault> {
        self.seen.push(request.rsplit_once(' ').map_or(request, |(asked, _)| asked).to_owned());
        let count = self.seen.len();
        let struck = self.armed.take_if(|(which, _)| match which {
            Which::To(beginning) => request.starts_with(*beginning),
            Which::Next(number) => count == *number,
        });
        struck.map(|(_, fault)| fault)
    }
}

/// One connection.
struct Line {
    struck: Mutex<Option<Fault>>,
    watch: Arc<Mutex<Watch>>,
}

impl Line {
    fn ask(&self, (mut agent, mut server): (TcpStream, TcpStream)) {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(count @ 1..) = agent.read(&mut buffer) {
            let chunk = &buffer[..count];
            let first = String::from_utf8_lossy(chunk).lines().next().unwrap_or_default().to_owned();
            if first.ends_with("HTTP/1.1")
                && let Some(fault) = self.watch.lock().unwrap().meet(&first)
            {
                *self.struck.lock().unwrap() = Some(fault);
                if fault == Fault::LateRequest {
                    thread::sleep(LATE);
                }
            }
            if *self.struck.lock().unwrap() != Some(Fault::LostRequest) && server.write_all(chunk).is_err() {
                break;
            }
        }
        // A server that sees its client go may leave off what it is doing.
        if self.struck.lock().unwrap().is_none() {
            drop(server.shutdown(Shutdown::Write));
        }
    }

    fn answer(&self, (mut server, mut agent): (TcpStream, TcpStream)) {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(count @ 1..) = server.read(&mut buffer) {
            let struck = *self.struck.lock().unwrap();
            let chunk = match struck {
                None => &buffer[..count],
                Some(Fault::LostRequest | Fault::LateRequest | Fault::LostAnswer) => continue,
                Some(Fault::LateAnswer) => {
                    thread::sleep(LATE);
                    &buffer[..count]
                }
                Some(Fault::DoneAndDenied) => DENIAL,
            };
            if agent.write_all(chunk).is_err() || struck == Some(Fault::DoneAndDenied) {
                break;
            }
        }
        // The other end may be closed already.
        drop(agent.shutdown(Shutdown::Write));
    }
}
