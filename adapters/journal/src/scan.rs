//! What the bytes of a journal say. Pure: it neither reads nor changes a file.

use serde::de::IgnoredAny;
use turquoise_runtime::core::Lsn;
use turquoise_runtime::port::{Entry, History};

use crate::codec;

/// No line is longer, handle included.
pub(crate) const LONGEST_LINE: usize = 16 * 1024;

/// Why a line cannot be what this program wrote, or cannot be read by it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Damage {
    /// The file does not begin as a journal does.
    #[error("this is not a journal; give the path of one, or of a file that does not exist yet")]
    Foreign,
    /// A newer program wrote the line.
    #[error("format {version} was written by a newer program; run that one (this one reads format {})", codec::VERSION)]
    Newer {
        /// The format's version.
        version: u64,
    },
    /// A bit flipped, or somebody edited the line.
    #[error("the bytes do not match their checksum; {REMEDY}")]
    Checksum,
    /// Lines are missing, repeated or in another order.
    #[error("sequence number {found} where {due} is due; {REMEDY}")]
    Sequence {
        /// The number in the line.
        found: u64,
        /// The number that comes next.
        due: u64,
    },
    /// The line before was replaced by another one that is sound in itself.
    #[error("the line does not continue the one before it; {REMEDY}")]
    Chain,
    /// The line is sound, but says something that this program does not know.
    #[error("the line says what this program never writes ({why}); run the program that wrote it")]
    Unreadable {
        /// What is unknown.
        why: String,
    },
}

const REMEDY: &str = "restore the file from a copy, or move it away and adopt the credential that the survivor store holds";

/// A damage and the line that has it, counted from 1.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) line: u64,
    pub(crate) damage: Damage,
}

/// The sound part of a journal. What follows it, if anything, is a torn tail.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) history: History,
    /// The length in bytes.
    pub(crate) length: usize,
    pub(crate) lines: u64,
    /// The `prev` of the next line.
    pub(crate) prev: String,
    /// The `prev` of the first line.
    origin: String,
}

pub(crate) fn scan(bytes: &[u8]) -> Result<Scan, Fault> {
    let none = || codec::NO_LINE.to_owned();
    let mut scan = Scan { history: History::default(), length: 0, lines: 0, prev: none(), origin: none() };
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let (number, due) = (scan.lines + 1, scan.due());
        let last = scan.length + line.len() == bytes.len();
        let taken = if number == 1 && codec::says_base(line) { scan.begin(line) } else { scan.go_on(line, due) };
        match taken {
            Ok(()) => {
                scan.lines += 1;
                scan.length += line.len();
                scan.prev = codec::sha256(line);
            }
            Err(_) if last && torn(line, due, &scan.prev) => break,
            Err(_) if number == 1 && !line.starts_with(b"{\"v\":") => return Err(Fault { line: 1, damage: Damage::Foreign }),
            Err(damage) => return Err(Fault { line: number, damage }),
        }
    }
    Ok(scan)
}

impl Scan {
    /// The sequence number of the next line.
    pub(crate) fn due(&self) -> u64 {
        let base = || self.history.base.as_ref().map(|base| base.checkpoint.lsn);
        let last = self.history.entries.last().map(|entry| entry.record.lsn).or_else(base);
        last.map_or(1, |Lsn(last)| last + 1)
    }

    /// Takes a base: it vouches for what is in the archives, and names their last line.
    fn begin(&mut self, line: &[u8]) -> Result<(), Damage> {
        let (base, prev) = codec::decode_base(line)?;
        self.history.base = Some(base);
        self.origin = prev;
        Ok(())
    }

    fn go_on(&mut self, line: &[u8], due: u64) -> Result<(), Damage> {
        let entry = entry(line, due, &self.prev)?;
        self.history.entries.push(entry);
        Ok(())
    }

    /// Whether the line with this number has this hash: a base stands for the last line of the archive as well. Number 0 is
    /// the place before the first line.
    pub(crate) fn holds(&self, seq: u64, hash: &str, bytes: &[u8]) -> bool {
        let first = self.history.base.as_ref().map_or(0, |base| base.checkpoint.lsn.0);
        let Some(after) = seq.checked_sub(first) else { return false };
        if after == 0 && hash == self.origin {
            return true;
        }
        // Without a base the first line has number 1.
        let skipped = if self.history.base.is_some() { Some(after) } else { after.checked_sub(1) };
        let Some(skipped) = skipped.and_then(|skipped| usize::try_from(skipped).ok()) else { return false };
        let mut lines = bytes[..self.length].split_inclusive(|byte| *byte == b'\n');
        lines.nth(skipped).is_some_and(|line| codec::sha256(line) == hash)
    }
}

fn entry(line: &[u8], due: u64, expected: &str) -> Result<Entry, Damage> {
    let (entry, prev) = codec::decode(line)?;
    let Lsn(found) = entry.record.lsn;
    if found != due {
        return Err(Damage::Sequence { found, due });
    }
    if prev != expected {
        return Err(Damage::Chain);
    }
    Ok(entry)
}

/// Whether an unsound last line is what an interrupted append leaves. The crate's documentation gives the reasons.
fn torn(line: &[u8], due: u64, prev: &str) -> bool {
    let begins = codec::beginning(due, prev).bytes().zip(line).all(|(ours, found)| *found == ours || *found == 0);
    let tail = if line.contains(&0) {
        line.ends_with(&[0]) || line.windows(2).any(|pair| pair == [0, 0])
    } else {
        !line.ends_with(b"\n") && cut_short(line)
    };
    line.len() <= LONGEST_LINE && begins && tail
}

/// Whether these bytes begin a JSON object, or are all of it; a byte too many and they do not.
fn cut_short(line: &[u8]) -> bool {
    match serde_json::from_slice::<IgnoredAny>(line) {
        Ok(_) => line.ends_with(b"}"),
        Err(error) => error.is_eof(),
    }
}
