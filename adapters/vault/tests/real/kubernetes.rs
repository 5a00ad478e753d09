//! A login by the service account of a pod, with an API server that is asked whom a web token is of.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rcgen::generate_simple_self_signed;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use turquoise_runtime::core::Privileges;
use turquoise_runtime::port::{Provider, Reply};
use turquoise_vault::{LoginConfig, LoginProvider, Method, Upstream, login_policy};

use crate::methods::rotates;
use crate::support::{READABLE, mint, probe, refused, server};

/// What the API server says of a web token that it is asked about.
#[derive(Clone, Copy)]
enum Says {
    Yes,
    No,
    /// Nothing: it fails.
    Nothing,
}

/// An API server that knows one service account, and repeats what it was asked where it says no.
struct ApiServer {
    address: String,
    says: Arc<Mutex<Says>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl ApiServer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (says, asked) = (Arc::new(Mutex::new(Says::Yes)), Arc::<Mutex<Vec<String>>>::default());
        let (saying, known) = (Arc::clone(&says), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some((head, body)) = receive(&mut stream).await else { continue };
                known.lock().unwrap().push(head);
                let answer = review(*saying.lock().unwrap(), &body);
                // Whoever asked may have gone.
                drop(stream.write_all(answer.as_bytes()).await);
            }
        });
        Self { address, says, asked }
    }

    fn say(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }
}

/// The head of a request, and its body.
async fn receive(stream: &mut TcpStream) -> Option<(String, Value)> {
    let mut text = String::new();
    let mut chunk = [0; 4096];
    loop {
        let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        text.push_str(&String::from_utf8_lossy(&chunk[..read]));
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && let Ok(body) = serde_json::from_str(body)
        {
            return Some((head.to_owned(), body));
        }
    }
}

fn review(says: Says, asked: &Value) -> String {
    let user = json!({"username": "system:serviceaccount:prod:app", "uid": "u-1", "groups": []});
    let (status, reviewed) = match says {
        Says::Yes => ("201 Created", json!({"authenticated": true, "user": user, "audiences": asked["spec"]["audiences"]})),
        Says::No => ("201 Created", json!({"authenticated": false, "error": asked["spec"]["token"]})),
        Says::Nothing => ("500 Internal Server Error", Value::Null),
    };
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": reviewed}).to_string();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}", body.len());
    format!("{head}\r\nConnection: close\r\n\r\n{body}")
}

/// What a cluster gives a pod. The server does not check who signed it: it asks.
fn web_token(account: &str) -> String {
    let encode = |part: Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
    let body = json!({
        "iss": "https://kubernetes.default.svc", "aud": ["bao"], "sub": format!("system:serviceaccount:prod:{account}"),
        "iat": 1_700_000_000, "nbf": 1_700_000_000, "exp": 4_000_000_000_u64,
        "kubernetes.io": {"namespace": "prod", "serviceaccount": {"name": account, "uid": "u-1"}},
    });
    let head = encode(json!({"alg": "RS256", "typ": "JWT", "kid": "k"}));
    format!("{head}.{}.{}", encode(body), BASE64_URL_SAFE_NO_PAD.encode("a signature"))
}

/// Each has a mount of its own: two refused logins of one are enough for a while.
fn provider(mount: &str, api: &str, jwt_file: PathBuf) -> LoginProvider {
    let server = server();
    server.admin("POST", &format!("sys/auth/{mount}"), &json!({"type": "kubernetes"})).unwrap();
    let authority = generate_simple_self_signed(["kubernetes".to_owned()]).unwrap().cert.pem();
    let cluster = json!({
        "kubernetes_host": api, "kubernetes_ca_cert": authority,
        "token_reviewer_jwt": web_token("reviewer"), "disable_local_ca_jwt": true,
    });
    server.admin("POST", &format!("auth/{mount}/config"), &cluster).unwrap();
    server.write_policy(mount, &login_policy(None, &[probe(READABLE)], Privileges::OnlySelf).to_string()).unwrap();
    let role = json!({
        "bound_service_account_names": ["app"], "bound_service_account_namespaces": ["prod"], "audience": "bao",
        "token_policies": [mount], "token_no_default_policy": true, "token_ttl": "10m",
    });
    server.admin("POST", &format!("auth/{mount}/role/app"), &role).unwrap();
    let method = Method::Jwt { mount: mount.parse().unwrap(), role: "app".parse().unwrap(), jwt_file };
    let upstream = Upstream::new([server.address().parse().unwrap()]);
    LoginProvider::new(LoginConfig { probes: vec![probe(READABLE)], ..LoginConfig::new(upstream, method) }).unwrap()
}

#[tokio::test]
async fn a_pod_rotates_by_its_service_account() {
    let (_server, folder, api) = (server(), TempDir::new().unwrap(), ApiServer::start().await);
    let jwt_file = folder.path().join("token");
    let provider = provider("kubernetes", &api.address, jwt_file.clone());
    fs::write(&jwt_file, web_token("app")).unwrap();
    rotates(&provider).await;
    let asked = api.asked.lock().unwrap().clone();
    assert!(asked.len() >= 2, "not each login is reviewed: {asked:?}");
    assert!(asked.iter().all(|head| head.starts_with("POST /apis/authentication.k8s.io/v1/tokenreviews ")), "{asked:?}");
    assert!(asked.iter().all(|head| head.contains(&web_token("reviewer"))));
    fs::write(&jwt_file, web_token("stranger")).unwrap();
    refused(provider.login(mint(3)).await, "403 Forbidden: service account name not authorized");
}

/// The server has the same words for a web token that is not accepted and for an API server that does not answer.
#[tokio::test]
async fn what_the_api_server_does_not_vouch_for_is_refused_and_after_two_tries_waits() {
    let (_server, folder) = (server(), TempDir::new().unwrap());
    let api = ApiServer::start().await;
    for (mount, says) in [("kubernetes-no", Says::No), ("kubernetes-nothing", Says::Nothing)] {
        let jwt_file = folder.path().join(mount);
        let provider = provider(mount, &api.address, jwt_file.clone());
        fs::write(&jwt_file, web_token("app")).unwrap();
        api.say(says);
        for _ in 0..2 {
            refused(provider.login(mint(1)).await, "403 Forbidden: permission denied");
        }
        api.say(Says::Yes);
        assert!(matches!(provider.login(mint(1)).await, Reply::Throttled { .. }));
        // Another web token is another chance, as when the cluster renews it.
        fs::write(&jwt_file, format!("{}\n", web_token("app"))).unwrap();
        assert!(matches!(provider.login(mint(1)).await, Reply::Applied(_)));
    }
    // Nor has it others where nobody listens: that this is an outage is in its own log alone.
    let nowhere = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let jwt_file = folder.path().join("nowhere");
    fs::write(&jwt_file, web_token("app")).unwrap();
    let provider = provider("kubernetes-nowhere", &format!("http://{nowhere}"), jwt_file);
    refused(provider.login(mint(1)).await, "403 Forbidden: permission denied");
}
