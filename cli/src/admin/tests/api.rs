//! What is seen and asked for over the socket.

use std::sync::atomic::Ordering;

use serde_json::Value;

use super::service::{Site, call};
use crate::admin::shape::Ends;

#[tokio::test]
async fn a_rotation_is_asked_for_and_followed() {
    let site = Site::ready(None).await;
    let before = site.standing().await;
    let current = before.current.unwrap();
    assert_eq!((before.phase.as_str(), current.slot.as_str(), current.role.as_str()), ("Steady", "blue", "current"));
    assert!(current.expires.unwrap().in_seconds > 500.0);
    assert!(current.since.is_some() && before.next_rotation.unwrap().in_seconds > 3_600.0);
    assert_eq!((before.not_serving, before.second, before.debt, before.needs_operator), (None, None, None, None));

    let work = site.identity.credentials().acquire().unwrap();
    let after = site.ask("rotate", "").await;
    let steps = site.until("ShortenIntent", after).await;
    assert_eq!(steps, ["IssueIntent", "Issued", "Persisted", "ExtendIntent", "Promoted", "ShortenIntent"]);
    let during = site.standing().await;
    let (current, second) = (during.current.unwrap(), during.second.unwrap());
    assert_eq!((during.phase.as_str(), current.slot.as_str(), second.slot.as_str()), ("Draining", "green", "blue"));
    assert_eq!((second.role.as_str(), second.in_flight, current.in_flight), ("retiring", 1, 0));
    let grace = during.grace_ends.unwrap().in_seconds;
    assert!(grace > 200.0 && grace <= 300.0, "{grace}");
    let (status, why) = site.refused("abort", "").await;
    assert!(status == 409 && why.contains("Draining") && why.contains("roll back"), "{status} {why}");

    drop(work);
    site.until("Cleared", after).await;
    assert_eq!(site.standing().await.rotations, Ends { succeeded: 1, ..Ends::default() });
}

#[tokio::test]
async fn what_is_legal_is_done_and_what_is_not_says_when_it_is() {
    let site = Site::ready(None).await;
    for verb in ["abort", "rollback"] {
        let (status, why) = site.refused(verb, "").await;
        assert!(status == 409 && why.contains("phase Steady: only"), "{status} {why}");
    }
    let (status, why) = site.refused("resolve", "{\"keep\": \"1\"}").await;
    assert!(status == 409 && why.contains("only in NeedsOperator"), "{status} {why}");
    let (status, why) = site.refused("compromise", "{\"generation\": \"77\"}").await;
    assert!(status == 409 && why.contains("-1 (blue)"), "{status} {why}");

    let (status, why) = site.refused("local-token", "{\"overlap\": 60}").await;
    assert!(status == 409 && why.contains("local_token_file"), "{status} {why}");
    for bad in ["", "{}", "{\"overlap\": 9999999999}"] {
        assert_eq!(site.refused("local-token", bad).await.0, 400, "{bad}");
    }

    let work = site.identity.credentials().acquire().unwrap();
    let after = site.ask("rotate", "{}").await;
    site.until("ShortenIntent", after).await;
    let after = site.ask("rollback", "").await;
    site.until("RolledBack", after).await;
    assert_eq!(site.standing().await.current.unwrap().slot, "blue");
    drop(work);
    site.until("Cleared", after).await;

    let after = site.ask("compromise", "").await;
    let steps = site.until("Promoted", after).await;
    assert_eq!(steps[0], "Compromised");
    site.until("Cleared", after).await;

    let (status, why) = site.refused("break-glass", "{\"confirm\": \"yes\"}").await;
    assert!(status == 400 && why.contains("revoke-first"), "{status} {why}");
    let after = site.ask("break-glass", "{\"confirm\": \"revoke-first\"}").await;
    let steps = site.until("Ready", after).await;
    assert_eq!(steps[0], "Waived");
}

#[tokio::test]
async fn what_makes_no_sense_says_so() {
    let site = Site::ready(None).await;
    for (method, path, body, expected, word) in [
        ("GET", "/v1/identities/other", "", 404, "there are: app"),
        ("GET", "/v2/identities", "", 404, "docs/admin.md"),
        ("POST", "/v1/identities/app/halt", "", 404, "docs/admin.md"),
        ("DELETE", "/v1/identities/app", "", 405, "GET"),
        ("POST", "/v1/identities/app/rotate", "{\"now\": true}", 400, "no body"),
        ("POST", "/v1/identities/app/resolve", "{\"keep\": \"1\", \"forget\": \"1\"}", 400, "body"),
        ("POST", "/v1/identities/app/compromise", "{\"gen\": \"1\"}", 400, "generation"),
        ("GET", "/v1/events?since=3", "", 400, "after"),
        ("GET", "/v1/events?after=x", "", 400, "whole number"),
    ] {
        let (status, told) = call(site.socket(), method, path, body).await;
        assert!(status == expected && told.contains(word), "{method} {path}: {status} {told}");
        assert!(serde_json::from_str::<Value>(&told).unwrap()["error"].is_string());
    }
}

#[tokio::test]
async fn a_plan_says_what_an_outage_may_last() {
    let site = Site::ready(None).await;
    let (_, told) = site.get("/v1/identities/app/plan").await;
    let planned: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((planned["provider"].as_str(), planned["refused"].as_str()), (Some("keys"), None));
    let [life, now, any] = ["life", "survives_now", "survives_any_time"].map(|key| planned[key].as_f64().unwrap());
    assert!((any - life / 2.0).abs() < 0.001, "without jitter it is renewed at half of its life: {told}");
    assert!(now > 500.0, "{told}");
    let (_, all) = site.get("/v1/plan").await;
    assert!(all.contains("survives_now"), "{all}");
}

#[tokio::test]
async fn what_needs_an_operator_is_told_and_resolved() {
    let site = Site::ready(None).await.bereft(None).await;
    site.until("Recovered", 0).await;
    let standing = site.standing().await;
    assert!(standing.needs_operator.unwrap().contains("survivor store"));
    assert!(standing.not_serving.is_some());
    let (status, _) = site.get("/readyz").await;
    assert_eq!(status, 503);
    let (status, why) = site.refused("resolve", "{\"keep\": \"1\"}").await;
    assert!(status == 409 && why.contains("at hand"), "{status} {why}");
    let after = site.ask("resolve", "{\"forget\": \"1\"}").await;
    site.until("Ready", after).await;
    assert_eq!(site.get("/readyz").await.0, 200);
}

#[tokio::test]
async fn a_candidate_that_is_good_for_nothing_is_told_as_abandoned() {
    let site = Site::ready(None).await;
    site.moods.useless.store(true, Ordering::Relaxed);
    let after = site.ask("rotate", "").await;
    let steps = site.until("Cleared", after).await;
    assert!(steps.contains(&"AbandonIntent".to_owned()), "{steps:?}");
    let standing = site.standing().await;
    assert_eq!((standing.rotations.abandoned, standing.current.unwrap().slot.as_str()), (1, "blue"));
    assert!(standing.reason.unwrap().contains("good for nothing"));
}

#[tokio::test]
async fn what_has_ended_is_told_as_ended() {
    let site = Site::ready(None).await;
    let after = site.admin.desk.last();
    let (socket, Site { identity, admin, folder: _folder, .. }) = (site.socket(), site);
    identity.stop().await;
    let (_, told) = call(socket.clone(), "GET", &format!("/v1/events?after={after}&wait=20"), "").await;
    assert!(told.contains("\"Ended\""), "{told}");
    let (_, told) = call(socket.clone(), "GET", "/v1/identities", "").await;
    assert!(told.contains("\"alive\":false"), "{told}");
    let (status, told) = call(socket, "POST", "/v1/identities/app/rotate", "").await;
    assert!(status == 410 && told.contains("start it again"), "{told}");
    admin.close().await;
}
