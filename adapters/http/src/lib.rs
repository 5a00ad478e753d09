//! How adapters speak HTTP: one [`Pool`] of connections for all credentials, over TCP or unix sockets, with or without TLS.
//!
//! What it does not do matters as much. No redirect is followed, no proxy and no other setting is taken from the environment,
//! nothing that may have been done is sent twice, and of a reply no more than a limit is read. What went wrong is either
//! certainly [`Missed::Unsent`] or [`Missed::Unknown`]: an adapter answers its port by that.
//!
//! Replies are wiped when dropped. The HTTP library's own read and write buffers are beyond our reach. Who passes on what others
//! send takes [`Relay`]: the same, with bodies as they come and without a limit.

mod connect;
mod pool;
mod relay;
mod tls;

pub use connect::{Connector, Wire};
pub use pool::{Answer, Missed, Pool};
pub use relay::Relay;
pub use tls::{ClientCertificate, Tls, TlsError, nobody, server_config};
