//! The kill matrix: every bug that is sown into the machine, and every broken assumption of the world, is caught; and
//! every property is the only one to catch some bug, or it would be redundant.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use turquoise_core::{SeededBug, Sown};
use turquoise_model::{Assumption, Config, Invariant, SINK, STANDARD, explore, liveness, tell};

/// The smallest pinned configuration that shows a bug; most are seen in the first.
fn soil(bug: SeededBug) -> Config {
    let named = |name: &str| *STANDARD.iter().find(|config| config.name == name).expect("it is pinned");
    match bug {
        SeededBug::StopForgetsLostLogin | SeededBug::RollbackNotExtended => named("an operator and a fault"),
        // First she declares it compromised, then she wants it back.
        SeededBug::RollbackToCompromised => named("an operator with two requests"),
        _ => SINK,
    }
}

fn with(bug: SeededBug) -> Config {
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
    let mut all = Vec::new();
    let bugs = SeededBug::ALL.iter().map(|&bug| (format!("{bug:?}"), with(bug)));
    let worlds = Assumption::ALL.into_iter().map(|broken| (format!("not {broken:?}"), Config { broken: Some(broken), ..SINK }));
    for (name, config) in bugs.chain(worlds) {
        let (properties, rules) = killers(&config);
        assert!(!properties.is_empty(), "{name} lives");
        let caught: Vec<_> = properties.iter().copied().collect();
        let rules: Vec<_> = rules.into_iter().collect();
        let _ = writeln!(table, "| `{name}` | {} | {} |", caught.join(" "), rules.join(" "));
        all.push(properties);
    }
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
    embedded("kill-matrix.md", "matrix", &table);
}

#[test]
fn a_counterexample_is_a_short_readable_story() {
    let config = with(SeededBug::RevokeBeforeDrain);
    let found = explore(&config, |_, _| {});
    let way = found.broken.values().next().expect("it is caught");
    insta::assert_snapshot!(tell(&config, way));
}

/// Holds a generated part of the documentation against what generates it; with `TURQUOISE_BLESS=1` writes it.
fn embedded(page: &str, part: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
    let content = std::fs::read_to_string(&path).expect("the page exists");
    let (begin, end) = (format!("<!-- generated: {part} -->\n"), format!("<!-- end: {part} -->"));
    let from = content.find(&begin).expect("the page has the part") + begin.len();
    let to = content.find(&end).expect("the part ends");
    if std::env::var_os("TURQUOISE_BLESS").is_some() {
        let blessed = format!("{}{text}{}", &content[..from], &content[to..]);
        return std::fs::write(&path, blessed).expect("the page can be written");
    }
    assert_eq!(&content[from..to], text, "{page} has drifted: look at it, then run the test with TURQUOISE_BLESS=1");
}
