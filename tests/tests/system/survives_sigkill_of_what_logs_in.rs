//! What does not mint through a token role — a token by logging in again, a secret id — dies at the same places as what does, and
//! ends as well.

use turquoise_tests::{Kind, Place, Point, Side};

use crate::campaign;
use crate::crash::{self, Course, Death};

/// What is done and not on record: a candidate in its slot, one that serves and is not published, one that is dead and kept.
/// What is longer to wait for is in the campaigns.
#[test]
fn what_logs_in_survives_sigkill_between_what_is_done_and_what_is_on_record() {
    let (abandoned, rotated) = ("abandoned: the old one serves", "rotated: the candidate serves");
    let sample = [
        (Kind::Login, Side::After, Place::Call(6), "persist", "Issued", abandoned),
        (Kind::Login, Side::After, Place::Record(8), "Promoted", "Promoted", rotated),
        (Kind::Login, Side::After, Place::Call(12), "revoke", "RevokeIntent", rotated),
        (Kind::SecretId, Side::After, Place::Call(4), "issue", "IssueIntent", abandoned),
        (Kind::SecretId, Side::After, Place::Record(8), "Promoted", "Promoted", rotated),
        (Kind::SecretId, Side::Before, Place::Call(13), "clear", "Died", rotated),
    ];
    let deaths = sample.map(|(kind, side, place, name, ..)| Death::at(kind, Point { side, place }, &format!("{side} {name}")));
    for (row, (_, _, _, name, last, outcome)) in crash::all("logs-in", &deaths).iter().zip(sample) {
        assert_eq!((&*row.last, row.minted, row.outcome), (last, 2, outcome), "{name}");
    }
}

fn campaign(kind: Kind) {
    let courses = crash::courses(kind, &format!("all-{}", kind.word()));
    let deaths: Vec<_> = courses.iter().flat_map(|course| [course.at_records(), course.at_calls()].concat()).collect();
    campaign::report("crash-points.md", kind.word(), &crash::table(&crash::all(kind.word(), &deaths)));
    let heard: Vec<_> = courses.iter().flat_map(Course::on_hearing).collect();
    crash::all(&format!("heard-{}", kind.word()), &heard);
}

#[test]
#[ignore = "a campaign of minutes"]
fn a_token_that_logs_in_again_survives_sigkill_everywhere() {
    campaign(Kind::Login);
}

#[test]
#[ignore = "a campaign of minutes"]
fn a_secret_id_survives_sigkill_everywhere() {
    campaign(Kind::SecretId);
}
