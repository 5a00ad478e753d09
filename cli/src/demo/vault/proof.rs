//! The table at the end of the story: what must be of the requests, the rotations and the tokens.

use std::collections::BTreeSet;
use std::time::Duration;

use turquoise::journal::FileJournal;
use turquoise::port::History;
use turquoise_audit::{Answer, By, Fate, Judgement, Log, Rest, Told, Whose};

use super::scene::Vault;
use super::{APP, GRACE, ROLE, SECRET};
use crate::demo::proof::{Rounds, client, conclude};
use crate::demo::show::{Line, Show};
use crate::demo::trouble::Trouble;

/// So long the proxy has a request wait for another token, and so long a reader of the file may find none that is good.
const REPLACED: Duration = Duration::from_secs(10);
/// The handle's tokens: the first, and the candidates of three rotations. The third is useless, the last serves at the end.
const HANDLES: usize = 4;
/// The sidecar's: of a login, and of five rotations. The third is useless, the fourth comes after the second was revoked, at the
/// fifth the sidecar is killed, the last serves at the end.
const SIDECARS: usize = 6;
/// Which one of either is useless.
const USELESS: usize = 2;
/// Which one of the sidecar's others have revoked.
const REVOKED: usize = 1;

/// Prints it; any wrong line is trouble.
pub(super) async fn judge(vault: &Vault, show: &Show, dark: Duration) -> Result<(), Trouble> {
    // Whoever rotated has let go of them.
    let handle = FileJournal::open(&vault.site.journal())?.history;
    let sidecar = FileJournal::open(&vault.agent.journal())?.history;
    let mut lines = requests(show, dark);
    lines.extend(Rounds::of(&handle.entries).lines(["handle: rotations done", "handle: rotations abandoned"], 2, 1));
    lines.extend(Rounds::of(&sidecar.entries).lines(["sidecar: rotations done", "sidecar: rotations abandoned"], 3, 2));
    let log = vault.audit().await?;
    let alive = vault.alive().await?;
    let handle = Verdict::of(&log, ROLE, &handle);
    let sidecar = Verdict::of(&log, APP, &sidecar);
    lines.extend(tokens(&handle, &sidecar, alive));
    lines.push(refusals(&log, [&handle, &sidecar]));
    lines.push(violations([&handle, &sidecar]));
    lines.push(excused([&handle, &sidecar]));
    conclude(lines, show)
}

/// What became of the clients' requests.
fn requests(Show { handle, proxy, sink, .. }: &Show, dark: Duration) -> Vec<Line> {
    let mut lines = Vec::new();
    lines.extend(client(["requests by the handle, served", "requests by the handle, failed"], handle));
    lines.extend(client(["requests through the proxy, served", "requests through the proxy, failed"], proxy));
    // The client has one request under way, and one process was killed.
    let (count, limit) = (proxy.count(), 1);
    lines.push(Line::must(
        "… cut off by the kill, and sent again",
        count.resent,
        count.resent <= limit,
        format_args!("at most {limit}"),
    ));
    lines.push(Line::fact("… the slowest of them, in seconds", format_args!("{:.1}", count.slowest.as_secs_f64())));
    lines.extend(client(["requests by the sink file, served", "requests by the sink file, failed"], sink));
    lines.push(Line::must(
        "… refused while its token was revoked by others",
        format_args!("{}, in {:.1} s", sink.excused(), dark.as_secs_f64()),
        dark < REPLACED,
        format_args!("over within {} s", REPLACED.as_secs()),
    ));
    lines
}

/// What the audit log says of an identity.
struct Verdict(Judgement);

impl Verdict {
    fn of(log: &Log, role: &str, journal: &History) -> Self {
        let told = Told { grace: Some(GRACE), rest: Rest::Quiet, ..Told::default() };
        Self(log.judge(&Whose::Role(role.to_owned()), &told.with_journal(journal)))
    }

    fn tokens(&self) -> &[Fate] {
        &self.0.credentials
    }

    fn ended_by(&self, by: By) -> usize {
        self.tokens().iter().filter(|token| token.ended_by == Some(by)).count()
    }

    /// Whether the last one of so many lives, and no other.
    fn ends_with_its_last(&self, made: usize) -> bool {
        self.tokens().len() == made && self.tokens().iter().enumerate().all(|(place, token)| token.lives() == (place == made - 1))
    }
}

fn tokens(handle: &Verdict, sidecar: &Verdict, alive: [usize; 2]) -> [Line; 4] {
    let made = [handle.tokens().len(), sidecar.tokens().len()];
    let last_live = alive == [1, 1] && handle.ends_with_its_last(HANDLES) && sidecar.ends_with_its_last(SIDECARS);
    let ended = |by| handle.ended_by(by) + sidecar.ended_by(by);
    let (themselves, others) = (ended(By::Itself), ended(By::Others));
    // One that has served may instead have run out, as its life was cut to its grace.
    let due = HANDLES + SIDECARS - 3;
    let as_due = themselves + ended(By::Time) == due;
    let revoked = sidecar.tokens().get(REVOKED).is_some_and(|token| token.ended_by == Some(By::Others));
    [
        Line::must(
            "tokens made, for the handle and the sidecar",
            format_args!("{} + {}", made[0], made[1]),
            made == [HANDLES, SIDECARS],
            format_args!("{HANDLES} + {SIDECARS}"),
        ),
        Line::must("tokens alive", format_args!("{} + {}", alive[0], alive[1]), last_live, "1 + 1, the last of each"),
        Line::must("audit log: tokens that ended themselves", themselves, as_due, due),
        Line::must("audit log: tokens that others ended", others, others == 1 && revoked, "1, which was revoked"),
    ]
}

/// Who was refused a read: the useless ones, by their probes, and the one that was revoked. No work ever had a useless one.
fn refusals(log: &Log, [handle, sidecar]: [&Verdict; 2]) -> Line {
    let refused = log.entries().iter().filter(|entry| *entry.path == *SECRET && matches!(entry.answer, Answer::Refused(_)));
    let refused: BTreeSet<_> = refused.filter_map(|entry| entry.caller.as_deref()).collect();
    let accessor = |verdict: &Verdict| verdict.tokens().get(USELESS).and_then(|token| token.accessor.clone());
    let useless: Vec<_> = [accessor(handle), accessor(sidecar)].into_iter().flatten().collect();
    let as_due = useless.len() == 2 && refused == useless.iter().map(String::as_str).collect();
    Line::must("audit log: live tokens that were refused a read", refused.len(), as_due, "the useless two alone")
}

fn violations(both: [&Verdict; 2]) -> Line {
    let all: Vec<_> = both.iter().flat_map(|verdict| &verdict.0.violations).map(ToString::to_string).collect();
    let told = if all.is_empty() { "none".to_owned() } else { all.join("; ") };
    Line::must("audit log: violations found in it", told, all.is_empty(), "none")
}

/// What would be a violation, had not somebody else ended a token.
fn excused([handle, sidecar]: [&Verdict; 2]) -> Line {
    let revoked = sidecar.tokens().get(REVOKED).map(|token| token.credential.as_str());
    let found = handle.0.excused.len() + sidecar.0.excused.len();
    let as_due =
        handle.0.excused.is_empty() && sidecar.0.excused.iter().all(|finding| Some(finding.credential.as_str()) == revoked);
    Line::must("audit log: excused, since others revoked a token", found, as_due, "that token's alone")
}
