//! A thousand runs, each another policy and another misfortune, and none breaks a promise.

use std::collections::BTreeSet;
use std::ops::Range;

use turquoise_runtime::core::TRANSITIONS;

use crate::RUNS;
use crate::plan::Plan;
use crate::run::run;
use crate::world::Wrong;

/// What must have come in some run, in the words of its story; or nothing is shown about it.
const MET: [&str; 25] = [
    "ReplyLost",
    "RequestLost",
    "Late",
    "Lags",
    "Useless",
    "Throttled",
    "Unavailable",
    "CRASH",
    "NOT DURABLE, true",
    "NOT DURABLE, false",
    "done true, fails true",
    "done false, fails true",
    "others revoke",
    "gets no more life",
    "everything sleeps",
    "disabled: true",
    "an outage",
    "loses its secret",
    "is compromised: Ok",
    "break the glass: Ok",
    "shutdown Keep: ",
    "shutdown Revoke: ",
    "roll back: Ok",
    "abort: Ok",
    "work is refused",
];

/// So many of the table's transitions are taken in these runs, at least.
const ROWS: usize = 65;

fn seeds() -> Range<u64> {
    let Ok(asked) = std::env::var("TURQUOISE_SEEDS") else { return 0..RUNS };
    let (first, end) = asked.split_once("..").unwrap();
    first.parse().unwrap()..end.parse().unwrap()
}

#[test]
fn a_thousand_runs_keep_every_promise() {
    let (mut wrong, mut rows, mut unmet) = (Vec::new(), BTreeSet::new(), BTreeSet::from(MET));
    let (mut rotations, mut deaths) = (0, 0);
    for seed in seeds() {
        let told = run(&Plan::of(seed));
        if let Some(Wrong { property, what }) = told.wrong {
            wrong.push(format!("seed {seed} breaks {}: {what}", property.unwrap_or("the order")));
        }
        unmet.retain(|what| !told.story.contains(what));
        rotations += told.rotations;
        deaths += told.deaths;
        rows.extend(told.rows);
    }
    assert!(wrong.is_empty(), "tell one with TURQUOISE_SEED: {wrong:#?}");
    assert!(unmet.is_empty(), "no run has met {unmet:?}");
    let untaken: Vec<_> = TRANSITIONS.iter().filter(|row| !rows.contains(&(row.from, row.step, row.to))).collect();
    assert!(rows.len() >= ROWS, "only {} transitions are taken, not these: {untaken:#?}", rows.len());
    assert!(rotations > 4_000 && deaths > 2_000, "{rotations} rotations and {deaths} deaths are few");
}

#[test]
fn a_seed_tells_the_same_story_each_time() {
    for seed in 0..20 {
        assert_eq!(run(&Plan::of(seed)).story, run(&Plan::of(seed)).story, "seed {seed}");
    }
}

/// Tells one seed's story, if one is named.
#[test]
fn a_seed_can_be_told() {
    let Ok(seed) = std::env::var("TURQUOISE_SEED") else { return };
    let told = run(&Plan::of(seed.parse().unwrap()));
    panic!("{:?}\n{}", told.wrong, told.story);
}
