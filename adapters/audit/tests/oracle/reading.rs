//! What a log may be like, and what is refused.

use std::io::Write as _;

use crate::story::{Story, file, text_of};
use turquoise_audit::{Limits, Log, LogError, Told, Whose};

#[test]
fn a_torn_last_line_is_not_looked_at() {
    let text = Story::good().text();
    let torn = Log::of(file(text.trim_end_matches("}\n")).path()).expect("a log");
    assert_eq!((torn.tally().torn, torn.tally().unauditable), (1, 0));
    assert_eq!(torn.entries().len() + 1, Story::good().log().entries().len());
}

#[test]
fn a_line_that_is_none_is_counted_with_its_place_and_a_file_that_is_no_log_is_refused() {
    let text = Story::good().text();
    let first = text.find('\n').expect("lines") + 1;
    let broken = format!("{}{{\"time\":\"20{}", &text[..first], &text[..]);
    let log = Log::of(file(&broken).path()).expect("a log");
    assert_eq!(log.tally().unauditable, 1);
    assert_eq!(log.tally().first_unauditable.as_ref().map(|(_, offset)| *offset), Some(first as u64));
    let judgement = log.judge(&Whose::Role("rot".to_owned()), &Told::default());
    assert_eq!(judgement.unauditable, 1);

    let foreign = file("{\"v\":1,\"seq\":1}\n");
    let error = Log::of(foreign.path()).expect_err("it is no log");
    assert!(matches!(error, LogError::Foreign { offset: 0, .. }), "{error}");
    assert!(error.to_string().contains(&foreign.path().display().to_string()), "{error}");
    assert!(matches!(Log::of(&foreign.path().join("x")), Err(LogError::Unreadable { .. })));
}

#[test]
fn there_are_limits_on_a_line_and_on_the_whole() {
    let (text, most) = (Story::good().text(), 5);
    let error = Log::read([file(&text).path()], Limits { requests: most, ..Limits::default() }).expect_err("too many");
    assert!(matches!(error, LogError::TooLong { most: 5, offset: 1.., .. }), "{error}");

    let first = text.find('\n').expect("lines") + 1;
    let with_a_long_one = format!("{}{}\n{}", &text[..first], "x".repeat(5000), &text[first..]);
    let log = Log::read([file(&with_a_long_one).path()], Limits { line: 2000, ..Limits::default() }).expect("a log");
    assert_eq!((log.tally().unauditable, log.entries().len()), (1, Story::good().lines.len()));
}

#[test]
fn the_logs_of_several_nodes_are_one() {
    let story = Story::good();
    let halves = [0, 1].map(|half| {
        let lines = story.lines.iter().enumerate().filter(|(place, _)| place % 2 == half || *place == 3);
        file(&text_of(lines.map(|(_, line)| line)))
    });
    let log = Log::read([halves[1].path(), halves[0].path()], Limits::default()).expect("logs");
    assert_eq!(
        log.entries().iter().filter(|entry| entry.made.is_none()).count(),
        story.log().entries().iter().filter(|entry| entry.made.is_none()).count()
    );
    assert!(log.judge(&Whose::Role("rot".to_owned()), &Told::default()).holds());
}

/// A server can be told to write everything in clear. What is read of that log holds no secret, and is judged all the same.
#[test]
fn secrets_in_clear_are_hashed_as_they_are_read() {
    let raw = Story::good().text().replace("hmac-sha256:", "s.");
    assert!(raw.contains("s.00000"));
    let mut clear = file("");
    clear.write_all(raw.as_bytes()).expect("room");
    let log = Log::of(clear.path()).expect("a log");
    let judgement = log.judge(&Whose::Role("rot".to_owned()), &Told::default());
    assert!(judgement.holds() && judgement.credentials.len() == 2, "{judgement}");
    for said in [format!("{:?}", log.entries()), format!("{judgement} {judgement:?}")] {
        assert!(!said.contains("00blue") && !said.contains("0green"), "{said}");
    }
}
