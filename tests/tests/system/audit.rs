//! The server's own log: what it says of each request, and the verdict of the oracle.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use turquoise_audit::{Answer, Entry, Judgement, Log, Rest, Told, Whose};
use turquoise_openbao::Server;
use turquoise_runtime::port::History;
use turquoise_tests::policy;

use crate::site::Journalled;

/// One answered request.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    /// `update auth/token/create/ROLE`
    pub(crate) request: String,
    /// The accessor of the token that asked; none if that is dead.
    pub(crate) caller: Option<String>,
    /// The accessor of the token that was handed out.
    pub(crate) issued: Option<String>,
    pub(crate) error: Option<String>,
    /// The header `X-Rotation-Id`.
    pub(crate) rotation: Option<String>,
    /// What the token that asked was minted for, as its metadata say.
    pub(crate) minted_for: Option<String>,
}

/// Everything but the work of consumers, oldest first.
pub(crate) fn read(server: &Server) -> Vec<Answered> {
    let log = Log::of(&server.audit_log()).unwrap();
    let entries = log.entries().iter().filter(|entry| !entry.path.contains(crate::site::WORK));
    entries.filter_map(Answered::of).collect()
}

impl Answered {
    fn of(entry: &Entry) -> Option<Self> {
        let error = match &entry.answer {
            Answer::Done => None,
            Answer::Refused(words) => Some(words.to_string()),
            Answer::Missing => return None,
        };
        let text = |text: &Option<Arc<str>>| text.as_deref().map(str::to_owned);
        Some(Self {
            request: entry.request(),
            caller: text(&entry.caller),
            issued: entry.made.as_ref().and_then(|made| text(&made.accessor)),
            error,
            rotation: text(&entry.rotation),
            minted_for: text(&entry.minted_for),
        })
    }
}

/// The accessors of all tokens minted through a role, in order.
pub(crate) fn minted<'a>(log: &'a [Answered], role: &str) -> Vec<&'a str> {
    let create = format!("update auth/token/create/{role}");
    log.iter().filter(|line| line.request == create).filter_map(|line| line.issued.as_deref()).collect()
}

/// What a judge is told of an identity of these tests that is at rest, and of its journal. By the times of tokens also of a
/// secret id, which is to be ended no later: its own end is far.
pub(crate) fn told(journalled: &Journalled, until: SystemTime) -> Told {
    Told {
        grace: Some(policy().grace),
        // What was lost in a crash dies when its probation is over; an end is tried three times before it becomes a debt.
        ends_within: Some(policy().probation + policy().delta + Duration::from_secs(30)),
        rest: Rest::Quiet,
        until: Some(until),
        ..Told::default()
    }
    .with_journal(&History::from(journalled.0.clone()))
}

/// Has the oracle judge an identity that was at rest at a moment: every property that it sees must hold.
pub(crate) fn judge_at(until: SystemTime, log: &Log, role: &str, journalled: &Journalled) -> Judgement {
    let judgement = log.judge(&Whose::Role(role.to_owned()), &told(journalled, until));
    assert!(judgement.holds(), "{judgement}");
    // Of what others do on the same server some is not to be told whose it was.
    assert_eq!(judgement.living().count(), 1, "{judgement}");
    judgement
}

/// Has the oracle judge an identity that is at rest now.
pub(crate) fn judge(server: &Server, role: &str, journalled: &Journalled) -> Judgement {
    let now = SystemTime::now();
    judge_at(now, &Log::of(&server.audit_log()).unwrap(), role, journalled)
}
