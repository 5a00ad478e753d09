//! A `tower` layer: any HTTP client bears the credential that serves, whatever is rotated meanwhile.
//!
//! ```
//! use tower_layer::Layer as _;
//! use turquoise_runtime::Credentials;
//! use turquoise_tower::{CredentialLayer, Empty, Header};
//!
//! # fn wrap<C: Clone>(credentials: Credentials, client: C) {
//! let client = CredentialLayer::new(credentials, Header::Bearer).canary(Empty).layer(client);
//! # }
//! ```
//!
//! 1. A request is given the credential that serves when it is sent, in a [`Header`] that is marked sensitive; one that it came
//!    with is replaced. Where there is none, nothing is sent: [`CallError::NotReady`].
//! 2. The credential is *in use* until the response's body has ended, failed or been dropped ([`Held`]): a rotation waits for it,
//!    up to its grace. Who goes on after that — with a connection that was upgraded, with a lease — takes a
//!    [`Guard`](turquoise_runtime::Guard) of its own.
//! 3. With [`canary`](CredentialLayer::canary), requests that can be sent again are what a candidate is tried on. 401 and 403 are
//!    refusals: a request that is refused with a candidate is sent again with the current credential, whose response the
//!    caller gets, and if that one is served, the refusal is reported. What is served is reported, with the time until
//!    the response's head. 429, 5xx and lost connections say nothing about a credential.
//!
//! Cancel safe as far as the client is: who drops the future of a call does not know whether the request was done, and the
//! credential is no longer in use.
//!
//! # What is copied
//!
//! The header's value is a copy of the secret on the heap, *outside of the memory claim*: not locked, and wiped when the last
//! clone of it is dropped. What the client writes from it — the request's bytes, in its buffers and the kernel's — is beyond
//! our reach; a program that wants the former wiped too sets a wiping global allocator.
//!
//! A layer *below* this one that follows redirects carries the header to wherever they lead, and most of them strip
//! `authorization` on the way to another host, and no other header. Follow redirects above this layer, or not at all.

mod body;
mod error;
mod header;
mod replay;
mod service;

pub use body::Held;
pub use error::CallError;
pub use header::Header;
pub use replay::{Cloned, Empty, Once, Replay};
pub use service::{CredentialLayer, CredentialService};
