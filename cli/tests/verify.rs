//! `turquoise verify` as a user runs it, where something is wrong with the world.

#![expect(clippy::unwrap_used, reason = "a test ends with what it did not expect")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use turquoise_model::{Invariant, replay};

/// The smallest pinned configuration in which late requests break something.
const WRONG: [&str; 5] = ["verify", "--config", "two faults", "--broken", "DeltaHolds"];

fn turquoise(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_turquoise"));
    command.args(args).current_dir(folder).stdin(Stdio::null());
    command
}

fn run(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let output = turquoise(folder, args).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// An Explorer that is served until this is dropped.
struct Explorer {
    child: Child,
    address: String,
    /// What it told before.
    told: Vec<String>,
}

impl Explorer {
    fn start(folder: &Path) -> Self {
        let mut command = turquoise(folder, &WRONG);
        command.args(["--explore", "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut explorer = Self { child: command.spawn().unwrap(), address: String::new(), told: Vec::new() };
        let mut told = BufReader::new(explorer.child.stdout.take().unwrap()).lines().map(Result::unwrap);
        while explorer.address.is_empty() {
            let line = told.next().unwrap();
            if let Some(said) = line.strip_suffix("/ until Ctrl-C") {
                explorer.address.push_str(said.rsplit_once("http://").unwrap().1);
            }
            explorer.told.push(line);
        }
        explorer
    }

    /// The page of this path. It is announced an instant before it is there.
    fn page(&self, path: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            match self.ask(path) {
                Ok(page) if page.starts_with("HTTP/1.1 200") => return page.split_once("\r\n\r\n").unwrap().1.to_owned(),
                Ok(page) => panic!("{path}: {page}"),
                Err(why) => assert!(Instant::now() < deadline, "{path}: {why}"),
            }
            sleep(Duration::from_millis(20));
        }
    }

    fn ask(&self, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(&self.address)?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nTE: identity\r\n\r\n", self.address)?;
        let mut page = String::new();
        stream.read_to_string(&mut page)?;
        if page.is_empty() { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(page) }
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.page(path)).unwrap()
    }
}

impl Drop for Explorer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_explorer_shows_real_states_and_leads_to_a_counterexample() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("ui")).unwrap();
    fs::write(folder.path().join("ui/index.htm"), "a stranger's page").unwrap();
    let explorer = Explorer::start(folder.path());

    assert!(explorer.page("/").contains("Stateright Explorer"), "a page from the working directory");
    let status = explorer.json("/.status");
    let properties: Vec<_> = status["properties"].as_array().unwrap().iter().map(|property| &property[1]).collect();
    assert_eq!(properties, Invariant::ALL.map(Invariant::id));

    let first = explorer.json("/.states/");
    assert_eq!(first.as_array().unwrap().len(), 1, "one beginning");
    assert!(first[0]["state"].as_str().unwrap().starts_with("process    up, in phase Vacant\n"), "{first}");
    let next = explorer.json("/.states/0");
    let actions: Vec<_> = next.as_array().unwrap().iter().map(|step| step["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["a tick passes", "the journal has LoginIntent"]);
    assert!(next[1]["outcome"].as_str().unwrap().contains("under way  log in as g1 (blue)"), "{next}");

    let link = explorer.told.iter().find(|line| line.starts_with("S4 is broken")).unwrap();
    let (before, last) = link.rsplit_once("/#/steps").unwrap().1.rsplit_once('/').unwrap();
    let steps = explorer.json(&format!("/.states{before}"));
    let step = steps.as_array().unwrap().iter().find(|step| step["actionIndex"] == last.parse::<u64>().unwrap()).unwrap();
    assert_eq!(step["action"], "the journal has Ready");
    assert!(step["outcome"].as_str().unwrap().starts_with("BROKEN     S4: "), "{step}");
}

#[test]
fn one_configuration_is_explored_deeper() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["verify", "--profile", "deep", "--config", "lives that end", "--format", "json"];
    let (code, told, _) = run(folder.path(), &args);
    let told: Value = serde_json::from_str(&told).unwrap();
    let explored = told["configurations"].as_array().unwrap();
    let budgets: Vec<_> = explored.iter().map(|one| (one["crashes"].as_u64(), one["faults"].as_u64())).collect();
    assert_eq!((code, budgets), (Some(0), vec![(Some(1), Some(1)), (Some(0), Some(2))]), "{told:#}");
}

#[test]
fn an_address_that_is_taken_is_one_line_that_names_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap();
    let (code, _, complaints) = run(folder.path(), &["verify", "--explore", &taken.to_string()]);
    assert_eq!(code, Some(1));
    assert!(complaints.contains(&taken.to_string()) && complaints.contains("port 0"), "{complaints}");
    assert_eq!(complaints.lines().count(), 1, "{complaints}");
}

#[test]
fn a_counterexample_is_saved_as_a_scenario_that_breaks_the_same_property() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, _) = run(folder.path(), &WRONG);
    assert_eq!(code, Some(14), "{out}");
    for broken in [Invariant::S4, Invariant::L2] {
        let name = format!("counterexample-{broken}-two-faults.txt");
        let text = fs::read_to_string(folder.path().join(&name)).unwrap();
        let played = replay(&text);
        assert_eq!((played.world.violated, played.transcript), (Some(broken), text.clone()));

        let (code, out, _) = run(folder.path(), &["verify", "--replay", &name]);
        assert_eq!((code, &out), (Some(14), &text));
        assert!(out.contains(&format!("{broken} is BROKEN")), "{out}");

        // Where the assumption holds, the request is not applied so late.
        fs::write(folder.path().join("kept.txt"), text.replace("broken: DeltaHolds\n", "")).unwrap();
        let (code, out, _) = run(folder.path(), &["verify", "--replay", "kept.txt"]);
        assert_eq!(code, Some(14));
        assert!(!out.contains("is BROKEN") && out.contains("does not go as it is written"), "{out}");
    }
}

#[test]
fn a_scenario_that_goes_as_it_is_written_exits_0_and_a_missing_one_1() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
    assert_eq!(run(&golden, &["verify", "--replay", "happy.txt"]).0, Some(0));
    let (code, _, complaints) = run(&golden, &["verify", "--replay", "heaven.txt"]);
    assert_eq!(code, Some(1));
    assert!(complaints.contains("cannot read heaven.txt"), "{complaints}");
}

#[test]
fn a_name_that_is_none_is_answered_with_the_names_there_are() {
    let folder = tempfile::tempdir().unwrap();
    for (option, other) in [("--config", "a reboot"), ("--broken", "DeltaHolds")] {
        let (code, _, complaints) = run(folder.path(), &["verify", option, "Heaven"]);
        assert_eq!(code, Some(1));
        assert!(complaints.contains(other), "{complaints}");
    }
}
