//! A server does not outlive the process that started it.

mod common;

use std::fs;
use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use turquoise_openbao::Options;

/// The child of the other tests: starts a server, writes its pid and its folder to the file named by `RESULT`, and ends as its
/// input tells it: at the input's end, or by a panic or an abort.
#[test]
#[ignore = "started by the other tests, which end it"]
fn child() {
    let Some(file) = std::env::var_os("RESULT").map(PathBuf::from) else { return };
    let binary = turquoise_openbao::Binary::obtain(|_| {}).expect("a server program");
    let folder = std::env::var_os("FOLDER").map(PathBuf::from);
    let server = turquoise_openbao::Server::start(&binary, Options { folder, ..Options::default() }).expect("a server");
    let unnamed = file.with_extension("new");
    let told = format!("{} {}", server.pid().expect("a running server"), server.dir().display());
    fs::write(&unnamed, told).expect("the result is written");
    fs::rename(unnamed, file).expect("the result is named");
    let mut order = String::new();
    std::io::stdin().read_to_string(&mut order).expect("an order");
    match order.as_str() {
        "panic" => panic!("as ordered"),
        "exit" => std::process::exit(0),
        _ => {}
    }
}

struct Parent {
    process: Child,
    server: u32,
    folder: PathBuf,
}

fn parent(scratch: &Path, folder: Option<&Path>) -> Parent {
    // A first fetch takes longer than the wait below.
    turquoise_openbao::Binary::obtain(|_| {}).expect("a server program");
    let result = scratch.join("result");
    let mut command = common::as_child("child");
    command.env("RESULT", &result).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let process = command.envs(folder.map(|folder| ("FOLDER", folder))).spawn().expect("a parent");
    common::eventually("the parent has a server", || result.exists());
    let told = fs::read_to_string(result).expect("the parent's result");
    let (server, folder) = told.split_once(' ').expect("pid and folder");
    let server = server.parse().expect("a pid");
    assert!(common::is_running(server));
    Parent { process, server, folder: PathBuf::from(folder) }
}

#[test]
fn the_server_and_its_folder_go_when_the_parent_is_killed() {
    let scratch = tempfile::tempdir().expect("a folder");
    let mut parent = parent(scratch.path(), None);
    parent.process.kill().expect("SIGKILL");
    let ended = parent.process.wait().expect("the parent's end");
    assert_eq!(ended.signal(), Some(9));
    common::eventually("the server is gone", || !common::is_running(parent.server));
    common::eventually("the folder is gone", || !parent.folder.exists());
}

#[test]
fn a_folder_given_stays_when_the_parent_is_killed() {
    let scratch = tempfile::tempdir().expect("a folder");
    let folder = scratch.path().join("given");
    let mut parent = parent(scratch.path(), Some(&folder));
    parent.process.kill().expect("SIGKILL");
    parent.process.wait().expect("the parent's end");
    common::eventually("the server is gone", || !common::is_running(parent.server));
    assert!(folder.join("server.log").exists());
}

#[test]
fn the_server_goes_when_the_parent_panics_or_exits() {
    for order in ["panic", "exit"] {
        let scratch = tempfile::tempdir().expect("a folder");
        let mut parent = parent(scratch.path(), None);
        let mut input = parent.process.stdin.take().expect("the parent's input");
        std::io::Write::write_all(&mut input, order.as_bytes()).expect("the order");
        drop(input);
        parent.process.wait().expect("the parent's end");
        common::eventually("the server is gone", || !common::is_running(parent.server));
        common::eventually("the folder is gone", || !parent.folder.exists());
    }
}
