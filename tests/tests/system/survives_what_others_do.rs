//! Others revoke a token, disable its entity, throttle its logins or let it live no longer; the machine sleeps or its wall clock
//! is set. Whatever happens, and in whichever phase: one token lives in the end, it is the published one, it works, nothing is
//! owed, and the next rotation goes well.

use std::fmt::Write as _;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use turquoise::core::{Color, Step, StepKind, Trigger};
use turquoise_audit::{Log, Property, Whose};
use turquoise_tests::policy;

use crate::all;
use crate::audit;
use crate::campaign;
use crate::resident::{Door, Resident};
use crate::site::{Journalled, server};

/// When it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Steady,
    Validating,
    Draining,
}

impl Moment {
    const ALL: [Self; 3] = [Self::Steady, Self::Validating, Self::Draining];
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// Somebody else revokes the one that was first.
    BlueRevoked,
    /// Somebody else revokes the one that came after it.
    GreenRevoked,
    /// The entity is disabled until that is noticed.
    Disabled,
    /// Logins are throttled.
    Throttled,
    /// The first one lives no longer than a rotation and somewhat.
    Limited,
    /// The machine is suspended for longer than any life.
    Slept,
    /// The wall clock is set.
    Set,
}

/// Nobody looks at what was just promoted before it is renewed: that it was accepted a moment ago is evidence enough to end the
/// old one, and then it is dark.
const UNNOTICED: (Event, Moment) = (Event::GreenRevoked, Moment::Draining);
const DARK: [Property; 2] = [Property::S1, Property::S2];

const LONG: Duration = Duration::from_mins(10);

/// All that may happen, and when.
fn all() -> Vec<(Event, Moment)> {
    let mut all = vec![(Event::GreenRevoked, Moment::Validating), (Event::GreenRevoked, Moment::Draining)];
    all.extend([(Event::Throttled, Moment::Steady), (Event::Limited, Moment::Steady)]);
    for event in [Event::BlueRevoked, Event::Disabled, Event::Slept, Event::Set] {
        all.extend(Moment::ALL.map(|moment| (event, moment)));
    }
    all
}

/// What came of it.
struct Row {
    what: (Event, Moment),
    course: String,
    minted: usize,
    took: Duration,
    journalled: Journalled,
    quiet_at: SystemTime,
}

async fn reach(moment: Moment, resident: &mut Resident<'_>) {
    let step = match moment {
        Moment::Steady => return,
        Moment::Validating => StepKind::Persisted,
        Moment::Draining => StepKind::Promoted,
    };
    resident.rotate_until(step).await;
}

async fn happen(event: Event, resident: &Resident<'_>) {
    let door = resident.door;
    match event {
        Event::BlueRevoked => revoke(resident, Color::Blue),
        Event::GreenRevoked => revoke(resident, Color::Green),
        Event::Disabled => {
            let entity = format!("identity/entity/id/{}", door.entity(&door.tokens().0[0]));
            door.server.admin("POST", &entity, &json!({"disabled": true})).unwrap();
            resident.until_refused().await;
            door.server.admin("POST", &entity, &json!({"disabled": false})).unwrap();
            resident.retry.now();
        }
        Event::Throttled => throttle(resident).await,
        // It was made so; those to come are not.
        Event::Limited => door.amend(&json!({})),
        Event::Slept => resident.clock.sleep(LONG),
        Event::Set => resident.clock.set_ahead(LONG),
    }
}

/// By its value: of an end by accessor the server's log does not show whose it is.
fn revoke(resident: &Resident<'_>, slot: Color) {
    let token = resident.secret_in(slot);
    resident.door.server.admin("POST", "auth/token/revoke", &json!({"token": token})).unwrap();
}

/// One login in a minute, and an administrator has used it up.
async fn throttle(resident: &Resident<'_>) {
    let door = resident.door;
    let quota = format!("sys/quotas/rate-limit/{}", door.name);
    let path = format!("auth/{}/login", door.name);
    door.server.admin("POST", &quota, &json!({"path": path, "rate": 1, "interval": "1m"})).unwrap();
    let log_in = || door.server.admin("POST", &path, &json!({"role_id": "nobody"})).unwrap_err().to_string();
    log_in();
    assert!(log_in().contains("429"), "there is no quota");
    resident.identity.rotate().await.unwrap();
    let reason = || resident.identity.status().reason.map(|reason| reason.0).unwrap_or_default();
    let deadline = Instant::now() + policy().patience * 2;
    while !reason().contains("rate limit quota exceeded") {
        assert!(Instant::now() < deadline, "not throttled: {:?}", resident.identity.status());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    door.server.admin("DELETE", &quota, &Value::Null).unwrap();
}

/// In order, what the journal says that was decided.
fn course(journalled: &Journalled) -> String {
    const TOLD: [StepKind; 7] = [
        StepKind::IssueIntent,
        StepKind::IssueRefused,
        StepKind::AbandonIntent,
        StepKind::Promoted,
        StepKind::Owed,
        StepKind::Stuck,
        StepKind::LoginFailed,
    ];
    let told = journalled.steps().filter(|step| TOLD.contains(&step.kind())).map(|step| match step {
        Step::IssueIntent { trigger, .. } => format!("begun: {trigger:?}"),
        Step::AbandonIntent { reason, .. } => format!("abandoned: {reason:?}"),
        other => format!("{:?}", other.kind()).to_lowercase(),
    });
    told.collect::<Vec<_>>().join(", ")
}

fn meet((event, moment): (Event, Moment), name: &str) -> Row {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let door = Door::new(server(), name);
    let (door, limit) = (&door, event == Event::Limited);
    if limit {
        // A renewal gives it less than it asks for; then it is replaced while it still covers a rotation.
        door.amend(&json!({"token_explicit_max_ttl": policy().least_life().as_secs() + 10}));
    }
    let (journalled, took, quiet_at) = runtime.block_on(async {
        let mut resident = Resident::start(door).await;
        let began = Instant::now();
        reach(moment, &mut resident).await;
        happen(event, &resident).await;
        if limit {
            resident.until(StepKind::Promoted).await;
        }
        resident.until_quiet(1).await;
        let took = began.elapsed();
        // What is quiet is also fit.
        resident.rotate_until(StepKind::Promoted).await;
        resident.until_quiet(1).await;
        let published = resident.published().unwrap();
        let (_, living) = door.tokens();
        assert_eq!(living, [published], "what lives is what is published");
        let quiet_at = SystemTime::now();
        (resident.stop().await, took, quiet_at)
    });
    if limit {
        let begun = |trigger| journalled.steps().any(|step| matches!(step, Step::IssueIntent { trigger: t, .. } if t == trigger));
        assert!(begun(Trigger::Expiry), "it was not replaced before its end: {}", course(&journalled));
    }
    Row { what: (event, moment), course: course(&journalled), minted: 0, took, journalled, quiet_at }
}

/// Has all of these happen, and the oracle judge each.
fn meet_all(name: &str, all: &[(Event, Moment)]) -> Vec<Row> {
    let rows = all::at_once(all, |number, what| meet(*what, &format!("{name}-{number}")));
    let log = Log::of(&server().audit_log()).unwrap();
    let judged = |(number, row): (usize, Row)| {
        let role = format!("{name}-{number}");
        let judgement = if row.what == UNNOTICED {
            log.judge(&Whose::Role(role), &audit::told(&row.journalled, row.quiet_at))
        } else {
            audit::judge_at(row.quiet_at, &log, &role, &row.journalled)
        };
        assert!(judgement.violated().iter().all(|property| DARK.contains(property)), "{judgement}");
        assert_eq!(judgement.living().count(), 1, "{judgement}");
        Row { minted: judgement.credentials.len(), ..row }
    };
    rows.into_iter().enumerate().map(judged).collect()
}

fn table(rows: &[Row]) -> String {
    let mut text = String::from("| what | in | seconds | logins | course |\n| --- | --- | --- | --- | --- |\n");
    for Row { what: (event, moment), course, minted, took, .. } in rows {
        writeln!(text, "| {event:?} | {moment:?} | {} | {minted} | {course} |", took.as_secs()).unwrap();
    }
    text
}

#[test]
fn survives_what_others_do() {
    let all: Vec<_> = all().into_iter().filter(|what| *what != UNNOTICED).collect();
    meet_all("others", &all);
}

/// A campaign: half a full life passes before the one that waits for its renewal is looked at.
#[test]
#[ignore = "a campaign: UPDATE_DOCS=1 cargo test -p turquoise-tests --test system -- --ignored everything_that_others_do"]
fn everything_that_others_do() {
    campaign::report("fault-matrix.md", "others", &table(&meet_all("everything", &all())));
}

/// Each has a journal of its own, and both log in by the same role: neither harms the other, and none is left over.
#[test]
fn two_daemons_on_two_journals_leave_one_token_each() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let door = Door::new(server(), "both");
    runtime.block_on(async {
        let (mut one, mut other) = (Resident::start(&door).await, Resident::start(&door).await);
        for _ in 0..2 {
            tokio::try_join!(one.identity.rotate(), other.identity.rotate()).unwrap();
            one.until(StepKind::Promoted).await;
            other.until(StepKind::Promoted).await;
            one.until_quiet(2).await;
            other.until_quiet(2).await;
        }
        let mut published = [one.published().unwrap(), other.published().unwrap()];
        published.sort();
        let (all, mut living) = door.tokens();
        living.sort();
        assert_eq!((all.len(), living.as_slice()), (6, &published[..]));
        one.stop().await;
        other.stop().await;
    });
}
