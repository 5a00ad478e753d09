//! A crate outside of the workspace depends on `turquoise` and nothing else, and rotates a token with it.

use std::fs;
use std::path::Path;
use std::process::Command;

use secrecy::ExposeSecret as _;
use turquoise::port::Store as _;
use turquoise::sink::{FileSink, Mode};

use crate::http::Http;
use crate::site::{Site, server};

#[test]
#[ignore = "builds that crate, which takes a minute: `.ci/run` has a step for it"]
fn with_one_dependency() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scratch = tests.join("scratch");
    let manifest = fs::read_to_string(scratch.join("Cargo.toml")).unwrap();
    let (_, dependencies) = manifest.split_once("[dependencies]\n").unwrap();
    let (dependencies, _) = dependencies.split_once("\n\n").unwrap();
    assert_eq!(dependencies, "turquoise = { path = \"../../turquoise\" }");

    let (server, role) = (server(), "scratch");
    let site = Site::new(server, role);
    let folder = tempfile::tempdir().unwrap();
    fs::copy(tests.join("../Cargo.lock"), scratch.join("Cargo.lock")).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--offline", "--manifest-path"]).arg(scratch.join("Cargo.toml"));
    // Beside what the tests are built with: what is the same is built already.
    cargo.arg("--target-dir").arg(Path::new(env!("CARGO_BIN_EXE_agent")).ancestors().nth(2).unwrap());
    let run = cargo.arg("--").args([&site.address, role]).arg(site.secret_file()).arg(folder.path()).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));

    let loaded = FileSink::open(&folder.path().join("token"), Mode::PRIVATE).unwrap().load().unwrap();
    assert_eq!((loaded.len(), server.live_tokens(role).unwrap()), (1, 1), "one token is kept, and one is alive");
    let (serving, first) = (loaded[0].secret.expose_secret(), fs::read_to_string(site.secret_file()).unwrap());
    assert_ne!(serving, first, "it is another one");
    let http = Http::new(&site.address);
    assert_eq!(http.get("auth/token/lookup-self", serving).unwrap().0, 200);
    assert_eq!(http.get("auth/token/lookup-self", &first).unwrap().0, 403);
}
