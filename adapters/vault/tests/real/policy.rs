use turquoise_runtime::core::Privileges;
use turquoise_runtime::port::Provider;
use turquoise_vault::policy;

use crate::support::{Bench, MINUTE, READABLE, applied, credential, mint, probe, refused, unknown};

#[tokio::test]
async fn the_printed_policy_is_enough_for_a_whole_rotation() {
    let bench = Bench::new("policy-whole");
    let provider = bench.provider();
    let blue = bench.blue();
    let green = credential(2, applied(provider.issue(&blue, mint(2), MINUTE).await));
    applied(provider.probe(&green).await);
    applied(provider.set_life(&green, 60 * MINUTE).await);
    applied(provider.set_life(&blue, MINUTE).await);
    applied(provider.revoke(&blue).await);
    applied(provider.observe(&blue, &green).await);
    assert_eq!(bench.alive(), 1);
}

#[tokio::test]
async fn no_line_of_the_printed_policy_is_spare() {
    let bench = Bench::new("policy-spare");
    let printed = policy(&bench.role, &[probe(READABLE)], Privileges::OnlySelf).to_string();
    let provider = bench.provider();
    for (line, gap) in printed.lines().enumerate() {
        let rest: Vec<_> = printed.lines().filter(|other| *other != gap).collect();
        bench.server.write_policy("policy-spare", &rest.join("\n")).unwrap();
        let (blue, other) = (bench.blue(), bench.blue());
        let denied = "permission denied";
        match line {
            0 => refused(provider.issue(&blue, mint(2), MINUTE).await, denied),
            1 | 5 => refused(provider.probe(&blue).await, denied),
            2 => refused(provider.set_life(&blue, MINUTE).await, denied),
            3 => unknown(provider.revoke(&blue).await, denied),
            4 => refused(provider.observe(&other, &blue).await, denied),
            _ => panic!("a line that this test does not know: {gap}"),
        }
    }
    assert_eq!(printed.lines().count(), 6);
}
