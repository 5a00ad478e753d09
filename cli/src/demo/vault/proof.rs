//! What the server says of the tokens, and what must be.

use std::collections::BTreeSet;

use turquoise::port::History;
use turquoise_audit::{Answer, By, Fate, Judgement, Log, Rest, Told, Whose};

use super::scene::Vault;
use super::{ROLE, SECRET, policy};
use crate::demo::proof::{CURRENT, MADE, USELESS};
use crate::demo::show::Line;
use crate::demo::trouble::Trouble;

/// What the server says.
pub(super) async fn tokens(scene: &Vault, journal: &History) -> Result<Vec<Line>, Trouble> {
    let log = scene.audit().await?;
    let told = Told { grace: Some(policy(0).grace), rest: Rest::Quiet, ..Told::default() };
    let judgement = log.judge(&Whose::Role(ROLE.to_owned()), &told.with_journal(journal));
    let tokens = &judgement.credentials;
    let (living, alive) = (judgement.living().count(), scene.alive().await?);
    let last_lives = tokens.get(CURRENT).is_some_and(Fate::lives);
    Ok(vec![
        Line::must("tokens minted", tokens.len(), tokens.len() == MADE, MADE),
        Line::must("tokens dead", tokens.len() - living, tokens.len() - living == MADE - 1, MADE - 1),
        Line::must("tokens alive", alive, alive == 1 && living == 1 && last_lives, "1, the last"),
        revocations(tokens),
        refusals(&log, tokens),
        Line::must("audit log: violations found in it", violations(&judgement), judgement.holds(), "none"),
    ])
}

fn violations(judgement: &Judgement) -> String {
    let all: Vec<_> = judgement.violations.iter().map(ToString::to_string).collect();
    if all.is_empty() { "none".to_owned() } else { all.join("; ") }
}

/// Each token ended itself; only one that has served may instead have run out, as its life was cut to its grace.
fn revocations(tokens: &[Fate]) -> Line {
    let ended = tokens.iter().filter(|token| token.ended_by == Some(By::Itself)).count();
    let as_due = tokens.iter().enumerate().all(|(place, token)| match place {
        0 | 1 => matches!(token.ended_by, Some(By::Itself | By::Time)),
        CURRENT => token.lives(),
        _ => token.ended_by == Some(By::Itself),
    });
    Line::must("audit log: tokens that ended themselves", ended, as_due, "all the abandoned and not the last")
}

/// The one token that was refused a read is the useless one, by its probe: no work ever had it.
fn refusals(log: &Log, tokens: &[Fate]) -> Line {
    let refused = log.entries().iter().filter(|entry| *entry.path == *SECRET && matches!(entry.answer, Answer::Refused(_)));
    let refused: BTreeSet<_> = refused.map(|entry| entry.caller.as_deref()).collect();
    let as_due = refused == BTreeSet::from([tokens.get(USELESS).and_then(|token| token.accessor.as_deref())]);
    Line::must("audit log: tokens that were refused a read", refused.len(), as_due, "the useless one alone")
}
