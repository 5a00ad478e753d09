//! What would give a secret away: ten of its bytes in a row, forwards or backwards, as they are or as programs write bytes.

use std::collections::HashMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// So many bytes of a secret in a row are a leak.
const TELLING: usize = 10;
/// Parts are looked for by so many of their first bytes; none is shorter.
const KEY: usize = 8;

/// Finds secrets.
pub(crate) struct Leaks {
    parts: HashMap<[u8; KEY], Vec<(&'static str, Vec<u8>)>>,
}

impl Leaks {
    pub(crate) fn of<S: AsRef<str>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let mut parts: HashMap<_, Vec<_>> = HashMap::new();
        for secret in secrets {
            let secret = secret.as_ref().as_bytes();
            assert!(secret.len() >= 2 * TELLING, "too short to be told from other text");
            for (form, part) in secret.windows(TELLING).flat_map(forms) {
                let key = *part.as_bytes().first_chunk().expect("each form has as many characters as there are bytes");
                parts.entry(key).or_default().push((form, part.into_bytes()));
            }
        }
        Self { parts }
    }

    /// In which form there is a part of a secret, and after what.
    pub(crate) fn find(&self, bytes: &[u8]) -> Option<String> {
        bytes.windows(KEY).enumerate().find_map(|(at, key)| {
            let (form, _) = self.parts.get(key)?.iter().find(|(_, part)| bytes[at..].starts_with(part))?;
            let before = String::from_utf8_lossy(&bytes[at.saturating_sub(120)..at]);
            Some(format!("{form}, after {before:?}"))
        })
    }
}

/// How programs write bytes: each form of the whole, or what of it does not depend on what stands beside it.
pub(crate) fn forms(bytes: &[u8]) -> Vec<(&'static str, String)> {
    let each = |write: &dyn Fn(&mut String, u8)| {
        bytes.iter().fold(String::new(), |mut text, byte| {
            write(&mut text, *byte);
            text
        })
    };
    let put = |text: &mut String, written: std::fmt::Arguments<'_>| text.write_fmt(written).expect("a string takes everything");
    let mut forms = vec![
        ("as it is", String::from_utf8_lossy(bytes).into_owned()),
        ("reversed", bytes.iter().rev().map(|byte| char::from(*byte)).collect()),
        ("hex", each(&|text, byte| put(text, format_args!("{byte:02x}")))),
        ("HEX", each(&|text, byte| put(text, format_args!("{byte:02X}")))),
        ("percent", each(&|text, byte| put(text, format_args!("%{byte:02x}")))),
        ("PERCENT", each(&|text, byte| put(text, format_args!("%{byte:02X}")))),
        ("numbers", each(&|text, byte| put(text, format_args!("{byte}, ")))),
        ("numbers in JSON", each(&|text, byte| put(text, format_args!("{byte},")))),
    ];
    // What stands before shifts the bits, by nought, two or four of a character's six.
    for before in 0..3 {
        let shifted = [&vec![0; before], bytes].concat();
        let own = (before * 8).div_ceil(6)..shifted.len() * 8 / 6;
        forms.push(("base64", STANDARD_NO_PAD.encode(&shifted)[own.clone()].to_owned()));
        forms.push(("base64 for addresses", URL_SAFE_NO_PAD.encode(&shifted)[own].to_owned()));
    }
    forms
}
