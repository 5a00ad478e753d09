//! The scenarios in `tests/golden` go as they are written down there.

use std::fs;
use std::path::{Path, PathBuf};

use turquoise_model::play;

fn scenarios() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
    let files = fs::read_dir(folder).expect("the folder exists").map(|entry| entry.expect("it can be listed").path());
    let mut texts: Vec<_> = files.filter(|path| path.extension().is_some_and(|extension| extension == "txt")).collect();
    texts.sort();
    texts
}

#[test]
fn every_scenario_goes_as_it_is_written_down() {
    let scenarios = scenarios();
    assert!(scenarios.len() >= 22, "there are only {}", scenarios.len());
    for path in scenarios {
        let text = fs::read_to_string(&path).expect("it can be read");
        let played = play(&text);
        for bad in ["no such", "it does not come to that", "cannot happen", "BROKEN"] {
            assert!(!played.contains(bad), "{}: {bad}\n{played}", path.display());
        }
        if std::env::var_os("TURQUOISE_BLESS").is_some() {
            fs::write(&path, played).expect("it can be written");
        } else {
            assert_eq!(text, played, "{}: look at it, then run the test with TURQUOISE_BLESS=1", path.display());
        }
    }
}

#[test]
fn the_page_lists_every_scenario() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/README.md");
    let page = fs::read_to_string(page).expect("it can be read");
    for path in scenarios() {
        let name = path.file_name().and_then(|name| name.to_str()).expect("it is text");
        assert!(page.contains(&format!("]({name})")), "{name} is not listed");
    }
}

#[test]
fn a_command_that_makes_no_sense_is_said_to_make_none() {
    assert!(play("> sing").contains("no such command"));
    assert!(play("> until Heaven").contains("no such phase"));
    assert!(play("> reader reads").contains("cannot happen here"));
    assert!(play("> operator: roll back").contains("refused: cannot roll back in phase Vacant"));
}
