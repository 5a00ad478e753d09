//! A provider of one's own: the `Provider` port for a service that nobody has heard of.
//!
//! `cargo run -p turquoise --features conformance --example own_provider` rotates its keys, and with `test` in place of `run`
//! the conformance kit tests what it promises. A real service is at the other end of a connection: what was certainly not done
//! is `Unavailable` there, and what may have been done, or may yet be, is `Unknown`.

mod rounds;

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use turquoise::core::{Consumers, Mint};
use turquoise::port::{Contract, Credential, Handle, Minted, Observed, Provider, Reason, Reply};
use turquoise::{Identity, Setup, journal::FileJournal, memory::ExposeSecret as _, sink::FileSink, sink::Mode};

/// Every key that was ever made, and when it ends.
#[derive(Default)]
struct Keys(Mutex<HashMap<String, Instant>>);

impl Keys {
    fn make(&self, life: Duration) -> Reply<Minted> {
        let Ok(mut keys) = self.0.lock() else { return no() };
        let (key, handle) = (format!("key-{}", keys.len()), Handle(format!("number {}", keys.len())));
        keys.insert(key.clone(), Instant::now() + life);
        Reply::Applied(Minted { secret: key.into(), handle, remaining: life })
    }
    fn left(&self, key: &Credential) -> Option<Duration> {
        self.0.lock().ok()?.get(key.secret.expose_secret())?.checked_duration_since(Instant::now())
    }
    fn set(&self, key: &Credential, life: Duration) -> Option<()> {
        *self.0.lock().ok()?.get_mut(key.secret.expose_secret())? = Instant::now() + life;
        Some(())
    }
}

fn no<T>() -> Reply<T> {
    Reply::Refused(Reason("no such key".to_owned()))
}

impl Provider for Keys {
    fn contract(&self) -> Contract {
        Contract { login_life: Duration::from_mins(10), ..Contract::PROMPT }
    }
    async fn login(&self, _: Mint) -> Reply<Minted> {
        self.make(self.contract().login_life)
    }
    async fn issue(&self, with: &Credential, _: Mint, life: Duration) -> Reply<Minted> {
        if self.left(with).is_some() { self.make(life) } else { no() }
    }
    async fn probe(&self, with: &Credential) -> Reply<Duration> {
        self.left(with).map_or_else(no, Reply::Applied)
    }
    async fn set_life(&self, with: &Credential, life: Duration) -> Reply<Duration> {
        self.left(with).and_then(|_| self.set(with, life)).map_or_else(no, |()| Reply::Applied(life))
    }
    async fn revoke(&self, with: &Credential) -> Reply<()> {
        self.set(with, Duration::ZERO);
        Reply::Applied(()) // what is dead already is no refusal
    }
    async fn observe(&self, target: &Credential, witness: &Credential) -> Reply<Observed> {
        self.left(witness).map_or_else(no, |_| Reply::Applied(self.left(target).map_or(Observed::Dead, Observed::Alive)))
    }
}

#[tokio::main]
async fn main() -> Result<(), rounds::Fault> {
    let folder = tempfile::tempdir()?;
    let opened = FileJournal::open(&folder.path().join("journal"))?;
    let store = FileSink::open(&folder.path().join("key"), Mode::PRIVATE)?;
    let mut setup = Setup::new(Keys::default(), opened.journal, opened.history, store)?;
    setup.policy.consumers = Consumers::Counted;
    rounds::rotate(&Identity::start(setup).await?, 2).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_does_what_it_declares() {
        turquoise::conformance::provider::test_all(Keys::default).await;
    }

    #[test]
    fn its_keys_are_rotated() -> Result<(), rounds::Fault> {
        main()
    }
}
