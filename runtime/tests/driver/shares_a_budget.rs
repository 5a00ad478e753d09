//! Many identities in one process send no more than one budget gives, renewals of what serves first, and heed a provider that
//! wants to be left alone.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use turquoise_runtime::core::{Budget, Consumers, Jitter, PhaseKind, Step};
use turquoise_runtime::{Identity, Load};

use crate::common::{Fault, Sim, secs};

const EVERY: Duration = Duration::from_millis(100);
const BURST: u16 = 5;

fn budget() -> Load {
    Load::new(Budget { every: EVERY, burst: BURST })
}

/// Identities of a provider each, all begun now.
fn fleet(size: u64, load: impl Fn() -> Load) -> Vec<Sim> {
    (0..size)
        .map(|seed| {
            let mut sim = Sim::new();
            (sim.load, sim.jitter) = (load().start_spread(Duration::ZERO), Jitter::Full(seed));
            sim
        })
        .collect()
}

async fn start(fleet: &mut [Sim]) -> Vec<Identity> {
    let mut identities = Vec::new();
    for sim in fleet {
        identities.push(sim.start(Consumers::Counted).await);
    }
    identities
}

fn outage(fleet: &[Sim], fault: Option<Fault>) {
    for sim in fleet {
        sim.world().outage = fault;
    }
}

/// When anybody asked the provider anything, since all began.
fn asked(fleet: &[Sim]) -> Vec<Duration> {
    let to_provider =
        |call: &str| ["login", "issue", "probe", "live", "revoke", "observe"].iter().any(|verb| call.starts_with(verb));
    let calls =
        |sim: &Sim| -> Vec<_> { sim.world().log.iter().filter(|(_, call)| to_provider(call)).map(|(at, _)| *at).collect() };
    let mut all: Vec<_> = fleet.iter().flat_map(calls).collect();
    all.sort();
    all
}

/// By how many calls a window sees more than the budget gives, at worst.
fn excess(asked: &[Duration]) -> usize {
    let over = |(n, from): (usize, &Duration)| {
        let within = asked[n..].iter().enumerate().map(move |(more, to)| {
            let given =
                usize::from(BURST) + usize::try_from(to.abs_diff(*from).as_millis() / EVERY.as_millis()).expect("minutes");
            (more + 1).saturating_sub(given)
        });
        within.max().unwrap_or(0)
    };
    asked.iter().enumerate().map(over).max().unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn whatever_fails_no_window_sees_more_than_the_budget() {
    let shared = budget();
    let mut fleet = fleet(40, || shared.clone());
    outage(&fleet, Some(Fault::Refuse));
    let identities = start(&mut fleet).await;
    sleep(secs(20)).await;
    outage(&fleet, Some(Fault::LoseReply));
    sleep(secs(10)).await;
    outage(&fleet, None);
    // A lost login is waited out before there is another one.
    sleep(secs(90)).await;
    let asked = asked(&fleet);
    assert_eq!(excess(&asked), 0, "of {} calls", asked.len());
    let refused = asked.iter().filter(|at| **at < secs(20)).count();
    assert!(refused > 180, "all of the budget was wanted, but only {refused} calls were made in 20 s");
    assert!(identities.iter().all(|identity| identity.status().phase == PhaseKind::Steady));
    for sim in &fleet {
        assert_eq!(sim.world().violations, [] as [String; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn budgets_that_are_not_shared_would_not_do() {
    let mut fleet = fleet(40, budget);
    outage(&fleet, Some(Fault::Refuse));
    let identities = start(&mut fleet).await;
    sleep(secs(20)).await;
    assert!(excess(&asked(&fleet)) > 100);
    drop(identities);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_gets_no_permit_in_time_is_told_as_not_done_and_tried_again() {
    let mut sim = Sim::new();
    sim.load = Load::new(Budget { every: secs(10), burst: 1 });
    let identity = sim.ready(Consumers::Counted).await;
    let world = sim.world();
    let logins: Vec<_> = world.log.iter().filter(|(_, call)| call.starts_with("login")).map(|(at, _)| *at).collect();
    assert_eq!(logins, [secs(10)]);
    // Of unknown outcome, a single one would have been waited out for a minute.
    let failed = world.entries.iter().filter(|entry| matches!(entry.record.step, Step::LoginFailed { .. })).count();
    assert!(failed >= 5, "{failed}");
    drop(world);
    let why = identity.status().reason.expect("something went wrong");
    assert!(why.0.contains("not sent") && why.0.contains("budget"), "{}", why.0);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_of_what_serves_goes_before_the_logins_of_others() {
    let shared = budget();
    let mut serving = Sim::new();
    serving.load = shared.clone();
    let identity = serving.ready(Consumers::Counted).await;
    let ready = serving.world().log.last().map(|(at, _)| *at).expect("it has logged in");
    let mut crowd = fleet(40, || shared.clone());
    outage(&crowd, Some(Fault::Refuse));
    let others = start(&mut crowd).await;
    sleep(secs(100)).await;
    let renewed = serving.asked("live 1 to 60s");
    assert_eq!(renewed.len(), 3, "{renewed:?}");
    let mut due = ready;
    for at in renewed {
        due += secs(30);
        assert!(at.abs_diff(due) <= EVERY, "it was due at {due:?} and sent at {at:?}");
        due = at;
    }
    assert!(excess(&asked(&crowd)) == 0 && others.len() == 40);
    serving.assert_quiet(&identity, "amid the crowd");
}

#[tokio::test(start_paused = true)]
async fn all_leave_a_provider_alone_that_wants_it_and_are_told_that_nothing_was_sent() {
    let shared = budget();
    let mut fleet = fleet(10, || shared.clone());
    let began = Instant::now();
    let identities = start(&mut fleet).await;
    sleep(secs(15)).await;
    assert!(identities.iter().all(|identity| identity.status().phase == PhaseKind::Steady));
    outage(&fleet, Some(Fault::Throttle(secs(15))));
    let before = asked(&fleet).len();
    let throttled = loop {
        sleep(EVERY).await;
        if let Some(at) = asked(&fleet).get(before) {
            break *at;
        }
    };
    outage(&fleet, None);
    sleep(secs(60)).await;
    let asked = asked(&fleet);
    let quiet = asked[before + 1].abs_diff(throttled);
    assert!(quiet >= secs(15) && quiet <= secs(18), "it was left alone for {quiet:?}, from {throttled:?} on");
    assert_eq!(excess(&asked), 0);
    let told =
        identities.iter().filter_map(|identity| identity.status().reason).filter(|why| why.0.contains("left alone")).count();
    assert!(told >= 3, "only {told} were told");
    for (sim, identity) in fleet.iter().zip(&identities) {
        sim.assert_quiet(identity, "a renewal that was not sent is tried again in time");
    }
    assert!(began.elapsed() < secs(120));
}
