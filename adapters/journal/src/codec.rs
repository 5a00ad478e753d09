//! Entries to lines and back.
//!
//! The core has no serde, so its types are mirrored here; the derived conversions fail to compile when the two differ.
//! A line is taken only if encoding what was read gives the same bytes: unknown and repeated fields, other spacing or
//! another order are all refused by that one comparison.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use turquoise_runtime::core::{
    AbandonReason, AtStop, BootId, Checkpoint, Color, Drained, Generation, Held, Instant, Life, Lsn, Mint, Proof, Record,
    Resolution, Secret, Step, StuckReason, Trigger, Via,
};
use turquoise_runtime::port::{Base, Entry, Handle};

use crate::scan::Damage;

/// The version of the format that this program writes, and the only one that it reads.
pub(crate) const VERSION: u64 = 1;

/// What the first line has for `prev`.
pub(crate) const NO_LINE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The length of `,"sum":"<64 hex>"}` and a newline.
const SEAL: usize = 8 + 64 + 2 + 1;

/// The line of an entry, newline included.
pub(crate) fn encode(entry: &Entry, prev: &str) -> serde_json::Result<Vec<u8>> {
    let mut line = body(entry, prev)?;
    line.extend_from_slice(seal(&line).as_bytes());
    Ok(line)
}

/// The entry of a line (with its newline), and the `prev` that the line claims.
pub(crate) fn decode(line: &[u8]) -> Result<(Entry, String), Damage> {
    let head = unsealed(line).ok_or(Damage::Checksum)?;
    let Line { seq, prev, boot, at, step, handle, .. } = read(line)?;
    let record = Record { lsn: Lsn(seq), boot, at: Instant(at), step };
    let entry = Entry { record, handle: handle.map(Handle) };
    if body(&entry, &prev).map_err(|error| unreadable(&error))? != head {
        return Err(altered());
    }
    Ok((entry, prev))
}

/// The line of a base, newline included. It bears the number of the last record that it stands for.
pub(crate) fn encode_base(base: &Base, prev: &str) -> serde_json::Result<Vec<u8>> {
    let mut line = base_body(base, prev)?;
    line.extend_from_slice(seal(&line).as_bytes());
    Ok(line)
}

/// The base of a line, and the `prev` that the line claims.
pub(crate) fn decode_base(line: &[u8]) -> Result<(Base, String), Damage> {
    let head = unsealed(line).ok_or(Damage::Checksum)?;
    let BaseLine { prev, handle, seq, boot, at, tag: _, v: _, rest } = read(line)?;
    let RestLine { mints, misses, current, life, renew_at, accepted_until, unsettled_until, unsettled_ub, rotate_at, cool_until } =
        rest;
    let checkpoint = Checkpoint {
        lsn: Lsn(seq),
        boot,
        at: Instant(at),
        mints,
        misses,
        current,
        life,
        renew_at: Instant(renew_at),
        accepted_until: Instant(accepted_until),
        unsettled_until: Instant(unsettled_until),
        unsettled_ub: Instant(unsettled_ub),
        rotate_at: rotate_at.map(Instant),
        cool_until: Instant(cool_until),
    };
    let base = Base { checkpoint, handle: handle.map(Handle) };
    if base_body(&base, &prev).map_err(|error| unreadable(&error))? != head {
        return Err(altered());
    }
    Ok((base, prev))
}

/// Whether a line says that it is a base; within a string its quotes would be escaped.
pub(crate) fn says_base(line: &[u8]) -> bool {
    const SAYS: &[u8] = br#","step":"checkpoint","#;
    line.windows(SAYS.len()).any(|window| window == SAYS)
}

/// A line of this version.
fn read<T: DeserializeOwned>(line: &[u8]) -> Result<T, Damage> {
    serde_json::from_slice(line).map_err(|error| match serde_json::from_slice(line) {
        Ok(Version { v }) if v > VERSION => Damage::Newer { version: v },
        _ => unreadable(&error),
    })
}

fn unreadable(error: &serde_json::Error) -> Damage {
    Damage::Unreadable { why: error.to_string() }
}

/// What another hand sealed, or a newer program that kept every name.
fn altered() -> Damage {
    Damage::Unreadable { why: "a field, an order or a spacing that version 1 does not have".to_owned() }
}

/// How the line with this place in the chain begins.
pub(crate) fn beginning(seq: u64, prev: &str) -> String {
    format!(r#"{{"v":{VERSION},"seq":{seq},"prev":"{prev}","boot":""#)
}

/// SHA-256 in lower-case hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let hex = |byte: u8| [byte >> 4, byte & 15].map(|nibble| char::from(b"0123456789abcdef"[usize::from(nibble)]));
    Sha256::digest(bytes).into_iter().flat_map(hex).collect()
}

/// The line up to the comma before its `sum`.
fn body(entry: &Entry, prev: &str) -> serde_json::Result<Vec<u8>> {
    let Entry { record: Record { lsn, boot, at, step }, handle } = entry;
    let handle = handle.as_ref().map(|Handle(name)| name.clone());
    open_object(&Line { v: OurVersion, seq: lsn.0, prev: prev.to_owned(), boot: *boot, at: at.0, step: *step, handle })
}

fn base_body(base: &Base, prev: &str) -> serde_json::Result<Vec<u8>> {
    let Base { checkpoint, handle } = base;
    let Checkpoint { lsn, boot, at, mints, misses, current, life, .. } = *checkpoint;
    let rest = RestLine {
        mints,
        misses,
        current,
        life,
        renew_at: checkpoint.renew_at.0,
        accepted_until: checkpoint.accepted_until.0,
        unsettled_until: checkpoint.unsettled_until.0,
        unsettled_ub: checkpoint.unsettled_ub.0,
        rotate_at: checkpoint.rotate_at.map(|at| at.0),
        cool_until: checkpoint.cool_until.0,
    };
    let handle = handle.as_ref().map(|Handle(name)| name.clone());
    let (v, tag) = (OurVersion, BaseTag::Checkpoint);
    open_object(&BaseLine { v, seq: lsn.0, prev: prev.to_owned(), boot, at: at.0, tag, rest, handle })
}

/// An object without its closing brace, which the seal brings.
fn open_object(line: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.pop();
    Ok(bytes)
}

/// What ends a line: its checksum, the closing brace and the newline.
pub(crate) fn seal(body: &[u8]) -> String {
    format!(",\"sum\":\"{}\"}}\n", sha256(body))
}

/// A line without its seal, if that is right.
pub(crate) fn unsealed(line: &[u8]) -> Option<&[u8]> {
    let (body, end) = line.split_at_checked(line.len().saturating_sub(SEAL))?;
    (end == seal(body).as_bytes()).then_some(body)
}

#[derive(Deserialize)]
struct Version {
    v: u64,
}

/// Takes no other version than ours, so that nothing of another one is taken for sound.
struct OurVersion;

impl Serialize for OurVersion {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(VERSION)
    }
}

impl<'de> Deserialize<'de> for OurVersion {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let v = u64::deserialize(from)?;
        if v == VERSION { Ok(Self) } else { Err(D::Error::custom(format!("format {v}"))) }
    }
}

/// A base: what stands for the records in the archives. Only the first line of a file can be one.
#[derive(Serialize, Deserialize)]
struct BaseLine {
    v: OurVersion,
    seq: u64,
    prev: String,
    #[serde(with = "boot_text")]
    boot: BootId,
    at: u64,
    #[serde(rename = "step")]
    tag: BaseTag,
    #[serde(flatten)]
    rest: RestLine,
    #[serde(skip_serializing_if = "Option::is_none")]
    handle: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum BaseTag {
    Checkpoint,
}

#[derive(Serialize, Deserialize)]
struct RestLine {
    mints: u32,
    misses: u8,
    #[serde(with = "MintLine")]
    current: Mint,
    #[serde(with = "LifeLine")]
    life: Life,
    renew_at: u64,
    accepted_until: u64,
    unsettled_until: u64,
    unsettled_ub: u64,
    rotate_at: Option<u64>,
    cool_until: u64,
}

#[derive(Serialize, Deserialize)]
struct Line {
    v: OurVersion,
    seq: u64,
    prev: String,
    #[serde(with = "boot_text")]
    boot: BootId,
    at: u64,
    #[serde(flatten, with = "StepLine")]
    step: Step,
    #[serde(skip_serializing_if = "Option::is_none")]
    handle: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Step", tag = "step", rename_all = "kebab-case")]
enum StepLine {
    Recovered {
        #[serde(with = "HeldLine")]
        held: Held,
    },
    LoginIntent {
        #[serde(with = "MintLine")]
        mint: Mint,
    },
    LoginFailed {
        #[serde(with = "InstantLine")]
        not_before: Instant,
    },
    LoggedIn {
        #[serde(with = "LifeLine")]
        life: Life,
    },
    Ready,
    IssueIntent {
        #[serde(with = "MintLine")]
        mint: Mint,
        #[serde(with = "TriggerLine")]
        trigger: Trigger,
        #[serde(with = "ViaLine")]
        via: Via,
    },
    IssueRefused,
    Issued {
        #[serde(with = "LifeLine")]
        life: Life,
    },
    Persisted,
    ExtendIntent,
    Promoted {
        #[serde(with = "LifeLine")]
        life: Life,
    },
    ShortenIntent {
        #[serde(with = "InstantLine")]
        deadline: Instant,
    },
    RollbackIntent,
    RollbackFailed,
    RolledBack {
        #[serde(with = "LifeLine")]
        life: Life,
    },
    Compromised {
        #[serde(with = "generation_text")]
        generation: Generation,
    },
    RevokeIntent {
        #[serde(with = "DrainedLine")]
        drained: Drained,
        #[serde(with = "InstantLine")]
        ub: Instant,
    },
    AbandonIntent {
        #[serde(with = "AbandonReasonLine")]
        reason: AbandonReason,
        #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_instant")]
        held_until: Option<Instant>,
        #[serde(with = "InstantLine")]
        ub: Instant,
    },
    Owed {
        #[serde(with = "generation_text")]
        generation: Generation,
        #[serde(with = "SecretLine")]
        secret: Secret,
    },
    Waived {
        #[serde(with = "InstantLine")]
        ub: Instant,
        #[serde(with = "InstantLine")]
        other: Instant,
    },
    Died {
        #[serde(with = "ProofLine")]
        proof: Proof,
    },
    Cleared,
    Stuck {
        #[serde(with = "StuckReasonLine")]
        reason: StuckReason,
    },
    Resolved {
        #[serde(with = "ResolutionLine")]
        resolution: Resolution,
    },
    CloseIntent {
        #[serde(with = "InstantLine")]
        ub: Instant,
    },
    Stopped {
        #[serde(with = "AtStopLine")]
        how: AtStop,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Held")]
struct HeldLine {
    #[serde(with = "optional_generation_text")]
    blue: Option<Generation>,
    #[serde(with = "optional_generation_text")]
    green: Option<Generation>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Mint")]
struct MintLine {
    #[serde(with = "generation_text")]
    generation: Generation,
    #[serde(with = "ColorLine")]
    slot: Color,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Life")]
struct LifeLine {
    #[serde(with = "InstantLine")]
    lb: Instant,
    #[serde(with = "InstantLine")]
    ub: Instant,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Instant", transparent)]
struct InstantLine(u64);

#[derive(Serialize, Deserialize)]
#[serde(remote = "Color", rename_all = "kebab-case")]
enum ColorLine {
    Blue,
    Green,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Trigger", rename_all = "kebab-case")]
enum TriggerLine {
    Schedule,
    Operator,
    Compromise,
    Expiry,
    Lost,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Via", rename_all = "kebab-case")]
enum ViaLine {
    Current,
    Login,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Drained", rename_all = "kebab-case")]
enum DrainedLine {
    Idle,
    Deadline,
    Compromised,
    Overridden,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Secret", rename_all = "kebab-case")]
enum SecretLine {
    Held,
    Named,
    Lost,
    Several,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "AbandonReason", rename_all = "kebab-case")]
enum AbandonReasonLine {
    MintLost,
    Interrupted,
    NotPersisted,
    ProbeRefused,
    TimedOut,
    CanaryRefused,
    CanarySlow,
    CanaryTooFew,
    NotExtended,
    Aborted,
    Compromised,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Proof", rename_all = "kebab-case")]
enum ProofLine {
    Observed,
    Expired,
    Answered,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "StuckReason", rename_all = "kebab-case")]
enum StuckReasonLine {
    CurrentRefused,
    CurrentMissing,
    Stranger,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Resolution", rename_all = "kebab-case")]
enum ResolutionLine {
    Keep,
    Forget,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "AtStop", rename_all = "kebab-case")]
enum AtStopLine {
    Keep,
    Revoke,
}

mod boot_text {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use turquoise_runtime::core::BootId;

    use crate::boot;

    pub(super) fn serialize<S: Serializer>(boot: &BootId, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&boot::format(*boot))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BootId, D::Error> {
        let text = String::deserialize(from)?;
        boot::parse(&text).ok_or_else(|| D::Error::custom(format!("no boot id: {text}")))
    }
}

mod generation_text {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use turquoise_runtime::core::Generation;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(generation: &Generation, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(generation)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Generation, D::Error> {
        let text = String::deserialize(from)?;
        parse(&text).ok_or_else(|| D::Error::custom(format!("no generation: {text}")))
    }

    /// Takes nothing but what the core's `Display` writes.
    pub(super) fn parse(text: &str) -> Option<Generation> {
        let (incarnation, number) = text.split_once('-')?;
        let incarnation = u32::from_str_radix(incarnation, 16).ok()?;
        let generation = Generation { incarnation, number: number.parse().ok()? };
        (generation.to_string() == text).then_some(generation)
    }
}

mod optional_instant {
    use serde::{Deserialize, Deserializer, Serializer};
    use turquoise_runtime::core::Instant;

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(instant: &Option<Instant>, to: S) -> Result<S::Ok, S::Error> {
        match instant {
            Some(Instant(millis)) => to.serialize_some(millis),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Instant>, D::Error> {
        Ok(Option::<u64>::deserialize(from)?.map(Instant))
    }
}

mod optional_generation_text {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use turquoise_runtime::core::Generation;

    use super::generation_text::parse;

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(generation: &Option<Generation>, to: S) -> Result<S::Ok, S::Error> {
        match generation {
            Some(generation) => to.serialize_some(&generation.to_string()),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Generation>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| parse(&text).ok_or_else(|| D::Error::custom(format!("no generation: {text}")))).transpose()
    }
}
