//! Three nodes.

use std::time::Duration;

use serde_json::{Value, json};
use turquoise_openbao::{Binary, Cluster};

#[test]
fn three_nodes_keep_one_store_and_leave_no_trace() {
    let binary = Binary::obtain(|_| {}).expect("a server program");
    let mut cluster = Cluster::start(&binary, Duration::from_secs(30)).expect("a cluster");
    let leader = cluster.leader().expect("a leader");
    let standby = (leader + 1) % 3;
    assert_eq!(cluster.addresses().count(), 3);
    let at_standby = cluster.admin_at(standby, "GET", "sys/leader", &Value::Null).expect("an answer");
    assert_eq!((&at_standby["ha_enabled"], &at_standby["is_self"]), (&json!(true), &json!(false)));
    assert_eq!(at_standby["leader_address"], cluster.addresses().nth(leader).expect("the leader's address"));

    let minted = cluster.admin_at(standby, "POST", "auth/token/create-orphan", &json!({"ttl": "1m"})).expect("a token");
    let accessor = minted["auth"]["accessor"].as_str().expect("an accessor").to_owned();
    cluster.admin("POST", "auth/token/lookup-accessor", &json!({"accessor": accessor})).expect("the leader knows it");
    let minted_by = |log| std::fs::read_to_string(log).expect("a log").contains("auth/token/create-orphan");
    assert!(cluster.audit_logs().any(minted_by));

    cluster.freeze(standby).expect("a node to freeze");
    cluster.thaw(standby).expect("a node to thaw");
    cluster.kill(standby);
    cluster.restart(standby).expect("it comes back");
    let folder = cluster.audit_logs().next().and_then(|log| Some(log.parent()?.parent()?.to_owned())).expect("a folder");
    assert!(folder.exists());
    drop(cluster);
    assert!(!folder.exists(), "its folder goes with it");
}
