//! Something to do with a token, and enough of it.

mod load;
mod reads;

pub(crate) use load::{load, tell};
pub(crate) use reads::Reads;
