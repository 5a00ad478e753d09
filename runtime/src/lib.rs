//! The async driver, the credentials handle and the ports.

pub mod port;

pub use turquoise_core as core;
