//! Three nodes, two of which may lag behind the third.

#![expect(clippy::unwrap_used, reason = "a test ends with what it did not expect")]

use std::time::Duration;

use serde_json::{Value, json};
use turquoise_openbao::{Binary, Cluster};
use turquoise_runtime::core::{Color, Generation, Mint, Privileges};
use turquoise_runtime::port::{Credential, Handle, Observed, Provider, Reply};
use turquoise_vault::{Role, TokenConfig, TokenProvider, Upstream, policy};

const LIFE: Duration = Duration::from_mins(10);

fn mint(number: u32) -> Mint {
    Mint { generation: Generation { incarnation: 1, number }, slot: Color::Green }
}

fn applied<T>(reply: Reply<T>) -> T {
    match reply {
        Reply::Applied(value) => value,
        Reply::Refused(why) | Reply::Unavailable(why) | Reply::Unknown(why) | Reply::Throttled { reason: why, .. } => {
            panic!("{}", why.0)
        }
    }
}

/// Asked of the leader itself.
fn lives(cluster: &Cluster, accessor: &str) -> bool {
    cluster.admin("POST", "auth/token/lookup-accessor", &json!({"accessor": accessor})).is_ok()
}

/// Without an index a standby says so of a fifth of these tokens while they live.
#[tokio::test]
async fn through_standbys_what_is_called_dead_is_dead_on_the_leader() {
    let cluster = Cluster::start(&Binary::obtain(|_| ()).unwrap(), Duration::from_secs(30)).unwrap();
    let leader = cluster.leader().unwrap();
    let role: Role = "rot".parse().unwrap();
    let rules = json!({"policy": policy(&role, &[], Privileges::Accessor).to_string()});
    cluster.admin("POST", "sys/policies/acl/rot", &rules).unwrap();
    let limits = json!({"orphan": true, "allowed_policies": ["rot"], "token_no_default_policy": true, "token_type": "service"});
    cluster.admin("POST", "auth/token/roles/rot", &limits).unwrap();
    let mut first = cluster.admin("POST", "auth/token/create/rot", &json!({"ttl": "1h"})).unwrap();
    let Value::String(secret) = first["auth"]["client_token"].take() else { panic!("no token") };
    let handle = Handle(first["auth"]["accessor"].as_str().unwrap().to_owned());
    let blue = Credential { mint: mint(1), handle, secret: secret.into() };

    let standbys = || cluster.addresses().enumerate().filter(|(node, _)| *node != leader).map(|(_, at)| at.parse().unwrap());
    let through = |upstream| TokenProvider::new(TokenConfig::new(upstream, role.clone(), "/nowhere")).unwrap();
    let provider_at = |node: usize| through(Upstream::new([cluster.addresses().nth(node).unwrap().parse().unwrap()]));
    let provider = through(Upstream::new(standbys()));
    for number in 2..40 {
        let minted = applied(provider.issue(&blue, mint(number), LIFE).await);
        let green = Credential { mint: mint(number), handle: minted.handle, secret: minted.secret };
        let Observed::Alive(_) = applied(provider.observe(&green, &blue).await) else {
            panic!("{} lives and was called dead", green.handle.0)
        };
        applied(provider.revoke(&green).await);
        assert_eq!(applied(provider.observe(&green, &blue).await), Observed::Dead);
        assert!(!lives(&cluster, &green.handle.0));
    }

    // A standby that hangs costs one call; the next one goes elsewhere.
    let hung = (0..3).find(|node| *node != leader).unwrap();
    let addresses = [hung, leader].map(|node| cluster.addresses().nth(node).unwrap().parse().unwrap());
    let impatient = through(Upstream { timeout: Duration::from_secs(2), ..Upstream::new(addresses) });
    cluster.freeze(hung).unwrap();
    assert!(matches!(impatient.issue(&blue, mint(90), LIFE).await, Reply::Unknown(_)));
    applied(impatient.issue(&blue, mint(91), LIFE).await);
    cluster.thaw(hung).unwrap();

    // One that lags knows nothing of what was just minted, and answers its end by name with an index of its own. A new process,
    // which knows of no other, does not hold it to that.
    for number in 92..99 {
        cluster.freeze(hung).unwrap();
        let minted = applied(provider_at(leader).issue(&blue, mint(number), LIFE).await);
        cluster.thaw(hung).unwrap();
        let new = provider_at(hung);
        drop(new.revoke_named(&minted.handle, &blue).await);
        if let Reply::Applied(Observed::Dead) = new.observe_named(&minted.handle, &blue).await {
            assert!(!lives(&cluster, &minted.handle.0), "{} lives and was called dead", minted.handle.0);
        }
    }

    // Asked without an index, a standby proves nothing.
    let dead = Credential { mint: mint(99), handle: Handle("none".to_owned()), secret: "s.neverexisted".into() };
    assert!(matches!(through(Upstream::new(standbys())).observe(&dead, &blue).await, Reply::Unknown(_)));
    assert_eq!(applied(provider_at(leader).observe(&dead, &blue).await), Observed::Dead);
}
