//! Ctrl-C: everything that waits or works ends then, and cleans up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

use crate::Fault;

static ASKED: AtomicBool = AtomicBool::new(false);

const GLANCE: Duration = Duration::from_millis(20);

/// From now on the signals that ask us to end are heard.
pub(crate) fn listen() -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        ASKED.store(true, Ordering::Relaxed);
    });
    Ok(())
}

pub(crate) fn is_asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// An error if we were asked to end.
pub(crate) fn check() -> Result<(), Fault> {
    if is_asked() { Err("interrupted".into()) } else { Ok(()) }
}

pub(crate) fn sleep(time: Duration) -> Result<(), Fault> {
    let until = Instant::now() + time;
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        check()?;
        thread::sleep(left.min(GLANCE));
    }
    check()
}

/// Waits until it is so.
pub(crate) fn until(what: &str, within: Duration, mut is_so: impl FnMut() -> bool) -> Result<(), Fault> {
    let deadline = Instant::now() + within;
    while !is_so() {
        if Instant::now() > deadline {
            return Err(format!("{what}: not within {within:?}").into());
        }
        sleep(GLANCE)?;
    }
    Ok(())
}
