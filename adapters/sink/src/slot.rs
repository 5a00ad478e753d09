//! A credential to the bytes of its slot and back.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use turquoise_runtime::core::{Color, Generation, Mint};
use turquoise_runtime::memory::{ExposeSecret as _, Secret};
use turquoise_runtime::port::{Credential, Handle};
use zeroize::Zeroizing;

const VERSION: u64 = 1;

/// The length of `,"sum":"<64 hex>"}` and a newline.
const SEAL: usize = 8 + 64 + 2 + 1;

/// Why the bytes of a slot mean no credential.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unsound {
    Damaged(&'static str),
    Newer(u64),
}

/// `{"v":1,"generation":"0123abcd-7","slot":"green","handle":"…","secret":"…","sum":"…"}`, where `sum` is the SHA-256 of all
/// that stands before its comma.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    v: u64,
    generation: String,
    slot: &'a str,
    #[serde(borrow)]
    handle: Cow<'a, str>,
    #[serde(borrow)]
    secret: Cow<'a, str>,
}

pub(crate) fn encode(credential: &Credential) -> serde_json::Result<Zeroizing<Vec<u8>>> {
    let Credential { mint: Mint { generation, slot }, handle: Handle(handle), secret } = credential;
    let secret = secret.expose_secret();
    // At its longest a byte is written as `\u001f`. The buffer never grows: growing would leave a copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(6 * (secret.len() + handle.len()) + 256));
    let line = Line {
        v: VERSION,
        generation: generation.to_string(),
        slot: slot.name(),
        handle: Cow::Borrowed(handle),
        secret: Cow::Borrowed(secret),
    };
    serde_json::to_writer(&mut *bytes, &line)?;
    bytes.pop(); // the closing brace, which the seal brings
    let seal = seal(&bytes);
    bytes.extend_from_slice(seal.as_bytes());
    Ok(bytes)
}

/// The credential in the bytes of the slot of this colour. The parser's own words are not passed on: they may quote a secret.
pub(crate) fn decode(bytes: &[u8], color: Color) -> Result<Credential, Unsound> {
    let checksum = Unsound::Damaged("its checksum does not match");
    let Some((head, tail)) = bytes.split_at_checked(bytes.len().saturating_sub(SEAL)) else { return Err(checksum) };
    if tail != seal(head).as_bytes() {
        return Err(checksum);
    }
    let Version { v } = serde_json::from_slice(bytes).map_err(|_| Unsound::Damaged("it names no format"))?;
    if v > VERSION {
        return Err(Unsound::Newer(v));
    }
    let Line { generation, slot, handle, secret, .. } =
        serde_json::from_slice(bytes).map_err(|_| Unsound::Damaged("it is not of format 1"))?;
    let secret = match secret {
        Cow::Borrowed(secret) => Secret::from(secret),
        Cow::Owned(secret) => Secret::from(secret),
    };
    if slot != color.name() {
        return Err(Unsound::Damaged("it is the file of the other slot"));
    }
    let generation = parse(&generation).ok_or(Unsound::Damaged("it names no generation"))?;
    Ok(Credential { mint: Mint { generation, slot: color }, handle: Handle(handle.into_owned()), secret })
}

/// The line of a manifest: `{"v":1,"generation":"0123abcd-7","sum":"…"}`.
pub(crate) fn manifest(generation: Generation) -> String {
    let body = format!("{{\"v\":{VERSION},\"generation\":\"{generation}\"");
    let seal = seal(body.as_bytes());
    body + &seal
}

/// The generation in a manifest of ours.
pub(crate) fn read_manifest(bytes: &[u8]) -> Option<Generation> {
    let text = str::from_utf8(bytes).ok()?;
    let generation = text.split('"').nth(5).and_then(parse)?;
    (manifest(generation) == text).then_some(generation)
}

#[derive(Deserialize)]
struct Version {
    v: u64,
}

/// Takes nothing but what the core's `Display` writes.
fn parse(text: &str) -> Option<Generation> {
    let (incarnation, number) = text.split_once('-')?;
    let incarnation = u32::from_str_radix(incarnation, 16).ok()?;
    let generation = Generation { incarnation, number: number.parse().ok()? };
    (generation.to_string() == text).then_some(generation)
}

#[cfg(test)]
pub(crate) fn sealed(body: &str) -> String {
    format!("{body}{}", seal(body.as_bytes()))
}

fn seal(body: &[u8]) -> String {
    format!(",\"sum\":\"{}\"}}\n", hex(&Sha256::digest(body)))
}

/// Two digits a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digits = |byte: &u8| [byte >> 4, byte & 15].map(|nibble| char::from(b"0123456789abcdef"[usize::from(nibble)]));
    // It never grows: growing would leave a copy behind.
    let mut text = String::with_capacity(2 * bytes.len());
    text.extend(bytes.iter().flat_map(digits));
    text
}
