//! The other ways to log in.

use std::fs;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PKCS_ED25519, SigningKey as _};
use serde_json::json;
use tempfile::TempDir;
use turquoise_runtime::core::Privileges;
use turquoise_runtime::port::{Observed, Provider, Reply};
use turquoise_vault::{ConfigError, LoginConfig, LoginProvider, Method, Upstream, login_policy};

use crate::certify::secure;
use crate::support::{Bench, MINUTE, READABLE, applied, credential, mint, probe, refused, server, text};

/// What a rotation does.
pub(crate) async fn rotates(provider: &LoginProvider) {
    let blue = credential(1, applied(provider.login(mint(1)).await));
    let green = credential(2, applied(provider.login(mint(2)).await));
    applied(provider.probe(&green).await);
    assert_eq!(applied(provider.set_life(&green, 9 * MINUTE).await), 9 * MINUTE);
    applied(provider.revoke(&blue).await);
    assert_eq!(applied(provider.observe(&blue, &green).await), Observed::Dead);
}

fn claims(subject: &str) -> String {
    let encode = |part: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
    let body = json!({"iss": "tests", "sub": subject, "aud": "bao", "iat": 1_700_000_000, "exp": 4_000_000_000_u64});
    format!("{}.{}", encode(json!({"alg": "EdDSA", "typ": "JWT"})), encode(body))
}

#[tokio::test]
async fn with_a_token_that_is_taken_over_as_it_is() {
    let bench = Bench::new("method-file");
    let blue = bench.blue();
    fs::write(bench.token_file(), text(&blue.secret)).unwrap();
    let method = Method::TokenFile { file: bench.token_file() };
    let provider = LoginProvider::new(LoginConfig::new(bench.upstream(), method)).unwrap();
    let adopted = applied(provider.login(mint(1)).await);
    assert!(adopted.handle == blue.handle && adopted.remaining > 59 * MINUTE);
    applied(provider.revoke(&blue).await);
    for _ in 0..2 {
        refused(provider.login(mint(2)).await, "permission denied");
    }
    assert!(matches!(provider.login(mint(2)).await, Reply::Throttled { .. }));
    fs::write(bench.token_file(), text(&bench.blue().secret)).unwrap();
    applied(provider.login(mint(2)).await);
}

#[tokio::test]
async fn with_a_json_web_token() {
    let (server, folder) = (server(), TempDir::new().unwrap());
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let jwt_file = folder.path().join("jwt");
    let signed = |subject: &str| {
        let claims = claims(subject);
        format!("{claims}.{}", BASE64_URL_SAFE_NO_PAD.encode(key.sign(claims.as_bytes()).unwrap()))
    };
    let method = Method::Jwt { mount: "jwt".parse().unwrap(), role: "app".parse().unwrap(), jwt_file: jwt_file.clone() };
    server.admin("POST", "sys/auth/jwt", &json!({"type": "jwt"})).unwrap();
    let trusted = json!({"jwt_validation_pubkeys": [key.public_key_pem()], "jwt_supported_algs": ["EdDSA"]});
    server.admin("POST", "auth/jwt/config", &trusted).unwrap();
    server.write_policy("jwt", &login_policy(None, &[probe(READABLE)], Privileges::OnlySelf).to_string()).unwrap();
    let role = json!({
        "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["bao"], "bound_subject": "app",
        "token_policies": ["jwt"], "token_no_default_policy": true, "token_ttl": "10m",
    });
    server.admin("POST", "auth/jwt/role/app", &role).unwrap();

    let upstream = Upstream::new([server.address().parse().unwrap()]);
    let config = LoginConfig { probes: vec![probe(READABLE)], ..LoginConfig::new(upstream, method) };
    let provider = LoginProvider::new(config).unwrap();
    fs::write(&jwt_file, signed("app")).unwrap();
    rotates(&provider).await;
    fs::write(&jwt_file, signed("stranger")).unwrap();
    refused(provider.login(mint(3)).await, "400 Bad Request");
}

#[tokio::test]
async fn with_the_certificate_of_the_connection() {
    let secure = secure();
    let method = Method::Certificate { mount: "cert".parse().unwrap(), role: Some("app".parse().unwrap()) };
    secure.server.admin("POST", "sys/auth/cert", &json!({"type": "cert"})).unwrap();
    secure.server.write_policy("cert", &login_policy(None, &[probe(READABLE)], Privileges::OnlySelf).to_string()).unwrap();
    let authority = fs::read_to_string(secure.authority.certificate()).unwrap();
    let role = json!({
        "certificate": authority, "allowed_common_names": ["client"],
        "token_policies": ["cert"], "token_no_default_policy": true, "token_ttl": "10m",
    });
    secure.server.admin("POST", "auth/cert/certs/app", &role).unwrap();

    let config = LoginConfig { probes: vec![probe(READABLE)], ..LoginConfig::new(secure.upstream(), method.clone()) };
    rotates(&LoginProvider::new(config).unwrap()).await;
    let plain = Upstream::new([secure.server.address().parse().unwrap()]);
    assert_eq!(LoginProvider::new(LoginConfig::new(plain, method)).err(), Some(ConfigError::NoCertificate));
}
