//! Writes ways through the world as scenarios, which [`replay`](crate::replay) goes again.

use std::fmt::Write as _;

use crate::config::Config;
use crate::graph::actions;
use crate::head;
use crate::liveness::Endless;
use crate::scenario::{onward, play};
use crate::words::say;
use crate::world::{Action, World};

/// Why a way cannot be written as a scenario. Each is a defect of the tables or of the way, not of the machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsayable {
    /// The head of a scenario names pinned configurations, with other budgets, a broken assumption or a bug.
    #[error("no head of a scenario names this variant of `{0}`: add a line to the table in model/src/head.rs")]
    Config(&'static str),
    /// An event without a phrase.
    #[error("there are no words for {0:?}: add a phrase to the table in model/src/words.rs")]
    Action(Action),
    /// The way does not lead through this configuration.
    #[error("{0:?} cannot happen there: the way belongs to another configuration")]
    Impossible(Action),
}

/// A scenario that is being written.
#[derive(Clone, Debug)]
pub struct Script {
    config: Config,
    world: World,
    commands: String,
}

impl Script {
    /// Begins a scenario of this title, in the first state of the configuration.
    ///
    /// # Errors
    ///
    /// The head of a scenario cannot name the configuration.
    pub fn new(config: &Config, title: &str) -> Result<Self, Unsayable> {
        let head = head::write(config).ok_or(Unsayable::Config(config.name))?;
        Ok(Self { config: *config, world: World::initial(config), commands: format!("# {title}\n{head}") })
    }

    /// Goes on with these actions, as an explorer names them.
    ///
    /// # Errors
    ///
    /// There are no words for one of them, or it cannot happen; what precedes it is written.
    pub fn go(&mut self, way: &[Action]) -> Result<(), Unsayable> {
        for &action in way {
            let command = say(&self.world, action).ok_or(Unsayable::Action(action))?;
            let possible = self.world.actions(&self.config).contains(&action);
            let next = possible.then(|| onward(&self.world, &self.config, action)).flatten();
            self.world = next.ok_or(Unsayable::Impossible(action))?;
            let _ = writeln!(self.commands, "> {command}");
        }
        Ok(())
    }

    /// Says something, on a line of its own, of what has just happened.
    pub fn note(&mut self, words: &str) {
        let _ = writeln!(self.commands, "## {words}");
    }

    /// The scenario: each command, and what happens at it.
    #[must_use]
    pub fn text(&self) -> String {
        play(&self.commands)
    }
}

/// The scenario of a way from the beginning.
///
/// # Errors
///
/// As [`Script`] says.
pub fn write(config: &Config, title: &str, way: &[Action]) -> Result<String, Unsayable> {
    let mut script = Script::new(config, title)?;
    script.go(way)?;
    Ok(script.text())
}

impl Endless {
    /// The scenario of it; what repeats stands there once.
    ///
    /// # Errors
    ///
    /// As [`Script`] says.
    pub fn scenario(&self, config: &Config, title: &str) -> Result<String, Unsayable> {
        let choices: Vec<_> = self.way.iter().chain(&self.cycle).copied().collect();
        let all = actions(config, &choices);
        let (way, cycle) = all.split_at(self.way.len());
        let mut script = Script::new(config, title)?;
        script.go(way)?;
        script.note(if cycle.is_empty() {
            "from here on it can never be quiet again"
        } else {
            "what follows may repeat for ever"
        });
        script.go(cycle)?;
        Ok(script.text())
    }
}
