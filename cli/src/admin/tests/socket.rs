//! The socket's file, and what a connection may take.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant};

use super::service::{Site, call, raw};
use crate::admin::{Admin, AdminError};

fn listen(path: &Path) -> Result<Admin, AdminError> {
    let mut admin = Admin::new(None)?;
    admin.listen_unix(path, 0o600).map(|()| admin)
}

#[tokio::test]
async fn a_dead_socket_is_taken_over_and_a_live_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    // As a process that was killed leaves it.
    drop(UnixListener::bind(&path).unwrap());
    let ours = listen(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(matches!(listen(&path), Err(AdminError::Live(_))));
    ours.close().await;
    assert!(!path.exists());

    fs::write(&path, "somebody's").unwrap();
    assert!(matches!(listen(&path), Err(AdminError::Other(_))));
    let long = folder.path().join("x".repeat(107));
    assert!(matches!(listen(&long), Err(AdminError::Long(_))));
}

#[tokio::test]
async fn a_socket_that_another_has_put_there_is_not_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let ours = listen(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let _theirs = UnixListener::bind(&path).unwrap();
    ours.close().await;
    assert!(path.exists());
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let site = Site::ready(None).await;
    let (status, _) = site.post("compromise", &format!("{{\"generation\": \"{}\"}}", "x".repeat(5_000))).await;
    assert_eq!(status, 413);
    let many = (0..40).map(|n| format!("X-{n}: y\r\n")).collect::<Vec<_>>().concat();
    let long = format!("X: {}\r\n", "y".repeat(20_000));
    for headers in [many, long] {
        let answer = raw(site.socket(), format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{headers}\r\n").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer:?}");
    }
    let answer = raw(site.socket(), b"nonsense\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer:?}");
    assert_eq!(site.get("/healthz").await, (200, "ok\n".to_owned()));
}

#[tokio::test]
async fn a_wait_for_events_ends_with_the_process() {
    let site = Site::ready(None).await;
    let (socket, last) = (site.socket(), site.admin.desk.last());
    let began = Instant::now();
    let waiting = tokio::spawn(async move { call(socket, "GET", &format!("/v1/events?after={last}&wait=30"), "").await });
    // It is under way once its connection is.
    while site.admin.desk.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    site.admin.close().await;
    let (status, _) = waiting.await.unwrap();
    assert_eq!(status, 503);
    assert!(began.elapsed() < Duration::from_secs(15));
}
