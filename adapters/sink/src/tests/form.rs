//! A shared credentials file instead of a bare secret.

use std::fs;

use turquoise_runtime::core::Color;
use turquoise_runtime::port::Store;

use super::{blue, credential, green, open, place, refused};
use crate::{Form, Profile};

fn shared(profile: &str) -> Form {
    Form::SharedCredentials { profile: profile.parse().expect("a profile") }
}

#[test]
fn a_shared_credentials_file_has_the_id_and_the_secret_under_its_profile() {
    let (_folder, path) = place();
    let mut sink = open(&path).in_form(shared("app"));
    sink.publish(&blue()).expect("it is published");
    sink.publish(&green()).expect("it is published");
    let content = fs::read_to_string(&path).expect("a file");
    let expected = "[app]\naws_access_key_id = accessor-2\n\
                    aws_secret_access_key = hvs.green-secret-that-is-longer-than-the-blue-one\n";
    assert_eq!(content, expected);
}

#[test]
fn what_would_read_as_another_line_is_not_published() {
    let (_folder, path) = place();
    let mut sink = open(&path).in_form(shared("app"));
    sink.publish(&blue()).expect("it is published");
    let before = fs::read(&path).expect("a file");
    let why = refused(sink.publish(&credential(Color::Green, 2, "hvs.two\nlines")));
    assert!(why.contains("shared credentials file"), "{why}");
    assert_eq!(fs::read(&path).expect("a file"), before);
}

#[test]
fn a_profile_has_a_plain_name() {
    for bad in ["", "a]", "a b", "a\n"] {
        assert!(bad.parse::<Profile>().is_err(), "{bad:?}");
    }
}
