//! The metrics are what a parser takes, and what the dashboard and the alert rules in `docs/` speak of.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::Ordering;

use super::service::Site;

/// The samples of a text, each by its name and its labels; and it is a text in the `OpenMetrics` format.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let (mut family, mut found) = (String::new(), BTreeMap::new());
    let mut helped = BTreeSet::new();
    let body = text.strip_suffix("# EOF\n").unwrap();
    for line in body.lines() {
        if let Some(about) = line.strip_prefix("# ") {
            let mut words = about.splitn(3, ' ');
            let (word, name, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
            assert!(["HELP", "TYPE", "UNIT"].contains(&word) && !rest.is_empty(), "{line}");
            if word == "HELP" {
                assert!(helped.insert(name.to_owned()), "{name} is there twice");
                name.clone_into(&mut family);
            }
            assert_eq!(name, family, "{line}");
            if word == "UNIT" {
                assert!(name.ends_with(rest), "{line}");
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let suffix =
            series.split('{').next().unwrap().strip_prefix(&family).unwrap_or_else(|| panic!("{line} is not of {family}"));
        assert!(["", "_total", "_info", "_sum", "_count", "_bucket"].contains(&suffix), "{line}");
        assert!(series.starts_with("turquoise_"), "{line}");
        let value: f64 = value.parse().unwrap();
        assert!(value.is_finite() && found.insert(series.to_owned(), value).is_none(), "{line}");
    }
    found
}

/// A site where everything has happened that is counted: a rotation, and a candidate that was abandoned and is a debt.
async fn eventful() -> Site {
    let site = Site::hasty(None).await;
    let after = site.ask("rotate", "").await;
    site.until("Cleared", after).await;
    for mood in [&site.moods.useless, &site.moods.endless] {
        mood.store(true, Ordering::Relaxed);
    }
    let after = site.ask("rotate", "").await;
    site.until("Owed", after).await;
    site
}

#[tokio::test]
async fn the_text_says_what_is_so() {
    let site = eventful().await;
    let _work = site.identity.credentials().acquire().unwrap();
    let (status, text) = site.get("/metrics").await;
    assert_eq!(status, 200);
    let found = samples(&text);
    let value = |series: &str| *found.get(series).unwrap_or_else(|| panic!("no {series} in:\n{text}"));
    for (series, expected) in [
        ("turquoise_rotation_phase{identity=\"app\",phase=\"Steady\"}", 1.0),
        ("turquoise_rotation_phase{identity=\"app\",phase=\"Draining\"}", 0.0),
        ("turquoise_rotations_total{identity=\"app\",outcome=\"succeeded\"}", 1.0),
        ("turquoise_rotations_total{identity=\"app\",outcome=\"abandoned\"}", 1.0),
        ("turquoise_inflight_operations{identity=\"app\",role=\"current\"}", 1.0),
        ("turquoise_revocation_debt{identity=\"app\"}", 1.0),
        ("turquoise_needs_operator{identity=\"app\"}", 0.0),
        ("turquoise_serving{identity=\"app\"}", 1.0),
        ("turquoise_rotation_duration_seconds_count{identity=\"app\"}", 2.0),
        ("turquoise_provider_calls_total{identity=\"app\",call=\"login\",outcome=\"applied\"}", 3.0),
        ("turquoise_build_info{version=\"0.1.0\"}", 1.0),
    ] {
        assert!((value(series) - expected).abs() < f64::EPSILON, "{series} is {}", value(series));
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let left = value("turquoise_credential_expiration_timestamp_seconds{identity=\"app\",role=\"current\"}") - now;
    assert!(left > 60.0 && left < 4_000.0, "{left}");
    assert!((value("turquoise_last_success_timestamp_seconds{identity=\"app\"}") - now).abs() < 60.0);

    // What is read twice is not counted twice.
    let (_, again) = site.get("/metrics").await;
    for (series, count) in samples(&again).iter().filter(|(series, _)| series.starts_with("turquoise_rotations_total")) {
        assert!((value(series) - count).abs() < f64::EPSILON, "{series}: {count}");
    }
    for name in ["key-of", "secret"] {
        assert!(!text.contains(name), "{text}");
    }
}

#[tokio::test]
async fn the_documents_speak_of_metrics_that_there_are() {
    let site = eventful().await;
    let (_, text) = site.get("/metrics").await;
    let there: BTreeSet<_> = samples(&text).into_keys().map(|series| series.split('{').next().unwrap().to_owned()).collect();
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");
    let mut told = BTreeSet::new();
    for file in ["admin.md", "grafana-dashboard.json", "prometheus-alerts.yml"] {
        let text = fs::read_to_string(format!("{docs}/{file}")).unwrap();
        let names = text.split(|c: char| !(c.is_ascii_lowercase() || c == '_')).filter(|word| word.starts_with("turquoise_"));
        let names: BTreeSet<_> = names.map(str::to_owned).collect();
        let unknown: Vec<_> = names.difference(&there).collect();
        assert!(unknown.is_empty() && !names.is_empty(), "{file}: {unknown:?} are not among {there:?}");
        told.extend(names);
    }
    let silent: Vec<_> = there.difference(&told).filter(|name| !name.ends_with("_sum") && !name.ends_with("_count")).collect();
    assert!(silent.is_empty(), "nobody is told of {silent:?}");
    let dashboard = fs::read_to_string(format!("{docs}/grafana-dashboard.json")).unwrap();
    serde_json::from_str::<serde_json::Value>(&dashboard).unwrap();
}

#[tokio::test]
async fn who_only_looks_over_tcp_asks_for_nothing() {
    let mut site = Site::ready(None).await;
    let at = site.admin.listen_tcp(([127, 0, 0, 1], 0).into()).unwrap();
    let get = async |path: &str| {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::TcpStream::connect(at).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = get("/metrics").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("openmetrics-text"), "{answer}");
    assert!(get("/readyz").await.starts_with("HTTP/1.1 200"));
    assert!(get("/v1/identities").await.starts_with("HTTP/1.1 404"));
    site.admin.close().await;
}
