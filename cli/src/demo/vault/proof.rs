//! What the server says of the tokens, and what must be.

use std::collections::BTreeSet;

use turquoise_openbao::{Accessor, Audit};

use super::scene::Vault;
use super::{ROLE, SECRET};
use crate::demo::proof::{CURRENT, MADE, USELESS};
use crate::demo::show::Line;
use crate::demo::trouble::Trouble;

/// What the server says.
pub(super) async fn tokens(scene: &Vault) -> Result<Vec<Line>, Trouble> {
    let audit = scene.audit().await?;
    let minted: Vec<&Accessor> = audit.minted(ROLE).collect();
    let mut living = Vec::new();
    for token in &minted {
        if scene.lives(token).await? {
            living.push(*token);
        }
    }
    let (dead, alive) = (minted.len() - living.len(), scene.alive().await?);
    Ok(vec![
        Line::must("tokens minted", minted.len(), minted.len() == MADE, MADE),
        Line::must("tokens dead", dead, dead == MADE - 1, MADE - 1),
        Line::must(
            "tokens alive",
            alive,
            alive == 1 && living.as_slice() == minted.get(CURRENT..).unwrap_or_default(),
            "1, the last",
        ),
        revocations(&audit, &minted),
        refusals(&audit, &minted),
    ])
}

/// Each token ended itself; only one that has served may instead have run out, as its life was cut to its grace.
fn revocations(audit: &Audit, minted: &[&Accessor]) -> Line {
    let ended: BTreeSet<_> = audit.revoked_self().collect();
    let as_due = minted.iter().enumerate().all(|(place, token)| match place {
        0 | 1 => true,
        CURRENT => !ended.contains(token),
        _ => ended.contains(token),
    });
    Line::must("audit log: tokens that ended themselves", ended.len(), as_due, "all the abandoned and not the last")
}

/// The one token that was refused a read is the useless one, by its probe: no work ever had it.
fn refusals(audit: &Audit, minted: &[&Accessor]) -> Line {
    let refused: BTreeSet<_> = audit.failed().filter(|entry| entry.path == SECRET).map(|entry| entry.caller.as_ref()).collect();
    let as_due = refused == BTreeSet::from([minted.get(USELESS).copied()]);
    Line::must("audit log: tokens that were refused a read", refused.len(), as_due, "the useless one alone")
}
