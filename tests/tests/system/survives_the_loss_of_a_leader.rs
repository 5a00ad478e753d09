//! Of three nodes the one that leads is killed, hangs, or steps down in the middle of a rotation, while the agent talks to the
//! standbys. One token lives in the end, on the node that leads then, nothing is owed, and no consumer was refused.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use turquoise_audit::{Limits, Log};
use turquoise_openbao::{Binary, Cluster};
use turquoise_tests::{Command, Place, Point, Side, Told};

use crate::agent::{Agent, How};
use crate::audit;
use crate::campaign;
use crate::consumer::Consumer;
use crate::site::{Site, prepare};

/// What befalls the node that leads.
#[derive(Clone, Copy, Debug)]
enum Loss {
    Killed,
    Stopped,
    SteppedDown,
}

impl Loss {
    const ALL: [Self; 3] = [Self::Killed, Self::Stopped, Self::SteppedDown];
}

/// Before which call of a login and a good rotation it happens, by its number and name.
#[derive(Clone, Copy, Debug)]
enum Scene {
    Issuing,
    Validating,
    Draining,
    Revoking,
}

impl Scene {
    const ALL: [Self; 4] = [Self::Issuing, Self::Validating, Self::Draining, Self::Revoking];

    const fn call(self) -> (u64, &'static str) {
        match self {
            Self::Issuing => (4, "issue"),
            Self::Validating => (6, "probe"),
            Self::Draining => (10, "shorten"),
            Self::Revoking => (11, "revoke"),
        }
    }
}

fn ring() -> Cluster {
    const PATIENCE: Duration = Duration::from_mins(1);
    let ring = Cluster::start(&Binary::obtain(|_| ()).unwrap(), PATIENCE).unwrap();
    prepare(ring.root().unwrap());
    // Until then it outlives no node.
    ring.wait_for_voters(PATIENCE).unwrap();
    ring
}

/// Waits until all nodes agree on the one that leads. One that was stopped may yet take itself for it.
fn agreed(ring: &Cluster) -> usize {
    let deadline = Instant::now() + Duration::from_mins(1);
    let says = |node: usize| {
        let said = ring.admin_at(node, "GET", "sys/leader", &Value::Null).ok()?;
        said["leader_address"].as_str().filter(|address| !address.is_empty()).map(str::to_owned)
    };
    loop {
        let said: BTreeSet<_> = (0..3).map(says).collect();
        if let (1, Some(Some(address))) = (said.len(), said.first()) {
            return ring.addresses().position(|own| own == address).unwrap();
        }
        assert!(Instant::now() < deadline, "the nodes do not agree: {said:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// What came of it.
struct Row {
    loss: Loss,
    scene: Scene,
    outcome: String,
    minted: usize,
    took: Duration,
}

fn survive(ring: &mut Cluster, loss: Loss, scene: Scene) -> Row {
    let leader = agreed(ring);
    let role = format!("{loss:?}-{scene:?}");
    let mut site = Site::new(ring, &role);
    let nodes: Vec<_> = ring.addresses().map(str::to_owned).collect();
    let standbys: Vec<_> = (0..3).filter(|node| *node != leader).map(|node| nodes[node].as_str()).collect();
    standbys[0].clone_into(&mut site.address);
    let (number, name) = scene.call();
    let hold = Some(Point { side: Side::Before, place: Place::Call(number) });
    let mut agent = Agent::start(&site, How { hold, addresses: &standbys, ..How::default() });
    agent.until_steady();
    let consumer = Consumer::start(&site);
    agent.order(Command::Rotate);
    agent.until("the call", |told| *told == Told::Call { number, call: name.to_owned() });
    agent.until_held();
    match loss {
        Loss::Killed => ring.kill(leader),
        Loss::Stopped => ring.freeze(leader).unwrap(),
        Loss::SteppedDown => drop(ring.admin_at(leader, "PUT", "sys/step-down", &Value::Null).unwrap()),
    }
    agent.order(Command::Release);
    let began = Instant::now();
    agent.until_steady();
    let took = began.elapsed();
    match loss {
        Loss::Killed => ring.restart(leader).unwrap(),
        Loss::Stopped => ring.thaw(leader).unwrap(),
        Loss::SteppedDown => {}
    }
    agreed(ring);
    // What is quiet is also fit.
    agent.rotate();
    agent.stop();

    let (quiet_at, journalled) = (SystemTime::now(), site.assert_quiet(ring));
    consumer.stop();
    let abandoned = journalled.abandoned();
    let outcome = abandoned.map_or_else(|| "rotated".to_owned(), |why| format!("abandoned ({why:?}): the old one serves"));
    let log = Log::read(ring.audit_logs(), Limits::default()).unwrap();
    let minted = audit::judge_at(quiet_at, &log, &role, &journalled).credentials.len();
    // Less the first, and the one of the last rotation.
    Row { loss, scene, outcome, minted: minted - 2, took }
}

fn table(rows: &[Row]) -> String {
    let mut text = String::from("| the leader is | in | minted | seconds | in the end |\n| --- | --- | --- | --- | --- |\n");
    for Row { loss, scene, outcome, minted, took } in rows {
        let loss = format!("{loss:?}").to_lowercase().replace("steppeddown", "made to step down");
        writeln!(text, "| {loss} | {scene:?} | {minted} | {} | {outcome} |", took.as_secs()).unwrap();
    }
    text
}

#[test]
fn survives_the_loss_of_a_leader_once_in_each_way() {
    let mut ring = ring();
    for (loss, scene) in [(Loss::Stopped, Scene::Draining), (Loss::SteppedDown, Scene::Issuing), (Loss::Killed, Scene::Revoking)]
    {
        survive(&mut ring, loss, scene);
    }
}

/// A campaign: four minutes.
#[test]
#[ignore = "a campaign: UPDATE_DOCS=1 cargo test -p turquoise-tests --test system -- --ignored every_loss_in_every_phase"]
fn every_loss_in_every_phase() {
    let mut ring = ring();
    let mut rows = Vec::new();
    for scene in Scene::ALL {
        rows.extend(Loss::ALL.map(|loss| survive(&mut ring, loss, scene)));
    }
    campaign::report("fault-matrix.md", "leader", &table(&rows));
}
