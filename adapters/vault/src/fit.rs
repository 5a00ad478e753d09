//! Whether a token can be rotated at all.

use crate::failure::Failure;
use crate::reply::Token;

/// Refuses what a rotation cannot keep its promise with: what cannot be renewed, cut short or ended by itself, what dies with
/// another, and what nothing should hold.
pub(crate) fn fit(token: &Token) -> Result<(), Failure> {
    if token.policies.iter().flatten().any(|policy| policy == "root") {
        return Err(unfit("it is a root token, which nothing should hold for long: use one with a policy of its own"));
    }
    if token.kind != "service" {
        let kind = &token.kind;
        let text = format!("it is a {kind} token, and only service tokens can be renewed and ended: set `token_type = service`");
        return Err(Failure::Unfit(text));
    }
    if !token.orphan {
        return Err(unfit("it is another token's child and dies with it: use a role with `orphan = true`"));
    }
    if !token.renewable {
        return Err(unfit("it cannot be renewed: use a role with `renewable = true`"));
    }
    if token.num_uses != 0 {
        return Err(unfit("its number of uses is limited: use a role with `token_num_uses = 0`"));
    }
    Ok(())
}

pub(crate) fn unfit(why: &str) -> Failure {
    Failure::Unfit(why.to_owned())
}

/// Servers count in seconds, and take none to mean a default of their own.
pub(crate) fn whole_seconds(life: std::time::Duration) -> u64 {
    life.as_secs().saturating_add(u64::from(life.subsec_nanos() > 0)).max(1)
}
