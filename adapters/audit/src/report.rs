//! What a judgement says.

use std::fmt;
use std::time::SystemTime;

use serde::{Serialize, Serializer};

use crate::book::{By, Kind};

/// A property of the specification, as far as it is judged here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Property {
    /// Never dark.
    S1,
    /// No early revoke.
    S2,
    /// Intent first.
    S3,
    /// At most two.
    S4,
    /// Lineage-safe.
    S6,
    /// Bounded load.
    S10,
    /// No survivor.
    L2,
}

impl Property {
    /// All of them.
    pub const ALL: [Self; 7] = [Self::S1, Self::S2, Self::S3, Self::S4, Self::S6, Self::S10, Self::L2];
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// Something that contradicts a property.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which.
    pub property: Property,
    /// When, by the server's clock.
    #[serde(serialize_with = "rfc3339")]
    pub at: SystemTime,
    /// The credential: its generation, or its accessor.
    pub credential: String,
    /// What was seen.
    pub why: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { property, at, credential, why } = self;
        write!(f, "{property} {} {credential}: {why}", humantime::format_rfc3339_millis(*at))
    }
}

/// What became of a credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Fate {
    /// Its generation, or its accessor.
    pub credential: String,
    /// What it is.
    pub kind: Kind,
    /// Its accessor, as the log has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accessor: Option<String>,
    /// The credential that minted it; nothing if that is none of the identity's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minted_by: Option<String>,
    /// When it was minted, or first seen.
    #[serde(serialize_with = "rfc3339")]
    pub since: SystemTime,
    /// When its life was extended: it was made current.
    #[serde(serialize_with = "perhaps", skip_serializing_if = "Option::is_none")]
    pub taken: Option<SystemTime>,
    /// Its end, or that which it has if nobody does anything more.
    #[serde(serialize_with = "perhaps", skip_serializing_if = "Option::is_none")]
    pub until: Option<SystemTime>,
    /// Who ended it. Nothing: it lives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<By>,
    /// Whether another credential saw it dead.
    pub seen_dead: bool,
    /// How often work was done with it.
    pub worked: usize,
    /// How often work was refused because it was of no use.
    pub refused: usize,
    /// How many leases were taken with it.
    pub leases: usize,
    /// How many other tokens were made with it.
    pub children: usize,
}

impl Fate {
    /// Whether it lives.
    pub const fn lives(&self) -> bool {
        self.ended_by.is_none()
    }
}

/// What the log says of one identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Judgement {
    /// Whose rotations.
    pub identity: String,
    /// Its credentials, in the order in which they began.
    pub credentials: Vec<Fate>,
    /// What contradicts a property.
    pub violations: Vec<Finding>,
    /// What would, had somebody else not ended a credential, or an operator not waived it.
    pub excused: Vec<Finding>,
    /// What is not judged, and what would have to be told.
    pub not_judged: Vec<String>,
    /// Requests of its credentials.
    pub matched: usize,
    /// Requests of others.
    pub unmatched: usize,
    /// Lines that could not be read, and ends of it is not known what.
    pub unauditable: usize,
    /// Refusals of work whose credential was ended when its grace was over.
    pub late: usize,
}

impl Judgement {
    /// Whether nothing contradicts a property.
    pub fn holds(&self) -> bool {
        self.violations.is_empty()
    }

    /// Those that live.
    pub fn living(&self) -> impl Iterator<Item = &Fate> {
        self.credentials.iter().filter(|fate| fate.lives())
    }

    /// The properties that are contradicted.
    pub fn violated(&self) -> Vec<Property> {
        let mut properties: Vec<_> = self.violations.iter().map(|finding| finding.property).collect();
        properties.sort_unstable();
        properties.dedup();
        properties
    }
}

/// A few lines, for people.
impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { identity, credentials, matched, unmatched, unauditable, late, .. } = self;
        let living = self.living().count();
        writeln!(f, "{identity}: {} credentials, {living} alive", credentials.len())?;
        writeln!(
            f,
            "requests: {matched} matched, {unmatched} of others, {unauditable} unauditable; {late} refused after their grace"
        )?;
        for (word, findings) in [("violated", &self.violations), ("excused", &self.excused)] {
            for finding in findings {
                writeln!(f, "{word}: {finding}")?;
            }
        }
        self.not_judged.iter().try_for_each(|what| writeln!(f, "not judged: {what}"))
    }
}

fn rfc3339<S: Serializer>(at: &SystemTime, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&humantime::format_rfc3339_millis(*at))
}

#[expect(clippy::ref_option, reason = "serde passes what it has")]
fn perhaps<S: Serializer>(at: &Option<SystemTime>, to: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => rfc3339(at, to),
        None => to.serialize_none(),
    }
}
