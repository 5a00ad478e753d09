//! `docs/providers.md` says what the providers declare; with `TURQUOISE_BLESS=1` it is written instead.

#![expect(clippy::unwrap_used, reason = "a test ends with what it did not expect")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use turquoise::aws_iam::{IamConfig, IamProvider, Source};
use turquoise::port::{Candidates, Contract, Fencing, Limit, Listing, Lives, Minting, Provider, Siblings};
use turquoise::vault::{
    App, Issued, LoginConfig, LoginProvider, Method, Role, SecretIdConfig, SecretIdProvider, TokenConfig, TokenProvider, Upstream,
};

const BEGIN: &str = "<!-- generated: contracts -->\n";
const END: &str = "<!-- end: contracts -->";

fn contracts() -> [(&'static str, Contract); 4] {
    let upstream = || Upstream::new(["http://127.0.0.1:8200".parse().unwrap()]);
    let approle = Method::AppRole {
        mount: "approle".parse().unwrap(),
        role_id_file: "role-id".into(),
        secret_id_file: Some("secret-id".into()),
        role: None,
    };
    let secret_id = SecretIdConfig {
        upstream: upstream(),
        app: App { mount: "approle".parse().unwrap(), role: "app".parse().unwrap() },
        role_id_file: "role-id".into(),
        secret_id_file: "secret-id".into(),
        probes: Vec::new(),
        issued: Issued::Outlive,
    };
    let token = TokenProvider::new(TokenConfig::new(upstream(), "app".parse::<Role>().unwrap(), "token")).unwrap();
    let login = LoginProvider::new(LoginConfig::new(upstream(), approle)).unwrap();
    let secret_id = SecretIdProvider::new(secret_id).unwrap();
    let iam = IamProvider::new(IamConfig::new("app".parse().unwrap(), Source::Environment)).unwrap();
    [
        ("`TokenProvider`", token.contract()),
        ("`LoginProvider`", login.contract()),
        ("`SecretIdProvider`", secret_id.contract()),
        ("`IamProvider`", iam.contract()),
    ]
}

fn within(bound: Duration) -> String {
    if bound.is_zero() { "at once".to_owned() } else { format!("within {bound:?}") }
}

/// One clause for each field, so that a new field is not forgotten.
fn clauses(contract: &Contract) -> [(&'static str, String); 10] {
    let Contract { live_at_once, revocation, siblings, propagation, login_life, lives, candidates, minting, listing, fencing } =
        *contract;
    let words = |text: &str| text.to_owned();
    let most = match live_at_once {
        Limit::AtMost(most) => format!("{most}"),
        Limit::None => words("no limit"),
    };
    let login = if login_life.is_zero() { words("a login adopts") } else { format!("{login_life:?}") };
    [
        ("live at once, at most (`live_at_once`)", most),
        ("what is revoked is refused (`revocation`)", within(revocation)),
        (
            "the end of one is for its siblings (`siblings`)",
            words(match siblings {
                Siblings::LiveOn => "nothing",
                Siblings::EndToo => "their end",
            }),
        ),
        ("what is new is accepted (`propagation`)", within(propagation)),
        ("a lost login lives (`login_life`)", login),
        (
            "a life ends (`lives`)",
            words(match lives {
                Lives::AsAsked => "as asked",
                Lives::AsMinted => "as asked when it was made, and never otherwise",
                Lives::UntilEnded => "when it is ended, and never before",
            }),
        ),
        (
            "a candidate is made (`candidates`)",
            words(match candidates {
                Candidates::Minted => "by the one that serves",
                Candidates::LoggedIn => "by logging in",
            }),
        ),
        (
            "the same mint asked for twice (`minting`)",
            words(match minting {
                Minting::MakesAnother => "makes two",
                Minting::Idempotent => "makes one",
            }),
        ),
        (
            "it can list an identity's own (`listing`)",
            words(match listing {
                Listing::None => "no",
                Listing::Own => "yes",
            }),
        ),
        (
            "a replaced holder's requests (`fencing`)",
            words(match fencing {
                Fencing::None => "are taken",
                _ => "are turned away",
            }),
        ),
    ]
}

fn table() -> String {
    let contracts = contracts();
    let columns: Vec<_> = contracts.iter().map(|(_, contract)| clauses(contract)).collect();
    let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let head = std::iter::once("of a credential".to_owned()).chain(contracts.iter().map(|(name, _)| (*name).to_owned()));
    let mut text = row(head.collect()) + &row(vec!["---".to_owned(); contracts.len() + 1]);
    for (at, (clause, _)) in columns[0].iter().enumerate() {
        let cells = columns.iter().map(|column| column[at].1.clone());
        text += &row(std::iter::once((*clause).to_owned()).chain(cells).collect());
    }
    text
}

#[test]
fn the_page_says_what_the_providers_declare() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/providers.md");
    let page = fs::read_to_string(&path).unwrap();
    let from = page.find(BEGIN).unwrap() + BEGIN.len();
    let to = page.find(END).unwrap();
    if std::env::var_os("TURQUOISE_BLESS").is_some() {
        return fs::write(&path, format!("{}{}{}", &page[..from], table(), &page[to..])).unwrap();
    }
    assert_eq!(&page[from..to], table(), "it has drifted: look at it, then run the test with TURQUOISE_BLESS=1");
}
