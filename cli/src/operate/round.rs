//! A rotation that was asked for, followed to its end.

use super::client::{Client, Trouble};
use super::{DEBT, STUCK, line, show};
use crate::admin::shape::{Happened, Since};
use crate::say::complain;

/// The provider would not mint.
const REFUSED: u8 = 2;
/// The candidate did not pass; the old one serves on.
const ABANDONED: u8 = 10;

/// What is known of a round so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Round {
    abandoned: bool,
    begun: bool,
}

impl Round {
    /// The code that the round ends with, if it does with this.
    fn step(&mut self, step: &str, phase: &str) -> Option<u8> {
        match step {
            "IssueIntent" => self.begun = true,
            "AbandonIntent" => self.abandoned = true,
            "IssueRefused" => return Some(REFUSED),
            "Stuck" | "Ended" => return Some(STUCK),
            // The slot of an earlier debt may be emptied before it begins.
            "Cleared" if self.begun && phase == "Steady" => return Some(if self.abandoned { ABANDONED } else { 0 }),
            "Owed" if self.begun => return Some(if self.abandoned { ABANDONED } else { DEBT }),
            _ => {}
        }
        None
    }
}

/// Tells each step of it; answers the code that it ends with.
pub(super) async fn follow(client: &Client, name: &str, after: u64, is_json: bool) -> Result<u8, Trouble> {
    let (mut after, mut round) = (after, Round::default());
    loop {
        let Since { events, after: next, missed } = client.events(after, Some(name)).await?;
        if missed {
            return Err(Trouble::Daemon("too much happened to follow it: look at turquoise status".to_owned()));
        }
        after = next;
        if events.is_empty() {
            complain(format_args!("{name}: nothing has happened for a while; turquoise status {name} says where it stands"));
        }
        for happened in events {
            tell(&happened, is_json)?;
            if let Some(code) = round.step(&happened.step, &happened.phase) {
                return Ok(code);
            }
        }
    }
}

/// A line for a step.
pub(super) fn tell(happened: &Happened, is_json: bool) -> Result<(), Trouble> {
    if is_json {
        line(serde_json::to_string(happened).map_err(|e| Trouble::Garbled(e.to_string()))?)
    } else {
        line(show::step(happened))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(steps: &[(&str, &str)]) -> Option<u8> {
        let mut round = Round::default();
        steps.iter().find_map(|(step, phase)| round.step(step, phase))
    }

    #[test]
    fn the_code_says_how_a_round_ended() {
        let begun = ("IssueIntent", "Issuing");
        assert_eq!(code(&[begun, ("Promoted", "Draining"), ("Died", "Revoking"), ("Cleared", "Steady")]), Some(0));
        assert_eq!(code(&[begun, ("Promoted", "Draining"), ("Owed", "Steady")]), Some(11));
        assert_eq!(code(&[begun, ("AbandonIntent", "Abandoning"), ("Cleared", "Steady")]), Some(10));
        assert_eq!(code(&[begun, ("AbandonIntent", "Abandoning"), ("Owed", "Steady")]), Some(10));
        assert_eq!(code(&[begun, ("IssueRefused", "Steady")]), Some(2));
        assert_eq!(code(&[begun, ("Stuck", "NeedsOperator")]), Some(12));
        assert_eq!(code(&[("Died", "Steady"), ("Cleared", "Steady"), begun]), None, "a debt was paid before it began");
    }
}
