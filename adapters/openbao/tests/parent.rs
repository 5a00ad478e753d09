//! A server does not outlive the process that started it.

mod common;

use std::fs;
use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use turquoise_openbao::{Cluster, Options, Server};

/// The child of the other tests: starts a server, writes its pid and its folder to the file named by `RESULT`, and ends as its
/// input tells it: at the input's end, or by a panic or an abort.
#[test]
#[ignore = "started by the other tests, which end it"]
fn child() {
    let Some(file) = std::env::var_os("RESULT").map(PathBuf::from) else { return };
    let binary = turquoise_openbao::Binary::obtain(|_| {}).expect("a server program");
    let folder = std::env::var_os("FOLDER").map(PathBuf::from);
    let options = Options { folder, ..Options::default() };
    let (mut server, mut cluster) = (None, None);
    let told = if std::env::var_os("CLUSTER").is_some() {
        let cluster = cluster.insert(Cluster::start(&binary, options.ready_within).expect("a cluster"));
        let pids: Vec<_> = cluster.pids().map(|pid| pid.to_string()).collect();
        format!("{} {}", pids.join(","), cluster.dir().display())
    } else {
        let server = server.insert(Server::start(&binary, options).expect("a server"));
        format!("{} {}", server.pid().expect("a running server"), server.dir().display())
    };
    let unnamed = file.with_extension("new");
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
    servers: Vec<u32>,
    folder: PathBuf,
}

fn parent(scratch: &Path, folder: Option<&Path>) -> Parent {
    parent_with(scratch, folder.map(|folder| ("FOLDER", folder)))
}

fn parent_with(scratch: &Path, variable: Option<(&str, &Path)>) -> Parent {
    // A first fetch takes longer than the wait below.
    turquoise_openbao::Binary::obtain(|_| {}).expect("a server program");
    let result = scratch.join("result");
    let mut command = common::as_child("child");
    command.env("RESULT", &result).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let process = command.envs(variable).spawn().expect("a parent");
    common::eventually("the parent has a server", || result.exists());
    let told = fs::read_to_string(result).expect("the parent's result");
    let (servers, folder) = told.split_once(' ').expect("pids and folder");
    let servers: Vec<_> = servers.split(',').map(|pid| pid.parse().expect("a pid")).collect();
    assert!(servers.iter().all(|pid| common::is_running(*pid)));
    Parent { process, servers, folder: PathBuf::from(folder) }
}

#[test]
fn the_server_and_its_folder_go_when_the_parent_is_killed() {
    let scratch = tempfile::tempdir().expect("a folder");
    let mut parent = parent(scratch.path(), None);
    parent.process.kill().expect("SIGKILL");
    let ended = parent.process.wait().expect("the parent's end");
    assert_eq!(ended.signal(), Some(9));
    common::eventually("the server is gone", || !parent.servers.iter().any(|pid| common::is_running(*pid)));
    common::eventually("the folder is gone", || !parent.folder.exists());
}

#[test]
fn a_folder_given_stays_when_the_parent_is_killed() {
    let scratch = tempfile::tempdir().expect("a folder");
    let folder = scratch.path().join("given");
    let mut parent = parent(scratch.path(), Some(&folder));
    parent.process.kill().expect("SIGKILL");
    parent.process.wait().expect("the parent's end");
    common::eventually("the server is gone", || !parent.servers.iter().any(|pid| common::is_running(*pid)));
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
        common::eventually("the server is gone", || !parent.servers.iter().any(|pid| common::is_running(*pid)));
        common::eventually("the folder is gone", || !parent.folder.exists());
    }
}

#[test]
fn a_cluster_goes_when_the_parent_is_killed_although_a_node_is_frozen() {
    let scratch = tempfile::tempdir().expect("a folder");
    let mut parent = parent_with(scratch.path(), Some(("CLUSTER", Path::new("yes"))));
    assert_eq!(parent.servers.len(), 3);
    let frozen = rustix::process::Pid::from_raw(parent.servers[0].try_into().expect("a pid")).expect("a pid");
    rustix::process::kill_process(frozen, rustix::process::Signal::STOP).expect("SIGSTOP");
    parent.process.kill().expect("SIGKILL");
    parent.process.wait().expect("the parent's end");
    common::eventually("the servers are gone", || !parent.servers.iter().any(|pid| common::is_running(*pid)));
    common::eventually("the folder is gone", || !parent.folder.exists());
}
