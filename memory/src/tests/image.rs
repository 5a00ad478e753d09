//! A locked secret is in the process's memory once, or not to be seen at all, and nowhere once it is dropped.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;

use secrecy::ExposeSecret as _;

use super::{Process, canary, command, pause, pieces, role, room};
use crate::Secret;
use crate::page::Kind;

const PLAIN: u64 = 1;
const FIRST: u64 = 2;
const SECOND: u64 = 3;
const FORGOTTEN: u64 = 4;

#[test]
fn a_locked_secret_is_there_once_and_gone_when_dropped() {
    see("tests::image::a_locked_secret_is_there_once_and_gone_when_dropped", Kind::Locked, 1);
}

#[test]
fn a_hidden_secret_is_not_seen_even_by_a_parent_or_the_superuser() {
    see("tests::image::a_hidden_secret_is_not_seen_even_by_a_parent_or_the_superuser", Kind::Hidden, 0);
}

fn see(test: &str, kind: Kind, copies: usize) {
    if role().is_some() {
        return live(kind);
    }
    if room(kind).is_none() {
        return;
    }
    let mut child = Process::start(&mut command(test, "live"));
    child.hear("used");
    assert_eq!(Image::of(child.id()).seen(), Seen { first: copies, second: 0, forgotten: 0 }, "while the first is in use");
    child.go_on();
    child.hear("switched");
    assert_eq!(Image::of(child.id()).seen(), Seen { first: 0, second: copies, forgotten: 0 }, "after the switch");
    child.go_on();
    child.hear("dropped");
    let image = Image::of(child.id());
    assert_eq!(image.seen(), Seen { first: 0, second: 0, forgotten: copies }, "after the drop, all but what was forgotten");
    let hidden = image.unreadable.iter().any(|name| name.contains("secretmem"));
    assert_eq!(hidden, kind == Kind::Hidden, "{:?}", image.unreadable);
    child.go_on();
    let (status, words) = child.end();
    assert!(status.success(), "{words}");
}

/// Uses one secret, switches to another, drops that too. One in a plain string stays, to be found.
fn live(kind: Kind) {
    let hold = |number| room(kind).expect("the parent had one").hold(canary(number)).expect("it fits");
    let plain = canary(PLAIN);
    let first = hold(FIRST);
    employ(&first);
    pause("used");
    let second = hold(SECOND);
    employ(&second);
    drop(first);
    pause("switched");
    drop(second);
    std::mem::forget(hold(FORGOTTEN));
    pause("dropped");
    drop(plain);
}

/// As a program would: it compares it, and sends it.
fn employ(secret: &Secret) {
    let text = secret.expose_secret();
    assert!(text.bytes().all(|byte| byte.is_ascii_uppercase()));
    File::options().write(true).open("/dev/null").and_then(|mut null| null.write_all(text.as_bytes())).expect("it is sent");
}

#[derive(Debug, PartialEq, Eq)]
struct Seen {
    first: usize,
    second: usize,
    forgotten: usize,
}

/// All memory of a process that another one can read.
struct Image {
    readable: Vec<Vec<u8>>,
    /// The names of the rest.
    unreadable: Vec<String>,
}

impl Image {
    fn of(process: u32) -> Self {
        let memory = File::open(format!("/proc/{process}/mem")).expect("a parent may read its child's memory");
        let maps = fs::read_to_string(format!("/proc/{process}/maps")).expect("a parent may read its child's maps");
        let mut image = Self { readable: Vec::new(), unreadable: Vec::new() };
        for line in maps.lines() {
            let (range, rest) = line.split_once(' ').expect("a range and the rest");
            let (start, end) = range.split_once('-').expect("a range has two ends");
            let [start, end] = [start, end].map(|end| u64::from_str_radix(end, 16).expect("a number"));
            if rest.starts_with('r') {
                match read(&memory, start, end) {
                    Ok(bytes) => image.readable.push(bytes),
                    Err(_) => image.unreadable.push(line.to_owned()),
                }
            }
        }
        let odd = |line: &&String| !["[vvar", "[vsyscall]", "secretmem"].iter().any(|known| line.contains(known));
        assert_eq!(image.unreadable.iter().find(odd), None, "nothing else is passed over");
        image
    }

    /// How often each canary is there. The plain one must be found: otherwise nothing was looked at.
    #[track_caller]
    fn seen(&self) -> Seen {
        let count = |number| {
            let canary = canary(number);
            self.readable.iter().map(|bytes| pieces(bytes, &canary)).sum()
        };
        let plain: usize = count(PLAIN);
        assert!(plain >= 1, "what is not protected is found");
        Seen { first: count(FIRST), second: count(SECOND), forgotten: count(FORGOTTEN) }
    }
}

fn read(memory: &File, start: u64, end: u64) -> io::Result<Vec<u8>> {
    let length = usize::try_from(end - start).expect("it fits into memory");
    let mut bytes = vec![0; length];
    memory.read_exact_at(&mut bytes, start)?;
    Ok(bytes)
}
