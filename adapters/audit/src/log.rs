//! Reading logs.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use thiserror::Error;

use crate::book::Book;
use crate::entry::{Answer, Entry, Read, Words, read};
use crate::judge::{Told, judge};
use crate::report::Judgement;

/// Why a log cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LogError {
    /// The system refuses.
    #[error("the audit log {} cannot be read at byte {offset}: {why}; see that it is there and that you may read it", path.display())]
    Unreadable {
        /// The log.
        path: PathBuf,
        /// How far it could be read.
        offset: u64,
        /// What the system said.
        why: io::Error,
    },
    /// The file does not begin as an audit log does.
    #[error("{} is not the audit log of a Vault or OpenBao server: its line at byte {offset} is none; give the file of a file audit device", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Where the line begins.
        offset: u64,
    },
    /// There are more requests in it than are taken.
    #[error("the audit log {} has more than {most} requests, at byte {offset}: give the part that is to be judged", path.display())]
    TooLong {
        /// The log.
        path: PathBuf,
        /// How many are taken.
        most: usize,
        /// Where the first begins that is not.
        offset: u64,
    },
}

/// How much is taken.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest line, in bytes. A longer one is passed over and counted.
    pub line: u64,
    /// The most requests, of all files. Each takes some 250 bytes of memory.
    pub requests: usize,
}

impl Default for Limits {
    /// A mebibyte, and two million requests.
    fn default() -> Self {
        Self { line: 1 << 20, requests: 2_000_000 }
    }
}

/// What was read, by the numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Whole lines.
    pub lines: usize,
    /// Lines that are none of an audit log, or too long: what they may say is not known.
    pub unauditable: usize,
    /// Where the first of them begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_unauditable: Option<(PathBuf, u64)>,
    /// Files whose last line has no end: the server was writing it.
    pub torn: usize,
    /// Requests whose answer is not in the log.
    pub unanswered: usize,
}

/// Whose rotations.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// All tokens that were minted through this token role, logins under this role that bore a rotation id, or the secret ids of
    /// this AppRole: to be given where one identity has the role for itself.
    Role(String),
    /// All that bears rotation ids of this journal, eight hexadecimal digits, and what was adopted before.
    Journal(String),
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(role) => write!(f, "role {role}"),
            Self::Journal(journal) => write!(f, "journal {journal}"),
        }
    }
}

/// The requests that a server, or the nodes of a cluster, have written down, oldest first.
#[derive(Clone, Debug)]
pub struct Log {
    entries: Vec<Entry>,
    tally: Tally,
}

impl Log {
    /// Reads the logs of a server, or of all nodes of a cluster: what is in more than one counts once. The server may be
    /// writing meanwhile: a last line without its end is not looked at.
    ///
    /// # Errors
    ///
    /// See [`LogError`].
    pub fn read<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>, limits: Limits) -> Result<Self, LogError> {
        let paths: Vec<_> = paths.into_iter().collect();
        let answered = (paths.len() > 1).then(HashSet::new);
        let mut reading = Reading { limits, answered, ..Reading::default() };
        for path in &paths {
            reading.file(path.as_ref())?;
        }
        Ok(reading.done())
    }

    /// Reads the log of one server, within the default limits.
    ///
    /// # Errors
    ///
    /// See [`LogError`].
    pub fn of(path: &Path) -> Result<Self, LogError> {
        Self::read([path], Limits::default())
    }

    /// All requests.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What was read, by the numbers.
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The journals whose rotation ids are in the log.
    pub fn identities(&self) -> Vec<Whose> {
        let journals = self.entries.iter().filter_map(|entry| {
            let made = entry.made.as_ref()?;
            let named = if entry.path.starts_with("auth/token/create") { made.rotation.as_deref() } else { None };
            journal_of(entry.rotation.as_deref().or(named)?)
        });
        journals.map(str::to_owned).collect::<BTreeSet<_>>().into_iter().map(Whose::Journal).collect()
    }

    /// Judges the rotations of one identity.
    pub fn judge(&self, whose: &Whose, told: &Told) -> Judgement {
        judge(&Book::of(&self.entries, whose, told), whose, told, &self.tally)
    }

    /// Of the handles that a journal names: how many the log has among the identity's credentials, and how many there are. By
    /// the handle, in clear or hashed, else by the generation.
    pub fn named(&self, whose: &Whose, told: &Told) -> (usize, usize) {
        let book = Book::of(&self.entries, whose, told);
        let Some(announced) = &told.announced else { return (0, 0) };
        let known = |(rotation, handle): &(&String, &String)| {
            book.credentials.iter().any(|one| {
                let by_handle = one.accessor.as_deref().is_some_and(|name| told.clear(name) == handle.as_str());
                by_handle || one.rotation.as_deref() == Some(rotation.as_str())
            })
        };
        (announced.handles.iter().filter(known).count(), announced.handles.len())
    }

    /// The accessors of an identity's credentials as far as the log has them in clear: what [`Told::hash`] needs where some
    /// were ended by accessor.
    pub fn accessors(&self, whose: &Whose) -> Vec<String> {
        let book = Book::of(&self.entries, whose, &Told::default());
        let names = book.credentials.iter().filter_map(|one| one.accessor.as_deref());
        names.filter(|name| !name.starts_with("hmac-")).map(str::to_owned).collect()
    }
}

/// The journal of a rotation id.
pub(crate) fn journal_of(rotation: &str) -> Option<&str> {
    let (journal, number) = rotation.split_once('-')?;
    let hex = journal.len() == 8 && journal.bytes().all(|digit| digit.is_ascii_hexdigit());
    (hex && number.parse::<u32>().is_ok()).then_some(journal)
}

#[derive(Default)]
struct Reading {
    limits: Limits,
    words: Words,
    entries: Vec<Entry>,
    /// What was asked and not answered so far.
    open: BTreeMap<String, Entry>,
    /// Where there are several logs: what is in any of them.
    answered: Option<HashSet<String>>,
    tally: Tally,
}

impl Reading {
    fn file(&mut self, path: &Path) -> Result<(), LogError> {
        let (mut offset, mut line, mut sound) = (0, Vec::new(), false);
        let unreadable = |offset| move |why| LogError::Unreadable { path: path.to_owned(), offset, why };
        let mut file = BufReader::new(File::open(path).map_err(unreadable(0))?);
        loop {
            line.clear();
            let length = (&mut file).take(self.limits.line).read_until(b'\n', &mut line).map_err(unreadable(offset))? as u64;
            let whole = line.last() == Some(&b'\n');
            if !whole && length < self.limits.line {
                self.tally.torn += usize::from(length > 0);
                return Ok(());
            }
            let rest = if whole { 0 } else { skip_line(&mut file).map_err(unreadable(offset))? };
            self.tally.lines += 1;
            match whole.then(|| read(&line, &mut self.words)).flatten() {
                Some(said) => self.take(said),
                None if sound => {
                    self.tally.unauditable += 1;
                    self.tally.first_unauditable.get_or_insert_with(|| (path.to_owned(), offset));
                }
                None => return Err(LogError::Foreign { path: path.to_owned(), offset }),
            }
            sound = true;
            if self.entries.len() > self.limits.requests {
                return Err(LogError::TooLong { path: path.to_owned(), most: self.limits.requests, offset });
            }
            offset += length + rest;
        }
    }

    fn take(&mut self, said: Read) {
        match said {
            Read::Asked { id, .. } if self.answered.as_ref().is_some_and(|answered| answered.contains(&id)) => {}
            Read::Asked { id, entry } => drop(self.open.insert(id, entry)),
            Read::Answered { id, mut entry } => {
                entry.asked = self.open.remove(&id).map_or(entry.at, |asked| asked.at);
                // A request that a standby passed on is in two logs; the one of the node that did it says more.
                if self.answered.as_mut().is_none_or(|answered| answered.insert(id)) || entry.made.is_some() {
                    self.entries.push(entry);
                }
            }
        }
    }

    fn done(mut self) -> Log {
        self.tally.unanswered = self.open.len();
        self.entries.extend(self.open.into_values().map(|entry| Entry { answer: Answer::Missing, ..entry }));
        self.entries.sort_by_key(|entry| entry.at);
        Log { entries: self.entries, tally: self.tally }
    }
}

/// Passes over what is left of a line; answers how much it was.
fn skip_line(file: &mut BufReader<File>) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let held = file.fill_buf()?;
        let end = held.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(held.len(), |end| end + 1);
        file.consume(used);
        skipped += used as u64;
        if end.is_some() || used == 0 {
            return Ok(skipped);
        }
    }
}
