//! The kill matrix: every bug that is sown into the machine, and every broken assumption of the world, is caught; and
//! every property is the only one to catch some bug, or it would be redundant.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use turquoise_core::{SeededBug, Sown};
use turquoise_model::{Assumption, Config, Invariant, SINK, STANDARD, explore, liveness};

use crate::page;

/// The smallest pinned configuration that shows a bug; most are seen in the first.
fn soil(bug: SeededBug) -> Config {
    let named = |name: &str| *STANDARD.iter().find(|config| config.name == name).expect("it is pinned");
    match bug {
        SeededBug::StopForgetsLostLogin | SeededBug::RollbackNotExtended => named("an operator and a fault"),
        // First she declares it compromised, then she wants it back.
        SeededBug::RollbackToCompromised => named("an operator with two requests"),
        SeededBug::CanaryBeforeProbes | SeededBug::CanaryNotHeard | SeededBug::CanaryNotDrained => named("a canary"),
        SeededBug::CapNotSeen => named("lives that end"),
        SeededBug::RenewalsUnmetered => named("a budget of requests"),
        SeededBug::NotFoundBelieved => named("accessor privileges"),
        SeededBug::GapIgnored => named("a gap, or refused for a while"),
        SeededBug::MandateIgnored => named("two daemons"),
        SeededBug::NothingOwedAtStart | SeededBug::LoginBesideLostMint | SeededBug::SeveralTakenAsOne => {
            named("nothing survives a crash")
        }
        SeededBug::LostSlotForgotten | SeededBug::FailedWayBackKept | SeededBug::LoginBesideStranger => {
            named("slots that are tampered with, an operator and a crash")
        }
        _ => SINK,
    }
}

/// The smallest pinned configuration that shows that an assumption is needed.
fn ground(assumption: Assumption) -> Config {
    match assumption {
        Assumption::NothingIsRepeated => Config::named("an operator and a fault").expect("it is pinned"),
        _ => SINK,
    }
}

/// The world that shows a bug, with the bug in it.
pub(crate) fn with(bug: SeededBug) -> Config {
    let mut config = soil(bug);
    config.policy.sown = Sown::bug(bug);
    config
}

/// The properties that a configuration breaks, and the rules of the abstract specification.
fn killers(config: &Config) -> (BTreeSet<&'static str>, BTreeSet<String>) {
    let found = explore(config, |_, _| {});
    let mut properties: BTreeSet<_> = found.broken.keys().map(|invariant| invariant.id()).collect();
    if liveness(&found.graph).endless.is_some() {
        properties.insert("L1");
    }
    (properties, found.unrefined.keys().map(|rule| format!("{rule:?}")).collect())
}

fn matrix() -> (String, Vec<BTreeSet<&'static str>>) {
    let mut table = String::from("| sown | caught by | abstract rules broken |\n| --- | --- | --- |\n");
    let (mut all, mut survivors) = (Vec::new(), Vec::new());
    let bugs = SeededBug::ALL.iter().map(|&bug| (format!("{bug:?}"), with(bug)));
    let worlds =
        Assumption::ALL.into_iter().map(|broken| (format!("not {broken:?}"), Config { broken: Some(broken), ..ground(broken) }));
    for (name, config) in bugs.chain(worlds) {
        let (properties, rules) = killers(&config);
        if properties.is_empty() {
            survivors.push(name.clone());
        }
        let caught: Vec<_> = properties.iter().copied().collect();
        let rules: Vec<_> = rules.into_iter().collect();
        let _ = writeln!(table, "| `{name}` | {} | {} |", caught.join(" "), rules.join(" "));
        all.push(properties);
    }
    assert!(survivors.is_empty(), "{survivors:?} live");
    (table, all)
}

#[test]
fn every_bug_is_caught_and_every_property_is_needed() {
    let (table, all) = matrix();
    assert!(all.len() >= 25, "{} bugs are too few", all.len());
    for property in Invariant::ALL.into_iter().map(Invariant::id).chain(["L1"]) {
        let alone = all.iter().any(|killers| killers.len() == 1 && killers.contains(property));
        assert!(alone, "{property} is the only killer of no bug: it is redundant, or a bug is missing");
    }
    page::holds("kill-matrix.md", "matrix", &table);
}
