//! What a line looks like, and that it means what was written.

use proptest::prelude::*;
use turquoise_runtime::core::{
    AbandonReason, AtStop, BootId, Color, Drained, Generation, Held, Instant, Life, Lsn, Mint, Proof, Record, Resolution, Secret,
    Step, StuckReason, Trigger, Via,
};
use turquoise_runtime::port::{Entry, Handle};

use super::{base, entry, every_entry, lines};
use crate::Damage;
use crate::codec::{NO_LINE, decode, decode_base, encode, encode_base, says_base, sha256};

#[test]
fn every_kind_of_line_is_readable_and_stays_as_it_is() {
    let journal = lines(&every_entry()).concat();
    insta::assert_snapshot!(String::from_utf8(journal).expect("a journal is text"));
}

#[test]
fn a_base_is_a_readable_line_and_is_read_as_it_was_written() {
    let line = encode_base(&base(12), &sha256(b"the last line of the archive")).expect("a base is encoded");
    insta::assert_snapshot!(str::from_utf8(&line).expect("a line is text"));
    assert!(says_base(&line));
    assert_eq!(decode_base(&line), Ok((base(12), sha256(b"the last line of the archive"))));
    let mut bare = base(12);
    (bare.handle, bare.checkpoint.rotate_at) = (None, None);
    let line = encode_base(&bare, NO_LINE).expect("a base is encoded");
    assert_eq!(decode_base(&line), Ok((bare, NO_LINE.to_owned())));
    assert!(matches!(decode(&line), Err(Damage::Unreadable { .. })), "a base is no entry");
}

#[test]
fn a_handle_that_speaks_of_a_checkpoint_makes_no_base() {
    let mut entry = entry(1, every_entry()[3].record.step);
    entry.handle = Some(Handle(r#"","step":"checkpoint","#.to_owned()));
    let line = encode(&entry, NO_LINE).expect("an entry is encoded");
    assert!(!says_base(&line));
    assert_eq!(decode(&line), Ok((entry, NO_LINE.to_owned())));
}

/// A line of this text, sealed as ours are.
fn sealed(body: &str) -> Vec<u8> {
    format!("{body},\"sum\":\"{}\"}}\n", sha256(body.as_bytes())).into_bytes()
}

fn body(rest: &str) -> String {
    format!(r#"{{"v":1,"seq":1,"prev":"{NO_LINE}","boot":"1f0c9d3e-77aa-4b6b-8c55-0242ac120002","at":5,{rest}"#)
}

#[test]
fn a_line_that_another_hand_sealed_is_taken_only_as_we_would_write_it() {
    assert!(decode(&sealed(&body(r#""step":"ready""#))).is_ok());
    let others = [
        r#""step":"ready","more":1"#,
        r#""step":"ready","at":5"#,
        r#""step": "ready""#,
        r#""step":"ready","handle":null"#,
        r#""step":"ready","life":{"lb":1,"ub":2}"#,
        r#""step":"read\u0079""#,
        r#""step":"rotten""#,
        r#""handle":"a","step":"ready""#,
        r#""step":"login-intent","mint":{"generation":"0123ABCD-1","slot":"blue"}"#,
        r#""step":"login-intent","mint":{"generation":"0123abcd-01","slot":"blue"}"#,
        r#""step":"login-intent","mint":{"generation":"123abcd-1","slot":"blue"}"#,
        r#""step":"login-intent","mint":{"generation":"0123abcd-+1","slot":"blue"}"#,
        r#""step":"login-intent","mint":{"slot":"blue","generation":"0123abcd-1"}"#,
        r#""step":"login-intent","mint":{"generation":"0123abcd-1","slot":"red"}"#,
        r#""step":"issue-intent","mint":{"generation":"0123abcd-2","slot":"green"},"trigger":"schedule""#,
        r#""step":"compromised","generation":"0123ABCD-1""#,
        r#""step":"stopped","how":"Keep""#,
    ];
    for other in others {
        let result = decode(&sealed(&body(other)));
        assert!(matches!(result, Err(Damage::Unreadable { .. })), "{other}: {result:?}");
    }
}

#[test]
fn a_newer_format_is_told_from_a_damaged_line() {
    assert_eq!(decode(&sealed(r#"{"v":2,"unheard":"of""#)), Err(Damage::Newer { version: 2 }));
    assert_eq!(decode(b"{\"v\":2,\"unheard\":\"of\"}\n"), Err(Damage::Checksum));
}

#[test]
fn boot_ids_are_read_as_the_kernel_writes_them_and_not_otherwise() {
    let text = "1f0c9d3e-77aa-4b6b-8c55-0242ac120002";
    let boot = crate::boot::parse(text).expect("a UUID is read");
    assert_eq!(crate::boot::format(boot), text);
    for other in
        ["", "1f0c9d3e77aa4b6b8c550242ac120002", "1F0C9D3E-77aa-4b6b-8c55-0242ac120002", "+f0c9d3e-77aa-4b6b-8c55-0242ac12000"]
    {
        assert_eq!(crate::boot::parse(other), None, "{other}");
    }
}

fn instant() -> impl Strategy<Value = Instant> {
    any::<u64>().prop_map(Instant)
}

fn generation() -> impl Strategy<Value = Generation> {
    any::<(u32, u32)>().prop_map(|(incarnation, number)| Generation { incarnation, number })
}

fn mint() -> impl Strategy<Value = Mint> {
    let slot = prop_oneof![Just(Color::Blue), Just(Color::Green)];
    (generation(), slot).prop_map(|(generation, slot)| Mint { generation, slot })
}

fn life() -> impl Strategy<Value = Life> {
    (instant(), instant()).prop_map(|(lb, ub)| Life { lb, ub })
}

fn held() -> impl Strategy<Value = Held> {
    (proptest::option::of(generation()), proptest::option::of(generation())).prop_map(|(blue, green)| Held { blue, green })
}

fn trigger() -> impl Strategy<Value = Trigger> {
    prop_oneof![
        Just(Trigger::Schedule),
        Just(Trigger::Operator),
        Just(Trigger::Compromise),
        Just(Trigger::Expiry),
        Just(Trigger::Lost)
    ]
}

fn via() -> impl Strategy<Value = Via> {
    prop_oneof![Just(Via::Current), Just(Via::Login)]
}

fn drained() -> impl Strategy<Value = Drained> {
    prop_oneof![Just(Drained::Idle), Just(Drained::Deadline), Just(Drained::Compromised), Just(Drained::Overridden)]
}

fn abandon_reason() -> impl Strategy<Value = AbandonReason> {
    prop_oneof![
        Just(AbandonReason::MintLost),
        Just(AbandonReason::Interrupted),
        Just(AbandonReason::NotPersisted),
        Just(AbandonReason::ProbeRefused),
        Just(AbandonReason::TimedOut),
        Just(AbandonReason::NotExtended),
        Just(AbandonReason::CanaryRefused),
        Just(AbandonReason::CanarySlow),
        Just(AbandonReason::CanaryTooFew),
        Just(AbandonReason::Aborted),
        Just(AbandonReason::Compromised),
    ]
}

fn secret() -> impl Strategy<Value = Secret> {
    prop_oneof![Just(Secret::Held), Just(Secret::Named), Just(Secret::Lost), Just(Secret::Several)]
}

fn proof() -> impl Strategy<Value = Proof> {
    prop_oneof![Just(Proof::Observed), Just(Proof::Expired), Just(Proof::Answered)]
}

fn stuck_reason() -> impl Strategy<Value = StuckReason> {
    prop_oneof![Just(StuckReason::CurrentRefused), Just(StuckReason::CurrentMissing), Just(StuckReason::Stranger)]
}

fn resolution() -> impl Strategy<Value = Resolution> {
    prop_oneof![Just(Resolution::Keep), Just(Resolution::Forget)]
}

fn at_stop() -> impl Strategy<Value = AtStop> {
    prop_oneof![Just(AtStop::Keep), Just(AtStop::Revoke)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        held().prop_map(|held| Step::Recovered { held }),
        mint().prop_map(|mint| Step::LoginIntent { mint }),
        instant().prop_map(|not_before| Step::LoginFailed { not_before }),
        life().prop_map(|life| Step::LoggedIn { life }),
        Just(Step::Ready),
        (mint(), trigger(), via()).prop_map(|(mint, trigger, via)| Step::IssueIntent { mint, trigger, via }),
        Just(Step::IssueRefused),
        life().prop_map(|life| Step::Issued { life }),
        Just(Step::Persisted),
        Just(Step::ExtendIntent),
        life().prop_map(|life| Step::Promoted { life }),
        instant().prop_map(|deadline| Step::ShortenIntent { deadline }),
        Just(Step::RollbackIntent),
        Just(Step::RollbackFailed),
        life().prop_map(|life| Step::RolledBack { life }),
        generation().prop_map(|generation| Step::Compromised { generation }),
        (drained(), instant()).prop_map(|(drained, ub)| Step::RevokeIntent { drained, ub }),
        (abandon_reason(), proptest::option::of(instant()), instant()).prop_map(|(reason, held_until, ub)| Step::AbandonIntent {
            reason,
            held_until,
            ub
        }),
        (generation(), secret()).prop_map(|(generation, secret)| Step::Owed { generation, secret }),
        (instant(), instant()).prop_map(|(ub, other)| Step::Waived { ub, other }),
        proof().prop_map(|proof| Step::Died { proof }),
        Just(Step::Cleared),
        stuck_reason().prop_map(|reason| Step::Stuck { reason }),
        resolution().prop_map(|resolution| Step::Resolved { resolution }),
        instant().prop_map(|ub| Step::CloseIntent { ub }),
        at_stop().prop_map(|how| Step::Stopped { how }),
    ]
}

proptest! {
    #[test]
    fn every_entry_is_read_as_it_was_written(
        lsn: u64, boot: u128, at: u64, step in step(), handle in proptest::option::of(any::<String>()),
    ) {
        let record = Record { lsn: Lsn(lsn), boot: BootId(boot), at: Instant(at), step };
        let entry = Entry { record, handle: handle.map(Handle) };
        let line = encode(&entry, NO_LINE).expect("an entry is encoded");
        prop_assert_eq!(line.iter().filter(|byte| **byte < b' ').count(), 1, "the newline is the only control character");
        prop_assert_eq!(decode(&line).expect("a line is decoded"), (entry, NO_LINE.to_owned()));
    }

    #[test]
    fn whatever_the_bytes_the_scan_ends_and_takes_nothing_that_was_not_written(bytes: Vec<u8>) {
        if let Ok(scan) = crate::scan::scan(&bytes) {
            prop_assert!(scan.history.entries.is_empty());
        }
    }
}

#[test]
fn a_line_chained_to_another_predecessor_is_not_the_next_one() {
    let (first, second) = (entry(1, every_entry()[0].record.step), entry(2, every_entry()[1].record.step));
    let stray = encode(&second, &sha256(b"another line")).expect("an entry is encoded");
    let journal = [lines(&[first]).concat(), stray].concat();
    let fault = crate::scan::scan(&journal).expect_err("the chain is broken");
    assert_eq!((fault.line, fault.damage), (2, Damage::Chain));
}
