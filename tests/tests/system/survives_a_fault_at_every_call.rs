//! Whatever befalls a request of a rotation on the line — it is lost, its answer is lost, either comes when nobody waits for it
//! any more, or it is done and answered with an error — one token lives in the end, for long, nothing is owed, and no consumer
//! was refused.

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant, SystemTime};

use turquoise_audit::Log;
use turquoise_tests::policy;

use crate::agent::{Agent, How};
use crate::all;
use crate::audit;
use crate::campaign;
use crate::consumer::Consumer;
use crate::http::Http;
use crate::proxy::{Fault, Proxy, Which};
use crate::site::{Journalled, Site, server};

/// The first token lives too short for a rotation: it is renewed before one begins.
const BRIEF: Duration = Duration::from_secs(10);
/// Late requests arrive within it, in seconds.
const DELTA: u64 = 4;

/// What a rotation asks, in order: its name, the phase in which it is asked, and what it is.
const CALLS: [(&str, &str, &str); 10] = [
    ("renew the current one", "Steady", "POST /v1/auth/token/renew-self"),
    ("mint", "Issuing", "POST /v1/auth/token/create/"),
    ("first probe: read", "Validating", "GET /v1/secret/data/app"),
    ("first probe: look itself up", "Validating", "GET /v1/auth/token/lookup-self"),
    ("second probe: read", "Validating", "GET /v1/secret/data/app"),
    ("second probe: look itself up", "Validating", "GET /v1/auth/token/lookup-self"),
    ("extend", "Validating", "POST /v1/auth/token/renew-self"),
    ("shorten the old one", "Draining", "POST /v1/auth/token/renew-self"),
    ("revoke the old one", "Revoking", "POST /v1/auth/token/revoke-self"),
    ("look whether it is dead", "Revoking", "POST /v1/auth/token/lookup"),
];

/// One request of a rotation, by its place in [`CALLS`], and what befalls it.
#[derive(Clone, Copy, Debug)]
struct Blow {
    call: usize,
    fault: Fault,
}

/// What came of it.
struct Row {
    blow: Blow,
    outcome: String,
    minted: usize,
    took: Duration,
    journalled: Journalled,
    quiet_at: SystemTime,
}

fn agent(site: &Site, proxy: &Proxy) -> Agent {
    let mut agent = Agent::start(site, How { addresses: &[&proxy.address], delta: Some(DELTA), ..How::default() });
    agent.until_steady();
    agent
}

fn survive(Blow { call, fault }: Blow, role: &str) -> Row {
    let site = Site::with_life(server(), role, BRIEF);
    let proxy = Proxy::before(&site.address);
    let mut agent = agent(&site, &proxy);
    let consumer = Consumer::start(&site);
    proxy.strike(fault, Which::Next(call + 1));
    let began = Instant::now();
    agent.rotate();
    let took = began.elapsed();
    assert!(proxy.has_struck());
    let struck = proxy.take_seen().swap_remove(call);
    assert!(struck.starts_with(CALLS[call].2), "{struck:?} was struck");
    let published = fs::read_to_string(site.sink()).unwrap();
    let (_, looked) = Http::new(&site.address).get("auth/token/lookup-self", &published).unwrap();
    let remaining = Duration::from_secs(looked["data"]["ttl"].as_u64().unwrap());
    assert!(remaining > policy().probation, "what serves has only {remaining:?} to live");
    // What is quiet is also fit.
    agent.rotate();
    agent.stop();

    let (quiet_at, journalled) = (SystemTime::now(), site.assert_quiet(server()));
    consumer.stop();
    let outcome = match journalled.abandoned() {
        None => "rotated".to_owned(),
        Some(reason) => format!("abandoned ({reason:?}): the old one serves"),
    };
    assert_eq!(journalled.count("Promoted"), if outcome == "rotated" { 2 } else { 1 });
    Row { blow: Blow { call, fault }, outcome, minted: 0, took, journalled, quiet_at }
}

/// And has the oracle judge each.
fn survive_all(name: &str, blows: &[Blow]) -> Vec<Row> {
    let rows = all::at_once(blows, |number, blow| survive(*blow, &format!("{name}-{number}")));
    let log = Log::of(&server().audit_log()).unwrap();
    let judged = |(number, row): (usize, Row)| {
        let judgement = audit::judge_at(row.quiet_at, &log, &format!("{name}-{number}"), &row.journalled);
        // Less the first, and the one of the last rotation.
        Row { minted: judgement.credentials.len() - 2, ..row }
    };
    rows.into_iter().enumerate().map(judged).collect()
}

fn table(rows: &[Row]) -> String {
    let mut text = format!("{} faults.\n\n| befallen | in | by | minted | seconds | in the end |\n", rows.len());
    text += "| --- | --- | --- | --- | --- | --- |\n";
    for Row { blow: Blow { call, fault }, outcome, minted, took, .. } in rows {
        let (name, phase, _) = CALLS[*call];
        writeln!(text, "| {name} | {phase} | {} | {minted} | {} | {outcome} |", fault.name(), took.as_secs()).unwrap();
    }
    text
}

/// What a rotation asks that nothing befalls.
#[test]
fn the_calls_of_a_rotation_are_these() {
    let site = Site::with_life(server(), "unstruck", BRIEF);
    let proxy = Proxy::before(&site.address);
    let mut agent = agent(&site, &proxy);
    drop(proxy.take_seen());
    agent.rotate();
    let seen = proxy.take_seen();
    assert_eq!(seen.len(), CALLS.len(), "{seen:#?}");
    for (seen, (_, _, expected)) in seen.iter().zip(CALLS) {
        assert!(seen.starts_with(expected), "{seen:?} where {expected:?} was due");
    }
    agent.stop();
    assert!(site.assert_quiet(server()).has("Promoted"));
}

/// In each phase that asks for one thing, and at the extension: what lives on probation is never given to consumers.
#[test]
fn survives_a_fault_in_each_phase() {
    let blow = |call, fault| Blow { call, fault };
    let lines = [Fault::LostRequest, Fault::LostAnswer, Fault::LateAnswer];
    let blows: Vec<_> = [1, 6, 7, 8].into_iter().flat_map(|call| lines.map(|fault| blow(call, fault))).collect();
    survive_all("phase", &blows);
}

/// A campaign: two minutes.
#[test]
#[ignore = "a campaign: UPDATE_DOCS=1 cargo test -p turquoise-tests --test system -- --ignored every_fault_at_every_call"]
fn every_fault_at_every_call() {
    let blows = |call| Fault::ALL.map(|fault| Blow { call, fault });
    let blows: Vec<_> = (0..CALLS.len()).flat_map(blows).collect();
    campaign::report("fault-matrix.md", "line", &table(&survive_all("line", &blows)));
}
