//! The first access key out of a Vault: two providers, joined by the program that knows both.

#![expect(clippy::unwrap_used, reason = "a test ends with what it did not expect")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use turquoise::aws_iam::{Endpoint, IamConfig, IamProvider, Source, Supply};
use turquoise::core::{Color, Generation, Mint};
use turquoise::memory::ExposeSecret as _;
use turquoise::port::{Minted, Provider as _, Reply};
use turquoise::vault::{Kept, Upstream};
use turquoise_moto::{Emulator, User};
use turquoise_openbao::{Binary, Options, Server};

const PATH: &str = "secret/data/aws/app";

/// The key that is kept at a path, under the names that Vault's own AWS engine uses.
fn first_key(kept: Kept) -> Source {
    let kept = Arc::new(kept);
    Source::Supplied(Supply::new(move || {
        let kept = Arc::clone(&kept);
        async move { kept.read(["access_key", "secret_key"]).await }
    }))
}

fn provider(emulator: &Emulator, server: &Server, token: &Path) -> IamProvider {
    let kept = Kept::new(&Upstream::new([server.address().parse().unwrap()]), PATH.parse().unwrap(), token).unwrap();
    let endpoint = Endpoint { url: emulator.url().to_owned(), region: "us-east-1".to_owned() };
    let config = IamConfig::new("app".parse().unwrap(), first_key(kept));
    IamProvider::new(IamConfig { iam: endpoint.clone(), sts: endpoint, ..config }).unwrap()
}

async fn log_in(provider: &IamProvider) -> Reply<Minted> {
    provider.login(Mint { generation: Generation { incarnation: 7, number: 1 }, slot: Color::Blue }).await
}

#[tokio::test]
async fn the_first_key_comes_out_of_a_vault_by_a_token_that_may_read_nothing_else() {
    let emulator = Emulator::start(|_| ()).unwrap();
    let server = Server::start(&Binary::obtain(|_| ()).unwrap(), Options::default()).unwrap();
    server.enable_kv().unwrap();
    server.write_policy("bootstrap", &format!("path \"{PATH}\" {{ capabilities = [\"read\"] }}")).unwrap();
    server.write_token_role("bootstrap", &["bootstrap"]).unwrap();
    let token = server.mint("bootstrap", Duration::from_mins(5)).unwrap().token;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let provider = provider(&emulator, &server, &file);

    let Reply::Unavailable(why) = log_in(&provider).await else { panic!("there is no token") };
    assert!(why.0.contains("token file"), "{}", why.0);
    fs::write(&file, token.expose_secret()).unwrap();

    server.write_secret("aws/app", &json!({ "access_key": "AKIA" })).unwrap();
    let Reply::Refused(why) = log_in(&provider).await else { panic!("there is no secret") };
    assert!(why.0.contains("secret_key") && why.0.contains(PATH), "{}", why.0);

    let policy = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "iam:*", "Resource": "*" }] });
    let (propagate, linger) = (Duration::ZERO, Duration::ZERO);
    let key = emulator.make_user(&User { name: "app".to_owned(), policy, propagate, linger }).unwrap();
    let kept = json!({ "access_key": key.id, "secret_key": key.secret.expose_secret() });
    server.write_secret("aws/app", &kept).unwrap();
    let Reply::Applied(minted) = log_in(&provider).await else { panic!("the key is there") };
    assert_eq!((minted.handle.0, minted.secret.expose_secret()), (key.id, key.secret.expose_secret()));

    fs::write(&file, "s.nobody").unwrap();
    let Reply::Refused(why) = log_in(&provider).await else { panic!("the token is not known") };
    assert!(why.0.contains("403") && !why.0.contains("s.nobody"), "{}", why.0);
}
