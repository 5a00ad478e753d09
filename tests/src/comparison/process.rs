//! What the kernel says of a process that is not ours.

use std::fs;
use std::io;
use std::time::Duration;

/// The kernel's file does not look as it should.
#[derive(Debug)]
pub struct Malformed(String);

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the kernel's {} is not as it should be: is this Linux?", self.0)
    }
}

impl std::error::Error for Malformed {}

/// The processor time of all threads that live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent(pub Duration);

impl Spent {
    /// Up to now.
    ///
    /// # Errors
    ///
    /// There is no such process.
    pub fn by(pid: u32) -> io::Result<Self> {
        let mut spent = Duration::ZERO;
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            // One that has ended in between has spent little.
            let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
            spent += of_thread(&text).map_err(io::Error::other)?;
        }
        Ok(Self(spent))
    }
}

/// The first number is the time on a processor, in nanoseconds.
fn of_thread(schedstat: &str) -> Result<Duration, Malformed> {
    let first = schedstat.split_whitespace().next().and_then(|number| number.parse().ok());
    first.map(Duration::from_nanos).ok_or_else(|| Malformed("schedstat".to_owned()))
}

/// What a process has of the memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// All that is mapped and there, the pages of its program that it shares with others included.
    pub resident: u64,
    /// What is backed by no file: pages of its program it would share with others.
    pub private: u64,
}

impl Memory {
    /// Of this process.
    ///
    /// # Errors
    ///
    /// There is no such process, or we may not look.
    pub fn of(pid: u32) -> io::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        parse(&text).map_err(io::Error::other)
    }
}

fn parse(rollup: &str) -> Result<Memory, Malformed> {
    let field = |name: &str| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name));
        let kilobytes = line.and_then(|rest| rest.strip_suffix(" kB")).and_then(|number| number.trim().parse::<u64>().ok());
        kilobytes.map(|number| number * 1_024).ok_or_else(|| Malformed(format!("smaps_rollup ({name})")))
    };
    Ok(Memory { resident: field("Rss:")?, private: field("Anonymous:")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_what_the_kernel_writes() {
        let text = "562c25da5000-7fff67289000 ---p 00000000 00:00 0    [rollup]\nRss:               13144 kB\nPss:               11386 kB\n\
            Pss_Dirty:           956 kB\nPrivate_Clean:     10316 kB\nPrivate_Dirty:       956 kB\nAnonymous:           920 kB\n";
        assert_eq!(parse(text).expect("it is there"), Memory { resident: 13_144 << 10, private: 920 << 10 });
        assert!(parse("Rss: 1 kB\n").is_err(), "private pages are not told");
        assert!(parse(&text.replace("13144 kB", "13144 MB")).is_err(), "another unit");
    }

    #[test]
    fn processor_time_is_the_first_number() {
        assert_eq!(of_thread("152370841 4016723 912\n").expect("it is there"), Duration::from_nanos(152_370_841));
        assert!(of_thread("").is_err() && of_thread("x 1 2").is_err());
    }

    #[test]
    fn what_this_process_spends_and_has_is_told() {
        let (before, memory) =
            (Spent::by(std::process::id()).expect("it is there"), Memory::of(std::process::id()).expect("it is there"));
        let filled = vec![1_u8; 32 << 20];
        let after = Memory::of(std::process::id()).expect("it is there");
        assert!(after.private >= memory.private + (30 << 20) && after.resident >= after.private, "{memory:?} {after:?}");
        drop(std::hint::black_box(filled));
        assert!(Spent::by(std::process::id()).expect("it is there").0 > before.0, "it has worked");
    }
}
