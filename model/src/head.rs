//! The head of a scenario: which world it plays in, a line for each thing that is to be known of it.

use std::fmt::Write as _;

use turquoise_core::Sown;

use crate::config::{Assumption, Config, STANDARD};

/// A line `key: value`.
struct Line {
    key: &'static str,
    /// Sets the value, unless there is no such.
    read: fn(&mut Config, &str) -> Option<()>,
    /// The value, if it is not that of the pinned configuration of this name.
    write: fn(&Config, &Config) -> Option<String>,
}

const LINES: [Line; 6] = [
    Line {
        key: "configuration",
        read: |config, value| Config::named(value).map(|named| *config = named),
        write: |config, _| Some(config.name.to_owned()),
    },
    Line {
        key: "crashes",
        read: |config, value| value.parse().ok().map(|n| config.crashes = n),
        write: |config, named| (config.crashes != named.crashes).then(|| config.crashes.to_string()),
    },
    Line {
        key: "faults",
        read: |config, value| value.parse().ok().map(|n| config.faults = n),
        write: |config, named| (config.faults != named.faults).then(|| config.faults.to_string()),
    },
    Line {
        key: "operator",
        read: |config, value| value.parse().ok().map(|n| config.operator = n),
        write: |config, named| (config.operator != named.operator).then(|| config.operator.to_string()),
    },
    Line {
        key: "broken",
        read: |config, value| Assumption::named(value).map(|broken| config.broken = Some(broken)),
        write: |config, _| config.broken.map(|broken| format!("{broken:?}")),
    },
    Line {
        key: "bug",
        read: |config, value| bug(value).map(|sown| config.policy.sown = sown),
        write: |config, _| bug_in(config.policy.sown),
    },
];

/// Takes a line of a head, if it is one: whether there is what it names.
pub(crate) fn read(config: &mut Config, line: &str) -> Option<bool> {
    let (key, value) = line.split_once(": ")?;
    let known = LINES.iter().find(|known| known.key == key)?;
    Some((known.read)(config, value).is_some())
}

/// The head that names this configuration, if one can.
pub(crate) fn write(config: &Config) -> Option<String> {
    let mut again = Config::named(config.name)?;
    let named = again;
    let mut head = String::new();
    for Line { key, read, write } in LINES {
        if let Some(value) = write(config, &named) {
            read(&mut again, &value)?;
            let _ = writeln!(head, "{key}: {value}");
        }
    }
    (Config { pins: config.pins, ..again } == *config).then_some(head)
}

impl Config {
    /// The pinned configuration of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        STANDARD.into_iter().find(|config| config.name == name)
    }
}

impl Assumption {
    /// The assumption of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|assumption| format!("{assumption:?}") == name)
    }
}

/// What sows the bug of this name; nothing does in a build that ships.
#[cfg(feature = "seeded-bugs")]
fn bug(name: &str) -> Option<Sown> {
    let bug = turquoise_core::SeededBug::ALL.iter().find(|bug| format!("{bug:?}") == name);
    bug.map(|bug| Sown::bug(*bug))
}

#[cfg(not(feature = "seeded-bugs"))]
const fn bug(_: &str) -> Option<Sown> {
    None
}

#[cfg(feature = "seeded-bugs")]
fn bug_in(sown: Sown) -> Option<String> {
    turquoise_core::SeededBug::ALL.iter().find(|bug| Sown::bug(**bug) == sown).map(|bug| format!("{bug:?}"))
}

#[cfg(not(feature = "seeded-bugs"))]
const fn bug_in(_: Sown) -> Option<String> {
    None
}
