//! The life of a server.

mod common;

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;
use turquoise_openbao::{AdminError, Binary, Options, Server, ServerError};

fn refused_with(result: Result<Value, AdminError>) -> (u16, String) {
    match result {
        Err(AdminError::Refused { status, words, .. }) => (status, words),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn it_starts_serves_and_stops_without_a_trace() {
    let mut server = common::server();
    let (pid, folder) = (server.pid().expect("a running server"), server.dir().to_owned());
    let health = server.admin("GET", "sys/health", &Value::Null).expect("health");
    assert_eq!(health["sealed"], json!(false));
    let (status, words) = refused_with(server.admin("GET", "sys/nowhere", &Value::Null));
    assert_eq!(status, 404);
    assert_eq!(words, "1 error occurred: * unsupported path");

    let command_line = fs::read_to_string(format!("/proc/{pid}/cmdline")).expect("the command line");
    let environment = fs::read_to_string(format!("/proc/{pid}/environ")).expect("the environment");
    assert!(command_line.contains("server"), "the process is the server itself: {command_line}");
    let root = server.root_token().expose_secret();
    assert!(!command_line.contains(root) && !environment.contains(root));

    server.stop();
    assert!(!common::is_running(pid));
    assert_eq!(server.pid(), None);
    assert!(matches!(server.admin("GET", "sys/health", &Value::Null), Err(AdminError::Unreachable { .. })));
    drop(server);
    assert!(!folder.exists(), "its folder goes with it");
}

#[test]
fn it_keeps_its_data_over_a_restart_and_over_a_crash() {
    let mut server = common::server();
    let address = server.address().to_owned();
    server.enable_kv().expect("a key-value engine");
    server.write_secret("app", &json!({"colour": "blue"})).expect("a secret");
    server.restart().expect("a restart of a running server");
    server.kill();
    assert_eq!(server.pid(), None);
    server.restart().expect("a restart of a killed server");
    let secret = server.admin("GET", "secret/data/app", &Value::Null).expect("the secret");
    assert_eq!(secret["data"]["data"]["colour"], "blue");
    assert_eq!(server.address(), address);
}

#[test]
fn a_sealed_server_is_reported_as_such_and_can_be_unsealed() {
    let mut server = common::server();
    server.seal().expect("the seal");
    let error = server.live_tokens("any").expect_err("nothing is served sealed");
    assert!(matches!(error, AdminError::Sealed { .. }), "{error:?}");
    assert!(error.to_string().starts_with("the server is sealed"), "{error}");
    server.unseal().expect("the unseal");
    assert_eq!(server.live_tokens("any").expect("an answer"), 0);
}

#[test]
fn the_servers_environment_and_a_proxy_for_us_are_of_no_account() {
    // Both would break it: the proxy our requests, the API address the server's own setting.
    let ended = common::as_child("starts_in_any_environment")
        .env("http_proxy", "http://127.0.0.1:1")
        .env("ALL_PROXY", "http://127.0.0.1:1")
        .env("BAO_API_ADDR", "nonsense")
        .env("BAO_CLUSTER_ADDR", "nonsense")
        .output()
        .expect("the child runs");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
}

#[test]
#[ignore = "started by another test, in an environment of its choice"]
fn starts_in_any_environment() {
    drop(common::server());
}

#[test]
fn a_folder_of_ones_own_stays_and_is_not_used_twice() {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("new");
    let options = Options { folder: Some(folder.clone()), ..Options::default() };
    let binary = Binary::obtain(|_| {}).expect("a server program");
    drop(Server::start(&binary, options.clone()).expect("a server"));
    assert!(folder.join("audit.log").exists());
    assert!(matches!(Server::start(&binary, options), Err(ServerError::NotEmpty { .. })));
}

#[test]
fn a_server_that_is_too_slow_is_ended_and_its_state_told() {
    let binary = Binary::obtain(|_| {}).expect("a server program");
    let options = Options { ready_within: Duration::ZERO, ..Options::default() };
    let error = Server::start(&binary, options).expect_err("no server is ready at once");
    assert!(matches!(error, ServerError::NotReady { .. }), "{error:?}");
    assert!(error.to_string().starts_with("the server is not listening and does not serve after 0 s"), "{error}");
}

#[test]
fn a_port_taken_meanwhile_is_told() {
    let mut server = common::server();
    server.stop();
    let address = server.address().strip_prefix("http://").expect("an address").to_owned();
    let taken = std::net::TcpListener::bind(&address).expect("the port");
    assert!(matches!(server.restart(), Err(ServerError::PortTaken { .. })));
    assert_eq!(server.pid(), None);
    drop(taken);
    server.restart().expect("the port is free again");
}

#[test]
fn a_rotation_can_be_set_up_and_leaves_an_audit_log() {
    let server = common::server();
    let rules = r#"
        path "auth/token/create/rot"  { capabilities = ["update"] }
        path "auth/token/revoke-self" { capabilities = ["update"] }
    "#;
    server.write_policy("rotator", rules).expect("a policy");
    server.write_token_role("rot", &["rotator"]).expect("a role");
    assert_eq!(server.live_tokens("rot").expect("a count"), 0);
    let blue = server.mint("rot", Duration::from_mins(10)).expect("a token");
    let found = server.admin("POST", "auth/token/lookup-accessor", &json!({"accessor": blue.accessor.as_str()}));
    let found = &found.expect("the token")["data"];
    assert_eq!(found["orphan"], json!(true));
    assert_eq!(found["policies"], json!(["rotator"]));
    assert_eq!(found["creation_ttl"], json!(600));
    assert_eq!(server.live_tokens("rot").expect("a count"), 1);

    let agent = ureq::agent();
    let as_blue = |path: &str| {
        let url = format!("{}/v1/{path}", server.address());
        agent.post(url).header("X-Vault-Token", blue.token.expose_secret()).send_empty()
    };
    as_blue("auth/token/create/rot").expect("a token through blue");
    as_blue("auth/token/create").expect_err("another way to mint");
    assert_eq!(server.live_tokens("rot").expect("a count"), 2);
    as_blue("auth/token/revoke-self").expect("the end of blue");
    as_blue("auth/token/revoke-self").expect_err("blue is dead");
    assert_eq!(server.live_tokens("rot").expect("a count"), 1);

    let log = fs::read_to_string(server.audit_log()).expect("the audit log");
    assert!(log.contains(blue.accessor.as_str()), "accessors are in clear");
    let hash = server.audit_hash(blue.token.expose_secret()).expect("a hash");
    assert!(log.contains(&hash) && !log.contains(blue.token.expose_secret()), "secrets are hashed");
}
