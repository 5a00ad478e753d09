//! A program as our child: started with values in its environment that only it has, kept running while they change, and ended
//! with us.
//!
//! `follow` waits for credentials and renders the environment; `supervise` knows processes and nothing else; `host` brings both together. What a child
//! depends on is held for it until the last process of its group is gone: so no credential ends under it before its grace.

mod child;
mod follow;
mod host;
mod ready;
mod secrets;
mod signal;
mod supervise;
mod template;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use zeroize::Zeroizing;

pub(crate) use child::Status;
pub(crate) use host::{Hosted, NotRun};
pub(crate) use signal::named;
pub(crate) use template::{Fault, Missing, Template};

/// What is started, and how it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exec {
    /// The program and its arguments; not empty.
    pub(crate) command: Vec<String>,
    pub(crate) on_change: OnChange,
    /// What asks it to end …
    pub(crate) stop_signal: Signal,
    /// … and how long it has until it is killed.
    pub(crate) stop_within: Duration,
    /// How often in a row it is started again after a failure.
    pub(crate) restarts: u32,
}

/// What is done when its environment changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OnChange {
    /// It is asked to end, and then started anew.
    Restart,
    /// It is asked to end when its successor is ready.
    Overlap(Ready),
    /// It is sent a signal, and looks for itself.
    Signal(Signal),
    /// Nothing: it keeps what it has.
    Leave,
}

/// How a new child shows that it can take over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    /// A program that ends with 0 when it does; asked again and again, with the child's number in its environment.
    pub(crate) command: Vec<String>,
    /// A child that takes longer is ended, and the old one stays.
    pub(crate) within: Duration,
}

/// Names and values for a child alone.
pub(crate) type Environment = Vec<(String, Zeroizing<String>)>;

/// An environment to run with, and what it depends on.
pub(crate) struct Turn<H> {
    pub(crate) environment: Arc<Environment>,
    pub(crate) hold: H,
    /// Whether nothing in it is other than in the one before.
    pub(crate) is_same: bool,
}
