//! Names are hashed as the audit log has them, with one line of policy and no more.

use std::fs;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use turquoise_runtime::memory::ExposeSecret as _;
use turquoise_runtime::port::Reply;
use turquoise_vault::{AuditHash, Upstream};

use crate::support::{applied, server};

#[tokio::test]
async fn a_name_is_hashed_as_the_audit_log_has_it_by_who_may() {
    let (server, folder) = (server(), TempDir::new().unwrap());
    server.write_policy("auditor", r#"path "sys/audit-hash/file" { capabilities = ["update"] }"#).unwrap();
    server.write_token_role("auditor", &["auditor"]).unwrap();
    let token = server.mint("auditor", Duration::from_mins(1)).unwrap();
    let file = folder.path().join("token");
    fs::write(&file, token.token.expose_secret()).unwrap();
    let upstream = Upstream::new([server.address().parse().unwrap()]);
    let hashing = AuditHash::new(&upstream, &file, &"file".parse().unwrap()).unwrap();
    let hash = applied(hashing.hash(token.accessor.as_str()).await);
    assert_eq!(hash, server.audit_hash(token.accessor.as_str()).unwrap());
    // What a request names in its body is hashed in the log, whatever else is in clear there.
    server.admin("POST", "auth/token/lookup-accessor", &json!({"accessor": token.accessor.as_str()})).unwrap();
    assert!(fs::read_to_string(server.audit_log()).unwrap().contains(&hash));

    server.write_policy("auditor", r#"path "auth/token/lookup-self" { capabilities = ["read"] }"#).unwrap();
    assert!(matches!(hashing.hash("name").await, Reply::Refused(_)));
    fs::remove_file(&file).unwrap();
    assert!(matches!(hashing.hash("name").await, Reply::Unavailable(_)));
}
