//! Who is told of alerts, and what becomes of an alarm that is down.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::service::Site;
use crate::admin::{Alarm, Receiver};

/// A program of this text.
fn program(folder: &TempDir, text: &str) -> String {
    let path = folder.path().join("program");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    path.to_str().unwrap().to_owned()
}

async fn written(path: &Path) -> String {
    loop {
        if let Ok(text) = fs::read_to_string(path)
            && !text.is_empty()
        {
            return text;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Has a candidate abandoned.
async fn abandon(site: &Site) {
    site.moods.useless.store(true, Ordering::Relaxed);
    let after = site.ask("rotate", "").await;
    site.until("Cleared", after).await;
}

/// Waits until so many alerts came to this.
async fn counted(site: &Site, outcome: &str, count: u64) {
    let line = format!("turquoise_alerts_total{{outcome=\"{outcome}\"}} {count}\n");
    while !site.get("/metrics").await.1.contains(&line) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_command_is_told_by_its_environment_and_its_input() {
    let folder = TempDir::new().unwrap();
    let (told, said): (PathBuf, PathBuf) = (folder.path().join("told"), folder.path().join("said"));
    let text = format!("env > {0}.new && cat > {1} && mv {0}.new {0}", told.display(), said.display());
    let to = Receiver::Command(vec![program(&folder, &text), "an argument".to_owned()]);
    let site = Site::ready(Some(Alarm { to, patience: Duration::from_secs(20) })).await;
    abandon(&site).await;
    let environment = written(&told).await;
    for line in ["TURQUOISE_ALERT=abandoned\n", "TURQUOISE_IDENTITY=app\n", "TURQUOISE_PHASE=Abandoning\n"] {
        assert!(environment.contains(line), "{environment}");
    }
    let ours =
        |line: &&str| !["TURQUOISE_", "PATH=", "PWD=", "SHLVL=", "_=", "OLDPWD="].iter().any(|known| line.starts_with(known));
    assert_eq!(environment.lines().filter(ours).collect::<Vec<_>>(), [] as [&str; 0], "of our environment it has nothing");
    let said: Value = serde_json::from_str(&fs::read_to_string(said).unwrap()).unwrap();
    assert_eq!((said["alert"].as_str(), said["step"].as_str()), (Some("abandoned"), Some("AbandonIntent")));
    counted(&site, "delivered", 1).await;
}

#[tokio::test]
async fn a_webhook_is_told_again_until_it_takes_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/hook", listener.local_addr().unwrap()).parse().unwrap();
    let site = Site::ready(Some(Alarm { to: Receiver::Webhook(uri), patience: Duration::from_secs(2) })).await;
    abandon(&site).await;
    let mut requests = Vec::new();
    for answer in ["503 Not Now", "204 Thanks"] {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = String::new();
        while !request.ends_with('}') {
            let mut bytes = [0; 4_096];
            let read = stream.read(&mut bytes).await.unwrap();
            request += std::str::from_utf8(&bytes[..read]).unwrap();
        }
        stream
            .write_all(format!("HTTP/1.1 {answer}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").as_bytes())
            .await
            .unwrap();
        requests.push(request);
    }
    assert!(
        requests[0].starts_with("POST /hook HTTP/1.1\r\n") && requests[0].contains("\"alert\":\"abandoned\""),
        "{requests:?}"
    );
    counted(&site, "delivered", 1).await;
}

#[tokio::test]
async fn an_alarm_that_hangs_delays_nothing_and_is_counted() {
    let folder = TempDir::new().unwrap();
    let to = Receiver::Command(vec![program(&folder, "exec sleep 600")]);
    let site = Site::ready(Some(Alarm { to, patience: Duration::from_millis(50) })).await;
    abandon(&site).await;
    counted(&site, "failed", 1).await;
}

#[tokio::test]
async fn a_debt_and_a_need_for_an_operator_are_alerts() {
    let folder = TempDir::new().unwrap();
    let told = folder.path().join("told");
    let alarm =
        |text: String| Some(Alarm { to: Receiver::Command(vec![program(&folder, &text)]), patience: Duration::from_secs(20) });
    let line = |alert: &str| format!("echo $TURQUOISE_ALERT >> {}.{alert}", told.display());
    let site = Site::hasty(alarm(line("first"))).await;
    site.moods.endless.store(true, Ordering::Relaxed);
    let after = site.ask("rotate", "").await;
    site.until("Owed", after).await;
    assert_eq!(written(&told.with_extension("first")).await, "debt\n");
    let site = site.bereft(alarm(line("second"))).await;
    assert_eq!(written(&told.with_extension("second")).await, "needs-operator\n");
    drop(site);
}
