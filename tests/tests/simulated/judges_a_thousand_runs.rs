//! A thousand runs, each another policy and another misfortune, and none breaks a promise.

use crate::plan::Plan;
use crate::run::{commits, run};

const RUNS: u64 = 1_000;

#[test]
fn a_thousand_runs_keep_every_promise() {
    let (mut rotations, mut deaths) = (0, 0);
    let mut wrong = Vec::new();
    for seed in 0..RUNS {
        let told = run(Plan::of(seed));
        if let Some((property, what)) = told.wrong {
            wrong.push(format!("seed {seed} breaks {}: {what}", property.unwrap_or("the order")));
        }
        rotations += told.steps.iter().filter(|step| commits(**step)).count();
        deaths += told.deaths - 1;
    }
    assert!(wrong.is_empty(), "tell one with TURQUOISE_SEED: {wrong:#?}");
    eprintln!("{rotations} {deaths}");
    assert!(rotations > 2_000 && deaths > 1_000, "{rotations} rotations and {deaths} deaths are few");
}

#[test]
fn a_seed_can_be_told() {
    let Ok(seed) = std::env::var("TURQUOISE_SEED") else { return };
    let told = run(Plan::of(seed.parse().unwrap()));
    panic!("{:?}\n{}", told.wrong, told.story);
}
