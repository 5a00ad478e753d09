//! The world around the rotation machine, and everything that explores it.

mod check;
mod config;
mod explore;
pub mod explorer;
mod graph;
mod head;
mod invariant;
mod liveness;
mod normal;
mod refine;
mod scenario;
mod script;
mod sight;
pub mod spec;
mod story;
mod words;
mod world;

pub use check::{Progress, Report, SecondOpinion, check, holes, second_opinion};
pub use config::{Assumption, Config, Hostility, Pins, SINK, STANDARD};
pub use explore::{Explored, Row, explore, explore_on};
pub use graph::{Choice, Edge, Graph, Mood, Part, State};
pub use invariant::Invariant;
pub use liveness::{Endless, Liveness, is_quiet, liveness};
pub use refine::{Abstract, Move, Moves, Rule, Set, View, step};
pub use scenario::{Played, play, replay};
pub use script::{Script, Unsayable, write};
pub use sight::Sight;
pub use story::tell;
#[cfg(feature = "seeded-bugs")]
pub use turquoise_core::SeededBug;
pub use turquoise_core::Sown;
pub use words::{hear, say};
pub use world::{Action, Ask, Credential, Demand, Event, Ghost, NOW, Outside, Process, Reader, Request, Seen, World};
