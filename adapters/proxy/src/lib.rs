//! The API proxy: programs that cannot be changed are given a token that never changes, and their requests go on with the
//! credential that serves.
//!
//! A [`Proxy`] serves who comes in by its [`Door`]s and passes requests on to Vault or OpenBao. Who shows the [`LocalToken`] is given the
//! credential that serves; a token of the client's own passes untouched.
//!
//! 1. *No request goes out without a token where ours was wanted.* Before the first login, and whenever nothing serves, the answer
//!    is 503 with `Retry-After`, after [`Limits::wait`]. The same is the answer when no node takes a connection, within the
//!    upstream's `connect_timeout`.
//! 2. *The local token goes nowhere.* It is known in `X-Vault-Token` and `Authorization: Bearer`, in constant time, and both are
//!    taken away; a request that has it anywhere else is refused, as far as a body is kept. Lookups, renewals and revocations of it
//!    are answered here, and renewals and revocations of a token of ours too: a program that revokes its token when it ends does not
//!    end everybody's.
//! 3. *A credential is in use until the reply has ended*, or the stream, and a rotation waits for that up to its grace. What was
//!    upgraded, `sys/events/subscribe` and `sys/monitor` stay with the generation that they began with.
//! 4. *A candidate is blamed only for what the current credential can do.* A share of the requests that can be sent again bears the
//!    candidate. One that it is refused (403) is sent again with the current credential, whose answer the client gets, whatever it
//!    is. Nothing else is ever sent again: a 5xx, a timeout or a connection that broke leaves it open what was done. Bodies over
//!    [`Limits::replayable`] bear the current one. Of ten requests one may be sent again, in the long run; when that is used up,
//!    none bears a candidate.
//! 5. *A 403 for the current credential is looked into.* If another one serves by then, the request is sent again with that. Else
//!    the server is asked about the token itself, at most once a second; if it refuses that too, it is rotated at once
//!    ([`Credentials::doubt`](turquoise_runtime::Credentials::doubt)), and when another one serves within
//!    [`Limits::replaced`], the request is sent again.
//! 6. *What hangs from a credential is known.* Leases that replies tell of are given to [`Dependents`] with the guard of their
//!    request; children of the token, by their accessors, are kept here, at most 1 024, while they live. Both hold their generation
//!    up to the grace. Replies are looked at as they pass: JSON of at most 1 MiB. A cubbyhole does not survive a switch.
//! 7. *Nothing grows without a limit*: [`Limits`]. What is over it is answered 429, 503 or 413, or left unaccepted.
//! 8. *The token goes to configured nodes only.* A read that is redirected to one is sent there; a redirect of anything else to one is
//!    passed on without the host, so that the client comes back here; one to a stranger becomes a 503.
//!
//! A successor opens its doors beside its predecessor's (`SO_REUSEPORT`; for a unix socket, by taking its name over) or on a socket
//! that both inherit: who comes in there waits until it is started. [`Proxy::stop`] takes nothing more on, and finishes what is under
//! way; a kept connection ends with its next answer, or after [`Limits::linger`].
//!
//! # What is copied
//!
//! Tokens in headers are copies on the heap, outside of the memory claim, wiped when the last clone of them is dropped. What the HTTP
//! library buffers is beyond our reach; a program that wants it wiped sets a wiping global allocator.

mod answer;
mod bearer;
mod budget;
mod door;
mod doubt;
mod forms;
mod forward;
mod handle;
mod known;
mod listen;
mod local;
mod pace;
mod remote;
mod reply;
mod request;
mod seen;
mod serve;
mod settings;
mod whole;

pub use door::Door;
pub use listen::{Bound, LONGEST_SOCKET_PATH, ListenError, check_socket_path, inherited_left};
pub use local::{LocalToken, LocalTokenError};
pub use remote::{Ended, Figures, Remote};
pub use seen::Dependents;
pub use serve::{Proxy, Stopped};
pub use settings::{At, AutoAuth, Family, Hooks, Limits, Listener, Metrics, Quit, Ready, RequestHeader, Role, Setup};
