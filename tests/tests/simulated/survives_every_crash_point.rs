//! Every kind of round, with the journal in a file: the process dies before, during and after each record, each call to the
//! provider and each write to the store, and its successor dies as well, early in its recovery. What is left is judged as the
//! thousand runs are.

use std::fmt::Write as _;

use turquoise_core::{SeededBug, Sown};

use crate::document;
use crate::plan::{Plan, Story};
use crate::run::run;

/// The successor dies at one of so many places, in turn.
const EARLY: usize = 8;

/// What one kind of round comes to.
struct Row {
    story: Story,
    points: usize,
    twice: usize,
}

impl Row {
    fn of(story: Story) -> (Self, Vec<String>) {
        let course = run(&Plan::tells(story, [None; 2]));
        assert_eq!(course.wrong, None, "{story:?}\n{}", course.story);
        assert!(course.places.iter().any(|place| place == story.hallmark()), "{story:?}: {:?}", course.places);
        let (mut wrong, mut twice) = (Vec::new(), 0);
        for (at, place) in course.places.iter().enumerate() {
            let told = run(&Plan::tells(story, [Some(at), Some(at % EARLY)]));
            assert_eq!(told.died_at.first(), Some(place), "{story:?} takes another course the second time");
            twice += usize::from(told.died_at.len() == 2);
            if let Some(what) = told.wrong {
                wrong.push(format!("{story:?}, killed {:?}: {what:?}\n{}", told.died_at, told.story));
            }
        }
        (Self { story, points: course.places.len(), twice }, wrong)
    }
}

#[test]
fn every_kind_of_round_survives_a_death_anywhere() {
    let mut table = String::from("| killed in | points | killed again in the recovery |\n| --- | --- | --- |\n");
    let (mut points, mut twice) = (0, 0);
    for story in Story::ALL {
        let (row, wrong) = Row::of(story);
        assert!(wrong.is_empty(), "{} of {} points:\n{}", wrong.len(), row.points, wrong[0]);
        let _ = writeln!(table, "| {} | {} | {} |", row.story.title(), row.points, row.twice);
        points += row.points;
        twice += row.twice;
    }
    let _ = writeln!(table, "| all | {points} | {twice} |");
    document::check("crash-points.md", "in-process", &table);
}

#[test]
fn a_recovery_that_forgets_the_candidate_is_found_out() {
    let plan = |deaths| {
        let mut plan = Plan::tells(Story::Rotation, deaths);
        plan.policy.sown = Sown::bug(SeededBug::RecoveryForgetsCandidate);
        plan
    };
    let course = run(&plan([None; 2]));
    assert_eq!(course.wrong, None, "without a death there is no recovery\n{}", course.story);
    let found = (0..course.places.len()).filter(|at| run(&plan([Some(*at), None])).wrong.is_some()).count();
    assert!(found > 10, "only at {found} points");
}
