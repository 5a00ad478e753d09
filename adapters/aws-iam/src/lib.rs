//! AWS IAM access keys behind the provider port.
//!
//! [`IamProvider`] rotates the access keys of one IAM user by the user's own hand: each key makes its successor, and what serves
//! ends what retires. [`policy`] prints the least that the user must be allowed. Requests are signed by `aws-sigv4` and go over
//! one pool of connections; the SDK is not used, and nothing but the chosen [`Source`] is taken from the environment.
//!
//! Work of your own signs its requests with [`sign`] and a guard of the handle. AWS clients as they are read a shared credentials
//! file, start a process that answers with [`process_answer`], or ask a [`Container`].
//!
//! # What is different with access keys
//!
//! | of a key | and so |
//! | --- | --- |
//! | it never ends by itself | each is answered to live [`Contract::FOREVER`]; what a crash leaves is found by listing, and ended |
//! | a user has two at most | no debt has a place beside a rotation; a key that is not ours is never touched, but named |
//! | a new one is unknown for some seconds | a refusal counts only after [`IamConfig::propagation`], and probes are spread over it |
//! | it can be switched off and on again | the last part of a grace, [`IamConfig::switched_off`], is one in which a rollback heals |
//! | a deleted one is honoured for some seconds | it is dead when it is not listed *and* is refused itself |
//!
//! # A mint whose reply was lost
//!
//! Its secret is gone, but the key is there and would be for ever. Keys bear no marks, so the *user* does: before a key is made
//! the user's tag [`MARK`] is set to the generation and the server's time, and only if there is no other key than the one in
//! use. What is found afterwards is ours if the mark names that generation, the key was made in the time in which that request
//! could be applied, and nobody has ever used it. If there is none once that time is over, there never will be one.
//!
//! When a key was last used is a veto and never a proof: a key that was used is never taken for a lost one, and one that was
//! used lately ([`IamConfig::spare`]) is not ended, unless others know its secret. That a key was *not* used shows nothing.
//!
//! [`Contract::FOREVER`]: turquoise_runtime::port::Contract::FOREVER

mod answer;
mod client;
mod config;
mod container;
mod failure;
mod key;
mod keys;
mod mark;
mod provider;
mod reply;
mod sign;
mod source;

pub use answer::process_answer;
pub use config::{ConfigError, Endpoint, IamConfig, Probe, UserName, policy};
pub use container::{Container, ContainerError};
pub use key::{Key, NoKey};
pub use mark::MARK;
pub use provider::IamProvider;
pub use sign::{Caller, NotSigned, Scope, sign};
pub use source::{Source, Supply};
