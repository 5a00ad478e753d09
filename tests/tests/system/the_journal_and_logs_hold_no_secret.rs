//! Secrets are in the slots, in the published file, and nowhere else: not in the journal, not in what an agent says or logs at
//! its most talkative, not in its arguments or its environment; not as they are, nor encoded, nor in part.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use turquoise_tests::{Command, Place, Point, Side};

use crate::agent::{Agent, How};
use crate::leak::{Leaks, forms};
use crate::site::{Rights, Site, server};

/// Where something is, and what is there.
type Places = BTreeMap<String, Vec<u8>>;

/// The secrets in the slots.
fn in_slots(site: &Site) -> Vec<String> {
    let slots = [".token.blue", ".token.green"].map(|slot| fs::read(site.folder().join(slot)));
    let secret = |bytes: Vec<u8>| serde_json::from_slice::<Value>(&bytes).unwrap()["secret"].as_str().unwrap().to_owned();
    slots.into_iter().filter_map(Result::ok).map(secret).collect()
}

fn files_of(folder: &Path) -> Places {
    let files = fs::read_dir(folder).unwrap().map(Result::unwrap);
    files.map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())).collect()
}

/// The places that hold a part of this secret.
fn tellers<'a>(secret: &str, places: &'a Places) -> Vec<&'a str> {
    let leaks = Leaks::of([secret]);
    places.iter().filter(|(_, bytes)| leaks.find(bytes).is_some()).map(|(place, _)| place.as_str()).collect()
}

#[test]
fn the_journal_and_logs_hold_no_secret() {
    let site = Site::new(server(), "canary");
    let mut elsewhere = Places::new();
    let mut secrets = vec![fs::read_to_string(site.secret_file()).unwrap()];
    // A candidate that is refused, one that dies with its process, one that serves. The numbers are those of the record that
    // says that it is in its slot: after a login; after a recovery; after a recovery that clears what the crash left.
    for (run, rights, persisted) in [("a", Rights::Useless, 6), ("b", Rights::Good, 4), ("c", Rights::Good, 6)] {
        site.mint_with(server(), rights);
        let hold = Some(Point { side: Side::After, place: Place::Record(persisted) });
        let mut agent = Agent::start(&site, How { hold, log: Some("trace"), readable: true, ..How::default() });
        agent.until_steady();
        agent.order(Command::Rotate);
        agent.until_held();
        let slots = in_slots(&site);
        assert_eq!(slots.len(), 2, "the candidate is in its slot");
        secrets.extend(slots);
        for file in ["cmdline", "environ"] {
            elsewhere.insert(format!("{file} {run}"), fs::read(format!("/proc/{}/{file}", agent.pid())).unwrap());
        }
        if run == "b" {
            elsewhere.insert("said b".to_owned(), agent.said.join("\n").into_bytes());
            agent.kill();
            continue;
        }
        agent.order(Command::Release);
        agent.until_steady();
        elsewhere.insert(format!("said {run}"), agent.stop().join("\n").into_bytes());
    }
    let journalled = site.assert_quiet(server());
    assert!(journalled.has("Promoted") && journalled.has("Recovered") && journalled.count("Issued") == 3);
    secrets.extend(in_slots(&site));
    secrets.sort();
    secrets.dedup();
    assert_eq!(secrets.len(), 4, "the first, and three candidates");

    let files = files_of(site.folder());
    assert!(site.logs().lines().filter(|line| line.contains("TRACE") || line.contains("DEBUG")).count() > 20, "not talkative");
    assert!(elsewhere.iter().all(|(place, bytes)| place.starts_with("environ") || bytes.len() > 50), "nothing was scanned");
    let serving = fs::read_to_string(site.sink()).unwrap();
    for secret in &secrets {
        assert_eq!(tellers(secret, &elsewhere), [] as [&str; 0]);
        let mut told = tellers(secret, &files);
        if *secret == serving {
            assert_eq!(told.len(), 2, "the slot and the published file: {told:?}");
            told.retain(|file| *file != "token" && !file.starts_with(".token."));
        } else {
            told.retain(|file| *file != "first");
        }
        assert_eq!(told, [] as [&str; 0], "secrets where none may be");
    }
    for (form, text) in forms(secrets[0].as_bytes()) {
        let log = format!("TRACE request{{token={text}}}: sent");
        assert_eq!(tellers(&secrets[0], &Places::from([(form.to_owned(), log.into_bytes())])), [form], "not seen");
    }
}
