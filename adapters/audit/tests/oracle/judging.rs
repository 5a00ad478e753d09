//! Each property holds of a good rotation, and each is broken by a log in which one thing is otherwise.

use std::time::Duration;

use serde_json::json;

use crate::story::{JOURNAL, Story, accessor, generation, hmac};
use turquoise_audit::{Announced, Budget, By, Property, Rest, Told, Whose};

fn role() -> Whose {
    Whose::Role("rot".to_owned())
}

/// All that can be told.
fn told() -> Told {
    let announced = Announced {
        journal: JOURNAL.to_owned(),
        archived: 0,
        mints: [generation(2)].into(),
        ends: [generation(2)].into(),
        current: [generation(2)].into(),
        dead: [].into(),
        handles: [(generation(2), accessor("green"))].into(),
    };
    Told {
        grace: Some(Duration::from_secs(5)),
        ends_within: Some(Duration::from_secs(3)),
        requests: Some(5),
        budget: Some(Budget { burst: 5, every: Duration::from_secs(10) }),
        rest: Rest::Quiet,
        announced: Some(announced),
        ..Told::default()
    }
}

/// The properties that a story breaks.
fn broken(story: &Story, told: &Told) -> Vec<Property> {
    story.log().judge(&role(), told).violated()
}

#[test]
fn a_good_rotation_holds_and_is_told() {
    let judgement = Story::good().log().judge(&role(), &told());
    assert!(judgement.holds(), "{judgement}");
    assert!(judgement.not_judged.is_empty(), "{judgement}");
    let [blue, green] = judgement.credentials.as_slice() else { panic!("{judgement}") };
    assert_eq!((blue.credential.as_str(), green.credential.clone()), ("accessor-of-blue", generation(2)));
    assert_eq!((blue.ended_by, blue.seen_dead, blue.worked), (Some(By::Itself), true, 1));
    assert_eq!((green.ended_by, green.minted_by.as_deref(), green.worked), (None, Some("accessor-of-blue"), 2));
    assert_eq!((judgement.matched, judgement.unmatched, judgement.unauditable), (8, 1, 0));
    let untold = Story::good().log().judge(&role(), &Told::default());
    assert!(untold.holds() && untold.not_judged.len() == 4, "{untold}");
}

#[test]
fn an_identity_is_found_by_the_ids_of_its_journal_and_what_it_adopted_belongs_to_it() {
    let mut story = Story::good();
    story.mint(20.0, "root", "stranger", None, 60).work(21.0, "stranger");
    let log = story.log();
    let identities = log.identities();
    assert_eq!(identities, [Whose::Journal(JOURNAL.to_owned())]);
    let judgement = log.judge(&identities[0], &Told::default());
    assert!(judgement.holds() && judgement.credentials.len() == 2, "{judgement}");
}

#[test]
fn s1_a_life_that_runs_out_with_no_successor_is_dark() {
    let mut story = Story::default();
    story.mint(0.0, "root", "blue", None, 5).work(1.0, "blue").work(9.0, "root");
    assert_eq!(broken(&story, &told()), [Property::S1]);
    let mut story = Story::default();
    story.mint(0.0, "root", "blue", None, 5).work(1.0, "blue").renew(4.0, "blue", 60).work(9.0, "blue");
    assert_eq!(story.findings(&told()), [] as [&str; 0], "it was renewed");
}

/// The process died before it could keep what its first login gave, and logged in anew.
#[test]
fn s1_a_login_that_served_nobody_was_never_current() {
    let mut story = Story::default();
    story.login(0.0, None, "lost", Some(1)).lookup_self(0.1, "lost").login(70.0, None, "green", Some(2)).work(71.0, "green");
    let announced = Announced { mints: [generation(1), generation(2)].into(), ..told().announced.expect("it was given") };
    let told = Told { announced: Some(announced), ends_within: None, ..told() };
    assert_eq!(story.findings(&told), [] as [&str; 0]);
    story.work(1.0, "lost");
    assert_eq!(broken(&story, &told), [Property::S1], "it was used, whatever is on record");
}

#[test]
fn s1_a_refusal_before_the_end_is_dark() {
    let mut story = Story::default();
    story.mint(0.0, "root", "blue", None, 60).work(1.0, "blue").refused(2.0, "blue").work(3.0, "blue");
    assert_eq!(broken(&story, &told()), [Property::S1]);
}

#[test]
fn s1_a_refusal_while_the_end_is_being_done_is_none() {
    let slow = |began: f64| {
        let mut story = Story::default();
        story.mint(0.0, "root", "blue", None, 60).work(1.0, "blue").begin().renew(11.0, "green", 60);
        story.line(
            began,
            Some("blue"),
            Some("blue"),
            json!({"path": "auth/token/revoke-self", "id": "end"}),
            json!({"type": "request"}),
        );
        story.refused(18.0, "blue").end(20.0, "blue").work(21.0, "green");
        let end = story.lines.len() - 2;
        story.lines[end]["request"]["id"] = "end".into();
        story
    };
    assert_eq!(slow(17.0).findings(&told()), [] as [&str; 0]);
    assert_eq!(broken(&slow(19.0), &told()), [Property::S1]);
}

#[test]
fn s1_what_somebody_else_ended_is_excused_and_said() {
    let mut story = Story::default();
    story.mint(0.0, "root", "blue", None, 60).work(1.0, "blue");
    story.line(2.0, Some("root"), Some("root"), json!({"path": "auth/token/revoke", "data": {"token": hmac("blue")}}), json!({}));
    story.login(9.0, None, "green", Some(2)).work(9.5, "green");
    let judgement = story.log().judge(&role(), &told());
    assert!(judgement.holds(), "{judgement}");
    assert_eq!(judgement.excused.iter().map(|finding| finding.property).collect::<Vec<_>>(), [Property::S1, Property::S2]);
    assert_eq!(judgement.credentials[0].ended_by, Some(By::Others));
}

#[test]
fn s2_an_end_before_the_successor_is_proven_is_early() {
    let mut story = Story::default();
    story.mint(0.0, "root", "blue", None, 60).work(1.0, "blue");
    // Extended without a probe: it has never been accepted.
    story.mint(10.0, "blue", "green", Some(2), 12).switch().end(16.0, "blue").work(17.0, "green");
    assert_eq!(broken(&story, &told()), [Property::S2]);
}

#[test]
fn s2_an_end_before_the_successor_is_extended_is_early_and_dark() {
    let mut story = Story::default();
    story.mint(0.0, "root", "blue", None, 60).work(1.0, "blue").begin().end(12.0, "blue").renew(13.0, "green", 60);
    assert_eq!(broken(&story, &told()), [Property::S1, Property::S2]);
}

#[test]
fn s2_work_with_what_was_ended_within_its_grace_is_a_violation() {
    let mut story = Story::default();
    story.mint(0.0, "root", "blue", None, 60).work(1.0, "blue").begin().switch();
    story.end(13.0, "blue").refused(14.0, "blue").work(17.0, "green");
    assert_eq!(broken(&story, &told()), [Property::S2]);
    // The same beside an operator's word.
    let waived = Told { waived: [accessor("blue")].into(), ..told() };
    let judgement = story.log().judge(&role(), &waived);
    assert!(judgement.holds() && judgement.excused.len() == 1, "{judgement}");
}

#[test]
fn s2_work_with_what_was_ended_after_its_grace_is_late_and_no_violation() {
    let mut story = Story::good();
    story.refused(18.0, "blue");
    let judgement = story.log().judge(&role(), &told());
    assert!(judgement.holds() && judgement.late == 1, "{judgement}");
    // Who was not told the grace cannot know.
    assert_eq!(broken(&story, &Told::default()), [Property::S2]);
}

#[test]
fn s2_work_with_an_abandoned_candidate_after_its_end_is_a_violation() {
    let mut story = Story::default();
    story
        .mint(0.0, "root", "blue", None, 60)
        .work(1.0, "blue")
        .begin()
        .end(11.0, "green")
        .refused(12.0, "green")
        .work(13.0, "blue");
    assert_eq!(broken(&story, &told()), [Property::S2]);
}

#[test]
fn s3_a_mint_that_the_journal_does_not_announce_is_found() {
    let unannounced = Told { announced: Some(Announced { journal: JOURNAL.to_owned(), ..Announced::default() }), ..told() };
    assert_eq!(broken(&Story::good(), &unannounced), [Property::S3]);
}

#[test]
fn s3_an_end_that_the_journal_does_not_announce_is_found() {
    let mut story = Story::default();
    story.mint(0.0, "root", "blue", None, 60).work(1.0, "blue").begin().end(11.0, "green").work(12.0, "blue");
    assert_eq!(story.findings(&told()), [] as [&str; 0]);
    let announced = Announced { ends: [].into(), ..told().announced.expect("it was given") };
    assert_eq!(broken(&story, &Told { announced: Some(announced), ..told() }), [Property::S3]);
}

#[test]
fn s3_a_mint_without_an_answer_must_be_announced_too() {
    let mut story = Story::good();
    let request = json!({"path": "auth/token/create/rot", "headers": {"x-rotation-id": [generation(3)]}});
    story.line(18.0, Some("green"), Some("green"), request, json!({"type": "request"}));
    let log = story.log();
    assert_eq!(log.tally().unanswered, 1);
    assert_eq!(log.judge(&role(), &Told { requests: None, budget: None, ..told() }).violated(), [Property::S3]);
}

#[test]
fn s3_another_handle_in_the_journal_is_found_also_where_accessors_are_hashed() {
    let mut other = told();
    other.announced.as_mut().expect("it was given").handles = [(generation(2), "another".to_owned())].into();
    assert_eq!(broken(&Story::good(), &other), [Property::S3]);

    let mut hashed = Story::good();
    for line in &mut hashed.lines {
        for pointer in ["/request/client_token_accessor", "/response/auth/accessor"] {
            if let Some(name) = line.pointer_mut(pointer) {
                *name = hmac(name.as_str().expect("a text")).into();
            }
        }
    }
    assert_eq!(hashed.findings(&other), [] as [&str; 0], "nothing can be said of hashes");
    other.hash([accessor("green")], |name| Ok::<_, ()>(hmac(name))).expect("a hash");
    assert_eq!(broken(&hashed, &other), [Property::S3]);
}

#[test]
fn s4_a_third_one_beside_two_in_use_is_a_violation() {
    let mut story = Story::default();
    story.mint(0.0, "root", "blue", None, 60).work(1.0, "blue").begin().renew(11.0, "green", 60);
    story.mint(12.0, "green", "third", Some(3), 12).work(12.5, "third").work(13.0, "blue").work(13.5, "green");
    let told = Told { rest: Rest::Anywhere, announced: None, requests: None, budget: None, ..told() };
    assert!(broken(&story, &told).contains(&Property::S4));
}

#[test]
fn s4_a_mint_while_one_lives_that_nobody_holds_is_a_violation() {
    let mut story = Story::default();
    story.mint(0.0, "root", "blue", None, 60).work(1.0, "blue").mint(2.0, "blue", "lost", Some(1), 12);
    let mut blind = story.clone();
    let mut told = Told { rest: Rest::Anywhere, requests: None, budget: None, ..told() };
    told.announced.as_mut().expect("it was given").mints.insert(generation(1));
    blind.begin().switch().finish();
    assert_eq!(broken(&blind, &told), [Property::S4]);
    story.mint(15.0, "blue", "green", Some(2), 12).work(16.0, "green");
    assert_eq!(story.findings(&told), [] as [&str; 0], "the lost one was over");
    told.announced.as_mut().expect("it was given").handles.insert(generation(1), accessor("lost"));
    assert_eq!(blind.findings(&told), [] as [&str; 0], "it is a debt, and known by its handle");
}

#[test]
fn s4_two_that_live_at_rest_are_one_too_many() {
    let mut story = Story::default();
    story.mint(0.0, "root", "blue", None, 60).work(1.0, "blue").begin().work(11.0, "blue");
    assert_eq!(broken(&story, &told()), [Property::S4]);
    assert_eq!(story.findings(&Told { rest: Rest::Anywhere, ..told() }), [] as [&str; 0], "a rotation is under way");
}

#[test]
fn s6_a_child_in_use_that_dies_with_its_parent_is_a_violation() {
    let mut story = Story::default();
    story.mint(0.0, "root", "blue", None, 60).work(1.0, "blue").child(2.0, "blue", "child").work(3.0, "child");
    story.begin().switch().finish();
    assert_eq!(story.findings(&told()), [] as [&str; 0], "nobody has used it since");
    story.refused(17.5, "child");
    assert_eq!(broken(&story, &told()), [Property::S6]);
}

#[test]
fn s10_more_requests_than_a_rotation_may_take_are_counted() {
    let mut story = Story::good();
    assert_eq!(broken(&story, &Told { requests: Some(4), ..told() }), [Property::S10]);
    story.lookup_self(18.0, "green");
    assert_eq!(broken(&story, &Told { budget: None, ..told() }), [Property::S10]);
}

#[test]
fn s10_more_requests_in_a_stretch_than_the_budget_gives_are_found() {
    let budget = |every| Told { budget: Some(Budget { burst: 2, every: Duration::from_millis(every) }), ..told() };
    assert_eq!(broken(&Story::good(), &budget(10_000)), [Property::S10]);
    assert_eq!(Story::good().findings(&budget(500)), [] as [&str; 0]);
}

#[test]
fn l2_what_outlives_its_bound_is_found_ended_or_alive() {
    let mut story = Story::default();
    story.mint(0.0, "root", "blue", None, 60).work(1.0, "blue").begin().renew(11.0, "green", 60);
    let mut late = story.clone();
    late.end(25.0, "blue").work(26.0, "green");
    assert_eq!(broken(&late, &told()), [Property::L2]);
    story.work(26.0, "green");
    assert_eq!(broken(&story, &Told { rest: Rest::Anywhere, ..told() }), [Property::L2]);
}

#[test]
fn l2_what_the_journal_has_dead_and_lives_is_found() {
    let mut wrong = told();
    wrong.announced.as_mut().expect("it was given").dead.insert(generation(2));
    assert_eq!(broken(&Story::good(), &wrong), [Property::L2]);
}

#[test]
fn an_end_by_accessor_is_known_when_the_server_has_hashed_the_accessor() {
    let mut story = Story::default();
    story.mint(0.0, "root", "blue", None, 60).work(1.0, "blue").begin().switch();
    story.end_by_accessor(16.0, "green", "blue").work(18.0, "green");
    let log = story.log();
    let blind = log.judge(&role(), &Told { rest: Rest::Anywhere, ..Told::default() });
    assert_eq!((blind.unauditable, blind.credentials[0].ended_by), (1, Some(By::Time)), "{blind}");
    let mut told = told();
    told.hash(log.accessors(&role()), |name| Ok::<_, ()>(hmac(name))).expect("a hash");
    let judgement = log.judge(&role(), &told);
    assert_eq!((judgement.unauditable, judgement.credentials[0].ended_by), (0, Some(By::Ours)), "{judgement}");
    assert!(judgement.holds(), "{judgement}");
}

#[test]
fn an_end_whose_answer_is_not_in_the_log_counts_when_the_token_was_of_no_use_from_then_on() {
    let mut story = Story::default();
    story.mint(0.0, "root", "blue", None, 60).work(1.0, "blue").begin().renew(11.0, "green", 60);
    story.line(16.0, Some("blue"), Some("blue"), json!({"path": "auth/token/revoke-self"}), json!({"type": "request"}));
    story.gone(16.5, "green", "blue").work(17.0, "green");
    let judgement = story.log().judge(&role(), &told());
    assert!(judgement.holds() && judgement.credentials[0].ended_by == Some(By::Itself), "{judgement}");
}

#[test]
fn what_came_later_than_the_end_that_was_told_is_not_looked_at() {
    let mut story = Story::good();
    story.work(500.0, "root");
    assert_eq!(broken(&story, &told()), [Property::S1], "its life is over by then");
    let until = story.log().entries().iter().rev().nth(1).map(|entry| entry.at);
    assert_eq!(story.findings(&Told { until, ..told() }), [] as [&str; 0]);
}

#[test]
fn a_shutdown_that_ends_everything_is_no_darkness() {
    let mut story = Story::good();
    story.end(18.0, "green");
    let mut told = told();
    told.requests = None;
    told.budget = None;
    assert_eq!(story.findings(&told), [] as [&str; 0]);
}

/// A secret id is used by logging in with it, and the tokens that it is used for come and go.
#[test]
fn secret_ids_are_judged_as_tokens_are() {
    let app = "auth/approle/role/rot";
    let mut story = Story::default();
    story.login(1.0, Some("blue"), "worker-1", None);
    let made = json!({"secret_id": hmac("green"), "secret_id_accessor": hmac(&accessor("green")), "secret_id_ttl": 600});
    let request = json!({"path": format!("{app}/custom-secret-id"), "headers": {"x-rotation-id": [generation(2)]}});
    story.done(2.0, "worker-1", request, json!({"data": made}));
    story.end(2.1, "worker-1");
    story.login(3.0, Some("green"), "worker-2", None);
    let destroy = json!({"path": format!("{app}/secret-id/destroy"), "data": {"secret_id": hmac("blue")}});
    story.done(9.0, "worker-2", destroy, json!({}));
    let refused = json!({"path": "auth/approle/login", "data": {"secret_id": hmac("blue")}});
    let judgement = story.log().judge(&role(), &told());
    assert!(judgement.holds(), "{judgement}");
    assert_eq!(judgement.credentials.len(), 2, "{judgement}");
    assert_eq!(judgement.credentials[0].ended_by, Some(By::Ours));
    // A login whose client went away says nothing of the secret id.
    story.line(8.0, None, None, refused.clone(), json!({"error": "internal error"}));
    assert!(story.log().judge(&role(), &told()).holds());
    // Whoever logs in with it in vain was using it.
    story.line(9.5, None, None, refused, json!({"error": "invalid credentials"}));
    assert_eq!(broken(&story, &Told { grace: Some(Duration::from_secs(20)), ..told() }), [Property::S2]);
}
