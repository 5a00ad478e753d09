//! The world around the rotation machine, and everything that explores it.

mod check;
mod config;
mod explore;
mod invariant;
mod normal;
mod sight;
mod story;
mod world;

pub use check::{Progress, Report, SecondOpinion, check, rows};
pub use config::{Assumption, Config, Hostility, SINK, STANDARD};
pub use explore::{Explored, Row, explore};
pub use invariant::Invariant;
pub use sight::Sight;
pub use story::tell;
pub use world::{Action, Credential, Demand, Event, Ghost, NOW, Process, Reader, Request, World};
