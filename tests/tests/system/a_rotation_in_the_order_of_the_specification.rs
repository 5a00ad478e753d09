//! What a rotation asks of the server, in the server's own words: this, in this order, and nothing else.

use turquoise::core::{Proof, Step};
use turquoise_tests::{PROBED, policy};

use crate::agent::{Agent, How};
use crate::audit::{self, Answered};
use crate::document;
use crate::site::{Rights, Site, server};

/// One request: who asks, and what.
struct Asked {
    by: &'static str,
    request: String,
    why: &'static str,
}

/// All that an identity asked since its first token was minted, and what each was for.
fn asked(log: &[Answered], role: &str) -> Vec<Answered> {
    let [blue, green] = audit::minted(log, role).try_into().unwrap();
    let ours = |line: &&Answered| [Some(blue), Some(green)].contains(&line.caller.as_deref());
    log.iter().filter(ours).cloned().collect()
}

fn rotation(role: &str, rights: Rights) -> Vec<Asked> {
    let site = Site::new(server(), role);
    let mut agent = Agent::start(&site, How::default());
    agent.until_steady();
    site.mint_with(server(), rights);
    agent.rotate();
    agent.stop();
    let log = audit::read(server());
    let journalled = site.assert_quiet(server());
    audit::judge(server(), role, &journalled);
    assert!(journalled.steps().any(|step| step == Step::Died { proof: Proof::Observed }), "its death was not seen");

    let lines = asked(&log, role);
    let minted: Vec<_> = audit::minted(&log, role).into_iter().map(str::to_owned).collect();
    let mut found = Vec::new();
    for (place, line) in lines.iter().enumerate() {
        let by = if line.caller.as_deref() == Some(minted[0].as_str()) { "blue" } else { "green" };
        let why = match (by, line.request.split('/').next_back().unwrap_or_default(), &line.error) {
            (_, "lookup-self", None) if place == 0 => "login: adopt the first token",
            (_, "app", Some(_)) => "probe: refused",
            (_, "app", None) => "probe: a real read",
            (_, "lookup-self", None) => "probe: how long it lives",
            ("blue", "renew-self", None) => "shorten to the end of the grace",
            (_, "renew-self", None) => "extend to a full life",
            (_, "revoke-self", None) => "end itself",
            // The log has other words for it than the answer, so it is the journal that tells what was seen.
            (_, "lookup", Some(_)) => "see that the other is dead",
            (_, name, None) if name == role => "mint on probation",
            other => panic!("{other:?}"),
        };
        if why == "mint on probation" {
            assert_eq!(line.issued.as_ref(), Some(&minted[1]));
            let generation = journalled.steps().find_map(|step| match step {
                Step::IssueIntent { mint, .. } => Some(mint.generation.to_string()),
                _ => None,
            });
            assert_eq!(line.rotation, generation, "the header names the generation");
            let by_green = lines.iter().filter(|line| line.caller.as_deref() == Some(minted[1].as_str()));
            for line in by_green {
                assert_eq!(line.minted_for, generation, "the token says for which rotation it was minted");
            }
        } else {
            assert_eq!(line.rotation, None, "only a mint bears the header: {line:?}");
        }
        found.push(Asked { by, request: line.request.replace(role, "ROLE"), why });
    }
    found
}

fn sequence(asked: &[Asked]) -> Vec<(&'static str, &str)> {
    asked.iter().map(|Asked { by, why, .. }| (*by, *why)).collect()
}

fn table(asked: &[Asked]) -> String {
    let rows = asked.iter().skip(1).map(|Asked { by, request, why }| format!("| {by} | `{request}` | {why} |\n"));
    format!("{} requests:\n\n| token | request | what for |\n| --- | --- | --- |\n{}", asked.len() - 1, rows.collect::<String>())
}

#[test]
fn a_rotation_in_the_order_of_the_specification() {
    let asked = rotation("order", Rights::Good);
    let mut expected = vec![("blue", "login: adopt the first token"), ("blue", "mint on probation")];
    for _ in 0..policy().probes {
        expected.extend([("green", "probe: a real read"), ("green", "probe: how long it lives")]);
    }
    expected.extend([("green", "extend to a full life"), ("blue", "shorten to the end of the grace"), ("blue", "end itself")]);
    expected.push(("green", "see that the other is dead"));
    assert_eq!(sequence(&asked), expected);
    assert!(asked.iter().any(|asked| asked.request.ends_with(PROBED)));
    document::check("requests.md", "good", &table(&asked));
}

#[test]
fn a_candidate_that_cannot_do_its_work_ends_itself() {
    let asked = rotation("out-of-order", Rights::Useless);
    let expected = [
        ("blue", "login: adopt the first token"),
        ("blue", "mint on probation"),
        ("green", "probe: refused"),
        // Nothing is ended without fresh evidence that what stays is accepted.
        ("blue", "probe: a real read"),
        ("blue", "probe: how long it lives"),
        ("green", "end itself"),
        ("blue", "see that the other is dead"),
    ];
    assert_eq!(sequence(&asked), expected);
    document::check("requests.md", "useless", &table(&asked));
}
