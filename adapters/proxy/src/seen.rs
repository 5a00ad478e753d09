//! What hangs from a credential, as replies tell it: leases, and children.
//!
//! A reply is looked at while it is passed on, and is not held up for it: only one of JSON that is short enough, and of that
//! only what may name a lease or a token is parsed. Names are kept, and nothing else: they give no power.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use tokio::time::Instant;
use turquoise_runtime::Guard;
use turquoise_runtime::core::Generation;

/// The longest reply that is looked at.
const LONGEST: usize = 1 << 20;
/// So many children are known at once; who comes later dies with its parent unannounced.
const CHILDREN: usize = 1_024;

/// Who keeps count of the leases that hang from a credential, and ends them before it.
pub trait Dependents: Send + Sync {
    /// This lease was made with the credential of `guard`, which it keeps in use while it lives, so long from now.
    fn hold(&self, lease: &str, guard: Guard, life: Duration);
    /// It lives so long from now.
    fn renewed(&self, lease: &str, life: Duration);
    /// It was revoked.
    fn ended(&self, lease: &str);
    /// Called now and then: lets go of those that have expired.
    fn sweep(&self);
}

/// The provider's own list: it revokes what is left in it, by id and one by one, before the token ends.
impl Dependents for turquoise_vault::Dependents {
    fn hold(&self, lease: &str, guard: Guard, life: Duration) {
        // A name that could rewrite a path is nobody's lease.
        if let Ok(id) = lease.parse()
            && let Err(why) = Self::hold(self, id, guard, life)
        {
            tracing::warn!(lease, %why, next = NEXT, "a lease too many");
        }
    }

    fn renewed(&self, lease: &str, life: Duration) {
        if let Ok(id) = lease.parse() {
            Self::renewed(self, &id, life);
        }
    }

    fn ended(&self, lease: &str) {
        if let Ok(id) = lease.parse() {
            Self::ended(self, &id);
        }
    }

    fn sweep(&self) {
        Self::sweep(self);
    }
}

/// What helps where there are too many.
const NEXT: &str = "no rotation waits for it, and it dies with its token: have clients revoke what they have done with";

/// What is known of the replies that went by.
#[derive(Clone)]
pub(crate) struct Seen {
    leases: Option<Arc<dyn Dependents>>,
    children: Arc<Mutex<VecDeque<Child>>>,
}

/// A token that was made with a credential, and dies with it.
struct Child {
    accessor: String,
    ends: Instant,
    guard: Guard,
}

/// What a request asks for, as far as its reply is of interest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    /// Whatever may be leased by it.
    Lease,
    /// A token that is a child of the caller's.
    Child,
    /// A lease is renewed.
    Renewal,
    /// A lease ends.
    End {
        /// Its id.
        lease: String,
    },
    /// A child ends.
    ChildEnd {
        /// Its name.
        accessor: String,
    },
}

/// Looks at one reply.
pub(crate) struct Sight {
    seen: Seen,
    interest: Interest,
    pieces: Vec<Bytes>,
    length: usize,
}

/// The part of a reply that names what was made.
#[derive(Deserialize)]
struct Made {
    #[serde(default)]
    lease_id: String,
    #[serde(default)]
    lease_duration: u64,
    auth: Option<Auth>,
}

#[derive(Deserialize)]
struct Auth {
    #[serde(default)]
    accessor: String,
    #[serde(default)]
    orphan: bool,
    #[serde(default)]
    lease_duration: u64,
}

/// The part of a request that names what ends.
#[derive(Deserialize)]
struct Ends {
    #[serde(alias = "accessor")]
    lease_id: String,
}

impl Interest {
    /// Of a request by its path, after `/v1/`, and its body.
    pub(crate) fn of(path: &str, body: &[u8]) -> Self {
        let named = || serde_json::from_slice(body).map_or(String::new(), |ends: Ends| ends.lease_id);
        if path.starts_with("auth/token/create") {
            Self::Child
        } else if path == "auth/token/revoke-accessor" {
            Self::ChildEnd { accessor: named() }
        } else if matches!(path, "sys/leases/renew" | "sys/renew") {
            Self::Renewal
        } else if let Some(lease) = ["sys/leases/revoke", "sys/revoke"].iter().find_map(|prefix| path.strip_prefix(prefix)) {
            let lease = lease.trim_start_matches('/');
            Self::End { lease: if lease.is_empty() { named() } else { lease.to_owned() } }
        } else {
            Self::Lease
        }
    }
}

impl Seen {
    pub(crate) fn new(leases: Option<Arc<dyn Dependents>>) -> Self {
        Self { leases, children: Arc::default() }
    }

    /// Looks at a reply, if there may be anything to see. What has no body is all seen now.
    pub(crate) fn sight(&self, interest: Interest, status: StatusCode, headers: &HeaderMap) -> Option<Sight> {
        if !status.is_success() {
            return None;
        }
        match &interest {
            Interest::End { lease } => {
                self.leases.iter().for_each(|leases| leases.ended(lease));
                return None;
            }
            Interest::ChildEnd { accessor } => {
                self.remove(|child| child.accessor == *accessor);
                return None;
            }
            Interest::Lease | Interest::Child | Interest::Renewal => {}
        }
        let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        let is_json = text(CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/json"));
        let is_long = text(CONTENT_LENGTH).and_then(|length| length.parse().ok()).is_some_and(|length: usize| length > LONGEST);
        let is_looked_at = is_json && !is_long && !headers.contains_key(CONTENT_ENCODING);
        is_looked_at.then(|| Sight { seen: self.clone(), interest, pieces: Vec::new(), length: 0 })
    }

    /// How many children live, as far as is known.
    pub(crate) fn children(&self) -> usize {
        self.remove(|_| false);
        self.children.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The same of one generation's.
    pub(crate) fn children_of(&self, generation: Generation) -> usize {
        self.remove(|_| false);
        let children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        children.iter().filter(|child| child.guard.mint().generation == generation).count()
    }

    /// Lets go of what has expired.
    pub(crate) fn sweep(&self) {
        self.remove(|_| false);
        self.leases.iter().for_each(|leases| leases.sweep());
    }

    fn made(&self, interest: &Interest, made: Made, guard: Guard) {
        let life = Duration::from_secs(made.lease_duration);
        match (interest, made.auth) {
            (Interest::Renewal, _) => self.leases.iter().for_each(|leases| leases.renewed(&made.lease_id, life)),
            (Interest::Child, Some(auth)) if !auth.orphan && !auth.accessor.is_empty() => {
                let ends = Instant::now() + Duration::from_secs(auth.lease_duration);
                let child = Child { accessor: auth.accessor, ends, guard };
                self.remove(|_| false);
                let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
                if children.len() < CHILDREN {
                    children.push_back(child);
                } else {
                    tracing::warn!(
                        accessor = child.accessor,
                        "a child too many: no rotation waits for it, and it dies with its parent"
                    );
                }
            }
            _ if !made.lease_id.is_empty() => {
                if let Some(leases) = &self.leases {
                    leases.hold(&made.lease_id, guard, life);
                }
            }
            _ => {}
        }
    }

    /// Forgets those that have ended, and these.
    fn remove(&self, which: impl Fn(&Child) -> bool) {
        let now = Instant::now();
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        let (gone, left) = children.drain(..).partition::<VecDeque<_>, _>(|child| child.ends <= now || which(child));
        *children = left;
        drop(children);
        // The last one wakes the driver: not under the lock.
        drop(gone);
    }
}

impl Sight {
    /// One piece of the reply goes by.
    pub(crate) fn pass(&mut self, piece: &Bytes) {
        self.length += piece.len();
        if self.length > LONGEST {
            self.pieces.clear();
        } else {
            self.pieces.push(piece.clone());
        }
    }

    /// All of it has gone by.
    pub(crate) fn end(self, guard: Guard) {
        let Self { seen, interest, pieces, length } = self;
        if length > LONGEST {
            return;
        }
        let body = match pieces.as_slice() {
            [] => return,
            [one] => one.clone(),
            more => more.concat().into(),
        };
        if !may_name(&body) {
            return;
        }
        if let Ok(made) = serde_json::from_slice(&body) {
            seen.made(&interest, made, guard);
        }
    }
}

/// Whether a reply may name a lease or a token: most do not, and are not parsed.
fn may_name(body: &[u8]) -> bool {
    const LEASE: &[u8] = b"\"lease_id\":\"";
    const TOKEN: &[u8] = b"\"client_token\":\"";
    let after = |what: &[u8]| {
        let mut all = body.windows(what.len() + 1);
        all.any(|window| window.starts_with(what) && window[what.len()] != b'"')
    };
    after(LEASE) || after(TOKEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_request_is_about_is_told_by_its_path_and_its_body() {
        let of = |path, body: &str| Interest::of(path, body.as_bytes());
        assert_eq!(of("database/creds/app", ""), Interest::Lease);
        assert_eq!(of("auth/token/create/role", "{}"), Interest::Child);
        assert_eq!(of("sys/leases/renew", "{}"), Interest::Renewal);
        let end = Interest::End { lease: "database/creds/app/x".to_owned() };
        assert_eq!(of("sys/leases/revoke", r#"{"lease_id":"database/creds/app/x"}"#), end);
        assert_eq!(of("sys/leases/revoke/database/creds/app/x", ""), end);
        assert_eq!(of("auth/token/revoke-accessor", r#"{"accessor":"a"}"#), Interest::ChildEnd { accessor: "a".to_owned() });
    }

    #[test]
    fn what_names_nothing_is_not_parsed() {
        assert!(!may_name(br#"{"request_id":"r","lease_id":"","data":{"a":"b"},"auth":null}"#));
        assert!(may_name(br#"{"request_id":"r","lease_id":"database/creds/x"}"#));
        assert!(may_name(br#"{"auth":{"client_token":"s.x"}}"#));
    }
}
